//! Single values of a profile, from text; `--set` takes the same text.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::problem::near;
use super::schema::{
    ANYONE, DTLS_VERSIONS, IP_PROTOCOLS, LIST, LOCAL_NETWORK, REFERENCE, TLS_VERSIONS, words,
};
use super::tls_policy::group_names;
use super::{NamePattern, Peer, addresses, tls_policy};
use crate::model::Transport;

/// What stands where a peer is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PeerWord {
    Anyone,
    Peer(Peer),
    /// A parameter or a group of peers.
    Reference(String),
}

/// Ports and port ranges separated by commas, as sorted, disjoint, inclusive ranges: `80,443,8000-8010`.
pub(super) fn ports(text: &str) -> Result<Vec<(u16, u16)>, String> {
    text.split(',').map(|part| range(part.trim())).collect::<Result<Vec<_>, _>>().map(united)
}

/// One port.
pub(super) fn port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(format!("expected a port from 1 to 65535, got `{text}`")),
    }
}

/// A protocol above IP that has no ports: its number, or a word for it.
pub(super) fn ip_protocol(text: &str) -> Result<Transport, String> {
    let word = IP_PROTOCOLS.iter().find(|(word, _)| *word == text).map(|(_, number)| *number);
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match word.or_else(|| text.parse().ok().filter(|_| digits)) {
        Some(6) => Err("TCP has the key `tcp`".to_owned()),
        Some(17) => Err("UDP has the key `udp`".to_owned()),
        Some(1) => Ok(Transport::Icmp),
        Some(58) => Ok(Transport::Icmpv6),
        Some(number) => Ok(Transport::Other(number)),
        None => {
            let words: Vec<&str> = words(IP_PROTOCOLS).collect();
            let words = words.join("`, `");
            Err(format!(
                "expected the number of an IP protocol from 0 to 255, or one of `{words}`; got `{text}`"
            ))
        }
    }
}

/// A code point of TLS, decimal or hexadecimal.
pub(super) fn code_point(text: &str) -> Result<u16, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let code = match hex {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u16::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    code.ok_or_else(|| {
        format!("expected a code point from 0 to 65535 or from 0x0000 to 0xFFFF, got `{text}`")
    })
}

/// A group of key exchange, by its name or code point.
pub(super) fn group(text: &str) -> Result<u16, String> {
    let known = group_names();
    match known.by_name(text) {
        Some(entry) => Ok(entry.code),
        None if text.starts_with(|c: char| c.is_ascii_digit()) => code_point(text),
        None => Err(format!(
            "unknown group `{text}`{} (a code point such as `0x001D` or 29 is fine, too)",
            near(text, known.names())
        )),
    }
}

/// A version in a ClientHello.
pub(super) fn offered_version(text: &str) -> Result<u16, String> {
    let known = TLS_VERSIONS.iter().chain(DTLS_VERSIONS).find(|(word, _)| *word == text);
    known.map_or_else(|| code_point(text), |(_, code)| Ok(*code))
}

/// How `offers` writes a version.
pub(super) fn offered_version_word(code: u16) -> String {
    let known = TLS_VERSIONS.iter().chain(DTLS_VERSIONS).find(|(_, known)| *known == code);
    known.map_or_else(|| format!("0x{code:04X}"), |(word, _)| (*word).to_owned())
}

/// How `ip` writes a protocol.
pub(super) fn ip_protocol_word(number: u8) -> String {
    let word = IP_PROTOCOLS.iter().find(|(_, known)| *known == number);
    word.map_or_else(|| number.to_string(), |(word, _)| (*word).to_owned())
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let Some((low, high)) = text.split_once('-') else { return port(text).map(|port| (port, port)) };
    let (low, high) = (port(low.trim())?, port(high.trim())?);
    if low > high {
        return Err(format!("expected a range that begins with its lower port, got `{text}`"));
    }
    Ok((low, high))
}

/// The same ports, sorted and without overlap.
pub(super) fn united(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match out.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => out.push((low, high)),
        }
    }
    out
}

