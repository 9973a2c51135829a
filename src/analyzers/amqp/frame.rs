//! Cuts one direction of AMQP into frames. Only the front of a frame is kept: what is read is short and comes first.

/// As much of a frame is kept: Connection.Start of RabbitMQ has 500 bytes.
pub(super) const MAX_KEPT: usize = 4096;

/// How frames are delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Type, channel, size of the payload; the payload, and an octet 0xce (0-9-1 section 4.2.3).
    Old,
    /// Size of the whole, data offset, type, channel (1.0 part 2 section 2.3.1).
    New,
}

impl Format {
    /// Length of what comes before the payload.
    fn header(self) -> usize {
        match self {
            Self::Old => 7,
            Self::New => 8,
        }
    }
}

/// End of a frame before 1.0.
const FRAME_END: u8 = 0xce;
/// Longest frame believed; brokers agree on 128 KiB as a rule.
const MAX_FRAME: u64 = 1 << 28;

/// The front of a whole frame, from its header on, without the octet that ends it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
}

impl Frame {
    /// Type before 1.0: 1 method, 2 content header, 3 content, 8 heartbeat.
    pub(super) fn old_type(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// What a frame before 1.0 holds.
    pub(super) fn old_payload(&self) -> &[u8] {
        self.bytes.get(Format::Old.header()..).unwrap_or_default()
    }

    /// What a frame of 1.0 holds, behind its extended header.
    pub(super) fn new_payload(&self) -> &[u8] {
        let offset = self.bytes.get(4).map_or(0, |words| usize::from(*words).saturating_mul(4));
        self.bytes.get(offset..).unwrap_or_default()
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    kept: Vec<u8>,
    /// Bytes of the frame seen so far.
    have: u64,
    /// The last of them.
    last: u8,
}

impl Cutter {
    /// Takes bytes of one frame from the front of `input`: `Some(Ok)` when it is complete, `Some(Err)` with what is wrong
    /// with it.
    pub(super) fn next(&mut self, format: Format, input: &mut &[u8]) -> Option<Result<Frame, &'static str>> {
        loop {
            let header = format.header();
            let whole = if self.kept.len() < header {
                header as u64
            } else {
                match self.length(format) {
                    Some(length) => length,
                    None => return Some(Err("frame")),
                }
            };
            let wanted = usize::try_from(whole.saturating_sub(self.have)).unwrap_or(usize::MAX);
            let (bytes, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
            *input = rest;
            let room = MAX_KEPT.saturating_sub(self.kept.len());
            self.kept.extend(bytes.iter().take(room));
            self.have = self.have.saturating_add(bytes.len() as u64);
            self.last = bytes.last().copied().unwrap_or(self.last);
            if self.have < whole {
                return None;
            }
            // At the end of the header the length comes to be known; it may be that of a frame without payload.
            if whole == header as u64 && self.length(format) != Some(whole) {
                continue;
            }
            let Self { mut kept, last, .. } = std::mem::take(self);
            if format == Format::Old {
                if last != FRAME_END {
                    return Some(Err("frame-end"));
                }
                if kept.len() as u64 == whole {
                    kept.pop();
                }
            }
            return Some(Ok(Frame { bytes: kept }));
        }
    }

    /// Length of the frame whose header is here; `None` if it is no header.
    fn length(&self, format: Format) -> Option<u64> {
        let [a, b, c, d, e, f, g, ..] = *self.kept.as_slice() else { return None };
        let length = match format {
            Format::Old => {
                let payload = u32::from_be_bytes([d, e, f, g]);
                let fits = matches!((a, payload), (1, 4..) | (2, 14..) | (3, _) | (8, 0));
                fits.then_some(u64::from(payload).saturating_add(8))
            }
            Format::New => {
                let size = u32::from_be_bytes([a, b, c, d]);
                (size >= 8 && e >= 2 && u32::from(e).saturating_mul(4) <= size && f <= 1)
                    .then_some(u64::from(size))
            }
        };
        length.filter(|length| *length <= MAX_FRAME)
    }

    /// Whether no frame has begun that is not complete.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0
    }

    /// What it takes beside itself.
    pub(super) fn held(&self) -> usize {
        self.kept.capacity()
    }
}
