//! DHCP for IPv4 and BOOTP (RFC 2131, RFC 951; options RFC 2132, RFC 3397, RFC 4702, RFC 8520, overload RFC 2132 section
//! 9.3).
//!
//! Every message stands alone: request and reply are often on different flows (broadcast). What clients say of
//! themselves and what servers give them becomes traits of the client, keyed by its hardware address. Options split
//! over several of the same code (RFC 3396) are read piece by piece. Relay agent information is not read.

mod options;
pub mod v6;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use self::options::Options;
use super::dns::name;
use super::{Analyzer, Class, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::text::lossless;
use crate::model::{Field, MacAddr, Observation, Transport, Value};

/// DHCP for IPv4.
pub static DHCP: Definition = Definition {
    id: "dhcp",
    title: "DHCP for IPv4 and BOOTP (RFC 2131, RFC 2132)",
    transports: &[Transport::Udp],
    ports: &[67, 68],
    fields: &[
        &MESSAGE,
        &CLIENT_MAC,
        &HOST_NAME,
        &FQDN,
        &VENDOR_CLASS,
        &MUD_URL,
        &REQUESTED_ADDRESS,
        &ADDRESS,
        &LEASE_TIME,
        &SERVER,
        &ROUTER,
        &DNS_SERVER,
        &NTP_SERVER,
        &DOMAIN,
        &PREFIX_LENGTH,
        &REFUSAL,
        &ANOMALY,
    ],
    class: Class::Infrastructure,
    probe,
    start: |_| Box::new(Dhcp),
};

/// `dhcp.message`.
pub static MESSAGE: Field = Field {
    name: "dhcp.message",
    doc: "Message type: DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM, FORCERENEW, or a number; BOOTREQUEST \
          and BOOTREPLY for BOOTP, which has none",
    source: "RFC 2132 section 9.6",
};

/// `dhcp.client_mac`.
pub static CLIENT_MAC: Field = Field {
    name: "dhcp.client_mac",
    doc: "Hardware address of the client, where it is an IEEE 802 one",
    source: "RFC 2131 section 2 (chaddr)",
};

/// `dhcp.host_name`.
pub static HOST_NAME: Field = Field {
    name: "dhcp.host_name",
    doc: "Host name that the client states or is given, as sent (option 12)",
    source: "RFC 2132 section 3.14",
};

/// `dhcp.fqdn`.
pub static FQDN: Field = Field {
    name: "dhcp.fqdn",
    doc: "Domain name that the client states or is given (option 81)",
    source: "RFC 4702 section 2",
};

/// `dhcp.vendor_class`.
pub static VENDOR_CLASS: Field = Field {
    name: "dhcp.vendor_class",
    doc: "Vendor class of the client, as sent (option 60)",
    source: "RFC 2132 section 9.13",
};

/// `dhcp.mud_url`.
pub static MUD_URL: Field = Field {
    name: "dhcp.mud_url",
    doc: "URL of the client's Manufacturer Usage Description, as sent (option 161)",
    source: "RFC 8520 section 10",
};

/// `dhcp.requested_address`.
pub static REQUESTED_ADDRESS: Field = Field {
    name: "dhcp.requested_address",
    doc: "Address that the client asks for (option 50)",
    source: "RFC 2132 section 9.1",
};

/// `dhcp.address`.
pub static ADDRESS: Field = Field {
    name: "dhcp.address",
    doc: "Address that a server assigns in an ACK (or BOOTREPLY)",
    source: "RFC 2131 section 2 (yiaddr)",
};

/// `dhcp.lease_time`.
pub static LEASE_TIME: Field = Field {
    name: "dhcp.lease_time",
    doc: "How long the assigned address may be used; 4294967295 seconds is for ever",
    source: "RFC 2132 section 9.2, RFC 2131 section 3.3",
};

/// `dhcp.server`.
pub static SERVER: Field = Field {
    name: "dhcp.server",
    doc: "Server identifier (option 54) of an offer, acknowledgement or refusal",
    source: "RFC 2132 section 9.7",
};

/// `dhcp.router`.
pub static ROUTER: Field = Field {
    name: "dhcp.router",
    doc: "Router handed out in an ACK (option 3)",
    source: "RFC 2132 section 3.5",
};

/// `dhcp.dns_server`.
pub static DNS_SERVER: Field = Field {
    name: "dhcp.dns_server",
    doc: "Resolver handed out in an ACK (option 6)",
    source: "RFC 2132 section 3.8",
};

/// `dhcp.ntp_server`.
pub static NTP_SERVER: Field = Field {
    name: "dhcp.ntp_server",
    doc: "Time server handed out in an ACK (option 42)",
    source: "RFC 2132 section 8.3",
};

/// `dhcp.domain`.
pub static DOMAIN: Field = Field {
    name: "dhcp.domain",
    doc: "Domain for relative names, handed out in an ACK (option 15)",
    source: "RFC 2132 section 3.17",
};

/// `dhcp.prefix_length`.
pub static PREFIX_LENGTH: Field = Field {
    name: "dhcp.prefix_length",
    doc: "Subnet mask handed out in an ACK (option 1), as a prefix length",
    source: "RFC 2132 section 3.3",
};

/// `dhcp.refusal`.
pub static REFUSAL: Field = Field {
    name: "dhcp.refusal",
    doc: "Why a server sent a NAK or a client a DECLINE (option 56), as sent",
    source: "RFC 2132 section 9.9",
};

/// `dhcp.anomaly`.
pub static ANOMALY: Field = Field {
    name: "dhcp.anomaly",
    doc: "What breaks the protocol: cut-short (ends inside a field or an option), malformed-option (an option of a length \
          that its kind cannot have), mask-with-holes",
    source: "RFC 2131 section 2, RFC 2132 section 2",
};

/// The magic cookie is a signature. BOOTP may go without, and the snap length may cut it off: then ports and the
/// hardware address must fit.
fn probe(input: &ProbeInput<'_>) -> Probe {
    let Some(&[op, hardware, hardware_length, _]) = input.bytes.first_chunk::<4>() else { return Probe::No };
    let role = match op {
        1 => Role::Client,
        2 => Role::Server,
        _ => return Probe::No,
    };
    let cookie = input.bytes.get(COOKIE_AT..OPTIONS_AT);
    let hinted = input.port_in(DHCP.ports) && hardware == 1 && hardware_length == 6;
    let fits = input.transport == Transport::Udp
        && (cookie == Some(&COOKIE) && hardware_length <= 16 || hinted && input.bytes.len() >= CLIENT_END);
    if fits { Probe::Certainly(role) } else { Probe::No }
}

/// The fixed part of a message.
struct Message<'a> {
    op: u8,
    client_address: Ipv4Addr,
    your_address: Ipv4Addr,
    mac: Option<MacAddr>,
    options: Options<'a>,
}