/// The ports from 1 on that are in none of `ranges`, which are sorted and disjoint.
pub(super) fn others(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    let mut next = Some(1_u16);
    for (low, high) in ranges {
        if let Some(from) = next.filter(|from| from < low) {
            out.push((from, low.saturating_sub(1)));
        }
        next = next.and_then(|from| high.checked_add(1).map(|after| after.max(from)));
    }
    out.extend(next.map(|from| (from, u16::MAX)));
    out
}

/// A peer: name or pattern, address, prefix, address list, reference, or one of the words for many.
pub(super) fn peer(text: &str) -> Result<PeerWord, String> {
    if text == ANYONE {
        return Ok(PeerWord::Anyone);
    }
    if text == LOCAL_NETWORK {
        return Ok(PeerWord::Peer(Peer::Local));
    }
    if let Some(name) = text.strip_prefix(REFERENCE) {
        return Ok(PeerWord::Reference(name.to_owned()));
    }
    if let Some(name) = text.strip_prefix(LIST) {
        return addresses::named(name).map(|set| PeerWord::Peer(Peer::List(set)));
    }
    if let Some(network) = network(text)? {
        return Ok(PeerWord::Peer(Peer::Network(network)));
    }
    name_pattern(text).map(|pattern| PeerWord::Peer(Peer::Name(pattern)))
}

/// An address or a prefix; `None` for what is meant to be neither.
pub(super) fn network(text: &str) -> Result<Option<IpNet>, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Some(IpNet::from(ip)));
    }
    if let Ok(network) = text.parse::<IpNet>() {
        let whole = network.trunc();
        if whole != network {
            return Err(format!("`{text}` has bits set below its prefix length (did you mean `{whole}`?)"));
        }
        return Ok(Some(network));
    }
    if let Some(name) = name_of_url(text) {
        return Err(format!(
            "expected a name or an address, got `{text}` (did you mean `{name}`? A port goes into `tcp` or `udp`)"
        ));
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'/'));
    if numeric || text.contains([':', '/']) {
        return Err(format!(
            "expected an address or a prefix such as `192.0.2.0/24` or `2001:db8::/32`, got `{text}`"
        ));
    }
    Ok(None)
}

/// The name in a URL, or before a port, where the text is one of these.
fn name_of_url(text: &str) -> Option<&str> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        Some(_) => return None,
        None => authority,
    };
    let is_name =
        name != text && name.contains(|c: char| c.is_ascii_alphabetic()) && name_pattern(name).is_ok();
    is_name.then_some(name)
}

/// A name or one of the two wildcards; upper case and a final dot are taken off.
pub(super) fn name_pattern(text: &str) -> Result<NamePattern, String> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_suffix('.').unwrap_or(&lower);
    let (kind, name): (fn(String) -> NamePattern, &str) = if let Some(apex) = bare.strip_prefix("*.") {
        (NamePattern::Below, apex)
    } else if let Some(apex) = bare.strip_prefix('.') {
        (NamePattern::Suffix, apex)
    } else {
        (NamePattern::Exact, bare)
    };
    domain(name, text)?;
    if matches!(kind(String::new()), NamePattern::Exact(_)) && !name.contains('.') {
        let hint = near(name, [ANYONE, LOCAL_NETWORK]);
        return Err(format!(
            "expected a name with at least one dot, an address or `{ANYONE}`, got `{text}`{hint}"
        ));
    }
    Ok(kind(name.to_owned()))
}

/// A name without wildcard.
pub(super) fn exact_name(text: &str) -> Result<String, String> {
    match name_pattern(text)? {
        NamePattern::Exact(name) => Ok(name),
        _ => Err(format!("expected a name without wildcard, got `{text}`")),
    }
}

fn domain(name: &str, text: &str) -> Result<(), String> {
    if !name.is_ascii() {
        return Err(format!("expected a name in its ASCII form (`xn--...`), got `{text}`"));
    }
    if name.contains('*') {
        return Err(format!("expected `*` only as the first label, as in `*.example.com`, got `{text}`"));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(format!("expected a domain name such as `my.example.com`, got `{text}`"));
    }
    Ok(())
}

