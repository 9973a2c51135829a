//! Flows of DNS messages.

use super::testing::{A, Build, CNAME, PTR, label, seen};
use super::*;
use crate::model::Endpoint;

const CLIENT: &str = "192.0.2.7";

fn analyzer(transport: Transport) -> Box<dyn Analyzer> {
    let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    (DNS.start)(&Context {
        transport,
        client: end(CLIENT, 40000),
        server: end("192.0.2.53", 53),
        from_start: true,
        secrets: None,
    })
}

/// Every observation in one line.
fn shown(observations: Vec<(Seen, Observation)>) -> Vec<String> {
    let shown = observations.into_iter().map(|(seen, observation)| {
        let no = seen.frame.no().0;
        match observation {
            Observation::Fact(field, value) => format!("{no} {}={value}", field.name),
            Observation::Name(binding) => {
                assert_eq!(binding.seen, Some(seen));
                let names: Vec<_> = std::iter::once(&*binding.name)
                    .chain(binding.aliases.iter().map(|alias| &**alias))
                    .collect();
                let asker = binding.asked_by.unwrap();
                format!("{no} {} {} {} by {asker}", binding.source, names.join(">"), binding.address)
            }
            Observation::Host(host) => match *host {
                HostTrait { ip, kind: TraitKind::Lookup(name), mac: None, .. } => {
                    format!("{no} {} looked up {name}", ip.unwrap())
                }
                other => panic!("{other:?}"),
            },
            Observation::Coming(coming) => panic!("{coming:?}"),
        }
    });
    shown.collect()
}

/// Feeds datagrams, one per frame, and ends.
fn flow(datagrams: &[(Role, Vec<u8>)]) -> Vec<String> {
    let mut dns = analyzer(Transport::Udp);
    let mut all = Vec::new();
    for (frame, (role, bytes)) in (1..).zip(datagrams) {
        let mut sink = Sink::new(seen(frame));
        dns.datagram(*role, bytes, 0, &mut sink);
        assert!(!sink.done);
        all.extend(sink.observations);
    }
    let mut sink = Sink::new(seen(99));
    dns.end(&mut sink);
    all.extend(sink.observations);
    shown(all)
}

fn query(id: u16, name: &str) -> (Role, Vec<u8>) {
    (Role::Client, Build::query(id, name, A).bytes())
}

fn answer(id: u16, name: &str, ip: [u8; 4]) -> (Role, Vec<u8>) {
    (Role::Server, Build::response(id, 0x8180).question(name, A).record(1, name, A, &ip).bytes())
}

fn probe_at(transport: Transport, bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
    probe(&ProbeInput { bytes, transport, src_port, dst_port, at_start: true })
}

#[test]
fn an_answered_lookup_names_the_address_for_the_asker() {
    let response = Build::response(1, 0x8180)
        .question("my.Example", A)
        .record(1, "my.Example", CNAME, &label("edge.example"))
        .record(1, "edge.example", A, &[203, 0, 113, 1])
        .bytes();
    assert_eq!(
        flow(&[query(1, "MY.example"), (Role::Server, response)]),
        [
            "1 dns.query=my.example",
            "1 dns.query_type=A",
            "1 192.0.2.7 looked up my.example",
            "2 dns.rcode=NOERROR",
            "2 dns my.example>edge.example 203.0.113.1 by 192.0.2.7",
            "2 dns.answers=1",
        ]
    );
}

#[test]
fn failures_name_what_failed() {
    let refused = Build::response(1, 0x8185).question("a.example", A).bytes();
    let unknown = Build::response(2, 0x818e).question("b.example", A).bytes();
    let seen = flow(&[
        query(1, "a.example"),
        (Role::Server, refused),
        query(2, "b.example"),
        (Role::Server, unknown),
    ]);
    for line in [
        "2 dns.rcode=REFUSED",
        "2 dns.failed=a.example REFUSED",
        "2 dns.answers=0",
        "4 dns.rcode=14",
        "4 dns.failed=b.example RCODE14",
    ] {
        assert!(seen.iter().any(|seen| seen == line), "{line} in {seen:#?}");
    }
    assert!(!seen.iter().any(|line| line.contains("unanswered")));
}

