//! What is made to fill memory, with the frames of a shipped recording in between, evenly from its first to its last.

use std::{fs, io};

use super::packet::{self, ACK, Ends, SYN, Tcp};
use super::savefile::Writer;

/// The recording whose device is to be found among all this.
pub(crate) const CASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/farmbot-faults");

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Segments of one connection, and their payload.
const SEGMENTS: u64 = 100;
const PAYLOAD: usize = 64;

/// Something that fills memory.
pub(super) struct Flood {
    /// How many frames.
    pub(super) frames: u64,
    /// Writes the frame with this number.
    pub(super) frame: fn(u64, &mut Vec<u8>),
    /// Connections and datagram exchanges in it.
    pub(super) tcp: u64,
    pub(super) udp: u64,
}

/// Ten million SYNs, each from another host, to one service.
pub(super) const SYNS: Flood = Flood { frames: 10_000_000, frame: syn, tcp: 10_000_000, udp: 0 };
/// A million look-ups of as many names by 16 hosts, with answers.
pub(super) const NAMES: Flood = Flood { frames: 2_000_000, frame: look_up, tcp: 0, udp: 1_000_000 };
/// Ten million segments with a hole before each, on a hundred thousand connections.
pub(super) const SEGMENTS_BEHIND_HOLES: Flood =
    Flood { frames: 10_000_000, frame: segment, tcp: 10_000_000 / SEGMENTS, udp: 0 };

impl Flood {
    /// Writes it with the recording's frames in between.
    pub(super) fn write(&self, writer: &mut Writer) -> io::Result<()> {
        let bytes = fs::read(format!("{CASE}/capture.pcap"))?;
        let mut records = Vec::new();
        let mut rest = &bytes[FILE_HEADER..];
        while !rest.is_empty() {
            let word = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
            let end = RECORD_HEADER + word(8) as usize;
            records.push((u64::from(word(0)) * 1_000_000 + u64::from(word(4)), &rest[RECORD_HEADER..end]));
            rest = &rest[end..];
        }
        let (first, last) = (records[0].0, records[records.len() - 1].0);
        let mut records = records.into_iter().peekable();
        let mut frame = Vec::new();
        for n in 0..self.frames {
            let at = first + (last - first) * n / self.frames;
            while let Some((at, data)) = records.next_if(|(time, _)| *time <= at) {
                writer.frame(at, data)?;
            }
            (self.frame)(n, &mut frame);
            writer.frame(at, &frame)?;
        }
        records.try_for_each(|(at, data)| writer.frame(at, data))
    }
}

/// The ends of a flow between two hosts on the LAN, or a far one with the router's MAC address.
fn ends(from: u32, from_port: u16, to: u32, to_port: u16) -> Ends {
    let mac = |ip: u32| if ip >> 24 == 192 { [2, 0, 0, 0, 1, ip as u8] } else { [2, 0, 0, 0, 1, 1] };
    Ends {
        mac: [mac(from), mac(to)],
        ip: [from.to_be_bytes(), to.to_be_bytes()],
        port: [from_port, to_port],
        hops: [64, 64],
    }
}

/// 192.0.2.`last`.
fn local(last: u8) -> u32 {
    u32::from_be_bytes([192, 0, 2, last])
}

fn syn(n: u64, out: &mut Vec<u8>) {
    let ends = ends(0x2d00_0000 + n as u32, 1_025, local(200), 80);
    packet::tcp(out, &ends, 0, n as u16, &Tcp { seq: n as u32, ack: 0, flags: SYN, stamp: None }, |_| ());
}

fn look_up(n: u64, out: &mut Vec<u8>) {
    let query = n / 2;
    // 62,500 ports of each host, one after the other.
    let asker = local(200 + (query / 62_500) as u8);
    let ends = ends(asker, 1_025 + (query % 62_500) as u16, local(1), 53);
    let answers = u8::from(n % 2 == 1);
    let mut message = (query as u16).to_be_bytes().to_vec();
    message.extend(if answers == 1 { [0x81, 0x80] } else { [0x01, 0x00] });
    message.extend([0, 1, 0, answers, 0, 0, 0, 0]);
    for label in [format!("host-{query:07}").as_str(), "department", "example", "org"] {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    if answers == 1 {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4]);
        message.extend((0x2d00_0000 + query as u32).to_be_bytes());
    }
    packet::udp(out, &ends, usize::from(answers), n as u16, &message);
}

fn segment(n: u64, out: &mut Vec<u8>) {
    let (connection, at) = (n / SEGMENTS, (n % SEGMENTS) as u32);
    let client = u32::from_be_bytes([10, 0, 0, 0]) + (connection % 500) as u32;
    let ends = ends(client, 1_025 + (connection / 500) as u16, local(200), 443);
    if at == 0 {
        return packet::tcp(out, &ends, 0, 1, &Tcp { seq: 1_000, ack: 0, flags: SYN, stamp: None }, |_| ());
    }
    let tcp = Tcp { seq: 1_001 + at * 200, ack: 9_001, flags: ACK, stamp: None };
    packet::tcp(out, &ends, 0, n as u16, &tcp, |out| out.extend([at as u8; PAYLOAD]));
}
