//! What the records of a message say about addresses.

use std::net::IpAddr;

use super::message::{Data, IN, Message, Question, Record, Section};
use super::name;
use super::service::Service;
use crate::analyzers::Sink;
use crate::model::{NameBinding, NameSource, Observation};

/// What reading the answers of a message comes to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// A and AAAA records in the answer section.
    pub(super) addresses: u64,
    /// More names than are kept, or a chain of aliases that is too long or returns to itself.
    pub(super) excess: bool,
}

/// Observes the names that the answer to `question` gives to addresses, as told to `asked_by`.
///
/// An address at the end of the chain of aliases that begins at the question is bound to the name asked for; the
/// aliases go with it. The address hints of a service binding on that chain, and the additional address of a host
/// that an answer names, count likewise. Any other address record was not asked for, so a resolver does not use
/// it: it is bound as [`NameSource::DnsOther`].
pub(super) fn observe(
    message: &Message,
    question: Option<&Question>,
    asked_by: IpAddr,
    sink: &mut Sink,
) -> Told {
    let (chain, endless) = chain(message, question);
    let mut told = Told { addresses: 0, excess: endless };
    let mut bindings = Bindings { asked_by: Some(asked_by), left: MAX_BINDINGS, sink };
    for record in message.records.iter().filter(|record| record.class == IN) {
        let place = chain.iter().position(|name| **name == *record.name);
        let on_chain = place.and_then(|place| chain.get(..=place));
        match &record.data {
            Data::Address(address) => {
                told.addresses = told.addresses.saturating_add(u64::from(record.section == Section::Answer));
                let own = [&*record.name];
                let (names, target, source) = match on_chain {
                    Some(names) if record.section != Section::Authority => (names, None, NameSource::Dns),
                    _ if bindings.left > 0 => match host_of(message, record) {
                        Some(answer) => {
                            let (names, target) = asked_through(answer, &chain).unwrap_or((&own, None));
                            (names, target, NameSource::Dns)
                        }
                        None => (&own[..], None, NameSource::DnsOther),
                    },
                    _ => (&own[..], None, NameSource::DnsOther),
                };
                bindings.add(names, target, *address, source);
            }
            Data::Service(service) => {
                let own = [&*record.name];
                let (names, source) =
                    on_chain.map_or((&own[..], NameSource::DnsOther), |names| (names, NameSource::Dns));
                let target =
                    Some(&*service.target).filter(|target| *target != "." && **target != *record.name);
                for hint in &service.hints {
                    bindings.add(names, target, *hint, source);
                }
            }
            Data::Pointer(target) => {
                // Delegation below a /24 goes through an alias (RFC 2317): the address is in the name asked for.
                let of = on_chain.and_then(|names| names.first().copied()).unwrap_or(&record.name);
                if let Some(address) = name::reverse(of) {
                    bindings.add(&[&**target], None, address, NameSource::Ptr);
                }
            }
            Data::Alias(_) | Data::Host(_) | Data::Edns(_) | Data::Other => {}
        }
    }
    told.excess |= bindings.left == 0;
    told
}

/// Observes the addresses of names below `local` that a multicast response announces. A lifetime of zero takes a
/// name back (RFC 6762 section 10.1).
pub(super) fn observe_announced(message: &Message, source: NameSource, sink: &mut Sink) -> Told {
    let mut told = Told::default();
    let mut bindings = Bindings { asked_by: None, left: MAX_BINDINGS, sink };
    for record in message.records.iter().filter(|record| record.ttl > 0) {
        match &record.data {
            Data::Address(address) if may_announce(&record.name, source) => {
                told.addresses = told.addresses.saturating_add(1);
                bindings.add(&[&*record.name], None, *address, source);
            }
            Data::Pointer(target) if may_announce(target, source) => {
                if let Some(address) = name::reverse(&record.name) {
                    bindings.add(&[&**target], None, address, source);
                }
            }
            _ => {}
        }
    }
    told.excess = bindings.left == 0;
    told
}

/// Anybody on the link can announce anything: a name of the Internet is not taken from there.
fn may_announce(name: &str, source: NameSource) -> bool {
    match source {
        NameSource::Mdns => is_below_local(name),
        _ => !name.contains('.') || is_below_local(name),
    }
}

fn is_below_local(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, top)| top == "local")
}

