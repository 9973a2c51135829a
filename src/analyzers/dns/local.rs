//! Names on the local link: multicast DNS with service discovery (RFC 6762, RFC 6763) and LLMNR (RFC 4795).
//!
//! Both use DNS messages. What is announced is said to everybody, and by anybody: only names below `local` (LLMNR:
//! single labels too) are taken. Known answers in queries, probes and conflict resolution are not read.

use std::net::IpAddr;

use super::answers;
use super::message::{self, Data, Message, Problem, Section};
use crate::analyzers::{Analyzer, Class, Definition, Probe, ProbeInput, Role, Sink};
use crate::model::observation::{HostTrait, TraitKind};
use crate::model::{Field, NameSource, Observation, Transport, Value};

/// Multicast DNS.
pub static MDNS: Definition = Definition {
    id: "mdns",
    title: "Multicast DNS and DNS-based service discovery (RFC 6762, RFC 6763)",
    transports: &[Transport::Udp],
    ports: &[5353],
    fields: &[&MDNS_QUERY, &MDNS_SERVICE, &MDNS_INSTANCE, &MDNS_NAME, &MDNS_ANOMALY],
    class: Class::Infrastructure,
    probe: probe_mdns,
    start: |_| Box::new(Local { fields: &MDNS_FIELDS }),
};

/// Link-local multicast name resolution.
pub static LLMNR: Definition = Definition {
    id: "llmnr",
    title: "Link-Local Multicast Name Resolution (RFC 4795)",
    transports: &[Transport::Udp],
    ports: &[5355],
    fields: &[&LLMNR_QUERY, &LLMNR_NAME, &LLMNR_ANOMALY],
    class: Class::Infrastructure,
    probe: probe_llmnr,
    start: |_| Box::new(Local { fields: &LLMNR_FIELDS }),
};

/// `mdns.query`.
pub static MDNS_QUERY: Field = Field {
    name: "mdns.query",
    doc: "Name or service type asked for: lower case, no final dot; once per question",
    source: "RFC 6762 section 5",
};

/// `mdns.service`.
pub static MDNS_SERVICE: Field = Field {
    name: "mdns.service",
    doc: "Service type of which the sender announces an instance: `_http._tcp.local`",
    source: "RFC 6763 section 4.1, section 9",
};

/// `mdns.instance`.
pub static MDNS_INSTANCE: Field = Field {
    name: "mdns.instance",
    doc: "Instance of a service that the sender announces, which its user or maker has named: \
          `Kitchen Lamp._http._tcp.local` in lower case",
    source: "RFC 6763 section 4.1",
};

/// `mdns.name`.
pub static MDNS_NAME: Field =
    Field { name: "mdns.name", doc: "Name for which an address is announced", source: "RFC 6762 section 6" };

/// `mdns.anomaly`.
pub static MDNS_ANOMALY: Field = Field {
    name: "mdns.anomaly",
    doc: "What breaks the protocol: the words of dns.anomaly for message form, and too-many-answers",
    source: "RFC 6762 section 18",
};

/// `llmnr.query`.
pub static LLMNR_QUERY: Field = Field {
    name: "llmnr.query",
    doc: "Name asked for: lower case, no final dot; once per query message",
    source: "RFC 4795 section 2.1.1",
};

/// `llmnr.name`.
pub static LLMNR_NAME: Field =
    Field { name: "llmnr.name", doc: "Name for which an address is given", source: "RFC 4795 section 2.1.1" };

/// `llmnr.anomaly`.
pub static LLMNR_ANOMALY: Field = Field {
    name: "llmnr.anomaly",
    doc: "What breaks the protocol: the words of dns.anomaly for message form, and too-many-answers",
    source: "RFC 4795 section 2.1.1",
};

/// The group address is nobody's end, so whoever sends towards the port counts as client; only an answer to an
/// ordinary resolver's port comes from a server (RFC 6762 section 6.7).
fn probe_mdns(input: &ProbeInput<'_>) -> Probe {
    // A resolver's client may happen to ask from this port.
    if input.transport != Transport::Udp || !input.port_in(MDNS.ports) || input.port_in(&[53]) {
        return Probe::No;
    }
    let Some(message) = Message::read(input.bytes).filter(|message| message.header.opcode() == 0) else {
        return Probe::No;
    };
    // A cut message may be one that the snap length cut.
    let readable = matches!(message.problem, None | Some(Problem::Cut | Problem::Trailing));
    if !readable || message.questions.is_empty() && message.records.is_empty() {
        return Probe::No;
    }
    Probe::Certainly(if input.dst_port == 5353 { Role::Client } else { Role::Server })
}

