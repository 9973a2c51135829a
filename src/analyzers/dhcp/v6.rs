//! DHCP for IPv6 (RFC 8415): message types, and which addresses a client is given. Relayed messages are recognised,
//! not opened; prefix delegation is not read.

use std::net::{IpAddr, Ipv6Addr};

use nom::bytes::complete::take;
use nom::number::complete::be_u16;
use nom::{IResult, Parser};

use crate::analyzers::dns::name;
use crate::analyzers::{Analyzer, Class, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{Field, MacAddr, Observation, Transport, Value};

/// DHCP for IPv6.
pub static DHCPV6: Definition = Definition {
    id: "dhcpv6",
    title: "DHCP for IPv6 (RFC 8415)",
    transports: &[Transport::Udp],
    ports: &[546, 547],
    fields: &[&MESSAGE, &CLIENT_MAC, &ADDRESS, &DNS_SERVER, &FQDN, &ANOMALY],
    class: Class::Infrastructure,
    probe,
    start: |_| Box::new(Dhcpv6),
};

/// `dhcpv6.message`.
pub static MESSAGE: Field = Field {
    name: "dhcpv6.message",
    doc: "Message type: SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE, RECONFIGURE, \
          INFORMATION-REQUEST, RELAY-FORW, RELAY-REPL, LEASEQUERY, LEASEQUERY-REPLY, DHCPV4-QUERY, DHCPV4-RESPONSE, or \
          a number",
    source: "RFC 8415 section 7.3, RFC 5007 section 4.2.1, RFC 7341 section 5",
};

/// `dhcpv6.client_mac`.
pub static CLIENT_MAC: Field = Field {
    name: "dhcpv6.client_mac",
    doc: "Hardware address in the client identifier, where that is made of an IEEE 802 one; it may be of another \
          interface of the client",
    source: "RFC 8415 section 11.2 and 11.4",
};

/// `dhcpv6.address`.
pub static ADDRESS: Field = Field {
    name: "dhcpv6.address",
    doc: "Address that a server assigns in a REPLY, with a lifetime other than zero",
    source: "RFC 8415 section 21.6",
};

/// `dhcpv6.dns_server`.
pub static DNS_SERVER: Field =
    Field { name: "dhcpv6.dns_server", doc: "Resolver handed out in a REPLY", source: "RFC 3646 section 3" };

/// `dhcpv6.fqdn`.
pub static FQDN: Field = Field {
    name: "dhcpv6.fqdn",
    doc: "Domain name that the client states or is given",
    source: "RFC 4704 section 4",
};

/// `dhcpv6.anomaly`.
pub static ANOMALY: Field = Field {
    name: "dhcpv6.anomaly",
    doc: "What breaks the protocol: cut-short (ends inside a header or an option)",
    source: "RFC 8415 section 21.1",
};

/// There is no signature: the ports must fit, and the options must fill the message. One that the snap length cut
/// must have its first option whole.
fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport != Transport::Udp || !input.port_in(DHCPV6.ports) {
        return Probe::No;
    }
    let Some(kind) = input.bytes.first() else { return Probe::No };
    let role = match kind {
        1 | 3..=6 | 8 | 9 | 11 | 12 | 14 | 20 => Role::Client,
        2 | 7 | 10 | 13 | 15 | 21 => Role::Server,
        _ => return Probe::No,
    };
    let options = input.bytes.get(header_len(*kind)..).unwrap_or_default();
    if option(options).is_ok() { Probe::Certainly(role) } else { Probe::No }
}

/// Relay messages carry two addresses instead of a transaction identifier.
fn header_len(kind: u8) -> usize {
    if matches!(kind, 12 | 13) { 34 } else { 4 }
}

/// Code and content of the option at the front.
fn option(input: &[u8]) -> IResult<&[u8], (u16, &[u8])> {
    let (rest, (code, length)) = (be_u16, be_u16).parse(input)?;
    let (rest, content) = take(length)(rest)?;
    Ok((rest, (code, content)))
}

/// The options of a list until it ends or breaks.
fn options(mut rest: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), ()>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Ok((tail, found)) = option(rest) else {
            rest = &[];
            return Some(Err(()));
        };
        rest = tail;
        Some(Ok(found))
    })
}

struct Dhcpv6;