#[test]
fn unanswered_queries_are_told_at_the_end_once_each() {
    let seen =
        flow(&[query(1, "a.example"), query(1, "a.example"), query(2, "b.example"), query(1, "c.example")]);
    let lost: Vec<_> = seen.iter().filter(|line| line.contains("unanswered")).collect();
    assert_eq!(
        lost,
        ["1 dns.unanswered=a.example", "3 dns.unanswered=b.example", "4 dns.unanswered=c.example"]
    );
    assert_eq!(seen.iter().filter(|line| line.contains("dns.query=a")).count(), 2);
    assert_eq!(seen.iter().filter(|line| line.contains("looked up a")).count(), 1);
}

#[test]
fn answers_that_contradict_the_query_name_nothing() {
    let ip = [203, 0, 113, 66];
    let seen = flow(&[query(1, "a.example"), answer(2, "a.example", ip), answer(1, "b.example", ip)]);
    assert_eq!(
        seen[3..],
        ["2 dns.anomaly=other-id", "3 dns.anomaly=other-question", "1 dns.unanswered=a.example"]
    );
}

#[test]
fn a_second_answer_names_nothing_more() {
    let seen = flow(&[
        query(1, "a.example"),
        answer(1, "a.example", [203, 0, 113, 1]),
        answer(1, "a.example", [203, 0, 113, 66]),
    ]);
    assert_eq!(
        seen[3..],
        [
            "2 dns.rcode=NOERROR",
            "2 dns a.example 203.0.113.1 by 192.0.2.7",
            "2 dns.answers=1",
            "3 dns.rcode=NOERROR",
        ]
    );
}

#[test]
fn an_answer_whose_query_was_not_captured_still_names() {
    let seen = flow(&[answer(1, "a.example", [203, 0, 113, 1])]);
    assert_eq!(
        seen,
        [
            "1 dns.unsolicited=yes",
            "1 dns.rcode=NOERROR",
            "1 dns a.example 203.0.113.1 by 192.0.2.7",
            "1 dns.answers=1",
        ]
    );
}

#[test]
fn a_server_on_the_same_ports_may_ask_too() {
    let seen = flow(&[
        (Role::Server, Build::query(1, "a.example", A).bytes()),
        (
            Role::Client,
            Build::response(1, 0x8180)
                .question("a.example", A)
                .record(1, "a.example", A, &[203, 0, 113, 1])
                .bytes(),
        ),
    ]);
    assert_eq!(seen[2], "1 192.0.2.53 looked up a.example");
    assert_eq!(seen[4], "2 dns a.example 203.0.113.1 by 192.0.2.53");
}

#[test]
fn truncation_edns_and_hidden_names_are_told() {
    let query = Build::query(1, "a.example", 65).raw(3, &[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]).bytes();
    let service = [&[0, 1, 0, 0, 5, 0, 2], b"xx".as_slice()].concat();
    let response =
        Build::response(1, 0x8380).question("a.example", 65).record(1, "a.example", 65, &service).bytes();
    assert_eq!(
        flow(&[(Role::Client, query), (Role::Server, response)]),
        [
            "1 dns.query=a.example",
            "1 dns.query_type=HTTPS",
            "1 dns.edns_size=1232",
            "1 192.0.2.7 looked up a.example",
            "2 dns.rcode=NOERROR",
            "2 dns.truncated=yes",
            "2 dns.answers=0",
            "2 dns.ech=a.example",
        ]
    );
}