fn probe_llmnr(input: &ProbeInput<'_>) -> Probe {
    if input.transport != Transport::Udp || !input.port_in(LLMNR.ports) || input.port_in(&[53]) {
        return Probe::No;
    }
    let Some(header) = message::header(input.bytes) else { return Probe::No };
    let sane = header.opcode() == 0 && header.counts.first() == Some(&1);
    if !sane || message::question(input.bytes, message::HEADER_LEN).is_err() {
        return Probe::No;
    }
    Probe::Certainly(if header.is_response() { Role::Server } else { Role::Client })
}

/// What one of the two protocols calls its observations.
struct Fields {
    source: NameSource,
    query: &'static Field,
    /// Types and instances, where there are any.
    services: Option<[&'static Field; 2]>,
    name: &'static Field,
    anomaly: &'static Field,
}

static MDNS_FIELDS: Fields = Fields {
    source: NameSource::Mdns,
    query: &MDNS_QUERY,
    services: Some([&MDNS_SERVICE, &MDNS_INSTANCE]),
    name: &MDNS_NAME,
    anomaly: &MDNS_ANOMALY,
};

static LLMNR_FIELDS: Fields = Fields {
    source: NameSource::Llmnr,
    query: &LLMNR_QUERY,
    services: None,
    name: &LLMNR_NAME,
    anomaly: &LLMNR_ANOMALY,
};

struct Local {
    fields: &'static Fields,
}

impl Analyzer for Local {
    /// Not called: both run on UDP.
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, _role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        let message = Message::read(bytes);
        let problem = message.as_ref().map_or(Some(Problem::Cut), |message| message.problem);
        if let Some(problem) = problem.filter(|problem| *problem != Problem::Cut || missed == 0) {
            sink.fact(self.fields.anomaly, Value::Word(problem.word()));
        }
        let Some(message) = message else { return };
        if !message.header.is_response() {
            for question in message.questions {
                sink.fact(self.fields.query, Value::Text(question.name));
            }
            return;
        }
        let before = sink.observations.len();
        let told = answers::observe_announced(&message, self.fields.source, sink);
        let names: Vec<(Box<str>, IpAddr)> = (sink.observations.get(before..).unwrap_or_default().iter())
            .filter_map(|(_, observation)| match observation {
                Observation::Name(binding) => Some((binding.name.clone(), binding.address)),
                _ => None,
            })
            .collect();
        for (name, address) in names {
            announced(&name, address, sink);
            sink.fact(self.fields.name, Value::Text(name));
        }
        if told.excess {
            sink.fact(self.fields.anomaly, Value::Word("too-many-answers"));
        }
        if let Some(fields) = self.fields.services {
            announced_services(&message, fields, sink);
        }
    }
}

/// The host at `address` calls itself by the first label of a name of the link.
fn announced(name: &str, address: IpAddr, sink: &mut Sink) {
    let label = name.strip_suffix(".local").unwrap_or(name);
    if label.is_empty() || label.contains('.') {
        return;
    }
    let (kind, seen) = (TraitKind::Announced(label.into()), sink.seen);
    sink.observe(Observation::Host(Box::new(HostTrait { mac: None, ip: Some(address), kind, seen })));
}

