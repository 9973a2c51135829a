//! Conversations, packets and bytes. tshark counts bytes of whole frames and we those of IP packets, so what the link
//! layer adds (headers, padding) is counted here, frame by frame.

use std::collections::{BTreeMap, BTreeSet};

use wireclaim::capture::{Input, Options};
use wireclaim::decode::{Decoded, decode, unpacked, whole};
use wireclaim::model::Transport;

use super::case::{Case, Ends, ends_of_flow, ends_of_row};
use super::ledger::Ledger;

/// Packets of each conversation between two ends, and bytes of all of them; from the smaller end first.
#[derive(Default)]
struct Traffic {
    packets: Vec<[u64; 2]>,
    bytes: [u64; 2],
}

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let (theirs, ours) = (theirs(case), ours(case));
    for transport in [Transport::Tcp, Transport::Udp] {
        let count = |side: &BTreeMap<Ends, Traffic>| {
            let of = side.iter().filter(|((of, ..), _)| *of == transport);
            of.map(|(_, traffic)| traffic.packets.len()).sum::<usize>()
        };
        let (theirs, ours) = (count(&theirs), count(&ours));
        if theirs + ours > 0 {
            let shown = transport.to_string();
            ledger.compare("flow.conversations", &shown, &theirs.to_string(), &ours.to_string());
        }
    }
    for ends in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let (transport, a, b) = ends;
        let key = format!("{transport} {a} {b}");
        let packets = |side: Option<&Traffic>| {
            let list = side.map_or(&[][..], |traffic| &traffic.packets);
            list.iter().map(|[ab, ba]| format!("{ab}+{ba}")).collect::<Vec<_>>().join(" ")
        };
        let bytes = |side: Option<&Traffic>| {
            side.map_or_else(String::new, |traffic| format!("{}+{}", traffic.bytes[0], traffic.bytes[1]))
        };
        let (theirs, ours) = (theirs.get(ends), ours.get(ends));
        ledger.compare("flow.packets", &key, &packets(theirs), &packets(ours));
        ledger.compare("flow.bytes", &key, &bytes(theirs), &bytes(ours));
    }
}

fn theirs(case: &Case) -> BTreeMap<Ends, Traffic> {
    let mut all: BTreeMap<Ends, Traffic> = BTreeMap::new();
    for row in case.table("flows") {
        let Some(ends) = ends_of_row(&row) else { continue };
        let (_, a, _) = ends;
        let straight = row["a"].parse() == Ok(a.ip) && row["a_port"].parse() == Ok(a.port);
        let number = |column: &str| row[column].parse::<u64>().unwrap();
        let [mut packets, mut bytes] =
            [["pkts_ab", "pkts_ba"], ["bytes_ab", "bytes_ba"]].map(|columns| columns.map(number));
        if !straight {
            packets.reverse();
            bytes.reverse();
        }
        let traffic = all.entry(ends).or_default();
        traffic.packets.push(packets);
        add(&mut traffic.bytes, bytes);
    }
    all
}

fn ours(case: &Case) -> BTreeMap<Ends, Traffic> {
    let mut all: BTreeMap<Ends, Traffic> = BTreeMap::new();
    let mut flows: Vec<_> = case.flows.iter().collect();
    flows.sort_by_key(|flow| flow.id);
    for flow in flows {
        let Some(ends) = ends_of_flow(flow) else { continue };
        let mut packets = [flow.packets.orig, flow.packets.resp];
        let mut bytes = [flow.ip_bytes.orig, flow.ip_bytes.resp];
        if flow.key.orig != ends.1 {
            packets.reverse();
            bytes.reverse();
        }
        let traffic = all.entry(ends).or_default();
        traffic.packets.push(packets);
        add(&mut traffic.bytes, bytes);
    }
    for (ends, bytes) in around_packets(case) {
        add(&mut all.entry(ends).or_default().bytes, bytes);
    }
    all
}

fn add(sum: &mut [u64; 2], more: [u64; 2]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.wrapping_add(more);
    }
}

/// Bytes of frames that are not of their IP packet; fewer than none where the frame is cut, so sums wrap.
fn around_packets(case: &Case) -> BTreeMap<Ends, [u64; 2]> {
    let mut all: BTreeMap<Ends, [u64; 2]> = BTreeMap::new();
    let mut input = Input::open(&[&case.path], Options::default()).unwrap();
    while let Ok(Some(batch)) = input.next_batch() {
        for frame in batch.frames() {
            let Decoded::Packet(packet) = decode(&frame) else { continue };
            let inside = unpacked(&packet);
            let packet = match inside.as_ref().map(whole) {
                Some(Decoded::Packet(inside)) => inside,
                _ => packet,
            };
            let key = packet.key();
            if !matches!(key.transport, Transport::Tcp | Transport::Udp) {
                continue;
            }
            let sorted = key.unordered();
            let around = u64::from(frame.orig_len).wrapping_sub(u64::from(packet.ip_len));
            let bytes = if key == sorted { [around, 0] } else { [0, around] };
            add(all.entry((sorted.transport, sorted.orig, sorted.resp)).or_default(), bytes);
        }
    }
    all
}
