//! Captures made by hand, for what no real program sends, and captures cut into pieces.

use std::net::Ipv4Addr;

/// Length of the header of a classic pcap file.
const FILE_HEADER: usize = 24;
/// Length of the header of a record in it.
const RECORD_HEADER: usize = 16;

/// An Ethernet host.
#[derive(Clone, Copy)]
pub(crate) struct Host {
    pub(crate) mac: [u8; 6],
    pub(crate) ip: Ipv4Addr,
}

/// A classic pcap file (µs, little endian, Ethernet) in the making; each frame comes 10 ms after the last.
pub(crate) struct Pcap {
    bytes: Vec<u8>,
    micros: u64,
}

impl Pcap {
    pub(crate) fn new() -> Self {
        let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0]);
        bytes.extend([0; 8]);
        bytes.extend(262_144_u32.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        Self { bytes, micros: 1_700_000_000_000_000 }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn frame(&mut self, frame: &[u8]) {
        self.micros += 10_000;
        let length = u32::try_from(frame.len()).unwrap();
        let seconds = u32::try_from(self.micros / 1_000_000).unwrap();
        let rest = u32::try_from(self.micros % 1_000_000).unwrap();
        for field in [seconds, rest, length, length] {
            self.bytes.extend(field.to_le_bytes());
        }
        self.bytes.extend(frame);
    }

    fn ipv4(&mut self, from: Host, to: Host, protocol: u8, payload: &[u8]) {
        let mut frame = to.mac.to_vec();
        frame.extend(from.mac);
        frame.extend([0x08, 0x00, 0x45, 0x00]);
        frame.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
        // Identification, flags, time to live; the checksum is left to the network card, as on a real host.
        frame.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
        frame.extend(from.ip.octets());
        frame.extend(to.ip.octets());
        frame.extend(payload);
        self.frame(&frame);
    }

    pub(crate) fn udp(&mut self, from: (Host, u16), to: (Host, u16), payload: &[u8]) {
        let mut datagram = from.1.to_be_bytes().to_vec();
        datagram.extend(to.1.to_be_bytes());
        datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        self.ipv4(from.0, to.0, 17, &datagram);
    }

    fn segment(&mut self, from: (Host, u16), to: (Host, u16), seq: u32, ack: u32, flags: u8, payload: &[u8]) {
        let mut segment = from.1.to_be_bytes().to_vec();
        segment.extend(to.1.to_be_bytes());
        segment.extend(seq.to_be_bytes());
        segment.extend(ack.to_be_bytes());
        segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        self.ipv4(from.0, to.0, 6, &segment);
    }

    /// A connection, opened by `client` and not closed: what each side says in turn, `true` being the client.
    pub(crate) fn talk(&mut self, client: (Host, u16), server: (Host, u16), parts: &[(bool, Vec<u8>)]) {
        let (mut sent, mut got) = (1001, 5001);
        self.segment(client, server, 1000, 0, 0x02, b"");
        self.segment(server, client, 5000, sent, 0x12, b"");
        for (by_client, bytes) in parts {
            let length = u32::try_from(bytes.len()).unwrap();
            if *by_client {
                self.segment(client, server, sent, got, 0x18, bytes);
                sent += length;
            } else {
                self.segment(server, client, got, sent, 0x18, bytes);
                got += length;
            }
        }
    }

    /// A whole connection: opened by `client`, which sends `request`; answered with `response`, closed by both.
    pub(crate) fn connection(
        &mut self,
        client: (Host, u16),
        server: (Host, u16),
        request: &[u8],
        response: &[u8],
    ) {
        const FIN: u8 = 0x01;
        const SYN: u8 = 0x02;
        const PSH: u8 = 0x08;
        const ACK: u8 = 0x10;
        let (sent, got) = (u32::try_from(request.len()).unwrap(), u32::try_from(response.len()).unwrap());
        self.segment(client, server, 1000, 0, SYN, b"");
        self.segment(server, client, 5000, 1001, SYN | ACK, b"");
        self.segment(client, server, 1001, 5001, ACK, b"");
        self.segment(client, server, 1001, 5001, PSH | ACK, request);
        self.segment(server, client, 5001, 1001 + sent, PSH | ACK, response);
        self.segment(client, server, 1001 + sent, 5001 + got, FIN | ACK, b"");
        self.segment(server, client, 5001 + got, 1002 + sent, FIN | ACK, b"");
        self.segment(client, server, 1002 + sent, 5002 + got, ACK, b"");
    }
}

/// A TLS 1.2 `ClientHello` with this server name (RFC 5246 section 7.4.1.2, RFC 6066 section 3).
pub(crate) fn client_hello(name: &[u8]) -> Vec<u8> {
    let short = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let mut list = vec![0];
    list.extend(short(name.len()));
    list.extend(name);
    let mut extension = vec![0, 0];
    extension.extend(short(list.len() + 2));
    extension.extend(short(list.len()));
    extension.extend(list);
    let mut body = vec![0x03, 0x03];
    body.extend([7; 32]);
    // No session, one suite, null compression.
    body.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    body.extend(short(extension.len()));
    body.extend(extension);
    let mut message = vec![1, 0];
    message.extend(short(body.len()));
    message.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend(short(message.len()));
    record.extend(message);
    record
}

/// A DHCP message from a client with this type and host name (RFC 2131 section 2, RFC 2132 section 3.14).
pub(crate) fn dhcp(kind: u8, client: Host, given: Ipv4Addr, host_name: &[u8]) -> Vec<u8> {
    let reply = matches!(kind, 2 | 5);
    let mut message = vec![if reply { 2 } else { 1 }, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend(given.octets());
    message.extend([0; 8]);
    message.extend(client.mac);
    message.extend([0; 10 + 64 + 128]);
    message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
    if !reply {
        message.extend([12, u8::try_from(host_name.len()).unwrap()]);
        message.extend(host_name);
    }
    message.push(255);
    message
}

/// The records of a classic pcap file (µs, little endian), each with its header, after the file's header.
pub(crate) fn records(capture: &[u8]) -> (&[u8], Vec<&[u8]>) {
    assert!(capture.starts_with(&0xa1b2_c3d4_u32.to_le_bytes()), "a classic pcap file, little endian, µs");
    let (header, mut rest) = capture.split_at(FILE_HEADER);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap());
        let (record, more) = rest.split_at(RECORD_HEADER + usize::try_from(length).unwrap());
        records.push(record);
        rest = more;
    }
    (header, records)
}
