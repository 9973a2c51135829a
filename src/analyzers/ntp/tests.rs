//! NTP packets, byte by byte.

use super::*;
use crate::model::{CaptureId, FrameNo, FrameRef, Timestamp};

fn seen(n: u64) -> Seen {
    Seen { at: Timestamp::new(n as i64, 0), frame: FrameRef::new(CaptureId(0), FrameNo(n)) }
}

/// 2026-01-01 in NTP seconds.
const NOW: u64 = 0xed00_3780_0000_0000;

/// Leap, version and mode; stratum; reference identifier; origin, receive and transmit timestamp.
fn build(first: u8, stratum: u8, reference: [u8; 4], times: [u64; 3]) -> Vec<u8> {
    let mut bytes = vec![first, stratum, 6, 0xe9, 0, 0, 0, 1, 0, 0, 0, 2];
    bytes.extend(reference);
    bytes.extend(NOW.to_be_bytes());
    times.iter().for_each(|time| bytes.extend(time.to_be_bytes()));
    assert_eq!(bytes.len(), FIXED_LEN);
    bytes
}

fn request(transmit: u64) -> (Role, Vec<u8>) {
    (Role::Client, build(0x23, 0, [0; 4], [0, 0, transmit]))
}

fn reply(origin: u64) -> (Role, Vec<u8>) {
    (Role::Server, build(0x24, 2, [192, 0, 2, 1], [origin, NOW + 1, NOW + 2]))
}

fn run(packets: &[(Role, Vec<u8>)]) -> Vec<String> {
    let mut ntp = Ntp::default();
    let mut all = Vec::new();
    for (frame, (role, bytes)) in (1..).zip(packets) {
        let mut sink = Sink::new(seen(frame));
        ntp.datagram(*role, bytes, 0, &mut sink);
        all.extend(sink.observations);
    }
    let mut sink = Sink::new(seen(99));
    ntp.end(&mut sink);
    all.extend(sink.observations);
    shown(all)
}

fn shown(observations: Vec<(Seen, Observation)>) -> Vec<String> {
    let shown = observations.into_iter().map(|(seen, observation)| match observation {
        Observation::Fact(field, value) => format!("{} {}={value}", seen.frame.no().0, field.name),
        other => panic!("{other:?}"),
    });
    shown.collect()
}

