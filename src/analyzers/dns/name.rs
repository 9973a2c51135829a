//! Domain names on the wire (RFC 1035 sections 3.1 and 4.1.4).
//!
//! Compression pointers are followed in a loop, and only backwards: each must lead before the place where the
//! labels read so far began, so that no name can lead to itself.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::Problem;

/// Reads the name that begins at `start` of `message`: its text, and where in `message` parsing continues.
///
/// The text is lower case (ASCII only, RFC 4343) without the final dot; the root is `.`. A dot or backslash inside
/// a label is escaped with a backslash, control characters and bytes that are not UTF-8 as `\DDD` (RFC 1035
/// section 5.1). Other UTF-8, as multicast DNS uses it, stays.
pub(in crate::analyzers) fn read(message: &[u8], start: usize) -> Result<(Box<str>, usize), Problem> {
    let mut text = Vec::with_capacity(USUAL);
    let after = walk(message, start, |label| {
        if !text.is_empty() {
            text.push(b'.');
        }
        push_label(&mut text, label);
    })?;
    if text.is_empty() {
        text.push(b'.');
    }
    text.make_ascii_lowercase();
    // What is written is UTF-8.
    let text = String::from_utf8(text).unwrap_or_default();
    Ok((text.into(), after))
}

/// Where parsing continues behind the name that begins at `start` of `message`, if [`read`] can read it.
pub(super) fn skip(message: &[u8], start: usize) -> Result<usize, Problem> {
    walk(message, start, |_| {})
}

/// Hands out the labels of the name that begins at `start` of `message`; where parsing continues.
#[inline]
fn walk<'a>(message: &'a [u8], start: usize, mut take: impl FnMut(&'a [u8])) -> Result<usize, Problem> {
    let mut at = start;
    // Pointers lead before this.
    let mut bound = start;
    let mut octets: usize = 1;
    let mut jumps: usize = 0;
    let mut after = None;
    loop {
        let length = *message.get(at).ok_or(Problem::Cut)?;
        let body = at.saturating_add(1);
        match length >> 6 {
            0 if length == 0 => return Ok(after.unwrap_or(body)),
            0 => {
                let end = body.saturating_add(usize::from(length));
                let label = message.get(body..end).ok_or(Problem::Cut)?;
                octets = octets.saturating_add(label.len()).saturating_add(1);
                if octets > MAX_OCTETS {
                    return Err(Problem::LongName);
                }
                take(label);
                at = end;
            }
            3 => {
                let low = *message.get(body).ok_or(Problem::Cut)?;
                let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                jumps = jumps.saturating_add(1);
                if target >= bound || jumps > MAX_JUMPS {
                    return Err(Problem::Pointer);
                }
                after = after.or(Some(body.saturating_add(1)));
                bound = target;
                at = target;
            }
            _ => return Err(Problem::Label),
        }
    }
}

/// The address that a name below `in-addr.arpa` or `ip6.arpa` stands for (RFC 1035 section 3.5, RFC 3596
/// section 2.5); `None` for names of networks and all others.
pub(super) fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = labels.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = labels.next().filter(|label| !label.starts_with('+'))?.parse().ok()?;
        }
        return labels.next().is_none().then(|| Ipv4Addr::from(octets).into());
    }
    let mut labels = name.strip_suffix(".ip6.arpa")?.split('.');
    let mut bits: u128 = 0;
    for place in 0..32_u32 {
        let label = labels.next().filter(|label| label.len() == 1)?;
        let nibble = u128::from(u8::from_str_radix(label, 16).ok()?);
        bits |= nibble << place.saturating_mul(4);
    }
    labels.next().is_none().then(|| Ipv6Addr::from(bits).into())
}

fn push_label(text: &mut Vec<u8>, label: &[u8]) {
    // Nearly every label of nearly every name.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'.' | b'\\');
    if label.iter().all(is_plain) {
        text.extend_from_slice(label);
        return;
    }
    for chunk in label.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).as_bytes();
            if matches!(c, '.' | '\\') {
                text.push(b'\\');
                text.extend_from_slice(bytes);
            } else if c.is_control() {
                push_escaped(text, bytes);
            } else {
                text.extend_from_slice(bytes);
            }
        }
        push_escaped(text, chunk.invalid());
    }
}

fn push_escaped(text: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "\\{byte:03}");
    }
}