impl Analyzer for Dhcpv6 {
    /// Not called: DHCP runs on UDP.
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let whole = message(bytes, sink);
        if !whole && missed == 0 {
            sink.fact(&ANOMALY, Value::Word("cut-short"));
        }
    }
}

/// Reads a message; false if it ends too early.
fn message(bytes: &[u8], sink: &mut Sink) -> bool {
    let Some(&kind) = bytes.first() else { return false };
    sink.fact(&MESSAGE, message_value(kind));
    let Some(content) = bytes.get(header_len(kind)..) else { return false };
    if matches!(kind, 12 | 13) {
        return options(content).all(|option| option.is_ok());
    }
    let mac =
        options(content).flatten().find(|(code, _)| *code == CLIENT_ID).and_then(|(_, duid)| duid_mac(duid));
    if let Some(mac) = mac {
        sink.fact(&CLIENT_MAC, Value::Text(mac.to_string().into()));
    }
    let mut whole = true;
    for option in options(content) {
        match option {
            Ok((FQDN_CODE, content)) => host_name(content, mac, sink),
            Ok((IA_NA, content)) if kind == REPLY => addresses(content, mac, sink),
            Ok((DNS, content)) if kind == REPLY => {
                for octets in content.as_chunks::<16>().0 {
                    sink.fact(&DNS_SERVER, Value::Ip(Ipv6Addr::from(*octets).into()));
                    observe(mac, None, TraitKind::DnsServer(Ipv6Addr::from(*octets).into()), sink);
                }
            }
            Ok(_) => {}
            Err(()) => whole = false,
        }
    }
    whole
}

/// An identity association: identifier and two times of four bytes each, then options.
fn addresses(content: &[u8], mac: Option<MacAddr>, sink: &mut Sink) {
    for (code, content) in options(content.get(12..).unwrap_or_default()).flatten() {
        let Some((octets, lifetimes)) = content.split_first_chunk::<16>() else { continue };
        let valid = lifetimes.get(4..8).and_then(|valid| valid.try_into().ok()).map_or(0, u32::from_be_bytes);
        if code == IA_ADDRESS && valid > 0 {
            let ip = IpAddr::from(Ipv6Addr::from(*octets));
            sink.fact(&ADDRESS, Value::Ip(ip));
            observe(mac, Some(ip), TraitKind::Lease(valid), sink);
        }
    }
}

fn host_name(content: &[u8], mac: Option<MacAddr>, sink: &mut Sink) {
    // One byte of flags; a partial name has no root at its end.
    let mut wire = content.get(1..).unwrap_or_default().to_vec();
    wire.push(0);
    let Ok((name, _)) = name::read(&wire, 0) else { return };
    if let Some(label) = name.split('.').next().filter(|label| !label.is_empty()) {
        observe(mac, None, TraitKind::HostName(label.into()), sink);
        sink.fact(&FQDN, Value::Text(name));
    }
}

/// The address in a DUID of type 1 (with time) or 3 (without), of hardware type Ethernet.
fn duid_mac(duid: &[u8]) -> Option<MacAddr> {
    let ([0, 1, 0, 1, _, _, _, _, octets @ ..] | [0, 3, 0, 1, octets @ ..]) = duid else { return None };
    <[u8; 6]>::try_from(octets).ok().map(MacAddr).filter(|mac| !mac.is_group() && mac.0 != [0; 6])
}

fn observe(mac: Option<MacAddr>, ip: Option<IpAddr>, kind: TraitKind, sink: &mut Sink) {
    let seen = sink.seen;
    if mac.is_some() {
        sink.observe(Observation::Host(Box::new(HostTrait { mac, ip, kind, seen })));
    }
}

fn message_value(kind: u8) -> Value {
    Value::Word(match kind {
        1 => "SOLICIT",
        2 => "ADVERTISE",
        3 => "REQUEST",
        4 => "CONFIRM",
        5 => "RENEW",
        6 => "REBIND",
        REPLY => "REPLY",
        8 => "RELEASE",
        9 => "DECLINE",
        10 => "RECONFIGURE",
        11 => "INFORMATION-REQUEST",
        12 => "RELAY-FORW",
        13 => "RELAY-REPL",
        14 => "LEASEQUERY",
        15 => "LEASEQUERY-REPLY",
        20 => "DHCPV4-QUERY",
        21 => "DHCPV4-RESPONSE",
        other => return Value::Uint(other.into()),
    })
}