/// Service types, from the pointers that lead from a type to its instances, or from the list of types to a type.
fn announced_services(
    message: &Message,
    [service_field, instance_field]: [&'static Field; 2],
    sink: &mut Sink,
) {
    for record in message.records.iter().filter(|record| record.section != Section::Authority) {
        if record.ttl == 0 {
            continue;
        }
        if let Data::Pointer(target) = &record.data {
            let lists_types = &*record.name == "_services._dns-sd._udp.local";
            let service = if lists_types { target } else { &record.name };
            if service.starts_with('_')
                && (service.ends_with("._tcp.local") || service.ends_with("._udp.local"))
            {
                sink.fact(service_field, Value::Text(service.clone()));
                if !lists_types {
                    sink.fact(instance_field, Value::Text(target.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::dns::testing::{A, Build, PTR, label, seen};

    fn probe_with(definition: &Definition, bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
        let transport = Transport::Udp;
        (definition.probe)(&ProbeInput { bytes, transport, src_port, dst_port, at_start: true })
    }

    fn observed(fields: &'static Fields, bytes: &[u8], missed: u32) -> Vec<String> {
        let mut sink = Sink::new(seen(1));
        Local { fields }.datagram(Role::Client, bytes, missed, &mut sink);
        let shown = sink.observations.into_iter().map(|(_, observation)| match observation {
            Observation::Fact(field, value) => format!("{}={value}", field.name),
            Observation::Name(binding) => {
                assert_eq!(binding.asked_by, None);
                format!("{} {} {}", binding.source, binding.name, binding.address)
            }
            Observation::Host(host) => format!("{:?} at {}", host.kind, host.ip.unwrap()),
            other @ Observation::Coming(_) => panic!("{other:?}"),
        });
        shown.collect()
    }

    #[test]
    fn announcements_name_addresses_and_services() {
        let bytes = Build::response(0, 0x8400)
            .record(1, "_http._tcp.local", PTR, &label("Kitchen Lamp._http._tcp.local"))
            .record(1, "_services._dns-sd._udp.local", PTR, &label("_hap._tcp.local"))
            .record(1, "7.2.0.192.in-addr.arpa", PTR, &label("lamp.local"))
            .record(3, "LAMP.local", A, &[192, 0, 2, 7])
            .bytes();
        assert_eq!(
            observed(&MDNS_FIELDS, &bytes, 0),
            [
                "mdns lamp.local 192.0.2.7",
                "mdns lamp.local 192.0.2.7",
                "Announced(\"lamp\") at 192.0.2.7",
                "mdns.name=lamp.local",
                "Announced(\"lamp\") at 192.0.2.7",
                "mdns.name=lamp.local",
                "mdns.service=_http._tcp.local",
                "mdns.instance=kitchen lamp._http._tcp.local",
                "mdns.service=_hap._tcp.local",
            ]
        );
    }

    #[test]
    fn names_of_the_internet_are_not_announced_on_the_link() {
        let bytes = Build::response(0, 0x8400)
            .record(1, "my.farm.bot", A, &[192, 0, 2, 66])
            .record_ttl(1, "gone.local", A, 0, &[192, 0, 2, 67])
            .bytes();
        assert!(observed(&MDNS_FIELDS, &bytes, 0).is_empty());
        assert!(observed(&LLMNR_FIELDS, &bytes, 0).is_empty());
    }

    #[test]
    fn queries_and_their_known_answers_name_nothing() {
        let bytes = Build::new(0, 0)
            .question("_http._tcp.local", PTR)
            .question("lamp.local", A)
            .record(1, "lamp.local", A, &[192, 0, 2, 7])
            .bytes();
        assert_eq!(
            observed(&MDNS_FIELDS, &bytes, 0),
            ["mdns.query=_http._tcp.local", "mdns.query=lamp.local"]
        );
    }

    #[test]
    fn llmnr_names_single_labels() {
        let query = Build::new(7, 0).question("PRINTER", A);
        let response = Build::new(7, 0x8000).question("PRINTER", A).record(1, "PRINTER", A, &[192, 0, 2, 9]);
        assert_eq!(observed(&LLMNR_FIELDS, &query.bytes(), 0), ["llmnr.query=printer"]);
        assert_eq!(
            observed(&LLMNR_FIELDS, &response.bytes(), 0),
            ["llmnr printer 192.0.2.9", "Announced(\"printer\") at 192.0.2.9", "llmnr.name=printer"]
        );
    }

    #[test]
    fn whoever_sends_to_the_port_is_the_client() {
        let query = Build::new(0, 0).question("lamp.local", A).bytes();
        let response = Build::new(0, 0x8400).record(1, "lamp.local", A, &[192, 0, 2, 7]).bytes();
        assert_eq!(probe_with(&MDNS, &query, 5353, 5353), Probe::Certainly(Role::Client));
        assert_eq!(probe_with(&MDNS, &response, 5353, 5353), Probe::Certainly(Role::Client));
        assert_eq!(probe_with(&MDNS, &response, 5353, 40000), Probe::Certainly(Role::Server));
        assert_eq!(probe_with(&MDNS, &query, 40000, 40001), Probe::No);
        assert_eq!(probe_with(&MDNS, &query, 5353, 53), Probe::No);
        assert_eq!(probe_with(&MDNS, b"not a message at all", 5353, 5353), Probe::No);
        let query = Build::new(7, 0).question("printer", A).bytes();
        assert_eq!(probe_with(&LLMNR, &query, 50000, 5355), Probe::Certainly(Role::Client));
        assert_eq!(probe_with(&LLMNR, &query[..20], 50000, 5355), Probe::No);
        let response = Build::new(7, 0x8000).question("printer", A).bytes();
        assert_eq!(probe_with(&LLMNR, &response, 5355, 50000), Probe::Certainly(Role::Server));
    }

    #[test]
    fn what_the_capture_cut_is_no_anomaly() {
        let bytes = Build::response(0, 0x8400)
            .record(1, "lamp.local", A, &[192, 0, 2, 7])
            .record(1, "lamp.local", A, &[192, 0, 2, 8])
            .bytes();
        let cut = &bytes[..bytes.len() - 1];
        let first = ["mdns lamp.local 192.0.2.7", "Announced(\"lamp\") at 192.0.2.7", "mdns.name=lamp.local"];
        assert_eq!(observed(&MDNS_FIELDS, cut, 1), first);
        assert_eq!(observed(&MDNS_FIELDS, cut, 0)[0], "mdns.anomaly=cut-short");
    }
}
