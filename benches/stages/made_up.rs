//! First messages of protocols that no shipped capture has, as they stand in the specifications.

use wireclaim::model::{Endpoint, FlowKey, Transport};

/// A message of a client to the usual port of its server.
pub(crate) struct Message {
    pub(crate) transport: Transport,
    pub(crate) port: u16,
    pub(crate) bytes: &'static [u8],
}

impl Message {
    pub(crate) fn key(&self) -> FlowKey {
        let end = |last, port| Endpoint { ip: [192, 0, 2, last].into(), port };
        FlowKey { transport: self.transport, orig: end(1, 1_025), resp: end(2, self.port) }
    }
}

/// HTTP/2's preface with empty settings (RFC 9113 section 3.4); OPC UA's Hello (Part 6, section 7.1.2.3); BACnet's Who-Is
/// (135 clause 16.10); DHCPv6's Solicit with a client identifier (RFC 8415 section 16.2); a question each of mDNS (RFC 6762
/// section 5) and LLMNR (RFC 4795 section 2.1).
pub(crate) const MESSAGES: &[Message] = &[
    Message {
        transport: Transport::Tcp,
        port: 80,
        bytes: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    },
    Message {
        transport: Transport::Tcp,
        port: 4_840,
        bytes: b"HELF\x38\0\0\0\0\0\0\0\xff\xff\0\0\xff\xff\0\0\0\0\0\0\0\0\0\0\x18\0\0\0opc.tcp://192.0.2.2:4840",
    },
    Message {
        transport: Transport::Udp,
        port: 47_808,
        bytes: b"\x81\x0b\x00\x0c\x01\x20\xff\xff\x00\xff\x10\x08",
    },
    Message {
        transport: Transport::Udp,
        port: 547,
        bytes: b"\x01\x00\x00\x07\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01\x00\x08\x00\x02\x00\x00",
    },
    Message {
        transport: Transport::Udp,
        port: 5_353,
        bytes: b"\0\0\0\0\0\x01\0\0\0\0\0\0\x06device\x05local\0\0\x01\0\x01",
    },
    Message {
        transport: Transport::Udp,
        port: 5_355,
        bytes: b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x06device\0\0\x01\0\x01",
    },
];
