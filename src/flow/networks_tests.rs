//! The same addresses and ports in more than one network, and one connection in more than one.

use super::testing::{Frames, HostPort, OwnedFrame, Told, run, run_with};
use super::*;
use crate::model::packet::WrapKind;
use crate::model::{Flow, PerDirection};

const A: u16 = 40_000;

fn ends() -> (HostPort, HostPort) {
    (HostPort::v4(1, A), HostPort::v4(2, 80))
}

/// In a VLAN; zero is none.
fn vlan(mut frame: OwnedFrame, id: u16) -> OwnedFrame {
    frame.link.vlan = (id != 0).then_some(id);
    frame
}

fn vni(mut frame: OwnedFrame, id: u32) -> OwnedFrame {
    frame.outer = Outer::default().with(WrapKind::Vxlan, id).unwrap();
    frame
}

/// A connection whose client says `asks` and whose server says `answers`, with numbers from `seq` and `ack` on.
fn talk(make: &Frames, asks: &str, answers: &str, (seq, ack): (u32, u32)) -> Vec<OwnedFrame> {
    let (client, server) = ends();
    let asked = seq.wrapping_add(1 + asks.len() as u32);
    vec![
        make.tcp(client, server, "S", seq, 0),
        make.tcp(server, client, "SA", ack, seq.wrapping_add(1)),
        make.tcp(client, server, "PA", seq.wrapping_add(1), ack.wrapping_add(1)).with(asks.as_bytes()),
        make.tcp(server, client, "PA", ack.wrapping_add(1), asked).with(answers.as_bytes()),
    ]
}

const ONE: (u32, u32) = (1_000, 5_000);
const OTHER: (u32, u32) = (0x8000_0000, 0xc000_0000);

/// The two conversations in turn, each packet changed by its own.
fn in_turn(
    one: impl Fn(OwnedFrame) -> OwnedFrame,
    other: impl Fn(OwnedFrame) -> OwnedFrame,
) -> Vec<OwnedFrame> {
    let make = Frames::default();
    let (first, second) = (talk(&make, "mine", "yours", ONE), talk(&make, "MINE", "YOURS", OTHER));
    first.into_iter().zip(second).flat_map(|(a, b)| [one(a), other(b)]).collect()
}

fn said(flows: &[(Told, Flow)]) -> Vec<(&str, &str)> {
    flows.iter().map(|(told, _)| (told.orig.as_str(), told.resp.as_str())).collect()
}

#[test]
fn the_same_5_tuple_in_two_networks_is_two_connections() {
    type Change = fn(OwnedFrame) -> OwnedFrame;
    let pairs: [(Change, Change); 5] = [
        (|frame| vni(frame, 1), |frame| vni(frame, 2)),
        (|frame| frame, |frame| vni(frame, 2)),
        (|frame| vlan(frame, 10), |frame| vlan(frame, 20)),
        (|frame| vlan(frame, 10), |frame| frame),
        (
            |frame| vlan(frame, 10),
            |mut frame| {
                frame.outer = Outer::default().with(WrapKind::Qinq, 7).unwrap();
                vlan(frame, 10)
            },
        ),
    ];
    for (at, (one, other)) in pairs.into_iter().enumerate() {
        for flows in [run(&in_turn(one, other)), run(&in_turn(other, one))] {
            assert_eq!(said(&flows), [("mine", "yours"), ("MINE", "YOURS")], "{at}");
            assert!(flows.iter().all(|(_, flow)| flow.missed == PerDirection::default()), "{at}");
        }
    }
}

#[test]
fn numbers_that_are_the_same_in_two_virtual_networks_do_not_make_them_one() {
    let make = Frames::default();
    let both = talk(&make, "mine", "yours", ONE);
    let frames: Vec<_> =
        both.iter().flat_map(|frame| [vni(frame.clone(), 1), vni(frame.clone(), 2)]).collect();
    let flows = run(&frames);
    assert_eq!(said(&flows), [("mine", "yours"), ("mine", "yours")]);
    assert!(flows.iter().all(|(_, flow)| flow.packets == PerDirection { orig: 2, resp: 2 }));
}

#[test]
fn a_connection_whose_directions_have_different_tags_is_one() {
    let (client, _) = ends();
    for (forth, back) in [(10, 0), (0, 10), (10, 20)] {
        let make = Frames::default();
        let frames: Vec<_> = talk(&make, "mine", "yours", ONE)
            .into_iter()
            .map(|frame| if frame.src == client.ip { vlan(frame, forth) } else { vlan(frame, back) })
            .collect();
        assert_eq!(said(&run(&frames)), [("mine", "yours")]);
        // Midstream, and from the other side first.
        let flows = run(frames.iter().skip(1));
        assert_eq!(said(&flows), [("mine", "yours")]);
        // Virtual networks may differ by direction too, where those who route are in both.
        let frames: Vec<_> = talk(&Frames::default(), "mine", "yours", ONE)
            .into_iter()
            .map(|frame| if frame.src == client.ip { vni(frame, 10) } else { vni(frame, 20) })
            .collect();
        assert_eq!(said(&run(&frames)), [("mine", "yours")]);
    }
}

