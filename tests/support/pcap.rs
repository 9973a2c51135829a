//! Classic pcap files, written and rewritten, and frames made by hand.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::Path;

use wireclaim::capture::{Input, Options};

/// A frame of a capture that is to be rewritten.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) secs: u32,
    pub(crate) micros: u32,
    pub(crate) orig_len: u32,
    pub(crate) data: Vec<u8>,
}

/// Frames of one link type.
#[derive(Clone)]
pub(crate) struct Pcap {
    pub(crate) link_type: u32,
    pub(crate) records: Vec<Record>,
}

impl Pcap {
    /// The first `most` frames of a capture in any format that have the link type of its first one; `None` if
    /// there is no frame.
    pub(crate) fn read(path: &Path, most: usize) -> Option<Self> {
        let mut input = Input::open(&[path], Options::default()).ok()?;
        let mut pcap: Option<Self> = None;
        while let Ok(Some(batch)) = input.next_batch() {
            for frame in batch.frames() {
                let pcap =
                    pcap.get_or_insert_with(|| Self { link_type: frame.link_type.0, records: Vec::new() });
                if frame.link_type.0 == pcap.link_type && pcap.records.len() < most {
                    let nanos = frame.time.nanos();
                    pcap.records.push(Record {
                        secs: nanos.div_euclid(1_000_000_000) as u32,
                        micros: (nanos.rem_euclid(1_000_000_000) / 1_000) as u32,
                        orig_len: frame.orig_len,
                        data: frame.data.to_vec(),
                    });
                }
            }
        }
        pcap
    }

    /// Writes it as a file.
    pub(crate) fn write(&self, path: &Path) {
        let mut writer = Writer::create(path, self.link_type);
        for record in &self.records {
            writer.record(record);
        }
        writer.finish();
    }
}

/// Writes a capture frame by frame.
pub(crate) struct Writer(BufWriter<File>);

impl Writer {
    /// Begins a file.
    pub(crate) fn create(path: &Path, link_type: u32) -> Self {
        let mut out = BufWriter::new(File::create(path).expect("a file can be made"));
        let mut header = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header.extend(0x0004_0000_u32.to_le_bytes());
        header.extend(link_type.to_le_bytes());
        out.write_all(&header).expect("a file can be written");
        Self(out)
    }

    /// Appends a frame.
    pub(crate) fn record(&mut self, record: &Record) {
        let lens = [record.secs, record.micros, record.data.len() as u32, record.orig_len];
        for number in lens {
            self.0.write_all(&number.to_le_bytes()).expect("a file can be written");
        }
        self.0.write_all(&record.data).expect("a file can be written");
    }

    /// Appends a whole frame that was sent `micros` after the beginning of the year 2024.
    pub(crate) fn frame(&mut self, micros: u64, data: Vec<u8>) {
        let (secs, micros) = (1_704_067_200 + (micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
        self.record(&Record { secs, micros, orig_len: data.len() as u32, data });
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) {
        self.0.flush().expect("a file can be written");
    }
}

/// One end of a made-up flow.
#[derive(Clone, Copy)]
pub(crate) struct End(pub(crate) Ipv4Addr, pub(crate) u16);

/// SYN, as a flag byte.
pub(crate) const SYN: u8 = 0x02;
/// SYN with ACK.
pub(crate) const SYN_ACK: u8 = 0x12;
/// ACK.
pub(crate) const ACK: u8 = 0x10;
/// FIN with ACK.
pub(crate) const FIN_ACK: u8 = 0x11;
/// RST with ACK.
pub(crate) const RST_ACK: u8 = 0x14;

/// An Ethernet frame with a TCP segment.
pub(crate) fn tcp(src: End, dst: End, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + payload.len());
    segment.extend(src.1.to_be_bytes());
    segment.extend(dst.1.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ethernet(src.0, dst.0, 6, &segment)
}

/// An Ethernet frame with a UDP datagram.
pub(crate) fn udp(src: End, dst: End, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + payload.len());
    datagram.extend(src.1.to_be_bytes());
    datagram.extend(dst.1.to_be_bytes());
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    ethernet(src.0, dst.0, 17, &datagram)
}

/// An Ethernet frame with an IPv4 packet.
pub(crate) fn ethernet(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, body: &[u8]) -> Vec<u8> {
    let mac = |ip: Ipv4Addr| {
        // What is not on the LAN comes from its router.
        let last = if ip.is_private() { ip.octets()[3] } else { 1 };
        [0x02, 0, 0x5e, 0x10, 0, last]
    };
    let mut frame = Vec::with_capacity(34 + body.len());
    frame.extend(mac(dst));
    frame.extend(mac(src));
    frame.extend([0x08, 0x00, 0x45, 0]);
    frame.extend((20 + body.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend(src.octets());
    frame.extend(dst.octets());
    frame.extend(body);
    frame
}

/// A DNS query for an address of `name`, or, with `address`, the response to it.
pub(crate) fn dns(id: u16, name: &str, address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend(if address.is_some() { [0x81, 0x80] } else { [0x01, 0x00] });
    message.extend([0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    if let Some(address) = address {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4]);
        message.extend(address.octets());
    }
    message
}
