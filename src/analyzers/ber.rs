//! The part of BER (X.690) that LDAP and SNMP use: tags of one byte, definite lengths.

/// One element: its tag and its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;

/// What the first bytes of an element say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// More of them are needed.
    More,
    /// Its tag, how many bytes its header has, and how many its contents.
    Is(u8, usize, u64),
    /// A tag of several bytes, or a length that is none.
    Broken,
}

/// Reads the header of an element (X.690 sections 8.1.2 and 8.1.3).
pub(crate) fn header(bytes: &[u8]) -> Header {
    let Some((&tag, rest)) = bytes.split_first() else { return Header::More };
    if tag & 0x1f == 0x1f {
        return Header::Broken;
    }
    match rest.split_first() {
        None => Header::More,
        Some((&short @ 0..=0x7f, _)) => Header::Is(tag, 2, u64::from(short)),
        Some((&long @ 0x81..=0x84, rest)) => {
            let count = usize::from(long & 0x7f);
            let Some(digits) = rest.get(..count) else { return Header::More };
            let length = digits.iter().fold(0_u64, |sum, digit| sum << 8 | u64::from(*digit));
            Header::Is(tag, count.saturating_add(2), length)
        }
        Some(_) => Header::Broken,
    }
}

/// Takes an element from the front of `input`; `None` if it is not there whole.
pub(crate) fn take<'a>(input: &mut &'a [u8]) -> Option<Element<'a>> {
    let Header::Is(tag, start, length) = header(input) else { return None };
    let body = input.get(start..)?;
    let (value, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(Element { tag, value })
}

/// The same, with as much of its contents as there is: messages may be cut.
pub(crate) fn take_front<'a>(input: &mut &'a [u8]) -> Option<Element<'a>> {
    let Header::Is(tag, start, length) = header(input) else { return None };
    let body = input.get(start..)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (value, rest) = body.split_at_checked(length).unwrap_or((body, &[]));
    *input = rest;
    Some(Element { tag, value })
}

/// Takes an element with this tag; `None`, and nothing taken, if another is there.
pub(crate) fn take_tagged<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let mut rest = *input;
    let element = take(&mut rest).filter(|element| element.tag == tag)?;
    *input = rest;
    Some(element.value)
}

/// A number that is not negative and has at most 64 bits.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(&[0]).unwrap_or(value);
    let fits = !value.is_empty() && digits.len() <= 8 && value.first().is_some_and(|first| first & 0x80 == 0);
    fits.then(|| digits.iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_all_forms_are_read() {
        assert_eq!(header(b"\x30\x05"), Header::Is(SEQUENCE, 2, 5));
        assert_eq!(header(b"\x30\x84\x00\x00\x01\x02"), Header::Is(SEQUENCE, 6, 0x102));
        for short in [&b""[..], b"\x30", b"\x30\x82", b"\x30\x82\x01"] {
            assert_eq!(header(short), Header::More);
        }
        // Indefinite, longer than 32 bits, reserved; a tag of several bytes.
        for wrong in [&b"\x30\x80"[..], b"\x30\x85\x01\x01\x01\x01\x01", b"\x30\xff", b"\x1f\x01"] {
            assert_eq!(header(wrong), Header::Broken);
        }
    }

    #[test]
    fn elements_are_taken_whole_or_not_at_all() {
        let mut input = &b"\x02\x01\x07\x04\x02ab"[..];
        assert_eq!(take_tagged(&mut input, OCTETS), None);
        assert_eq!(take_tagged(&mut input, INTEGER).and_then(number), Some(7));
        assert_eq!(take(&mut input), Some(Element { tag: OCTETS, value: b"ab" }));
        assert_eq!(take(&mut input), None);
        assert_eq!(take(&mut &b"\x04\x03ab"[..]), None);
        assert_eq!(take_front(&mut &b"\x04\x03ab"[..]), Some(Element { tag: OCTETS, value: b"ab" }));
        assert_eq!(number(b"\x00\xff"), Some(255));
        assert_eq!((number(b""), number(b"\xff"), number(&[1; 9])), (None, None, None));
    }
}