/// Only those of some fields.
fn only(lines: Vec<String>, fields: &[&'static Field]) -> Vec<String> {
    let wanted = |line: &String| fields.iter().any(|field| line.contains(&format!("{}=", field.name)));
    lines.into_iter().filter(wanted).collect()
}

const EXCHANGE: [&Field; 4] = [&REQUEST, &REPLY, &UNMATCHED_REPLY, &UNANSWERED];

fn probe_at(bytes: &[u8], src_port: u16, dst_port: u16) -> Probe {
    probe(&ProbeInput { bytes, transport: Transport::Udp, src_port, dst_port, at_start: true })
}

#[test]
fn a_request_and_its_reply_match() {
    assert_eq!(
        run(&[request(NOW), reply(NOW)]),
        [
            "1 ntp.version=4",
            "1 ntp.mode=client",
            "1 ntp.request=client",
            "1 ntp.poll=6",
            "2 ntp.version=4",
            "2 ntp.mode=server",
            "2 ntp.reply=server",
            "2 ntp.stratum=2",
            "2 ntp.leap=0",
        ]
    );
}

#[test]
fn a_reply_with_another_origin_answers_nothing() {
    assert_eq!(
        only(run(&[request(NOW), reply(NOW + 1), request(NOW + 5), reply(NOW + 5)]), &EXCHANGE),
        [
            "1 ntp.request=client",
            "3 ntp.request=client",
            "4 ntp.reply=server",
            "2 ntp.unmatched_reply=server",
            "1 ntp.unanswered=client",
        ]
    );
}

#[test]
fn a_second_reply_to_the_same_request_is_unmatched() {
    assert_eq!(
        only(run(&[request(NOW), reply(NOW), reply(NOW)]), &EXCHANGE),
        ["1 ntp.request=client", "2 ntp.reply=server", "3 ntp.unmatched_reply=server"]
    );
}

#[test]
fn timestamps_are_compared_as_bytes_zero_included() {
    assert_eq!(
        only(run(&[request(0), request(0), reply(0), reply(0)]), &EXCHANGE),
        ["1 ntp.request=client", "2 ntp.request=client", "3 ntp.reply=server", "4 ntp.reply=server"]
    );
}

#[test]
fn a_reply_captured_before_its_request_is_its_reply() {
    assert_eq!(
        only(run(&[reply(NOW), request(NOW)]), &EXCHANGE),
        ["2 ntp.request=client", "1 ntp.reply=server"]
    );
}

#[test]
fn interleaved_replies_return_the_receive_timestamp() {
    let ask = (Role::Client, build(0x23, 0, [0; 4], [NOW - 9, NOW - 8, 0x1234]));
    assert_eq!(only(run(&[ask, reply(NOW - 8)]), &EXCHANGE), ["1 ntp.request=client", "2 ntp.reply=server"]);
}

#[test]
fn symmetric_peers_ask_and_answer_both_ways() {
    let active = |role, origin, transmit| (role, build(0x21, 3, [192, 0, 2, 1], [origin, NOW, transmit]));
    assert_eq!(
        only(
            run(&[active(Role::Client, 0, 1), active(Role::Server, 1, 2), active(Role::Client, 2, 3)]),
            &EXCHANGE
        ),
        [
            "1 ntp.request=client",
            "2 ntp.reply=server",
            "2 ntp.request=server",
            "3 ntp.reply=client",
            "3 ntp.request=client",
            "3 ntp.unanswered=client",
        ]
    );
    let passive = (Role::Server, build(0x22, 2, [192, 0, 2, 1], [7, NOW, NOW]));
    assert_eq!(
        only(run(&[active(Role::Client, 0, 7), passive]), &EXCHANGE),
        ["1 ntp.request=client", "2 ntp.reply=server"]
    );
}

#[test]
fn version_1_without_modes_goes_by_role() {
    let ask = (Role::Client, build(0x08, 0, [0; 4], [0, 0, 7]));
    let tell = (Role::Server, build(0x08, 2, [192, 0, 2, 1], [7, NOW, NOW]));
    assert_eq!(only(run(&[ask, tell]), &EXCHANGE), ["1 ntp.request=client", "2 ntp.reply=server"]);
}

#[test]
fn kisses_are_told_from_servers_without_time() {
    let answer = |first, stratum, reference| {
        let tell = (Role::Server, build(first, stratum, reference, [NOW, NOW, NOW]));
        only(run(&[request(NOW), tell]), &[&KISS, &UNSYNCHRONISED])
    };
    assert_eq!(answer(0xe4, 0, *b"RATE"), ["2 ntp.kiss=RATE"]);
    assert_eq!(answer(0xe4, 0, *b"DENY"), ["2 ntp.kiss=DENY"]);
    assert_eq!(answer(0xe4, 0, *b"NTSN"), ["2 ntp.kiss=NTSN"]);
    assert_eq!(answer(0xe4, 0, *b"INIT"), ["2 ntp.kiss=INIT", "2 ntp.unsynchronised=yes"]);
    assert_eq!(answer(0xe4, 0, *b"X1\0\0"), ["2 ntp.kiss=X1"]);
    assert_eq!(answer(0xe4, 0, [0; 4]), ["2 ntp.unsynchronised=yes"]);
    assert_eq!(answer(0xe4, 3, [192, 0, 2, 1]), ["2 ntp.unsynchronised=yes"]);
    assert_eq!(answer(0x24, 16, [192, 0, 2, 1]), ["2 ntp.unsynchronised=yes"]);
    assert!(answer(0x24, 1, *b"GPS\0").is_empty());
}

#[test]
fn a_forged_kiss_is_not_believed() {
    let forged = (Role::Server, build(0xe4, 0, *b"DENY", [1, NOW, NOW]));
    assert!(only(run(&[request(NOW), forged.clone()]), &[&KISS]).is_empty());
    // Where only the server's side is captured, there is nothing to match.
    assert_eq!(only(run(&[forged]), &[&KISS]), ["1 ntp.kiss=DENY"]);
}

#[test]
fn thousands_of_requests_are_counted_and_the_waiting_ones_bounded() {
    let requests: Vec<_> = (0..1000).map(|n| request(NOW + n)).collect();
    let lines = only(run(&requests), &[&UNANSWERED]);
    assert_eq!(lines.len(), 1000);
    let frames: Vec<u64> =
        lines.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(frames.is_sorted());
}

#[test]
fn extension_fields_are_told_from_authentication_codes() {
    let with = |tail: &[u8]| {
        let (role, mut bytes) = request(NOW);
        bytes.extend(tail);
        only(run(&[(role, bytes)]), &[&EXTENSION, &ANOMALY])
    };
    // A unique identifier of 32 bytes (RFC 8915 section 5.3) and a cookie of 100.
    let mut nts = vec![0x01, 0x04, 0, 36];
    nts.extend([0xaa; 32]);
    nts.extend([0x02, 0x04, 0, 104]);
    nts.extend([0xbb; 100]);
    assert_eq!(with(&nts), ["1 ntp.extension=260", "1 ntp.extension=516"]);
    let (role, mut bytes) = request(NOW);
    bytes.extend(&nts);
    bytes.extend([0x04, 0x04, 0, 40]);
    bytes.extend([0xcc; 36]);
    assert_eq!(
        only(run(&[(role, bytes)]), &[&NTS]),
        ["1 ntp.nts=unique-identifier", "1 ntp.nts=cookie", "1 ntp.nts=authenticator"]
    );
    assert!(with(&[0; 4]).is_empty(), "crypto-NAK");
    assert!(with(&[7; 20]).is_empty(), "key identifier and MD5");
    assert!(with(&[7; 24]).is_empty(), "key identifier and SHA-1");
    assert_eq!(with(&[0xff; 28]), ["1 ntp.anomaly=malformed-extension"]);
    assert_eq!(with(&[0; 28]), ["1 ntp.anomaly=malformed-extension"]);
}

#[test]
fn what_the_capture_cut_is_counted_but_never_unanswered() {
    let (role, bytes) = request(NOW);
    for end in 1..FIXED_LEN {
        let mut ntp = Ntp::default();
        let mut sink = Sink::new(seen(1));
        ntp.datagram(role, &bytes[..end], (FIXED_LEN - end) as u32, &mut sink);
        ntp.end(&mut sink);
        assert_eq!(
            shown(sink.observations),
            ["1 ntp.version=4", "1 ntp.mode=client", "1 ntp.request=client"],
            "{end}"
        );
        assert_eq!(only(run(&[(role, bytes[..end].to_vec())]), &[&ANOMALY]), ["1 ntp.anomaly=cut-short"]);
    }
}

#[test]
fn packets_are_recognised_on_and_off_the_port() {
    let (ask, tell) = (request(NOW).1, reply(NOW).1);
    assert_eq!(probe_at(&ask, 40000, 123), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(&tell, 123, 123), Probe::Certainly(Role::Server));
    assert_eq!(probe_at(&ask, 40000, 4000), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(&tell, 4000, 40000), Probe::Certainly(Role::Server));
    // A client that sends nothing but a random timestamp.
    let mut blank = vec![0x23];
    blank.resize(40, 0);
    blank.extend([0x9e; 8]);
    assert_eq!(probe_at(&blank, 40000, 4000), Probe::Certainly(Role::Client));
    for end in 0..FIXED_LEN {
        assert_eq!(probe_at(&ask[..end], 40000, 123), Probe::No, "{end}");
    }
}

#[test]
fn control_and_private_messages_tell_their_role() {
    // Captured from ntpq and ntpdc (ntp-control.pcap, ntp-mode7.pcap of tcpdump), shortened where the rest is zeros.
    let control = |second: u8| [&[0x16, second], [0_u8; 10].as_slice()].concat();
    assert_eq!(probe_at(&control(0x02), 40000, 123), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(&control(0x82), 123, 40000), Probe::Certainly(Role::Server));
    let private = |first: u8| [&[first, 0, 3, 42], [0_u8; 44].as_slice()].concat();
    let counted =
        |count: u8| [&[0x16, 0x82, 0, 1, 4, 6, 0, 0, 0, 0, 0, count], [0xbe; 20].as_slice()].concat();
    assert_eq!(probe_at(&private(0x17), 123, 123), Probe::Certainly(Role::Client));
    assert_eq!(probe_at(&private(0x97), 123, 123), Probe::Certainly(Role::Server));
    assert_eq!(probe_at(&counted(20), 123, 40000), Probe::Certainly(Role::Server));
    assert_eq!(probe_at(&counted(40), 123, 40000), Probe::No, "more data than there is");
    assert_eq!(
        probe_at(&[control(0x02), vec![7; 60]].concat(), 40000, 123),
        Probe::No,
        "more than is counted"
    );
    let mut items = private(0x97);
    items[5] = 2;
    items[7] = 72;
    assert_eq!(probe_at(&items, 123, 123), Probe::No, "two items of 72 bytes do not fit");
    for end in 0..8 {
        assert_eq!(probe_at(&private(0x17)[..end], 40000, 123), Probe::No, "{end}");
        assert_eq!(probe_at(&control(0x02)[..end + 4], 40000, 123), Probe::No, "{end}");
    }
    assert_eq!(
        run(&[(Role::Client, control(2)), (Role::Server, control(0xc2))]),
        [
            "1 ntp.version=2",
            "1 ntp.mode=control",
            "1 ntp.control=read-variables",
            "2 ntp.version=2",
            "2 ntp.mode=control",
            "2 ntp.control=read-variables",
            "2 ntp.control_error=0",
        ]
    );
    items[4] = 0x70;
    assert_eq!(
        run(&[(Role::Server, items)]),
        ["1 ntp.version=2", "1 ntp.mode=private", "1 ntp.private=42", "1 ntp.private_error=7"]
    );
    assert_eq!(
        only(run(&[(Role::Client, control(2)[..11].to_vec())]), &[&ANOMALY]),
        ["1 ntp.anomaly=cut-short"]
    );
}

#[test]
fn every_byte_may_be_any_byte() {
    let (_, mut message) = request(NOW);
    message.extend([0x01, 0x04, 0, 28]);
    message.extend([0xaa; 24]);
    for at in 0..message.len() {
        for value in 0..=255 {
            let mut bent = message.clone();
            bent[at] = value;
            probe_at(&bent, 40000, 123);
            probe_at(&bent, 40000, 4000);
            let mut ntp = Ntp::default();
            let mut sink = Sink::new(seen(1));
            ntp.datagram(Role::Client, &bent, 0, &mut sink);
            ntp.datagram(Role::Server, &bent, 0, &mut sink);
            ntp.end(&mut sink);
            assert!(sink.observations.len() < 20, "byte {at} is {value}");
        }
    }
}

#[test]
fn other_bytes_are_not_taken_for_packets() {
    let (_, mut version_5) = request(NOW);
    version_5[0] = 0x2b;
    for bytes in [&[0; 48][..], &[0xff; 48], &version_5, b"", &[0x23], &[0x80; 60], &[0x24; 48], &[0x23; 48]]
    {
        assert_eq!(probe_at(bytes, 40000, 4000), Probe::No, "{bytes:02x?}");
    }
    for bytes in [&[0; 48][..], &[0xff; 48], &version_5, b"", &[0x23], &[0x80; 60]] {
        assert_eq!(probe_at(bytes, 40000, 123), Probe::No, "{bytes:02x?}");
    }
}
