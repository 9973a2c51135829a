//! Simple Service Discovery Protocol (UPnP Device Architecture 2.0 section 1): who looks for which kind of device, and
//! what devices say of themselves.
//!
//! Every datagram stands alone: answers to a search come from another port than the one it was sent to. Read are the
//! first line and a few headers. Not read: the descriptions that `LOCATION` leads to (HTTP), eventing (GENA).

use std::net::IpAddr;

use super::{Analyzer, Class, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{Observation, Transport, Value};

/// SSDP.
pub static DEFINITION: Definition = Definition {
    id: "ssdp",
    title: "Simple Service Discovery Protocol (UPnP Device Architecture 2.0)",
    transports: &[Transport::Udp],
    ports: &[1900],
    fields: FIELDS,
    class: Class::Infrastructure,
    probe,
    start: |context| Box::new(Ssdp { client: context.client.ip, server: context.server.ip }),
};

fields! {
    MESSAGE = "ssdp.message", "UPnP Device Architecture 2.0 sections 1.2 and 1.3",
        "What a message is: search, response, alive, byebye, update, or notify for any other announcement";
    TARGET = "ssdp.target", "UPnP Device Architecture 2.0 sections 1.2.2 and 1.3.2",
        "Kind of device or service that is searched for or announced (ST, NT), as sent";
    USN = "ssdp.usn", "UPnP Device Architecture 2.0 section 1.1.4",
        "Unique name of the device with what it announces, as sent";
    LOCATION = "ssdp.location", "UPnP Device Architecture 2.0 section 1.2.2",
        "URL of the device's description, as sent";
    SERVER = "ssdp.server", "UPnP Device Architecture 2.0 section 1.2.2",
        "Operating system, UPnP version and product of the device, as sent";
    USER_AGENT = "ssdp.user_agent", "UPnP Device Architecture 2.0 section 1.3.2",
        "The same of whoever searches, as sent";
    ANOMALY = "ssdp.anomaly", "UPnP Device Architecture 2.0 section 1.1.2",
        "What breaks the protocol: cut-short (no empty line behind the headers)";
}

/// The first lines are its own. Whoever sends towards the group counts as client, since a group is nobody's end.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport != Transport::Udp {
        return Probe::No;
    }
    match kind(input.bytes) {
        Some(Kind::Response) if ["st", "usn"].iter().all(|name| header(input.bytes, name).is_some()) => {
            Probe::Certainly(Role::Server)
        }
        Some(Kind::Search | Kind::Notify) => Probe::Certainly(Role::Client),
        Some(Kind::Response) | None => Probe::No,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Search,
    Notify,
    Response,
}

/// What the first line says. Version 1.0 is for answers of old devices.
fn kind(bytes: &[u8]) -> Option<Kind> {
    let known: [(&[u8], Kind); 4] = [
        (b"M-SEARCH * HTTP/1.1\r", Kind::Search),
        (b"NOTIFY * HTTP/1.1\r", Kind::Notify),
        (b"HTTP/1.1 200 ", Kind::Response),
        (b"HTTP/1.0 200 ", Kind::Response),
    ];
    known.into_iter().find(|(line, _)| bytes.starts_with(line)).map(|(_, kind)| kind)
}

/// The lines behind the first one up to the empty one, as name and value; at most [`MAX_HEADERS`].
fn headers(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines =
        bytes.split(|byte| *byte == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take(MAX_HEADERS).take_while(|line| !line.is_empty()).filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(at)?;
        Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
    })
}

/// The value of a header that is there and not empty.
fn header<'a>(bytes: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut values = headers(bytes).filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
    values.next().map(|(_, value)| value).filter(|value| !value.is_empty())
}

struct Ssdp {
    client: IpAddr,
    server: IpAddr,
}

impl Analyzer for Ssdp {
    /// Not called: it runs on UDP.
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let Some(kind) = kind(bytes) else { return };
        let message = match kind {
            Kind::Search => "search",
            Kind::Response => "response",
            Kind::Notify => match header(bytes, "nts") {
                Some(b"ssdp:alive") => "alive",
                Some(b"ssdp:byebye") => "byebye",
                Some(b"ssdp:update") => "update",
                _ => "notify",
            },
        };
        sink.fact(&MESSAGE, Value::Word(message));
        let target = if kind == Kind::Notify { "nt" } else { "st" };
        for (name, field) in [
            (target, &TARGET),
            ("usn", &USN),
            ("location", &LOCATION),
            ("server", &SERVER),
            ("user-agent", &USER_AGENT),
        ] {
            let value = header(bytes, name).map(|value| text(value, MAX_TEXT));
            value.into_iter().for_each(|value| sink.fact(field, value));
        }
        let ended = bytes.windows(4).any(|four| four == b"\r\n\r\n");
        if !ended && missed == 0 {
            sink.fact(&ANOMALY, Value::Word("cut-short"));
        }
        if kind != Kind::Search
            && let Some(Value::Text(product)) = header(bytes, "server").map(|value| text(value, MAX_TEXT))
        {
            let ip = if role == Role::Client { self.client } else { self.server };
            let (kind, seen) = (TraitKind::Description(product), sink.seen);
            sink.observe(Observation::Host(Box::new(HostTrait { mac: None, ip: Some(ip), kind, seen })));
        }
    }
}