#[test]
fn a_copy_with_another_tag_is_a_copy() {
    let make = Frames::default();
    let twice = |frame: OwnedFrame| {
        let mut tagged = vlan(frame.clone(), 10);
        tagged.outer = Outer::default().with(WrapKind::Qinq, 7).unwrap();
        [frame.clone(), tagged.later(20_000), vlan(frame, 20).later(40_000)]
    };
    let flows = run(&talk(&make, "mine", "yours", ONE).into_iter().flat_map(twice).collect::<Vec<_>>());
    assert_eq!(said(&flows), [("mine", "yours")]);
    assert_eq!(flows[0].1.packets, PerDirection { orig: 2, resp: 2 });
    let (client, server) = ends();
    let datagrams = [make.udp(client, server, b"a"), make.udp(server, client, b"b")];
    let flows = run(&datagrams.into_iter().flat_map(twice).collect::<Vec<_>>());
    assert_eq!(said(&flows), [("a|", "b|")]);
    // Counted each, they are of one flow still.
    let limits = Limits { copies: Copies::Keep, ..Limits::default() };
    let kept = talk(&make, "mine", "yours", ONE).into_iter().flat_map(twice).collect::<Vec<_>>();
    let flows = run_with(&kept, testing::Recorder::default(), limits);
    assert_eq!(said(&flows), [("mine", "yours")]);
    assert_eq!(flows[0].1.packets, PerDirection { orig: 6, resp: 6 });
}

#[test]
fn a_connection_may_go_on_in_another_vlan() {
    let make = Frames::default();
    let (client, server) = ends();
    let mut frames: Vec<_> =
        talk(&make, "mine", "yours", ONE).into_iter().map(|frame| vlan(frame, 10)).collect();
    frames.push(vlan(make.tcp(client, server, "PA", 1_005, 5_006).with(b" too"), 20));
    frames.push(vlan(make.tcp(server, client, "PA", 5_006, 1_009).with(b" too"), 20));
    assert_eq!(said(&run(&frames)), [("mine too", "yours too")]);
}

#[test]
fn datagrams_to_a_group_are_another_flow_in_each_vlan() {
    let make = Frames::default();
    let all = HostPort { ip: "255.255.255.255".parse().unwrap(), port: 67 };
    let nobody = HostPort { ip: "0.0.0.0".parse().unwrap(), port: 68 };
    let ask = |text: &[u8], id| vlan(make.udp(nobody, all, text), id);
    let frames = [ask(b"a", 10), ask(b"b", 20), ask(b"c", 10), ask(b"d", 0), ask(b"e", 20)];
    assert_eq!(said(&run(&frames)), [("a|c|", ""), ("b|e|", ""), ("d|", "")]);
}

#[test]
fn what_was_taken_for_the_answer_is_left_to_whose_it_is() {
    let make = Frames::default();
    let (client, server) = ends();
    let ask = |text: &[u8], id| vni(make.udp(client, server, text), id);
    let answer = |text: &[u8], id| vni(make.udp(server, client, text), id);
    // Nothing tells that the first answer is not one, until its network is another's.
    let frames = [
        ask(b"1", 1),
        answer(b"A", 2),
        ask(b"2", 2),
        answer(b"B", 2),
        answer(b"C", 1),
        ask(b"3", 1),
        ask(b"4", 2),
    ];
    assert_eq!(said(&run(&frames)), [("1|3|", "A|C|"), ("2|4|", "B|")]);
}

#[test]
fn a_port_is_used_anew_in_its_own_network() {
    let make = Frames::default();
    let mut frames = in_turn(|frame| vni(frame, 1), |frame| vni(frame, 2));
    frames.extend(talk(&make, "new", "NEW", (77_000_000, 99_000_000)).into_iter().map(|frame| vni(frame, 2)));
    frames.extend(talk(&make, "old", "OLD", (88_000_000, 11_000_000)).into_iter().map(|frame| vni(frame, 1)));
    let mut flows = run(&frames);
    flows.sort_by(|one, other| one.0.orig.cmp(&other.0.orig));
    assert_eq!(said(&flows), [("MINE", "YOURS"), ("mine", "yours"), ("new", "NEW"), ("old", "OLD")]);
}

#[test]
fn an_icmp_error_is_about_the_flow_of_its_network() {
    let make = Frames::default();
    let (client, server) = ends();
    let quoted = Some(make.udp(client, server, b"").packet().key());
    let frames = [
        vni(make.udp(client, server, b"a"), 1),
        vni(make.udp(client, server, b"b"), 2),
        vni(make.icmp(server, client, 3, 3, 0, quoted), 2),
        // From a router that nobody knows the network of.
        make.icmp(server, client, 3, 1, 0, quoted),
    ];
    let flows = run(&frames);
    let codes = |at: usize| flows[at].1.icmp_errors.iter().map(|error| error.code).collect::<Vec<_>>();
    assert_eq!((codes(0), codes(1)), (vec![1], vec![3]));
}

/// Many networks with one 5-tuple cost as many flows, not the square of that.
#[test]
fn many_networks_with_one_5_tuple_are_found_at_once() {
    let make = Frames::default();
    let (client, server) = ends();
    let frames: Vec<_> = (0..2)
        .flat_map(|_| (1..=20_000).map(|id| vni(make.udp(client, server, b"a"), id)).collect::<Vec<_>>())
        .collect();
    let flows = run(&frames);
    assert_eq!(flows.len(), 20_000);
    assert!(flows.iter().all(|(told, _)| told.orig == "a|a|"));
}