#[test]
fn what_edns_and_service_records_say_is_told() {
    // A cookie; then, from the server, an extended error 15 behind the upper bits of BADVERS.
    let cookie = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    let blocked = [0, 0, 41, 0x04, 0xd0, 1, 0, 0, 0, 0, 6, 0, 15, 0, 2, 0, 15];
    let mut service = vec![0, 1];
    service.extend(label("svc.example"));
    service.extend(b"\x00\x01\x00\x06\x02h2\x02h3\x00\x03\x00\x02\x20\xfb\x00\x04\x00\x04\xc0\x00\x02\x09");
    let query = Build::query(1, "a.example", 65).raw(3, &cookie).bytes();
    let response = Build::response(1, 0x8180)
        .question("a.example", 65)
        .record(1, "a.example", 65, &service)
        .raw(3, &blocked)
        .bytes();
    assert_eq!(
        flow(&[(Role::Client, query), (Role::Server, response)]),
        [
            "1 dns.query=a.example",
            "1 dns.query_type=HTTPS",
            "1 dns.edns_size=4096",
            "1 dns.edns_option=cookie",
            "1 192.0.2.7 looked up a.example",
            "2 dns.edns_server_size=1232",
            "2 dns.edns_option=extended-error",
            "2 dns.extended_error=blocked",
            "2 dns.rcode=BADVERS",
            "2 dns.failed=a.example BADVERS",
            "2 dns a.example>svc.example 192.0.2.9 by 192.0.2.7",
            "2 dns.answers=0",
            "2 dns.service=a.example at svc.example port 8443 alpn h2,h3",
        ]
    );
}

#[test]
fn a_query_is_repeated_over_tcp_where_the_answer_does_not_fit() {
    let truncated = Build::response(1, 0x8380).question("a.example", A).bytes();
    let udp = flow(&[(Role::Client, Build::query(1, "a.example", A).bytes()), (Role::Server, truncated)]);
    assert_eq!(udp[3..], ["2 dns.rcode=NOERROR", "2 dns.truncated=yes", "2 dns.answers=0"]);
    let whole =
        Build::response(2, 0x8180).question("a.example", A).record(1, "a.example", A, &[203, 0, 113, 1]);
    let mut dns = analyzer(Transport::Tcp);
    let mut sink = Sink::new(seen(3));
    dns.data(Role::Client, &Build::query(2, "a.example", A).framed(), &mut sink);
    dns.data(Role::Server, &whole.framed(), &mut sink);
    dns.end(&mut sink);
    let told: Vec<_> =
        sink.observations.iter().filter(|(_, told)| matches!(told, Observation::Name(_))).collect();
    assert_eq!(told.len(), 1);
}

#[test]
fn the_prefix_of_a_network_with_made_up_addresses_is_told() {
    let v6 = |last: u8| {
        [&[0x20, 0x01, 0x0d, 0xb8, 0x64, 0, 0, 0, 0, 0, 0, 0], [192, 0, 0, last].as_slice()].concat()
    };
    let answer = |name: &str| {
        let response = Build::response(1, 0x8180)
            .question(name, 28)
            .record(1, name, 28, &v6(170))
            .record(1, name, 28, &v6(171))
            .bytes();
        let all = flow(&[(Role::Client, Build::query(1, name, 28).bytes()), (Role::Server, response)]);
        all.into_iter().filter(|line| line.contains("nat64")).collect::<Vec<_>>()
    };
    assert_eq!(answer("ipv4only.arpa"), ["2 dns.nat64_prefix=2001:db8:6400::/96"]);
    assert!(answer("other.example").is_empty());
}

#[test]
fn reverse_lookups_name_addresses() {
    let name = "1.113.0.203.in-addr.arpa";
    let response =
        Build::response(1, 0x8180).question(name, PTR).record(1, name, PTR, &label("host.example")).bytes();
    let seen = flow(&[(Role::Client, Build::query(1, name, PTR).bytes()), (Role::Server, response)]);
    assert!(seen.contains(&String::from("2 ptr host.example 203.0.113.1 by 192.0.2.7")), "{seen:?}");
}