/// A length of time with its unit: `15 s`, `500 ms`, `5 min`, `2 h`, `1 d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let millis: Option<u64> = match unit.trim() {
        "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let length = number.parse::<u64>().ok().zip(millis).and_then(|(number, unit)| number.checked_mul(unit));
    length.map(Duration::from_millis).ok_or_else(|| {
        format!("expected a length of time with its unit (`ms`, `s`, `min`, `h`, `d`) such as `15 s`, got `{text}`")
    })
}

/// A TLS version: `tls1.2`, `1.2`, `TLS 1.2`.
pub(super) fn tls_version(text: &str) -> Result<u16, String> {
    let plain: String = text.to_ascii_lowercase().chars().filter(|c| !matches!(c, ' ' | 'v')).collect();
    TLS_VERSIONS
        .iter()
        .find(|(word, _)| *word == plain || word.strip_prefix("tls") == Some(plain.as_str()))
        .map(|(_, version)| *version)
        .ok_or_else(|| {
            let all = super::problem::quoted(words(TLS_VERSIONS));
            format!("unknown TLS version `{text}` (expected one of {all})")
        })
}

/// A cipher suite by IANA name, OpenSSL name or code point (`0xC027`).
pub(super) fn suite(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(digits) = digits {
        return u16::from_str_radix(digits, 16)
            .map_err(|_| format!("expected a code point such as `0xC027`, got `{text}`"));
    }
    tls_policy::suite_by_name(text).map(|suite| suite.code).ok_or_else(|| {
        match near(text, tls_policy::suite_names().names()) {
            hint if hint.is_empty() => format!(
                "unknown cipher suite `{text}` (expected an IANA name, an OpenSSL name or a code point such as `0xC027`)"
            ),
            hint => format!("unknown cipher suite `{text}`{hint}"),
        }
    })
}

/// The first three bytes of a MAC address: `0c:2a:69`.
pub(super) fn oui(text: &str) -> Result<[u8; 3], String> {
    let bytes: Option<Vec<u8>> = text
        .split([':', '-'])
        .map(|byte| (byte.len() == 2).then(|| u8::from_str_radix(byte, 16).ok()).flatten())
        .collect();
    bytes
        .and_then(|bytes| <[u8; 3]>::try_from(bytes).ok())
        .ok_or_else(|| format!("expected three bytes such as `0c:2a:69`, got `{text}`"))
}

/// A date, as exactly as it is known: `2021`, `2021-04`, `2021-04-01`.
pub(super) fn date(text: &str) -> Result<String, String> {
    let numbers: Vec<(usize, u32)> =
        text.split('-').map(|part| (part.len(), part.parse().unwrap_or(u32::MAX))).collect();
    let year = |(len, year): (usize, u32)| len == 4 && (1970..=9999).contains(&year);
    let month = |(len, month): (usize, u32)| len == 2 && (1..=12).contains(&month);
    let day = |(len, day): (usize, u32)| len == 2 && (1..=31).contains(&day);
    let valid = match numbers.as_slice() {
        [y] => year(*y),
        [y, m] => year(*y) && month(*m),
        [y, m, d] => year(*y) && month(*m) && day(*d),
        _ => false,
    };
    valid
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected a date such as `2021-04` or `2021-04-30`, got `{text}`"))
}

/// A service by content, outermost protocol first: `tls/mqtt`.
pub(super) fn service(text: &str) -> Result<String, String> {
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
    };
    if text.split('/').all(word) {
        return Ok(text.to_owned());
    }
    Err(format!("expected protocols in lower case, outermost first, such as `tls/mqtt`, got `{text}`"))
}

/// A SHA-256 value in hexadecimal.
pub(super) fn sha256(text: &str) -> Result<String, String> {
    let hex: String = text.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(hex);
    }
    Err(format!("expected 64 hexadecimal digits (SHA-256), got `{text}`"))
}

