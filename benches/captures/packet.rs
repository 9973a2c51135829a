//! Frames made up from nothing, and the lengths and checksums of all frames.

/// Both ends of a conversation: index 0 is the device, 1 its peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) mac: [[u8; 6]; 2],
    pub(super) ip: [[u8; 4]; 2],
    pub(super) port: [u16; 2],
    /// TTL of what each sends.
    pub(super) hops: [u8; 2],
}

/// What a TCP header says beyond the ports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tcp {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    /// Timestamp option (RFC 7323): value and echo.
    pub(super) stamp: Option<(u32, u32)>,
}

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// Payload of a full segment with a timestamp on Ethernet.
pub(super) const MSS: usize = 1448;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const WINDOW: u16 = 502;

/// Writes a TCP segment from end `from` into `out`, with what `payload` appends.
pub(super) fn tcp(
    out: &mut Vec<u8>,
    ends: &Ends,
    from: usize,
    id: u16,
    tcp: &Tcp,
    payload: impl FnOnce(&mut Vec<u8>),
) {
    internet(out, ends, from, id, 6);
    out.extend_from_slice(&ends.port[from].to_be_bytes());
    out.extend_from_slice(&ends.port[1 - from].to_be_bytes());
    out.extend_from_slice(&tcp.seq.to_be_bytes());
    let ack = if tcp.flags & ACK == 0 { 0 } else { tcp.ack };
    out.extend_from_slice(&ack.to_be_bytes());
    let header = out.len() - 12;
    out.extend_from_slice(&[0, tcp.flags]);
    out.extend_from_slice(&WINDOW.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    if tcp.flags & SYN != 0 {
        out.extend_from_slice(&[2, 4, 5, 180, 4, 2]);
        stamp(out, tcp.stamp, &[1, 1]);
        out.extend_from_slice(&[1, 3, 3, 7]);
    } else if tcp.stamp.is_some() {
        out.extend_from_slice(&[1, 1]);
        stamp(out, tcp.stamp, &[]);
    }
    let len = out.len() - header;
    out[header + 12] = (len as u8 / 4) << 4;
    payload(out);
    finish(out);
}

fn stamp(out: &mut Vec<u8>, stamp: Option<(u32, u32)>, otherwise: &[u8]) {
    let Some((value, echo)) = stamp else { return out.extend_from_slice(otherwise) };
    out.extend_from_slice(&[8, 10]);
    out.extend_from_slice(&value.to_be_bytes());
    out.extend_from_slice(&echo.to_be_bytes());
}

/// Writes a UDP datagram from end `from` into `out`.
pub(super) fn udp(out: &mut Vec<u8>, ends: &Ends, from: usize, id: u16, payload: &[u8]) {
    internet(out, ends, from, id, 17);
    out.extend_from_slice(&ends.port[from].to_be_bytes());
    out.extend_from_slice(&ends.port[1 - from].to_be_bytes());
    out.extend_from_slice(&(payload.len() as u16 + 8).to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(payload);
    finish(out);
}

/// Ethernet and IPv4 headers; the length is set when all is there.
fn internet(out: &mut Vec<u8>, ends: &Ends, from: usize, id: u16, protocol: u8) {
    out.clear();
    out.extend_from_slice(&ends.mac[1 - from]);
    out.extend_from_slice(&ends.mac[from]);
    out.extend_from_slice(&[8, 0, 0x45, 0, 0, 0]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[0x40, 0, ends.hops[from], protocol, 0, 0]);
    out.extend_from_slice(&ends.ip[from]);
    out.extend_from_slice(&ends.ip[1 - from]);
}

/// Sets length (where it is 0) and checksums of a whole frame.
pub(super) fn finish(frame: &mut [u8]) {
    match frame[12..14] {
        [8, 0] => finish_ipv4(&mut frame[ETHERNET..]),
        [0x86, 0xdd] => finish_ipv6(&mut frame[ETHERNET..]),
        _ => {}
    }
}

fn finish_ipv4(packet: &mut [u8]) {
    if packet[2..4] == [0, 0] {
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
    }
    let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let header = usize::from(packet[0] & 15) * 4;
    debug_assert!(header >= IPV4, "an IPv4 header");
    packet[10..12].fill(0);
    let sum = folded(sum(&packet[..header]));
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let protocol = packet[9];
    let pseudo = sum_of_pseudo(&packet[12..20], protocol, len - header);
    finish_transport(&mut packet[header..len], protocol, pseudo);
}

fn finish_ipv6(packet: &mut [u8]) {
    let len = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let (mut protocol, mut header) = (packet[6], 40);
    if protocol == 0 {
        (protocol, header) = (packet[40], 48 + usize::from(packet[41]) * 8);
    }
    let pseudo = sum_of_pseudo(&packet[8..40], protocol, len - header);
    finish_transport(&mut packet[header..len], protocol, pseudo);
}

fn finish_transport(segment: &mut [u8], protocol: u8, pseudo: u64) {
    let (at, pseudo) = match protocol {
        6 => (16, pseudo),
        17 => (6, pseudo),
        58 => (2, pseudo),
        1 => (2, 0),
        _ => return,
    };
    segment[at..at + 2].fill(0);
    let mut checksum = folded(pseudo + sum(segment));
    if protocol == 17 && checksum == 0 {
        checksum = 0xffff;
    }
    segment[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn sum_of_pseudo(addresses: &[u8], protocol: u8, len: usize) -> u64 {
    sum(addresses) + u64::from(protocol) + len as u64
}

/// Sum of 16-bit words (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(4);
    // Two words at a time; the carry between them is folded in at the end like any other.
    let sum: u64 =
        words.by_ref().map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))).sum();
    let rest = match *words.remainder() {
        [a] => u64::from(a) << 8,
        [a, b] => u64::from(u16::from_be_bytes([a, b])),
        [a, b, c] => u64::from(u16::from_be_bytes([a, b])) + (u64::from(c) << 8),
        _ => 0,
    };
    sum + rest
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
