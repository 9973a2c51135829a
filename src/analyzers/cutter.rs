//! Cuts a stream into messages that tell their own length.

use super::Role;

/// Both directions of a connection.
#[derive(Debug)]
pub(crate) struct Cutters {
    client: Cutter,
    server: Cutter,
}

impl Cutters {
    /// Each as [`Cutter::new`] has it.
    pub(crate) fn new(header: usize, keep: usize) -> Self {
        Self { client: Cutter::new(header, keep), server: Cutter::new(header, keep) }
    }

    /// What this end sends.
    pub(crate) fn of(&mut self, role: Role) -> &mut Cutter {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// What they take beside themselves.
    pub(crate) fn held(&self) -> usize {
        self.client.held().saturating_add(self.server.held())
    }
}

/// One direction. Only the front of a message is kept.
#[derive(Debug)]
pub(crate) struct Cutter {
    kept: Vec<u8>,
    /// Bytes of the message seen so far.
    have: usize,
    header: usize,
    keep: usize,
}

impl Cutter {
    /// Of messages whose length is known from their first `header` bytes; keeps at most `keep` bytes of each, and never
    /// less than those.
    pub(crate) fn new(header: usize, keep: usize) -> Self {
        Self { kept: Vec::new(), have: 0, header, keep: keep.max(header) }
    }

    /// Takes bytes of one message from the front of `input`: `Some(Ok)` with its front when it is complete, `Some(Err)`
    /// when `length` finds that its header is none. `length` tells that of the whole message.
    pub(crate) fn next(
        &mut self,
        input: &mut &[u8],
        length: impl Fn(&[u8]) -> Option<usize>,
    ) -> Option<Result<Vec<u8>, ()>> {
        loop {
            let (whole, known) = match self.kept.get(..self.header) {
                None => (self.header, false),
                Some(header) => match length(header) {
                    Some(whole) => (whole.max(self.header), true),
                    None => return Some(Err(())),
                },
            };
            let (bytes, rest) =
                input.split_at_checked(whole.saturating_sub(self.have)).unwrap_or((input, &[]));
            *input = rest;
            self.kept.extend(bytes.iter().take(self.keep.saturating_sub(self.kept.len())));
            self.have = self.have.saturating_add(bytes.len());
            if self.have < whole {
                return None;
            }
            if known {
                self.have = 0;
                return Some(Ok(std::mem::take(&mut self.kept)));
            }
        }
    }

    /// What it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.kept.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_went_in() {
        // Length of what follows, and that.
        let stream = b"\x03abc\x00\x05abcde\x01x\xff";
        let length =
            |header: &[u8]| header.first().filter(|first| **first < 9).map(|first| usize::from(*first) + 1);
        for size in 1..=stream.len() {
            let mut cutter = Cutter::new(1, 4);
            let mut told = Vec::new();
            for mut chunk in stream.chunks(size) {
                while let Some(message) = cutter.next(&mut chunk, length) {
                    let failed = message.is_err();
                    told.push(message);
                    if failed {
                        break;
                    }
                }
            }
            let expected = [
                Ok(b"\x03abc".to_vec()),
                Ok(b"\x00".to_vec()),
                Ok(b"\x05abc".to_vec()),
                Ok(b"\x01x".to_vec()),
                Err(()),
            ];
            assert_eq!(told, expected, "chunks of {size}");
        }
    }
}