fn message(bytes: &[u8]) -> Option<Message<'_>> {
    let &[op, hardware, hardware_length, _] = bytes.first_chunk::<4>()?;
    let address = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    let mac = bytes.get(CLIENT_AT..)?.first_chunk::<6>().map(|octets| MacAddr(*octets))?;
    let mac =
        Some(mac).filter(|mac| (hardware, hardware_length) == (1, 6) && mac.0 != [0; 6] && !mac.is_group());
    Some(Message {
        op,
        client_address: address(12)?,
        your_address: address(16)?,
        mac,
        options: options::read(bytes),
    })
}

struct Dhcp;

impl Analyzer for Dhcp {
    /// Not called: DHCP runs on UDP.
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let Some(message) = message(bytes) else {
            if missed == 0 {
                sink.fact(&ANOMALY, Value::Word("cut-short"));
            }
            return;
        };
        let options = &message.options;
        // A message whose type the capture cut off is not BOOTP.
        match options.kind {
            Some(kind) => sink.fact(&MESSAGE, message_value(kind)),
            None if missed > 0 => {}
            None => {
                sink.fact(&MESSAGE, Value::Word(if message.op == 1 { "BOOTREQUEST" } else { "BOOTREPLY" }));
            }
        }
        if let Some(mac) = message.mac {
            sink.fact(&CLIENT_MAC, Value::Text(mac.to_string().into()));
        }
        if message.op == 1 {
            from_client(&message, missed, sink);
        } else {
            from_server(&message, missed, sink);
        }
        if options.cut && missed == 0 {
            sink.fact(&ANOMALY, Value::Word("cut-short"));
        }
        if options.malformed {
            sink.fact(&ANOMALY, Value::Word("malformed-option"));
        }
    }
}