const REPLY: u8 = 7;

/// Option codes (RFC 8415 section 21, RFC 3646, RFC 4704).
const CLIENT_ID: u16 = 1;
const IA_NA: u16 = 3;
const IA_ADDRESS: u16 = 5;
const DNS: u16 = 23;
const FQDN_CODE: u16 = 39;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::dns::testing::seen;

    fn option_bytes(code: u16, content: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes(), &(content.len() as u16).to_be_bytes(), content].concat()
    }

    fn client_id() -> Vec<u8> {
        option_bytes(CLIENT_ID, &[0, 1, 0, 1, 0x2a, 0, 0, 0, 2, 0, 0x5e, 0x10, 0, 1])
    }

    fn reply() -> Vec<u8> {
        let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).octets();
        let address = option_bytes(IA_ADDRESS, &[&ip[..], &[0, 0, 0x0e, 0x10], &[0, 0, 0x1c, 0x20]].concat());
        let association = option_bytes(IA_NA, &[&[0; 12][..], &address].concat());
        [&[REPLY, 1, 2, 3][..], &client_id(), &association, &option_bytes(DNS, &ip)].concat()
    }

    fn run(bytes: &[u8], missed: u32) -> Vec<String> {
        let mut sink = Sink::new(seen(1));
        Dhcpv6.datagram(Role::Client, bytes, missed, &mut sink);
        let shown = sink.observations.into_iter().map(|(_, observation)| match observation {
            Observation::Fact(field, value) => format!("{}={value}", field.name),
            Observation::Host(host) => format!("{:?} {:?}", host.ip, host.kind),
            Observation::Name(name) => panic!("{name:?}"),
        });
        shown.collect()
    }

    #[test]
    fn a_reply_gives_an_address_to_a_hardware_address() {
        assert_eq!(
            run(&reply(), 0),
            [
                "dhcpv6.message=REPLY",
                "dhcpv6.client_mac=02:00:5e:10:00:01",
                "dhcpv6.address=2001:db8::7",
                "Some(2001:db8::7) Lease(7200)",
                "dhcpv6.dns_server=2001:db8::7",
                "None DnsServer(2001:db8::7)",
            ]
        );
    }

    #[test]
    fn a_solicit_is_no_start_since_it_is_repeated_for_ever_without_server() {
        let name = option_bytes(FQDN_CODE, b"\x01\x04lamp");
        let bytes = [&[1, 1, 2, 3][..], &client_id(), &name].concat();
        assert_eq!(
            run(&bytes, 0),
            [
                "dhcpv6.message=SOLICIT",
                "dhcpv6.client_mac=02:00:5e:10:00:01",
                "None HostName(\"lamp\")",
                "dhcpv6.fqdn=lamp",
            ]
        );
    }

    #[test]
    fn every_shorter_length_keeps_what_is_whole() {
        let (whole, all) = (reply(), run(&reply(), 0));
        for end in 0..whole.len() {
            assert!(run(&whole[..end], 1).iter().all(|line| all.contains(line)), "{end}");
            let option_ends = [4, 4 + client_id().len(), whole.len() - 20].contains(&end);
            let marked = run(&whole[..end], 0).contains(&String::from("dhcpv6.anomaly=cut-short"));
            assert_eq!(marked, !option_ends, "{end}");
        }
    }

    #[test]
    fn only_the_ports_and_whole_options_are_recognised() {
        let at = |bytes: &[u8], dst_port| {
            probe(&ProbeInput { bytes, transport: Transport::Udp, src_port: 546, dst_port, at_start: true })
        };
        let off = ProbeInput {
            bytes: &reply(),
            transport: Transport::Udp,
            src_port: 1000,
            dst_port: 1001,
            at_start: true,
        };
        assert_eq!(at(&reply(), 547), Probe::Certainly(Role::Server));
        assert_eq!(at(&[11, 0, 0, 1, 0, 8, 0, 2, 0, 0], 547), Probe::Certainly(Role::Client));
        assert_eq!(probe(&off), Probe::No);
        for bytes in [&[][..], &[1, 0, 0, 1], &[0xff; 60], &[0; 60], &[1, 0, 0, 1, 0, 1, 0xff, 0xff]] {
            assert_eq!(at(bytes, 547), Probe::No, "{bytes:?}");
        }
    }
}
