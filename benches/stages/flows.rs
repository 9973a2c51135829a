//! Following flows: with nobody who wants their bytes, and with somebody who takes them all in order.

use divan::Bencher;
use divan::counter::ItemsCount;
use wireclaim::capture::Batch;
use wireclaim::decode::{Decoded, decode};
use wireclaim::flow::{FlowHead, FlowTable, Handler, KeyHasher, Limits};
use wireclaim::model::Direction;
use wireclaim::model::evidence::Seen;
use wireclaim::model::packet::Packet;

use super::{TIMES, batches, size};

/// What the pipeline looks up together.
const GROUP: usize = 16;
/// Packets in the capture that have a flow: all but ARP's, as tshark counts them.
const PACKETS: usize = 379;
/// Payload that is no repetition, as tshark counts it.
const BYTES: usize = 7_456 + 39_256;
/// Flows of the capture.
const FLOWS: usize = 65;
/// Each repetition opens those connections anew that the capture does not leave open.
const ANEW: usize = 9;
const BYTES_ANEW: usize = 38_987;

/// Counts what it is told.
struct Count {
    wants: bool,
    bytes: usize,
}

impl Count {
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.bytes += bytes.len();
        self.wants
    }
}

impl Handler for Count {
    type State = ();

    fn data(&mut self, (): &mut (), _: &FlowHead, _: Direction, bytes: &[u8], _: Seen) -> bool {
        self.take(bytes)
    }

    fn gap(&mut self, (): &mut (), _: &FlowHead, _: Direction, _: u64, _: Seen) -> bool {
        self.wants
    }

    fn datagram(&mut self, (): &mut (), _: &FlowHead, _: Direction, bytes: &[u8], _: u32, _: Seen) -> bool {
        self.take(bytes)
    }

    fn closed(&mut self, (): &mut (), _: &FlowHead, _: Seen) -> Option<Direction> {
        None
    }
}

#[divan::bench(sample_count = 10)]
fn flow(bencher: Bencher<'_, '_>) {
    follow(bencher, false);
}

#[divan::bench(sample_count = 10)]
fn flow_with_bytes(bencher: Bencher<'_, '_>) {
    follow(bencher, true);
}

fn follow(bencher: Bencher<'_, '_>, wants: bool) {
    let (batches, hasher) = (batches(), KeyHasher::default());
    let packet = |frame| match decode(&frame) {
        Decoded::Packet(packet) => Some((packet, hasher.hash(&packet.key()))),
        _ => None,
    };
    let packets: Vec<(Packet<'_>, u32)> = batches.iter().flat_map(Batch::frames).filter_map(packet).collect();
    assert_eq!(packets.len(), PACKETS * TIMES);
    bencher.counter(size()).counter(ItemsCount::new(packets.len())).bench(|| {
        let mut table = FlowTable::new(Limits::default());
        let mut count = Count { wants, bytes: 0 };
        for group in packets.chunks(GROUP) {
            table.look_ahead(group.iter().map(|(_, hash)| *hash));
            group.iter().for_each(|(packet, hash)| table.packet(packet, *hash, &mut count));
        }
        table.close(&mut count);
        assert_eq!(table.len(), FLOWS + ANEW * (TIMES - 1));
        if wants {
            assert_eq!(count.bytes, BYTES + BYTES_ANEW * (TIMES - 1));
        }
        table
    });
}