/// What a client says of itself.
fn from_client(message: &Message<'_>, missed: u32, sink: &mut Sink) {
    let options = &message.options;
    let address = some(message.client_address);
    let mut say = |kind| observe(message.mac, address.map(IpAddr::V4), kind, sink);
    // RFC 2131 section 4.3.2: in the state INIT-REBOOT a REQUEST has an address wanted, none in use, and no server.
    let reboots = options.requested.and_then(some).is_some() && options.server.is_none() && address.is_none();
    // What an option would say that the capture cut off is not known.
    let complete = missed == 0 && !options.cut;
    match options.kind {
        Some(DISCOVER) => say(TraitKind::Boot),
        Some(REQUEST) if reboots && complete => say(TraitKind::Boot),
        None if complete => say(TraitKind::Boot),
        _ => {}
    }
    names(message, address, sink);
    let ip = address.map(IpAddr::V4);
    if let Some(class) = options.vendor_class.map(lossless) {
        observe(message.mac, ip, TraitKind::VendorClass(class.as_str().into()), sink);
        sink.fact(&VENDOR_CLASS, Value::Text(class.into()));
    }
    if let Some(url) = options.mud_url.map(lossless) {
        observe(message.mac, ip, TraitKind::MudUrl(url.as_str().into()), sink);
        sink.fact(&MUD_URL, Value::Text(url.into()));
    }
    if let Some(requested) = options.requested {
        sink.fact(&REQUESTED_ADDRESS, Value::Ip(requested.into()));
    }
    refusal(options, sink);
}

/// What a server gives a client. An offer is only that: its content counts when it is acknowledged.
fn from_server(message: &Message<'_>, missed: u32, sink: &mut Sink) {
    let options = &message.options;
    if let Some(server) = options.server {
        sink.fact(&SERVER, Value::Ip(server.into()));
    }
    refusal(options, sink);
    let bootp = options.kind.is_none() && missed == 0;
    if options.kind != Some(ACK) && !bootp {
        return;
    }
    // An ACK to an INFORM assigns nothing, but tells the address it is about (RFC 2131 section 4.3.5).
    let assigned = some(message.your_address);
    let address = assigned.or(some(message.client_address));
    let ip = address.map(IpAddr::V4);
    if let Some(assigned) = assigned {
        sink.fact(&ADDRESS, Value::Ip(assigned.into()));
        let seconds = options.lease.or(bootp.then_some(u32::MAX));
        if let Some(seconds) = seconds {
            sink.fact(&LEASE_TIME, Value::Span(Duration::from_secs(seconds.into())));
            observe(message.mac, ip, TraitKind::Lease(seconds), sink);
        }
    }
    match options.mask.map(prefix_length) {
        Some(Some(length)) => {
            sink.fact(&PREFIX_LENGTH, Value::Uint(length.into()));
            observe(message.mac, ip, TraitKind::PrefixLen(length), sink);
        }
        Some(None) => sink.fact(&ANOMALY, Value::Word("mask-with-holes")),
        None => {}
    }
    for router in options.routers.iter() {
        sink.fact(&ROUTER, Value::Ip(router));
        observe(message.mac, ip, TraitKind::Router(router), sink);
    }
    for resolver in options.dns_servers.iter() {
        sink.fact(&DNS_SERVER, Value::Ip(resolver));
        observe(message.mac, ip, TraitKind::DnsServer(resolver), sink);
    }
    for server in options.ntp_servers.iter() {
        sink.fact(&NTP_SERVER, Value::Ip(server));
    }
    if let Some(domain) = options.domain {
        sink.fact(&DOMAIN, Value::text(domain));
    }
    names(message, address, sink);
}