#[test]
fn other_operations_are_named_and_left_alone() {
    let update = Build::new(1, 0x2800).question("example.com", 6).bytes();
    assert_eq!(flow(&[(Role::Client, update)]), ["1 dns.opcode=UPDATE", "1 dns.zone=example.com"]);
    // A notification has the new SOA for an answer; its own answer is no answer to a look-up.
    let notify =
        Build::new(2, 0x2400).question("example.net", 6).record(1, "example.net", 6, &[0; 22]).bytes();
    let told = Build::new(2, 0xa405).question("example.net", 6).bytes();
    assert_eq!(
        flow(&[(Role::Client, notify), (Role::Server, told)]),
        [
            "1 dns.opcode=NOTIFY",
            "1 dns.zone=example.net",
            "2 dns.opcode=NOTIFY",
            "2 dns.zone=example.net",
            "2 dns.rcode=REFUSED"
        ]
    );
    let refused = Build::new(1, 0xa809).question("example.com", 6).bytes();
    assert_eq!(
        flow(&[(Role::Server, refused)]),
        ["1 dns.opcode=UPDATE", "1 dns.zone=example.com", "1 dns.rcode=NOTAUTH"]
    );
    let unknown = Build::new(1, 0x9004).bytes();
    assert_eq!(flow(&[(Role::Server, unknown)]), ["1 dns.opcode=STATUS", "1 dns.rcode=NOTIMP"]);
    // What DSO says (RFC 8490) has another form, and is not called broken for that.
    let stateful = [&Build::new(3, 0x3000).bytes()[..], &[0, 1, 0, 4, 0, 0, 0, 1]].concat();
    assert_eq!(flow(&[(Role::Client, stateful)]), ["1 dns.opcode=DSO"]);
}

#[test]
fn an_update_that_deletes_is_no_anomaly() {
    // Delete all addresses of a name (RFC 2136 section 2.5.2): class ANY, no time to live, no content.
    let delete = b"\x01a\xc0\x0c\x00\x01\x00\xff\x00\x00\x00\x00\x00\x00";
    let update = Build::new(1, 0x2800).question("example.com", 6).raw(2, delete).bytes();
    assert_eq!(flow(&[(Role::Client, update)]), ["1 dns.opcode=UPDATE", "1 dns.zone=example.com"]);
}

#[test]
fn a_stream_gives_the_same_however_it_is_split() {
    let queries =
        [Build::query(1, "a.example", A).framed(), Build::query(2, "b.example", A).framed()].concat();
    let answers = [
        Build::response(1, 0x8180)
            .question("a.example", A)
            .record(1, "a.example", A, &[203, 0, 113, 1])
            .framed(),
        Build::response(2, 0x8183).question("b.example", A).framed(),
    ]
    .concat();
    let run = |split: usize| {
        let mut dns = analyzer(Transport::Tcp);
        let mut sink = Sink::new(seen(1));
        for (role, bytes) in [(Role::Client, &queries), (Role::Server, &answers)] {
            let (front, back) = bytes.split_at(split.min(bytes.len()));
            dns.data(role, front, &mut sink);
            dns.data(role, back, &mut sink);
        }
        dns.end(&mut sink);
        shown(sink.observations)
    };
    let whole = run(0);
    assert_eq!(whole.last().map(String::as_str), Some("1 dns.answers=0"));
    assert_eq!(whole.iter().filter(|line| line.contains("dns.rcode")).count(), 2);
    for split in 1..queries.len().max(answers.len()) {
        assert_eq!(run(split), whole, "at {split}");
    }
    let mut dns = analyzer(Transport::Tcp);
    let mut sink = Sink::new(seen(1));
    queries.iter().for_each(|byte| dns.data(Role::Client, &[*byte], &mut sink));
    answers.iter().for_each(|byte| dns.data(Role::Server, &[*byte], &mut sink));
    assert_eq!(shown(sink.observations), whole);
}

#[test]
fn a_gap_ends_the_stream_and_accuses_nobody() {
    let mut dns = analyzer(Transport::Tcp);
    let mut sink = Sink::new(seen(1));
    dns.data(Role::Client, &Build::query(1, "a.example", A).framed(), &mut sink);
    dns.gap(Role::Server, 100, &mut sink);
    assert!(sink.done);
    dns.end(&mut sink);
    assert!(!shown(sink.observations).iter().any(|line| line.contains("unanswered")));
}

