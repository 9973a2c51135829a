//! Shipped recordings, cut into conversations that can be played again by other devices.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::packet::{ACK, FIN, RST, SYN};
use super::records::Framing;

/// A shipped capture of one device.
#[derive(Debug)]
pub(super) struct Recording {
    /// Every conversation, by time of its first frame; what has no ports is one of them.
    pub(super) templates: Vec<Rc<Template>>,
}

/// A conversation as recorded.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) kind: Kind,
    /// When it began, in microseconds from the start of its capture, and of the epoch.
    pub(super) offset: u64,
    pub(super) began: u64,
    pub(super) device_mac: [u8; 6],
    pub(super) device_ip: [u8; 4],
    pub(super) peer_ip: Option<[u8; 4]>,
    /// Ports of device and peer.
    pub(super) port: [u16; 2],
    /// Who sent the first frame: 0 the device, 1 its peer.
    pub(super) caller: usize,
    pub(super) frames: Vec<Recorded>,
    /// Where more data can be put in, and in which form.
    pub(super) splice: Option<(usize, Framing)>,
    /// The server's name in the ClientHello or the HTTP request.
    pub(super) name: Option<Vec<u8>>,
    /// TTL of what each end sends, where both are known.
    pub(super) hops: [u8; 2],
    /// MAC address of the other end.
    pub(super) peer_mac: [u8; 6],
}

/// One frame of it.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Microseconds from the first frame of the conversation.
    pub(super) after: u64,
    /// 0 if the device sent it, else 1.
    pub(super) from: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) transport: usize,
    pub(super) payload: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Tcp,
    Udp,
    Other,
}

impl Recording {
    /// Reads the capture of a shipped case.
    pub(super) fn of(case: &str) -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases").join(case).join("capture.pcap");
        let frames = read(&std::fs::read(&path).expect("the shipped capture is there"));
        let (device_mac, device_ip) = frames.iter().find_map(|(_, frame)| device(frame)).expect("a device");
        let start = frames[0].0;
        let mut groups: BTreeMap<Key, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
        for (at, frame) in frames {
            groups.entry(Key::of(&frame)).or_default().push((at, frame));
        }
        let mut templates: Vec<Rc<Template>> = groups
            .into_iter()
            .map(|(key, frames)| Rc::new(Template::new(key.kind, start, (device_mac, device_ip), frames)))
            .collect();
        templates.sort_by_key(|template| template.offset);
        Self { templates }
    }

    /// The TCP conversations with a server's port that take more data.
    pub(super) fn connections(&self, port: u16) -> impl Iterator<Item = &Rc<Template>> {
        self.templates.iter().filter(move |one| {
            one.kind == Kind::Tcp && one.port[1] == port && one.caller == 0 && one.splice.is_some()
        })
    }
}

/// Addresses and ports in either order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: Kind,
    ends: [(Vec<u8>, u16); 2],
}

impl Key {
    fn of(frame: &[u8]) -> Self {
        let (kind, transport) = layers(frame);
        if kind == Kind::Other {
            return Self { kind, ends: Default::default() };
        }
        let ip = if frame[12] == 8 { [26..30, 30..34] } else { [22..38, 38..54] };
        let ports = ports(frame, transport);
        let mut ends = [(frame[ip[0].clone()].to_vec(), ports[0]), (frame[ip[1].clone()].to_vec(), ports[1])];
        ends.sort();
        Self { kind, ends }
    }
}

/// What an Ethernet frame carries, and where its transport header is.
fn layers(frame: &[u8]) -> (Kind, usize) {
    let (protocol, at) = match frame[12..14] {
        [8, 0] => (frame[23], 14 + usize::from(frame[14] & 15) * 4),
        [0x86, 0xdd] => (frame[20], 54),
        _ => (0, 14),
    };
    match protocol {
        6 => (Kind::Tcp, at),
        17 => (Kind::Udp, at),
        _ => (Kind::Other, at),
    }
}

fn ports(frame: &[u8], transport: usize) -> [u16; 2] {
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    [port(transport), port(transport + 2)]
}

/// The device of the lab has this address whatever it is; fortrabbit's container has the other.
fn device(frame: &[u8]) -> Option<([u8; 6], [u8; 4])> {
    let ip: [u8; 4] = frame.get(26..30)?.try_into().ok()?;
    (frame[12..14] == [8, 0] && matches!(ip, [192, 0, 2, 99 | 100]))
        .then(|| (frame[6..12].try_into().expect("six bytes"), ip))
}

/// Time in microseconds and bytes of every frame of a classic capture.
fn read(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let divisor = match word(0) {
        0xa1b2_c3d4 => 1,
        0xa1b2_3c4d => 1_000,
        _ => panic!("not a little-endian pcap file"),
    };
    let (mut at, mut frames) = (24, Vec::new());
    while at < bytes.len() {
        let time = u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4) / divisor);
        let len = word(at + 8) as usize;
        frames.push((time, bytes[at + 16..at + 16 + len].to_vec()));
        at += 16 + len;
    }
    frames
}

