//! FTP data connections: whatever a transfer carries, known by what the control connection announced (RFC 959 section 4.1.2,
//! RFC 2428).

use std::net::{IpAddr, Ipv4Addr};

use crate::analyzers::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::Transport;

/// A data connection in the registry: none of its bytes tell, the announcement does.
pub static DEFINITION: Definition = Definition {
    id: "ftp-data",
    title: "FTP (RFC 959), data connection",
    transports: &[Transport::Tcp],
    ports: &[20],
    fields: &[],
    class: Class::Readable,
    probe,
    start,
};

fn probe(_: &ProbeInput<'_>) -> Probe {
    Probe::No
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Data)
}

struct Data;

impl Analyzer for Data {
    fn data(&mut self, _: Role, _: &[u8], sink: &mut Sink) {
        sink.finish();
    }
}

/// Whether `ip` means nothing outside of its own network, so that a router puts another one in its place.
pub(super) fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (b & 0xc0) == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || is_shared
        }
        IpAddr::V6(v6) => {
            v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback() || v6.is_unspecified()
        }
    }
}

/// Address and port as six numbers with commas, wherever in the text they begin (RFC 1123 section 4.1.2.6).
pub(super) fn six_numbers(text: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let start = text.iter().position(u8::is_ascii_digit)?;
    let list = text.get(start..)?;
    let end = list.iter().position(|byte| !byte.is_ascii_digit() && *byte != b',').unwrap_or(list.len());
    let mut numbers = str::from_utf8(list.get(..end)?).ok()?.split(',').map(str::parse::<u8>);
    let mut next = || numbers.next()?.ok();
    let ip = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    let port = u16::from_be_bytes([next()?, next()?]);
    Some((Some(ip.into()), port))
}

/// `|2|2001:db8::1|1028|`, or only the port, `|||1028|`, with any character for the bar.
pub(super) fn extended(text: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let text = text
        .iter()
        .position(|byte| *byte == b'(')
        .map_or(Some(text), |at| text.get(at.saturating_add(1)..))?;
    let bar = *text.first()?;
    let mut parts = text.split(|byte| *byte == bar).skip(1).map(|part| str::from_utf8(part).ok());
    let (_, ip, port) = (parts.next()?, parts.next()??, parts.next()??);
    let ip = if ip.is_empty() { None } else { Some(ip.parse().ok()?) };
    Some((ip, port.parse().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::analyzers::talk::run_with;
    use crate::model::Observation;

    /// The data connections that a control connection announces.
    pub(crate) fn announced(talk: &[(Role, &[u8])]) -> Vec<String> {
        let sinks = run_with(&crate::analyzers::ftp::DEFINITION, talk).1;
        let all = sinks.iter().flat_map(|sink| &sink.observations);
        let shown = all.filter_map(|(_, observation)| match observation {
            Observation::Coming(coming) => Some(format!("{} > {}", coming.orig, coming.resp)),
            _ => None,
        });
        shown.collect()
    }

    #[test]
    fn addresses_that_are_translated_are_told_from_others() {
        for inside in ["10.0.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "0.0.0.0", "fd00::1", "fe80::1"]
        {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["100.128.0.1", "198.51.100.66", "203.0.113.9", "2001:db8::1"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn announcements_are_read_as_servers_write_them() {
        let at = |ip: Option<&str>, port| Some((ip.map(|ip| ip.parse().unwrap()), port));
        assert_eq!(six_numbers(b"Entering Passive Mode (127,0,0,1,149,132)."), at(Some("127.0.0.1"), 38_276));
        assert_eq!(six_numbers(b"=127,0,0,1,0,21"), at(Some("127.0.0.1"), 21));
        assert_eq!(extended(b"Entering Extended Passive Mode (|||6446|)"), at(None, 6446));
        assert_eq!(extended(b"!1!192.0.2.7!21!"), at(Some("192.0.2.7"), 21));
        for wrong in [&b""[..], b"1,2,3,4,5", b"1,2,3,4,5,256", b"none"] {
            assert_eq!(six_numbers(wrong), None);
        }
        for wrong in [&b""[..], b"(", b"|||", b"|||65536|", b"|1|x|21|"] {
            assert_eq!(extended(wrong), None);
        }
    }
}