/// A flag's value.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("expected `true` or `false`, got `{other}`")),
    }
}

/// Peers separated by commas; an empty list stands for `anyone`.
pub(super) fn peers(text: &str) -> Result<Vec<Peer>, String> {
    let mut out = Vec::new();
    for part in text.split(',').map(str::trim) {
        match peer(part)? {
            PeerWord::Peer(peer) => out.push(peer),
            PeerWord::Anyone if text.trim() == ANYONE => return Ok(Vec::new()),
            PeerWord::Anyone => return Err(format!("expected `{ANYONE}` to stand alone, got `{text}`")),
            PeerWord::Reference(name) => {
                return Err(format!(
                    "expected a name, an address or a prefix, got the reference `{REFERENCE}{name}`"
                ));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_sorted_and_united() {
        assert_eq!(ports("443, 80,8000-8010,8005-8020,8021").unwrap(), [(80, 80), (443, 443), (8000, 8021)]);
        for bad in ["", "0", "65536", "9-1", "-1", "1-", "+5", "http", "80;81"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_ports_are_all_but_those() {
        assert_eq!(others(&[(80, 80), (443, 500)]), [(1, 79), (81, 442), (501, 65_535)]);
        assert_eq!(others(&[(1, 1024)]), [(1025, 65_535)]);
        assert_eq!(others(&[(1025, 65_535)]), [(1, 1024)]);
        assert_eq!(others(&[]), [(1, 65_535)]);
        assert_eq!(others(&[(1, 65_535)]), []);
    }

    #[test]
    fn peers_are_told_apart_by_their_form() {
        let name = |pattern| Ok(PeerWord::Peer(Peer::Name(pattern)));
        assert_eq!(peer("My.Farm.Bot."), name(NamePattern::Exact("my.farm.bot".into())));
        assert_eq!(peer("*.farm.bot"), name(NamePattern::Below("farm.bot".into())));
        assert_eq!(peer(".farm.bot"), name(NamePattern::Suffix("farm.bot".into())));
        let network = |text: &str| Ok(PeerWord::Peer(Peer::Network(text.parse().unwrap())));
        assert_eq!(peer("192.0.2.7"), network("192.0.2.7/32"));
        assert_eq!(peer("2001:db8::/32"), network("2001:db8::/32"));
        assert_eq!(peer("$x"), Ok(PeerWord::Reference("x".into())));
        assert_eq!(peer("anyone"), Ok(PeerWord::Anyone));
    }

    #[test]
    fn what_is_no_peer_says_why() {
        assert!(peer("10.0.0.1/8").unwrap_err().contains("did you mean `10.0.0.0/8`?"));
        assert!(peer("10.0.0.0/33").unwrap_err().contains("prefix"));
        assert!(peer("256.1.1.1").unwrap_err().contains("address"));
        assert!(peer("anyon").unwrap_err().contains("did you mean `anyone`?"));
        assert!(peer("a.*.com").unwrap_err().contains("first label"));
        assert!(peer("b\u{fc}cher.example").unwrap_err().contains("xn--"));
        assert!(peer("a..b").is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("15 s").unwrap(), Duration::from_secs(15));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("2 h").unwrap(), Duration::from_hours(2));
        for bad in ["15", "s", "15 sec", "99999999999999999999 s", "18446744073709551615 d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_and_dates_are_read_as_people_write_them() {
        for text in ["tls1.2", "1.2", "TLS 1.2", "TLSv1.2"] {
            assert_eq!(tls_version(text), Ok(0x0303), "{text}");
        }
        assert!(tls_version("1.4").is_err());
        assert!(date("2021-04").is_ok() && date("2017-12-20").is_ok());
        assert!(date("2021-13").is_err() && date("21-04").is_err() && date("2021-4").is_err());
        assert_eq!(oui("0C-2A-69"), Ok([0x0c, 0x2a, 0x69]));
    }
}