/// The name asked for and the aliases that lead on from it, and whether they were cut off.
fn chain<'a>(message: &'a Message, question: Option<&'a Question>) -> (Vec<&'a str>, bool) {
    let mut chain: Vec<&str> = question.map(|question| &*question.name).into_iter().collect();
    while let Some(last) = chain.last().copied() {
        let next = message.records.iter().find_map(|record| match &record.data {
            Data::Alias(target) if record.section == Section::Answer && *record.name == *last => {
                Some(&**target)
            }
            _ => None,
        });
        match next {
            None => break,
            Some(next) if chain.len() > MAX_ALIASES || chain.contains(&next) => return (chain, true),
            Some(next) => chain.push(next),
        }
    }
    (chain, false)
}

/// The answer (SRV, MX, NS, SVCB, HTTPS) that names the owner of `record` as a host.
fn host_of<'a>(message: &'a Message, record: &Record) -> Option<&'a Record> {
    let mut answers = message.records.iter().take_while(|other| other.section == Section::Answer);
    let names_it = |other: &&Record| match &other.data {
        Data::Host(target) | Data::Service(Service { target, .. }) => *target == record.name,
        _ => false,
    };
    answers.find(names_it).filter(|_| record.section == Section::Additional)
}

/// The names that lead to the host of an HTTPS or SVCB record, and that host: whoever asks for a service wants it there
/// (RFC 9460 section 3). The other kinds give names of their own, as SRV does.
fn asked_through<'c>(answer: &'c Record, chain: &'c [&'c str]) -> Option<(&'c [&'c str], Option<&'c str>)> {
    let Data::Service(service) = &answer.data else { return None };
    let place = chain.iter().position(|name| **name == *answer.name)?;
    Some((chain.get(..=place)?, Some(&*service.target)))
}

struct Bindings<'a> {
    asked_by: Option<IpAddr>,
    left: usize,
    sink: &'a mut Sink,
}

impl Bindings<'_> {
    /// Binds the first of `names`; the others and `target` stand between it and the address.
    fn add(&mut self, names: &[&str], target: Option<&str>, address: IpAddr, source: NameSource) {
        let (Some((name, aliases)), Some(left)) = (names.split_first(), self.left.checked_sub(1)) else {
            return;
        };
        self.left = left;
        let aliases = aliases.iter().copied().chain(target).take(MAX_ALIASES);
        self.sink.observe(Observation::Name(Box::new(NameBinding {
            name: (*name).into(),
            aliases: aliases.map(Into::into).collect(),
            address,
            source,
            asked_by: self.asked_by,
            seen: Some(self.sink.seen),
        })));
    }
}

/// Bindings kept of one message: honest answers have few, and each may repeat a chain of long names.
const MAX_BINDINGS: usize = 256;