#[test]
fn the_longest_messages_and_empty_ones_pass_through_the_stream() {
    let mut dns = analyzer(Transport::Tcp);
    let mut sink = Sink::new(seen(1));
    let mut stream = vec![0, 0];
    let mut message = Build::query(1, "a.example", A).bytes();
    message.resize(0xffff, 0);
    stream.extend([0xff, 0xff]);
    stream.extend(&message);
    stream.extend(Build::query(2, "b.example", A).framed());
    dns.data(Role::Client, &stream, &mut sink);
    assert!(!sink.done);
    let seen = shown(sink.observations);
    assert_eq!(
        seen[..3],
        ["1 dns.anomaly=cut-short", "1 dns.anomaly=trailing-bytes", "1 dns.query=a.example"]
    );
    assert!(seen.contains(&String::from("1 dns.query=b.example")));
}

#[test]
fn datagrams_cut_by_the_capture_are_no_anomaly_and_still_answer() {
    let (_, response) = answer(1, "a.example", [203, 0, 113, 1]);
    for end in 0..response.len() {
        let mut dns = analyzer(Transport::Udp);
        let mut sink = Sink::new(seen(1));
        dns.datagram(Role::Client, &query(1, "a.example").1, 0, &mut sink);
        dns.datagram(Role::Server, &response[..end], (response.len() - end) as u32, &mut sink);
        dns.end(&mut sink);
        let seen = shown(sink.observations);
        assert!(
            !seen.iter().any(|line| line.contains("anomaly") || line.contains("unanswered")),
            "{end}: {seen:?}"
        );
        // How many there are, is not known of those that are cut off.
        assert!(!seen.iter().any(|line| line.contains("dns.answers")), "{end}: {seen:?}");
        // The same bytes, if nothing was cut off, are an anomaly.
        let mut sink = Sink::new(testing::seen(1));
        analyzer(Transport::Udp).datagram(Role::Server, &response[..end], 0, &mut sink);
        assert!(shown(sink.observations).contains(&String::from("1 dns.anomaly=cut-short")), "{end}");
    }
}

#[test]
fn queries_and_responses_are_recognised_on_and_off_the_port() {
    let ask = query(1, "a.example").1;
    let tell = answer(1, "a.example", [203, 0, 113, 1]).1;
    assert_eq!(probe_at(Transport::Udp, &ask, 40000, 53), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(Transport::Udp, &tell, 53, 40000), Probe::Certainly(Role::Server));
    assert_eq!(probe_at(Transport::Udp, &ask, 40000, 5300), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(Transport::Udp, &tell, 5300, 40000), Probe::Certainly(Role::Server));
    // A server's error without question.
    let error = Build::response(1, 0x8181).bytes();
    assert_eq!(probe_at(Transport::Udp, &error, 53, 40000), Probe::Certainly(Role::Server));
    assert_eq!(probe_at(Transport::Udp, &error, 5300, 40000), Probe::No);
    // Other protocols with the same header.
    for port in [137, 5353, 5355] {
        assert_eq!(probe_at(Transport::Udp, &ask, 40000, port), Probe::No, "{port}");
    }
}

#[test]
fn other_bytes_are_not_taken_for_messages() {
    let ntp: Vec<u8> = std::iter::once(0x23).chain([0; 47]).collect();
    let http = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnopqrstuvwxyz0123456789";
    for bytes in [ntp.as_slice(), http, tls, b"", &[0; 600], &[0xff; 600]] {
        for port in [53, 4000] {
            assert_eq!(probe_at(Transport::Udp, bytes, 40000, port), Probe::No, "{bytes:?} to {port}");
        }
    }
    for bytes in [http.as_slice(), tls, &[0; 600], &[0xff; 600]] {
        for port in [53, 4000] {
            assert_eq!(probe_at(Transport::Tcp, bytes, 40000, port), Probe::No, "{bytes:?} to {port}");
        }
    }
}

#[test]
fn a_stream_is_recognised_as_soon_as_its_first_question_is_there() {
    let stream = Build::query(1, "a.example", A).framed();
    for end in 0..stream.len() {
        assert_eq!(probe_at(Transport::Tcp, &stream[..end], 40000, 53), Probe::More, "{end}");
        assert_eq!(probe_at(Transport::Tcp, &stream[..end], 40000, 5300), Probe::More, "{end}");
    }
    assert_eq!(probe_at(Transport::Tcp, &stream, 40000, 53), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(Transport::Tcp, &stream, 40000, 5300), Probe::Certainly(Role::Client));
    let midstream =
        ProbeInput { bytes: &stream, transport: Transport::Tcp, src_port: 4, dst_port: 5, at_start: false };
    assert_eq!(probe(&midstream), Probe::No);
}