/// Names are rarely longer.
const USUAL: usize = 48;

/// Longest name, with length octets and root (RFC 1035 section 2.3.4).
const MAX_OCTETS: usize = 255;

/// No name has more labels than this, so no honest one needs more pointers.
const MAX_JUMPS: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1035 section 4.1.4: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64, the root at 92.
    fn rfc_example() -> Vec<u8> {
        let mut message = vec![0xff; 93];
        message[20..32].copy_from_slice(b"\x01F\x03ISI\x04ARPA\x00");
        message[40..46].copy_from_slice(b"\x03FOO\xc0\x14");
        message[64..66].copy_from_slice(b"\xc0\x1a");
        message[92] = 0;
        message
    }

    #[test]
    fn compressed_names_read_as_in_rfc_1035() {
        let message = rfc_example();
        for (start, text, after) in
            [(20, "f.isi.arpa", 32), (40, "foo.f.isi.arpa", 46), (64, "arpa", 66), (92, ".", 93)]
        {
            assert_eq!(read(&message, start), Ok((text.into(), after)), "at {start}");
        }
    }

    #[test]
    fn names_cut_anywhere_are_cut_and_nothing_else() {
        let message = rfc_example();
        for start in [20, 40] {
            let whole = read(&message, start).unwrap().1;
            for end in start..whole {
                assert_eq!(read(&message[..end], start), Err(Problem::Cut), "{start}..{end}");
            }
        }
    }

    #[test]
    fn pointers_lead_only_backwards() {
        // To itself; forward; two that lead to each other; a label in front of a pointer to that label.
        for (bytes, start) in [
            (b"\xc0\x00".as_slice(), 0),
            (b"\xc0\x02\x01a\x00", 0),
            (b"\xc0\x02\xc0\x00", 2),
            (b"\x01a\xc0\x00", 0),
            (b"\x01a\xc0\x00", 2),
        ] {
            assert_eq!(read(bytes, start), Err(Problem::Pointer), "{bytes:02x?} at {start}");
        }
    }

    #[test]
    fn a_chain_of_pointers_has_an_end() {
        // A root, then pointers each to the one before.
        let mut chain = vec![0x00, 0x00];
        for at in 0..200_u16 {
            chain.extend((0xc000 | (at * 2)).to_be_bytes());
        }
        let name_at = |pointers: usize| read(&chain, pointers * 2);
        assert_eq!(name_at(127), Ok((".".into(), 256)));
        assert_eq!(name_at(128), Err(Problem::Pointer));
    }

    #[test]
    fn labels_of_unknown_kind_are_refused() {
        assert_eq!(read(b"\x40aaaa\x00", 0), Err(Problem::Label));
        assert_eq!(read(b"\x80aaaa\x00", 0), Err(Problem::Label));
    }

    #[test]
    fn names_hold_255_octets_and_not_one_more() {
        let name = |last: usize| {
            let mut bytes = Vec::new();
            for length in [63, 63, 63, last] {
                bytes.push(length as u8);
                bytes.extend(vec![b'x'; length]);
            }
            bytes.push(0);
            bytes
        };
        assert_eq!(name(61).len(), 255);
        assert!(read(&name(61), 0).is_ok());
        assert_eq!(read(&name(62), 0), Err(Problem::LongName));
    }

    #[test]
    fn odd_bytes_are_escaped_and_case_is_folded() {
        let (text, _) = read(b"\x09A.b\\ \xff\x00\xc3\x9c\x03COM\x00", 0).unwrap();
        assert_eq!(&*text, "a\\.b\\\\ \\255\\000\u{dc}.com");
    }

    #[test]
    fn reverse_names_give_their_address() {
        let v6 = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(reverse("5.2.0.192.in-addr.arpa"), Some("192.0.2.5".parse().unwrap()));
        assert_eq!(reverse(v6), Some("2001:db8::567:89ab".parse().unwrap()));
        for other in [
            "2.0.192.in-addr.arpa",
            "1.5.2.0.192.in-addr.arpa",
            "256.2.0.192.in-addr.arpa",
            "+5.2.0.192.in-addr.arpa",
            "in-addr.arpa",
            "8.b.d.0.1.0.0.2.ip6.arpa",
            "example.com",
        ] {
            assert_eq!(reverse(other), None, "{other}");
        }
    }
}