impl Template {
    fn new(kind: Kind, start: u64, device: ([u8; 6], [u8; 4]), frames: Vec<(u64, Vec<u8>)>) -> Self {
        let began = frames[0].0;
        let frames: Vec<Recorded> =
            frames.into_iter().map(|(at, bytes)| Recorded::new(at - began, device.0, bytes)).collect();
        let caller = frames[0].from;
        let mut template = Self {
            kind,
            offset: began - start,
            began,
            device_mac: device.0,
            device_ip: device.1,
            peer_ip: None,
            port: [0; 2],
            caller,
            frames,
            splice: None,
            name: None,
            hops: [64; 2],
            peer_mac: [0; 6],
        };
        if kind != Kind::Other {
            template.find_ends();
        }
        if kind == Kind::Tcp {
            template.name = template.find_name();
            template.splice = template.find_splice();
        }
        template
    }

    /// Whether the connection is still open at its end.
    pub(super) fn is_open(&self) -> bool {
        self.splice.is_some_and(|(at, _)| at == self.frames.len())
    }

    fn find_ends(&mut self) {
        for frame in &self.frames {
            let ports = ports(&frame.bytes, frame.transport);
            self.port = if frame.from == 0 { ports } else { [ports[1], ports[0]] };
            if frame.bytes[12] == 8 {
                self.hops[frame.from] = frame.bytes[22];
                let ip = if frame.from == 0 { 30..34 } else { 26..30 };
                self.peer_ip = frame.bytes[ip].try_into().ok();
            }
            if frame.from == 1 {
                self.peer_mac = frame.bytes[6..12].try_into().expect("six bytes");
            }
        }
    }

    /// The server name of a ClientHello (RFC 6066 section 3), found by its form, or of an HTTP request.
    fn find_name(&self) -> Option<Vec<u8>> {
        let request = self.frames.iter().find(|frame| frame.payload().starts_with(b"GET "));
        if let Some(request) = request {
            let text = String::from_utf8_lossy(request.payload());
            let host = text.lines().find_map(|line| line.strip_prefix("Host: "))?;
            return Some(host.split(':').next()?.as_bytes().to_vec());
        }
        let hello = self.frames.iter().find(|frame| frame.payload().first() == Some(&22))?.payload();
        hello.windows(9).enumerate().find_map(|(at, bytes)| {
            let number = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            let len = number(7);
            let fits = bytes[..2] == [0, 0] && bytes[6] == 0 && number(2) == len + 5 && number(4) == len + 3;
            fits.then(|| hello.get(at + 9..at + 9 + len).map(<[u8]>::to_vec)).flatten()
        })
    }

    /// Behind the last answer before the connection is closed, or at the end of one that stays open.
    fn find_splice(&self) -> Option<(usize, Framing)> {
        let framing = self.framing()?;
        let closing = |frame: &Recorded| {
            frame.flags() & (FIN | RST) != 0
                || matches!((framing, frame.payload()), (Framing::Tls(_), [21, ..]))
                || matches!((framing, frame.payload()), (Framing::WebSocket, [0x88, ..]))
                || matches!((framing, frame.payload()), (Framing::Mqtt, [0xe0, ..]))
        };
        let Some(end) = self.frames.iter().position(closing) else {
            return Some((self.frames.len(), framing));
        };
        let before = &self.frames[..end];
        let usable = |frame: &Recorded| match framing {
            Framing::Tls(_) => frame.payload().len() > 60,
            _ => !frame.payload().is_empty(),
        };
        let last = before.iter().rposition(|frame| frame.from == 1 && usable(frame))?;
        // Nothing from before may come again behind it.
        let seen = [0, 1].map(|from| {
            self.frames[..=last].iter().filter(|one| one.from == from).map(Recorded::end).max().unwrap_or(0)
        });
        let late = self.frames[last + 1..].iter().any(|frame| frame.seq() < seen[frame.from]);
        (!late).then_some((last + 1, framing))
    }

    fn framing(&self) -> Option<Framing> {
        if self.frames[0].bytes[12] != 8 || self.frames[0].flags() != SYN {
            return None;
        }
        let said: Vec<&[u8]> =
            self.frames.iter().map(Recorded::payload).filter(|payload| !payload.is_empty()).collect();
        let application = said.iter().rev().find(|payload| payload[0] == 23).map(|said| [said[1], said[2]]);
        match said.first()? {
            [22, 3, ..] => application.map(Framing::Tls),
            [0x10, ..] => Some(Framing::Mqtt),
            _ if said.iter().any(|said| said.starts_with(b"HTTP/1.1 101")) => Some(Framing::WebSocket),
            _ => None,
        }
    }
}

impl Recorded {
    fn new(after: u64, device: [u8; 6], bytes: Vec<u8>) -> Self {
        let (kind, transport) = layers(&bytes);
        let payload = match kind {
            Kind::Tcp => transport + usize::from(bytes[transport + 12] >> 4) * 4,
            Kind::Udp => transport + 8,
            Kind::Other => transport,
        };
        Self { after, from: usize::from(bytes[6..12] != device), bytes, transport, payload }
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[self.payload..]
    }

    pub(super) fn flags(&self) -> u8 {
        self.bytes[self.transport + 13] & (FIN | SYN | RST | ACK)
    }

    fn seq(&self) -> u32 {
        let at = self.transport + 4;
        u32::from_be_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }

    fn end(&self) -> u32 {
        self.seq().wrapping_add(self.payload().len() as u32)
    }
}