#[test]
fn every_byte_may_be_any_byte() {
    let service = [&[0, 1][..], &label("b.example"), &[0, 4, 0, 4, 192, 0, 2, 1]].concat();
    let message = Build::response(1, 0x8180)
        .question("a.example", 65)
        .record(1, "a.example", CNAME, &[0xc0, 12])
        .record(1, "a.example", 65, &service)
        .record(3, "b.example", A, &[192, 0, 2, 1])
        .raw(3, &[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0])
        .bytes();
    for at in 0..message.len() {
        for value in 0..=255 {
            let mut bent = message.clone();
            bent[at] = value;
            let mut stream = (bent.len() as u16).to_be_bytes().to_vec();
            stream.extend(&bent);
            for port in [53, 5353, 5355, 5300] {
                probe_at(Transport::Udp, &bent, port, 40000);
                probe_at(Transport::Tcp, &stream, port, 40000);
            }
            let mut sink = Sink::new(seen(1));
            let mut dns = analyzer(Transport::Udp);
            dns.datagram(Role::Client, &bent, 0, &mut sink);
            dns.datagram(Role::Server, &bent, 0, &mut sink);
            dns.end(&mut sink);
            assert!(sink.observations.len() < 40, "byte {at} is {value}");
        }
    }
}

#[test]
fn the_worst_message_gives_bounded_observations() {
    // As many addresses as fit into 64 KiB, each for the longest name by a pointer.
    let long = ["x"; 127].join(".");
    let mut message = Build::response(1, 0x8180).question(&long, A).bytes();
    message[6..8].copy_from_slice(&[0xff, 0xff]);
    while message.len() + 16 <= 0xffff {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 1]);
    }
    let mut sink = Sink::new(seen(1));
    analyzer(Transport::Udp).datagram(Role::Server, &message, 0, &mut sink);
    let seen = shown(sink.observations);
    assert_eq!(seen[0], "1 dns.anomaly=too-many-records");
    assert_eq!(seen.iter().filter(|line| line.contains("192.0.2.1 ")).count(), 256);
}

#[test]
fn over_tcp_what_has_no_counterpart_may_have_it_among_missing_bytes() {
    use crate::analyzers::testing::{Session, Step, client, server};
    let has = |steps: &[Step], field: &str| !Session::run(&DNS, steps).values(field).is_empty();
    let query = client(Build::query(1, "a.example", A).framed());
    let answer = server(Build::response(1, 0x8180).question("a.example", A).framed());
    let other = server(Build::response(1, 0x8180).question("b.example", A).framed());
    for (steps, missing, field) in [
        (vec![query.clone()], Role::Server, "dns.unanswered"),
        (vec![answer], Role::Client, "dns.unsolicited"),
        (vec![query, other], Role::Client, "dns.anomaly"),
    ] {
        assert!(has(&steps, field), "{field}");
        assert!(!has(&[steps, vec![Step::Lacks(missing)]].concat(), field), "{field}");
    }
}

#[test]
fn what_waits_for_the_end_of_a_stream_is_counted() {
    let name = |number: u16| format!("{number:03}{}.example", "x".repeat(50));
    let grown = |from: Role, stream: Vec<u8>| {
        let mut dns = analyzer(Transport::Tcp);
        let before = dns.held();
        dns.data(from, &stream, &mut Sink::new(seen(1)));
        dns.held().saturating_sub(before)
    };
    // Answers to nothing, and queries with one number, each of which displaces the one before.
    let answers =
        (0..300).flat_map(|at| Build::response(1, 0x8180).question(&name(at), A).framed()).collect();
    let queries = (0..300).flat_map(|at| Build::query(1, &name(at), A).framed()).collect();
    let doubts = 200 * size_of::<Doubt>();
    assert!(grown(Role::Server, answers) >= doubts);
    assert!(grown(Role::Client, queries) >= doubts + 200 * name(0).len());
}