/// Headers looked at.
const MAX_HEADERS: usize = 32;

/// What is kept of a value.
const MAX_TEXT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::Context;
    use crate::analyzers::dns::testing::seen;
    use crate::model::Endpoint;

    const SEARCH: &[u8] =
        b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 3\r\n\
        ST: upnp:rootdevice\r\nUSER-AGENT: Linux UPnP/1.1 Finder/2\r\n\r\n";
    const ALIVE: &[u8] = b"NOTIFY * HTTP/1.1\r\nHost:239.255.255.250:1900\r\nNT:upnp:rootdevice\r\nNTS:ssdp:alive\r\n\
        Location:http://192.0.2.7/desc.xml\r\nServer: Lamp/1.0 UPnP/1.0\r\nUSN:uuid:1::upnp:rootdevice\r\n\r\n";
    const RESPONSE: &[u8] =
        b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=100\r\nEXT:\r\nST: upnp:rootdevice\r\n\
        USN: uuid:1::upnp:rootdevice\r\nSERVER: Lamp/1.0 UPnP/1.0\r\n\r\n";

    fn run(from: Role, bytes: &[u8], missed: u32) -> Vec<String> {
        let end = |ip: &str| Endpoint { ip: ip.parse().unwrap(), port: 1900 };
        let (client, server) = (end("192.0.2.7"), end("192.0.2.9"));
        let mut analyzer = (DEFINITION.start)(&Context {
            transport: Transport::Udp,
            client,
            server,
            from_start: true,
            secrets: None,
        });
        let mut sink = Sink::new(seen(1));
        analyzer.datagram(from, bytes, missed, &mut sink);
        let shown = sink.observations.into_iter().map(|(_, observation)| match observation {
            Observation::Fact(field, value) => format!("{}={value}", field.name),
            Observation::Host(host) => format!("{:?} at {}", host.kind, host.ip.unwrap()),
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    fn probe_of(bytes: &[u8]) -> Probe {
        probe(&ProbeInput { bytes, transport: Transport::Udp, src_port: 1, dst_port: 2, at_start: true })
    }

    #[test]
    fn searches_announcements_and_answers_are_told() {
        assert_eq!(
            run(Role::Client, SEARCH, 0),
            ["ssdp.message=search", "ssdp.target=upnp:rootdevice", "ssdp.user_agent=Linux UPnP/1.1 Finder/2"]
        );
        assert_eq!(
            run(Role::Client, ALIVE, 0),
            [
                "ssdp.message=alive",
                "ssdp.target=upnp:rootdevice",
                "ssdp.usn=uuid:1::upnp:rootdevice",
                "ssdp.location=http://192.0.2.7/desc.xml",
                "ssdp.server=Lamp/1.0 UPnP/1.0",
                "Description(\"Lamp/1.0 UPnP/1.0\") at 192.0.2.7",
            ]
        );
        let answer = run(Role::Server, RESPONSE, 0);
        assert_eq!(answer[0], "ssdp.message=response");
        assert_eq!(answer[4], "Description(\"Lamp/1.0 UPnP/1.0\") at 192.0.2.9");
    }

    #[test]
    fn first_lines_are_recognised_and_nothing_else() {
        assert_eq!(probe_of(SEARCH), Probe::Certainly(Role::Client));
        assert_eq!(probe_of(ALIVE), Probe::Certainly(Role::Client));
        assert_eq!(probe_of(RESPONSE), Probe::Certainly(Role::Server));
        for bytes in [
            b"".as_slice(),
            b"NOTIFY sip:lamp@192.0.2.1 SIP/2.0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nST: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(probe_of(bytes), Probe::No, "{bytes:?}");
        }
        for end in 0..20 {
            assert_eq!(probe_of(&SEARCH[..end]), Probe::No, "{end}");
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_told_as_cut() {
        for end in 20..ALIVE.len() {
            assert!(run(Role::Client, &ALIVE[..end], 0).contains(&String::from("ssdp.anomaly=cut-short")));
            assert!(!run(Role::Client, &ALIVE[..end], 1).contains(&String::from("ssdp.anomaly=cut-short")));
        }
    }

    #[test]
    fn headers_and_values_are_bounded() {
        let long =
            [ALIVE.strip_suffix(b"\r\n").unwrap(), &b"X: y\r\n".repeat(10_000), b"SERVER: late\r\n\r\n"]
                .concat();
        assert_eq!(run(Role::Client, &long, 0).len(), 6);
        let wide = [b"M-SEARCH * HTTP/1.1\r\nST: ".as_slice(), &[b'x'; 9000], b"\r\n\r\n"].concat();
        assert!(run(Role::Client, &wide, 0).iter().all(|line| line.len() < 300));
    }
}
