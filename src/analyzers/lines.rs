//! Lines of text protocols, put together from segments.

/// Collects lines that end in LF, with or without CR before it. Of a longer line only the front is
/// kept.
#[derive(Debug)]
pub(crate) struct LineReader {
    line: Vec<u8>,
    limit: usize,
    /// `line` is complete and goes with the next call.
    complete: bool,
}

impl LineReader {
    /// Keeps at most `limit` bytes of a line.
    pub(crate) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), limit, complete: false }
    }

    /// Takes bytes from the front of `input` up to the end of a line; false if it is not there yet.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> bool {
        if self.complete {
            self.complete = false;
            self.line.clear();
        }
        let end = input.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(input.len());
        let (part, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
        let room = self.limit.saturating_sub(self.line.len());
        self.line.extend(part.iter().take(room));
        *input = if end.is_some() { rest.get(1..).unwrap_or_default() } else { rest };
        self.complete = end.is_some();
        self.complete
    }

    /// Whether what comes next begins a line.
    pub(crate) fn is_between(&self) -> bool {
        self.complete || self.line.is_empty()
    }

    /// What it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.line.capacity()
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> &[u8] {
        self.line.strip_suffix(b"\r").unwrap_or(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_they_went_in() {
        let text = b"one\r\ntwo\n\r\nthree";
        for size in 1..text.len() {
            let mut reader = LineReader::new(4);
            let mut lines = Vec::new();
            for mut chunk in text.chunks(size) {
                while reader.next(&mut chunk) {
                    lines.push(reader.line().to_vec());
                }
            }
            assert_eq!(lines, [&b"one"[..], b"two", b""], "chunks of {size}");
            assert_eq!(reader.line(), b"thre");
        }
    }
}
