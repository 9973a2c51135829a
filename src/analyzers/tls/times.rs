//! Validity written with a time zone (`250115120000+0530`), which RFC 5280 section 4.1.2.5 forbids and X.509 before it did
//! not: the library refuses such a certificate. Here its times are put into universal time first, in the form and the
//! length that the library reads, so that nothing around them changes.

use crate::model::Timestamp;

/// A copy of the certificate with such times in universal time; `None` if it has none.
pub(super) fn in_universal_time(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Element::at(der, 0)?;
    let signed = Element::at(der, certificate.start)?;
    let mut field = Element::at(der, signed.start)?;
    // [0] version, which may be absent.
    if field.tag == 0xa0 {
        field = Element::at(der, field.end)?;
    }
    // From the serial number over signature algorithm and issuer to the validity.
    for _ in 0..3 {
        field = Element::at(der, field.end)?;
    }
    let not_before = Element::at(der, field.start)?;
    let not_after = Element::at(der, not_before.end)?;
    let mut copy = None;
    for time in [not_before, not_after] {
        if let Some(text) = rewritten(&time, der.get(time.start..time.end)?) {
            let copy = copy.get_or_insert_with(|| der.to_vec());
            *copy.get_mut(time.tag_at)? = GENERALIZED_TIME;
            copy.get_mut(time.start..time.end)?.copy_from_slice(&text);
        }
    }
    copy
}

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Where an element of DER lies.
struct Element {
    tag: u8,
    tag_at: usize,
    /// Of its content.
    start: usize,
    end: usize,
}

impl Element {
    /// The element that begins at `at`; tags of one byte, lengths of at most four.
    fn at(der: &[u8], at: usize) -> Option<Self> {
        let [tag, length, rest @ ..] = der.get(at..)? else { return None };
        let mut start = at.checked_add(2)?;
        let mut size = usize::from(*length);
        if let count @ 1..=4 = size.wrapping_sub(0x80) {
            size = rest.get(..count)?.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
            start = start.checked_add(count)?;
        } else if size >= 0x80 {
            return None;
        }
        let end = start.checked_add(size).filter(|end| *end <= der.len())?;
        Some(Self { tag: *tag, tag_at: at, start, end })
    }
}

/// A time with an offset as `GeneralizedTime` of the same length; `None` if it has none, or is none.
fn rewritten(time: &Element, text: &[u8]) -> Option<Vec<u8>> {
    let zone = text.iter().position(|byte| matches!(byte, b'+' | b'-'))?;
    let (moment, zone) = text.split_at_checked(zone)?;
    let digits = match time.tag {
        UTC_TIME => moment,
        GENERALIZED_TIME => moment.split(|byte| matches!(byte, b'.' | b',')).next()?,
        _ => return None,
    };
    let (century, rest) = match time.tag {
        // RFC 5280 section 4.1.2.5.1.
        UTC_TIME if number(digits.get(..2)?)? >= 50 => (1900, digits),
        UTC_TIME => (2000, digits),
        _ => (number(digits.get(..2)?)?.checked_mul(100)?, digits.get(2..)?),
    };
    let pair = |at: usize| number(rest.get(at..at.checked_add(2)?)?);
    let year = century.checked_add(pair(0)?)?;
    let second = if rest.len() >= 12 { pair(10)? } else { 0 };
    let [sign, hours @ .., _, _] = zone else { return None };
    let offset = number(hours)?.checked_mul(60)?.checked_add(number(zone.get(3..)?)?)?.checked_mul(60)?;
    let local = seconds(year, pair(2)?, pair(4)?)?
        .checked_add(pair(6)?.checked_mul(3600)?)?
        .checked_add(pair(8)?.checked_mul(60)?)?
        .checked_add(second)?;
    let universal = if *sign == b'+' { local.checked_sub(offset)? } else { local.checked_add(offset)? };
    let shown = Timestamp::new(universal, 0).to_string();
    let mut out: Vec<u8> = shown.bytes().filter(u8::is_ascii_digit).take(14).collect();
    // Fractions of a second fill up what the offset took; four digits at most are read.
    match text.len().checked_sub(15)? {
        0 => {}
        fill @ 2..=4 => {
            out.push(b'.');
            out.resize(out.len().checked_add(fill)?.checked_sub(1)?, b'0');
        }
        _ => return None,
    }
    out.push(b'Z');
    (out.len() == text.len()).then_some(out)
}

/// A number of at most four digits.
fn number(digits: &[u8]) -> Option<i64> {
    let all = (1..=4).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    all.then(|| {
        digits.iter().fold(0, |number: i64, digit| {
            number.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
        })
    })
}

/// Seconds from 1970 to the begin of a day of the Gregorian calendar.
fn seconds(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one: 400 of them have 146 097 days.
    let shifted = if month <= 2 { year.checked_sub(1)? } else { year };
    let month = month.checked_add(9)?.checked_rem(12)?;
    let leaps = (shifted / 4).checked_sub(shifted / 100)?.checked_add(shifted / 400)?;
    let in_year = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?.checked_add(day)?;
    let days = shifted.checked_mul(365)?.checked_add(leaps)?.checked_add(in_year)?.checked_sub(719_469)?;
    days.checked_mul(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tag: u8, text: &str) -> Option<String> {
        let element = Element { tag, tag_at: 0, start: 2, end: 2 + text.len() };
        rewritten(&element, text.as_bytes()).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn offsets_are_taken_off_and_the_length_stays() {
        // The two of the capture `arkime_synthetic.pcap`, as OpenSSL reads them.
        assert_eq!(shown(UTC_TIME, "250115120000+0530").unwrap(), "20250115063000.0Z");
        assert_eq!(shown(UTC_TIME, "260115120000-0800").unwrap(), "20260115200000.0Z");
        assert_eq!(shown(GENERALIZED_TIME, "20260115120000-0800").unwrap(), "20260115200000.000Z");
        // Without seconds; over the end of a leap year, and of the last century.
        assert_eq!(shown(UTC_TIME, "2412312330-0045").unwrap(), "20250101001500Z");
        assert_eq!(shown(UTC_TIME, "000229000000+0001").unwrap(), "20000228235900.0Z");
        assert_eq!(shown(UTC_TIME, "700101000000+0100").unwrap(), "19691231230000.0Z");
        for fine in ["250115120000Z", "", "2501151200", "25011512000z+0530", "251315120000+0530"] {
            assert_eq!(shown(UTC_TIME, fine), None, "{fine}");
        }
    }

    #[test]
    fn cut_certificates_are_left_alone() {
        // SEQUENCE { SEQUENCE { serial, algorithm, issuer, validity { two times } } }
        let validity =
            [&[0x30, 38, 0x17, 17][..], b"250115120000+0530", &[0x17, 17], b"260115120000-0800"].concat();
        let signed = [&[2, 1, 5, 0x30, 0, 0x30, 0][..], &validity].concat();
        let der = [&[0x30, signed.len() as u8 + 2, 0x30, signed.len() as u8][..], &signed].concat();
        let fixed = in_universal_time(&der).unwrap();
        assert_eq!(fixed.len(), der.len());
        let text = String::from_utf8_lossy(&fixed).into_owned();
        assert!(text.contains("20250115063000.0Z") && text.contains("20260115200000.0Z"), "{text}");
        for length in 0..der.len() {
            assert_eq!(in_universal_time(&der[..length]), None, "{length}");
        }
    }
}