/// Aliases followed from the name asked for, as many as a [`NameBinding`] holds.
const MAX_ALIASES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::dns::testing::{A, Build, CNAME, HTTPS, PTR, SRV, label, seen};

    type Bound = (String, Vec<String>, String, NameSource);
    type Said<'a> = (&'a str, Vec<&'a str>, &'a str, NameSource);

    fn bindings(build: &Build) -> (Vec<Bound>, Told) {
        let message = Message::read(&build.bytes()).unwrap();
        assert_eq!(message.problem, None);
        let mut sink = Sink::new(seen(1));
        let told = observe(&message, message.questions.first(), "192.0.2.7".parse().unwrap(), &mut sink);
        let said = sink.observations.into_iter().map(|(_, observation)| match observation {
            Observation::Name(binding) => {
                assert_eq!(binding.asked_by, Some("192.0.2.7".parse().unwrap()));
                let aliases = binding.aliases.iter().map(ToString::to_string).collect();
                (binding.name.to_string(), aliases, binding.address.to_string(), binding.source)
            }
            other => panic!("{other:?}"),
        });
        (said.collect(), told)
    }

    fn expect(build: &Build, expected: &[Said<'_>]) {
        let (said, _) = bindings(build);
        let said: Vec<Said<'_>> = said
            .iter()
            .map(|(name, aliases, ip, source)| {
                (&**name, aliases.iter().map(|a| &**a).collect(), &**ip, *source)
            })
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn an_address_belongs_to_the_name_asked_for_and_to_the_aliases_up_to_it() {
        let build = Build::response(1, 0x8180)
            .question("my.example", A)
            .record(1, "edge.example", CNAME, &label("pop.example"))
            .record(1, "my.example", CNAME, &label("edge.example"))
            .record(1, "pop.example", A, &[192, 0, 2, 1])
            .record(1, "edge.example", A, &[192, 0, 2, 2]);
        expect(
            &build,
            &[
                ("my.example", vec!["edge.example", "pop.example"], "192.0.2.1", NameSource::Dns),
                ("my.example", vec!["edge.example"], "192.0.2.2", NameSource::Dns),
            ],
        );
    }

    #[test]
    fn addresses_that_nobody_asked_for_are_not_the_askers_names() {
        let build = Build::response(1, 0x8180)
            .question("my.example", A)
            .record(1, "bank.example", A, &[203, 0, 113, 9])
            .record(2, "my.example", A, &[203, 0, 113, 10])
            .record(3, "ns.example", A, &[192, 0, 2, 53]);
        expect(
            &build,
            &[
                ("bank.example", vec![], "203.0.113.9", NameSource::DnsOther),
                ("my.example", vec![], "203.0.113.10", NameSource::DnsOther),
                ("ns.example", vec![], "192.0.2.53", NameSource::DnsOther),
            ],
        );
    }

    #[test]
    fn additional_addresses_of_a_service_host_count_as_asked_for() {
        let mut srv = vec![0, 0, 0, 0, 0x07, 0x5b];
        srv.extend(label("broker.example"));
        let build = Build::response(1, 0x8180)
            .question("_mqtt._tcp.example", SRV)
            .record(1, "_mqtt._tcp.example", SRV, &srv)
            .record(3, "broker.example", A, &[192, 0, 2, 1]);
        expect(&build, &[("broker.example", vec![], "192.0.2.1", NameSource::Dns)]);
    }

    #[test]
    fn address_hints_belong_to_the_name_asked_for() {
        let mut hint = vec![0, 1];
        hint.extend(label("svc.example"));
        hint.extend([0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 2]);
        let build =
            Build::response(1, 0x8180).question("my.example", HTTPS).record(1, "my.example", HTTPS, &hint);
        expect(
            &build,
            &[
                ("my.example", vec!["svc.example"], "192.0.2.1", NameSource::Dns),
                ("my.example", vec!["svc.example"], "192.0.2.2", NameSource::Dns),
            ],
        );
    }

    #[test]
    fn the_host_of_a_service_goes_by_the_name_asked_for() {
        let alias = [&[0, 0][..], &label("svc.example")].concat();
        let build = Build::response(1, 0x8180)
            .question("my.example", HTTPS)
            .record(1, "my.example", HTTPS, &alias)
            .record(3, "svc.example", A, &[192, 0, 2, 1])
            .record(3, "other.example", A, &[192, 0, 2, 2]);
        expect(
            &build,
            &[
                ("my.example", vec!["svc.example"], "192.0.2.1", NameSource::Dns),
                ("other.example", vec![], "192.0.2.2", NameSource::DnsOther),
            ],
        );
    }

    #[test]
    fn reverse_lookups_name_the_address_asked_for() {
        let build = Build::response(1, 0x8180)
            .question("5.2.0.192.in-addr.arpa", PTR)
            .record(1, "5.2.0.192.in-addr.arpa", CNAME, &label("5.0-31.2.0.192.in-addr.arpa"))
            .record(1, "5.0-31.2.0.192.in-addr.arpa", PTR, &label("host.example"));
        expect(&build, &[("host.example", vec![], "192.0.2.5", NameSource::Ptr)]);
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let build = Build::response(1, 0x8180)
            .question("a.example", A)
            .record(1, "a.example", CNAME, &label("b.example"))
            .record(1, "b.example", CNAME, &label("a.example"))
            .record(1, "b.example", A, &[192, 0, 2, 1]);
        assert!(bindings(&build).1.excess);
        expect(&build, &[("a.example", vec!["b.example"], "192.0.2.1", NameSource::Dns)]);
    }

    #[test]
    fn chains_and_answers_are_bounded() {
        let mut build = Build::response(1, 0x8180).question("n0.example", A);
        for hop in 0..40 {
            build =
                build.record(1, &format!("n{hop}.example"), CNAME, &label(&format!("n{}.example", hop + 1)));
        }
        build =
            build.record(1, "n16.example", A, &[192, 0, 2, 1]).record(1, "n17.example", A, &[192, 0, 2, 2]);
        let (said, told) = bindings(&build);
        assert!(told.excess);
        assert_eq!((said[0].1.len(), said[0].3), (16, NameSource::Dns));
        assert_eq!((said[1].1.len(), said[1].3), (0, NameSource::DnsOther));

        let mut build = Build::response(1, 0x8180).question("a.example", A);
        for n in 0..300_u16 {
            let [high, low] = n.to_be_bytes();
            build = build.record(1, "a.example", A, &[10, 0, high, low]);
        }
        let (said, told) = bindings(&build);
        assert_eq!((said.len(), told.addresses, told.excess), (MAX_BINDINGS, 300, true));
    }
}