/// Options 12 and 81, from either side: what the client is called.
fn names(message: &Message<'_>, address: Option<Ipv4Addr>, sink: &mut Sink) {
    let ip = address.map(IpAddr::V4);
    let host = message.options.host_name.map(Value::text);
    let domain = message.options.fqdn.and_then(fqdn);
    if let Some(host) = host {
        if let Value::Text(text) = &host {
            observe(message.mac, ip, TraitKind::HostName(text.clone()), sink);
        }
        sink.fact(&HOST_NAME, host);
    } else if let Some(label) = domain.as_deref().and_then(|name| name.split('.').next())
        && !label.is_empty()
    {
        observe(message.mac, ip, TraitKind::HostName(label.into()), sink);
    }
    if let Some(domain) = domain {
        sink.fact(&FQDN, Value::Text(domain));
    }
}

/// The name in option 81: in wire form if bit E says so, else ASCII (RFC 4702 section 2.1, 2.3).
fn fqdn(content: &[u8]) -> Option<Box<str>> {
    let (&[flags, _, _], text) = content.split_first_chunk::<3>()?;
    if flags & 0x04 == 0 {
        let text = lossless(text);
        let text = text.trim_end_matches(['\0', '.']);
        return (!text.is_empty()).then(|| text.into());
    }
    // A partial name has no root at its end; one more after a complete name does no harm.
    let mut wire = text.to_vec();
    wire.push(0);
    name::read(&wire, 0).ok().map(|(name, _)| name).filter(|name| **name != *".")
}

fn refusal(options: &Options<'_>, sink: &mut Sink) {
    if let Some(text) = options.text.filter(|_| matches!(options.kind, Some(NAK | DECLINE))) {
        sink.fact(&REFUSAL, Value::text(text));
    }
}

fn observe(mac: Option<MacAddr>, ip: Option<IpAddr>, kind: TraitKind, sink: &mut Sink) {
    let seen = sink.seen;
    sink.observe(Observation::Host(Box::new(HostTrait { mac, ip, kind, seen })));
}

fn some(address: Ipv4Addr) -> Option<Ipv4Addr> {
    (!address.is_unspecified() && !address.is_broadcast()).then_some(address)
}

/// The number of leading ones, if only zeros follow.
fn prefix_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    (bits.leading_ones().checked_add(bits.trailing_zeros()) == Some(32)).then(|| bits.leading_ones() as u8)
}

fn message_value(kind: u8) -> Value {
    Value::Word(match kind {
        DISCOVER => "DISCOVER",
        2 => "OFFER",
        REQUEST => "REQUEST",
        DECLINE => "DECLINE",
        ACK => "ACK",
        NAK => "NAK",
        7 => "RELEASE",
        8 => "INFORM",
        9 => "FORCERENEW",
        other => return Value::Uint(other.into()),
    })
}

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// Where the client hardware address begins.
const CLIENT_AT: usize = 28;

/// Where it ends.
const CLIENT_END: usize = 34;

/// Where the magic cookie begins.
const COOKIE_AT: usize = 236;

/// Where options begin.
const OPTIONS_AT: usize = 240;

/// RFC 2132 section 2.
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];

#[cfg(test)]
mod tests;
