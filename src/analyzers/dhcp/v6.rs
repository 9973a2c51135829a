//! DHCP for IPv6 (RFC 8415): message types, what clients say of themselves, and which addresses, prefixes and servers
//! they are given. A relayed message is read like any other. Not read: authentication, reconfiguration, lease queries.

use std::net::{IpAddr, Ipv6Addr};

use nom::bytes::complete::take;
use nom::number::complete::be_u16;
use nom::{IResult, Parser};

use crate::analyzers::dns::name;
use crate::analyzers::{Analyzer, Class, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::text::lossless;
use crate::model::{Field, MacAddr, Observation, Transport, Value};

/// DHCP for IPv6.
pub static DHCPV6: Definition = Definition {
    id: "dhcpv6",
    title: "DHCP for IPv6 (RFC 8415)",
    transports: &[Transport::Udp],
    ports: &[546, 547],
    fields: &[
        &MESSAGE,
        &CLIENT_MAC,
        &ADDRESS,
        &PREFIX,
        &DNS_SERVER,
        &NTP_SERVER,
        &FQDN,
        &VENDOR_CLASS,
        &MUD_URL,
        &STATUS,
        &ANOMALY,
    ],
    class: Class::Infrastructure,
    probe,
    start: |context| Box::new(Dhcpv6 { client: context.client.ip }),
};

/// `dhcpv6.message`.
pub static MESSAGE: Field = Field {
    name: "dhcpv6.message",
    doc: "Message type: SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE, RECONFIGURE, \
          INFORMATION-REQUEST, RELAY-FORW, RELAY-REPL, LEASEQUERY, LEASEQUERY-REPLY, DHCPV4-QUERY, DHCPV4-RESPONSE, or \
          a number; of a relayed message the relay's first",
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

/// `dhcpv6.prefix`.
pub static PREFIX: Field = Field {
    name: "dhcpv6.prefix",
    doc: "Prefix that a server delegates in a REPLY, with a lifetime other than zero: `2001:db8:1::/48`",
    source: "RFC 8415 section 21.22",
};

/// `dhcpv6.dns_server`.
pub static DNS_SERVER: Field =
    Field { name: "dhcpv6.dns_server", doc: "Resolver handed out in a REPLY", source: "RFC 3646 section 3" };

/// `dhcpv6.ntp_server`.
pub static NTP_SERVER: Field = Field {
    name: "dhcpv6.ntp_server",
    doc: "Time server handed out in a REPLY, as an address or a name",
    source: "RFC 5908 section 4, RFC 4075 section 4",
};

/// `dhcpv6.vendor_class`.
pub static VENDOR_CLASS: Field = Field {
    name: "dhcpv6.vendor_class",
    doc: "Vendor class of the client, as sent, one value each, without the enterprise number in front",
    source: "RFC 8415 section 21.16",
};

/// `dhcpv6.mud_url`.
pub static MUD_URL: Field = Field {
    name: "dhcpv6.mud_url",
    doc: "URL of the client's Manufacturer Usage Description, as sent (option 112)",
    source: "RFC 8520 section 10",
};

/// `dhcpv6.status`.
pub static STATUS: Field = Field {
    name: "dhcpv6.status",
    doc: "Status code other than success that a server gives in any option: 1 failed, 2 no addresses, 3 no binding, \
          4 not on link, 5 use multicast, 6 no prefixes, or another number",
    source: "RFC 8415 section 21.13",
};

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
    if matches!(kind, RELAY_FORW | RELAY_REPL) { 34 } else { 4 }
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

struct Dhcpv6 {
    client: IpAddr,
}

impl Analyzer for Dhcpv6 {
    /// Not called: DHCP runs on UDP.
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let whole = self.relayed(bytes, sink);
        if !whole && missed == 0 {
            sink.fact(&ANOMALY, Value::Word("cut-short"));
        }
    }
}

impl Dhcpv6 {
    /// Reads a message, through the relays that it went through; false if it ends too early.
    fn relayed(&self, bytes: &[u8], sink: &mut Sink) -> bool {
        let mut message = bytes;
        let mut link_layer = None;
        for hop in 0..=MAX_RELAYS {
            let Some(&kind) = message.first() else { return false };
            sink.fact(&MESSAGE, message_value(kind));
            let Some(content) = message.get(header_len(kind)..) else { return false };
            if !matches!(kind, RELAY_FORW | RELAY_REPL) {
                let own = Some(self.client).filter(|_| hop == 0);
                return Client::of(content, link_layer, own).read(kind, content, sink);
            }
            // The relay next to the client knows its address (RFC 6939).
            link_layer = find(content, LINK_LAYER).and_then(ethernet).or(link_layer);
            match find(content, RELAYED) {
                Some(inner) => message = inner,
                None => return options(content).all(|option| option.is_ok()),
            }
        }
        true
    }
}

/// Whom a message is about.
struct Client {
    mac: Option<MacAddr>,
    /// Its own address, where it speaks itself.
    ip: Option<IpAddr>,
}

impl Client {
    fn of(content: &[u8], link_layer: Option<MacAddr>, ip: Option<IpAddr>) -> Self {
        let mac = find(content, CLIENT_ID).and_then(duid_mac).or(link_layer);
        // Towards the servers' group it speaks from its link-local address; a relay or server has another.
        let ip = ip.filter(|ip| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()));
        Self { mac, ip }
    }

    /// Reads options; false if they end too early.
    fn read(&self, kind: u8, content: &[u8], sink: &mut Sink) -> bool {
        if let Some(mac) = self.mac {
            sink.fact(&CLIENT_MAC, Value::Text(mac.to_string().into()));
        }
        let is_clients = matches!(kind, 1 | 3..=6 | 8 | 9 | 11);
        let mut whole = true;
        for option in options(content) {
            match option {
                Ok((FQDN_CODE, content)) => self.host_name(content, sink),
                Ok((VENDOR, content)) if is_clients => self.vendor_class(content, sink),
                Ok((MUD, content)) if is_clients && !content.is_empty() => {
                    let url = lossless(content);
                    self.say(TraitKind::MudUrl(url.as_str().into()), sink);
                    sink.fact(&MUD_URL, Value::Text(url.into()));
                }
                Ok((code, content)) if kind == REPLY => self.given(code, content, sink),
                Ok(_) => {}
                Err(()) => whole = false,
            }
        }
        whole
    }

    /// What a server gives in a REPLY.
    fn given(&self, code: u16, content: &[u8], sink: &mut Sink) {
        match code {
            // Identifier and two times of four bytes each come before the options; a temporary one has no times.
            IA_NA | IA_PD => self.association(content.get(12..), sink),
            IA_TA => self.association(content.get(4..), sink),
            STATUS_CODE => status(content, sink),
            DNS => {
                for octets in content.as_chunks::<16>().0 {
                    let server = IpAddr::from(Ipv6Addr::from(*octets));
                    sink.fact(&DNS_SERVER, Value::Ip(server));
                    if self.mac.is_some() {
                        observe(self.mac, None, TraitKind::DnsServer(server), sink);
                    }
                }
            }
            SNTP => content.as_chunks::<16>().0.iter().for_each(|octets| time_server(octets, sink)),
            NTP => {
                for (kind, value) in options(content).flatten() {
                    match (kind, value.first_chunk::<16>()) {
                        (1 | 2, Some(octets)) => time_server(octets, sink),
                        (3, _) => {
                            let name = name::read(value, 0).ok();
                            name.into_iter().for_each(|(name, _)| sink.fact(&NTP_SERVER, Value::Text(name)));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// The addresses and prefixes of an identity association.
    fn association(&self, content: Option<&[u8]>, sink: &mut Sink) {
        let lifetime =
            |at: Option<&[u8]>| at.and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes);
        for (code, content) in options(content.unwrap_or_default()).flatten() {
            match code {
                IA_ADDRESS => {
                    let Some((octets, lifetimes)) = content.split_first_chunk::<16>() else { continue };
                    let valid = lifetime(lifetimes.get(4..8));
                    if valid > 0 {
                        let ip = IpAddr::from(Ipv6Addr::from(*octets));
                        sink.fact(&ADDRESS, Value::Ip(ip));
                        if self.mac.is_some() {
                            observe(self.mac, Some(ip), TraitKind::Lease(valid), sink);
                        }
                    }
                }
                IA_PREFIX => {
                    let Some((&[.., length], prefix)) = content.split_first_chunk::<9>() else { continue };
                    if let Some(octets) = prefix.first_chunk::<16>()
                        && lifetime(content.get(4..8)) > 0
                    {
                        let shown = format!("{}/{length}", Ipv6Addr::from(*octets));
                        sink.fact(&PREFIX, Value::Text(shown.into()));
                    }
                }
                STATUS_CODE => status(content, sink),
                _ => {}
            }
        }
    }

    fn host_name(&self, content: &[u8], sink: &mut Sink) {
        // One byte of flags; a partial name has no root at its end.
        let mut wire = content.get(1..).unwrap_or_default().to_vec();
        wire.push(0);
        let Ok((name, _)) = name::read(&wire, 0) else { return };
        if let Some(label) = name.split('.').next().filter(|label| !label.is_empty()) {
            self.say(TraitKind::HostName(label.into()), sink);
            sink.fact(&FQDN, Value::Text(name));
        }
    }

    /// An enterprise number, then pieces of text with two bytes of length each.
    fn vendor_class(&self, content: &[u8], sink: &mut Sink) {
        let mut rest = content.get(4..).unwrap_or_default();
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((class, behind)) = behind.split_at_checked(length) else { return };
            if !class.is_empty() {
                let class = lossless(class);
                self.say(TraitKind::VendorClass(class.as_str().into()), sink);
                sink.fact(&VENDOR_CLASS, Value::Text(class.into()));
            }
            rest = behind;
        }
    }

    /// Says something of the client, if it is known who that is.
    fn say(&self, kind: TraitKind, sink: &mut Sink) {
        if self.mac.is_some() || self.ip.is_some() {
            observe(self.mac, self.ip, kind, sink);
        }
    }
}

fn time_server(octets: &[u8; 16], sink: &mut Sink) {
    sink.fact(&NTP_SERVER, Value::Ip(Ipv6Addr::from(*octets).into()));
}

fn status(content: &[u8], sink: &mut Sink) {
    if let Some(code) =
        content.first_chunk::<2>().map(|code| u16::from_be_bytes(*code)).filter(|code| *code > 0)
    {
        sink.fact(&STATUS, Value::Uint(code.into()));
    }
}

/// The content of the first option of this kind.
fn find(content: &[u8], wanted: u16) -> Option<&[u8]> {
    options(content).flatten().find(|(code, _)| *code == wanted).map(|(_, content)| content)
}

/// A hardware type and an address, if they are those of Ethernet.
fn ethernet(content: &[u8]) -> Option<MacAddr> {
    let [0, 1, a, b, c, d, e, f] = *content else { return None };
    station([a, b, c, d, e, f])
}

fn station(octets: [u8; 6]) -> Option<MacAddr> {
    Some(MacAddr(octets)).filter(|mac| !mac.is_group() && mac.0 != [0; 6])
}

/// The address in a DUID of type 1 (with time) or 3 (without), of hardware type Ethernet.
fn duid_mac(duid: &[u8]) -> Option<MacAddr> {
    match duid {
        [0, 1, kind @ .., _, _, _, _, a, b, c, d, e, f] | [0, 3, kind @ .., a, b, c, d, e, f] => {
            (kind == [0, 1]).then_some([*a, *b, *c, *d, *e, *f]).and_then(station)
        }
        _ => None,
    }
}

fn observe(mac: Option<MacAddr>, ip: Option<IpAddr>, kind: TraitKind, sink: &mut Sink) {
    let seen = sink.seen;
    sink.observe(Observation::Host(Box::new(HostTrait { mac, ip, kind, seen })));
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
        RELAY_FORW => "RELAY-FORW",
        RELAY_REPL => "RELAY-REPL",
        14 => "LEASEQUERY",
        15 => "LEASEQUERY-REPLY",
        20 => "DHCPV4-QUERY",
        21 => "DHCPV4-RESPONSE",
        other => return Value::Uint(other.into()),
    })
}

const REPLY: u8 = 7;

const RELAY_FORW: u8 = 12;
const RELAY_REPL: u8 = 13;

/// No message goes through more (HOP_COUNT_LIMIT, RFC 8415 section 7.6).
const MAX_RELAYS: usize = 8;

/// Option codes (RFC 8415 section 21, RFC 3646, RFC 4075, RFC 4704, RFC 5908, RFC 6939, RFC 8520).
const CLIENT_ID: u16 = 1;
const IA_NA: u16 = 3;
const IA_TA: u16 = 4;
const IA_ADDRESS: u16 = 5;
const RELAYED: u16 = 9;
const STATUS_CODE: u16 = 13;
const VENDOR: u16 = 16;
const DNS: u16 = 23;
const IA_PD: u16 = 25;
const IA_PREFIX: u16 = 26;
const SNTP: u16 = 31;
const FQDN_CODE: u16 = 39;
const NTP: u16 = 56;
const LINK_LAYER: u16 = 79;
const MUD: u16 = 112;

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
        Dhcpv6 { client: "fe80::7".parse().unwrap() }.datagram(Role::Client, bytes, missed, &mut sink);
        let shown = sink.observations.into_iter().map(|(_, observation)| match observation {
            Observation::Fact(field, value) => format!("{}={value}", field.name),
            Observation::Host(host) => format!("{:?} {:?}", host.ip, host.kind),
            other => panic!("{other:?}"),
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
                "Some(fe80::7) HostName(\"lamp\")",
                "dhcpv6.fqdn=lamp",
            ]
        );
    }

    /// A client behind a relay, without a hardware address in its identifier, says what it is.
    fn relayed() -> Vec<u8> {
        let class = option_bytes(VENDOR, b"\x00\x00\x01\x37\x00\x08MSFT 5.0\x00\x04lamp");
        let url = option_bytes(MUD, b"https://mud.example/lamp");
        let uuid = option_bytes(CLIENT_ID, &[[0, 4].as_slice(), &[7; 16]].concat());
        let inner = [&[11, 1, 2, 3][..], &uuid, &class, &url].concat();
        let link = option_bytes(LINK_LAYER, &[0, 1, 2, 0, 0x5e, 0x10, 0, 1]);
        [&[RELAY_FORW, 0][..], &[0; 32], &link, &option_bytes(RELAYED, &inner)].concat()
    }

    #[test]
    fn relayed_clients_are_known_by_what_the_relay_says() {
        assert_eq!(
            run(&relayed(), 0),
            [
                "dhcpv6.message=RELAY-FORW",
                "dhcpv6.message=INFORMATION-REQUEST",
                "dhcpv6.client_mac=02:00:5e:10:00:01",
                "None VendorClass(\"MSFT 5.0\")",
                "dhcpv6.vendor_class=MSFT 5.0",
                "None VendorClass(\"lamp\")",
                "dhcpv6.vendor_class=lamp",
                "None MudUrl(\"https://mud.example/lamp\")",
                "dhcpv6.mud_url=https://mud.example/lamp",
            ]
        );
        let mut deep = vec![11, 1, 2, 3];
        for _ in 0..100 {
            deep = [&[RELAY_FORW, 0][..], &[0; 32], &option_bytes(RELAYED, &deep)].concat();
        }
        assert_eq!(run(&deep, 0), ["dhcpv6.message=RELAY-FORW"; MAX_RELAYS + 1]);
    }

    #[test]
    fn prefixes_time_servers_and_refusals_are_told() {
        let net = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0).octets();
        let prefix = option_bytes(IA_PREFIX, &[&[0; 4][..], &[0, 0, 0, 9], &[48], &net].concat());
        let refused = option_bytes(STATUS_CODE, b"\x00\x02none left");
        let bytes = [
            &[REPLY, 1, 2, 3][..],
            &option_bytes(IA_PD, &[&[0; 12][..], &prefix].concat()),
            &option_bytes(IA_NA, &[&[0; 12][..], &refused].concat()),
            &option_bytes(
                NTP,
                &[option_bytes(1, &net), option_bytes(3, b"\x04time\x07example\x00")].concat(),
            ),
        ]
        .concat();
        assert_eq!(
            run(&bytes, 0),
            [
                "dhcpv6.message=REPLY",
                "dhcpv6.prefix=2001:db8:1::/48",
                "dhcpv6.status=2",
                "dhcpv6.ntp_server=2001:db8:1::",
                "dhcpv6.ntp_server=time.example",
            ]
        );
    }

    #[test]
    fn every_byte_may_be_any_byte() {
        for message in [relayed(), reply()] {
            for at in 0..message.len() {
                for value in 0..=255 {
                    let mut bent = message.clone();
                    bent[at] = value;
                    assert!(run(&bent, 0).len() < 60, "byte {at} is {value}");
                }
            }
        }
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
