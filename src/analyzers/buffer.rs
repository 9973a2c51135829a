//! Bytes of one stream that wait for the rest of their message.

/// A bounded buffer of contiguous stream bytes.
#[derive(Debug)]
pub(crate) struct StreamBuffer {
    bytes: Vec<u8>,
    /// Bytes before this are consumed; 0 <= start <= bytes.len().
    start: usize,
    limit: usize,
}

impl StreamBuffer {
    /// Holds at most `limit` unconsumed bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, limit }
    }

    /// Appends `chunk`; false, and nothing appended, if that would exceed the limit.
    #[must_use]
    pub(crate) fn push(&mut self, chunk: &[u8]) -> bool {
        if self.unread().len().saturating_add(chunk.len()) > self.limit {
            return false;
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(chunk);
        true
    }

    /// What it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes not consumed yet.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Drops `count` bytes from the front; all, if there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    /// Drops everything and gives large allocations back.
    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.bytes.clear();
        self.bytes.shrink_to(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_once_and_the_limit_holds() {
        let mut buffer = StreamBuffer::new(8);
        assert!(buffer.push(b"abcdef"));
        assert!(!buffer.push(b"ghi"));
        buffer.consume(4);
        assert!(buffer.push(b"ghijkl"));
        assert_eq!(buffer.unread(), b"efghijkl");
        buffer.consume(100);
        assert!(buffer.unread().is_empty());
    }
}
