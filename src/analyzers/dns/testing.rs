//! Messages for tests, byte by byte.

use crate::model::evidence::Seen;
use crate::model::{CaptureId, FrameNo, FrameRef, Timestamp};

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const PTR: u16 = 12;
pub(crate) const SRV: u16 = 33;
pub(crate) const HTTPS: u16 = 65;

/// Frame `n`, at second `n`.
pub(crate) fn seen(n: u64) -> Seen {
    Seen { at: Timestamp::new(n as i64, 0), frame: FrameRef::new(CaptureId(0), FrameNo(n)) }
}

/// A name in wire form, not compressed.
pub(crate) fn label(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// Puts a message together; sections must be given in order.
#[derive(Clone)]
pub(crate) struct Build {
    id: u16,
    flags: u16,
    counts: [u16; 4],
    body: Vec<u8>,
}

impl Build {
    pub(crate) fn new(id: u16, flags: u16) -> Self {
        Self { id, flags, counts: [0; 4], body: Vec::new() }
    }

    /// A query with recursion desired.
    pub(crate) fn query(id: u16, name: &str, kind: u16) -> Self {
        Self::new(id, 0x0100).question(name, kind)
    }

    pub(crate) fn response(id: u16, flags: u16) -> Self {
        Self::new(id, flags)
    }

    pub(crate) fn question(mut self, name: &str, kind: u16) -> Self {
        self.counts[0] += 1;
        self.body.extend(label(name));
        self.body.extend(kind.to_be_bytes());
        self.body.extend([0, 1]);
        self
    }

    /// A record of class IN that lives for five minutes; section 1 to 3.
    pub(crate) fn record(self, section: usize, name: &str, kind: u16, content: &[u8]) -> Self {
        self.record_ttl(section, name, kind, 300, content)
    }

    pub(crate) fn record_ttl(self, section: usize, name: &str, kind: u16, ttl: u32, content: &[u8]) -> Self {
        let mut bytes = label(name);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes.extend(ttl.to_be_bytes());
        bytes.extend((content.len() as u16).to_be_bytes());
        bytes.extend(content);
        self.raw(section, &bytes)
    }

    /// One record as it is.
    pub(crate) fn raw(mut self, section: usize, record: &[u8]) -> Self {
        self.counts[section] += 1;
        self.body.extend(record);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.id, self.flags].into_iter().chain(self.counts) {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(&self.body);
        bytes
    }

    /// With the two length bytes of TCP.
    pub(crate) fn framed(&self) -> Vec<u8> {
        let bytes = self.bytes();
        let mut framed = (bytes.len() as u16).to_be_bytes().to_vec();
        framed.extend(bytes);
        framed
    }
}
