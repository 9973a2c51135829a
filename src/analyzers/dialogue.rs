//! Protocols in which the client sends command lines, the server reply lines, and either may ask to go on in TLS.

use super::lines::LineReader;
use super::starttls::StartTls;
use super::{Analyzer, Role, Sink};
use crate::model::Field;

/// What a line means for what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next line.
    Line,
    /// This many bytes from the same side that are no lines.
    Content(u64),
    /// The client asks for TLS.
    AskTls,
    /// The server says yes; TLS begins after this line.
    TakeTls,
    /// The server says no.
    RefuseTls,
    /// Nothing that would still tell anything.
    Finish,
}

/// The words of one such protocol.
pub(crate) trait Talk: Send + Sync {
    /// One line from the client, without its end.
    fn command(&mut self, line: &[u8], sink: &mut Sink) -> Step;

    /// One line from the server; `asked` if the client waits for an answer to its request for TLS.
    fn reply(&mut self, line: &[u8], asked: bool, sink: &mut Sink) -> Step;
}

/// An analyzer of such a protocol.
pub(crate) struct Dialogue<T> {
    talk: T,
    starttls: &'static Field,
    client: Side,
    server: Side,
    tls: StartTls,
}

#[derive(Debug)]
struct Side {
    lines: LineReader,
    /// Bytes still to come that are no lines.
    content: u64,
}

impl<T: Talk> Dialogue<T> {
    /// Of a line at most `max_line` bytes are read; `starttls` tells how the upgrade goes.
    pub(crate) fn new(talk: T, max_line: usize, starttls: &'static Field) -> Self {
        let side = || Side { lines: LineReader::new(max_line), content: 0 };
        Self { talk, starttls, client: side(), server: side(), tls: StartTls::default() }
    }

    fn client(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        // Each turn takes bytes or ends the loop.
        while !bytes.is_empty() && !sink.done {
            if self.tls.is_pending() {
                return self.tls.hold(bytes, sink);
            }
            if self.client.is_between() && self.tls.begins_unasked(Role::Client, bytes, sink) {
                return;
            }
            if !self.client.next(&mut bytes) {
                return;
            }
            match self.talk.command(self.client.lines.line(), sink) {
                Step::Content(length) => self.client.content = length,
                Step::AskTls => self.tls.request(self.starttls, sink),
                Step::Finish => sink.finish(),
                Step::Line | Step::TakeTls | Step::RefuseTls => {}
            }
        }
    }

    fn server(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !sink.done {
            let between = self.server.is_between();
            if between && self.tls.begins_unasked(Role::Server, bytes, sink) || !self.server.next(&mut bytes)
            {
                return;
            }
            let asked = self.tls.is_pending();
            match self.talk.reply(self.server.lines.line(), asked, sink) {
                Step::Content(length) => self.server.content = length,
                Step::TakeTls if asked => self.tls.accept(self.starttls, bytes, sink),
                Step::RefuseTls if asked => {
                    let held = self.tls.refuse(self.starttls, sink);
                    self.client(&held, sink);
                }
                Step::Finish => sink.finish(),
                _ => {}
            }
        }
    }
}

impl Side {
    /// Whether what comes next begins a line.
    fn is_between(&self) -> bool {
        self.content == 0 && self.lines.is_between()
    }

    /// Takes bytes up to the end of the next line; false if it is not there yet.
    fn next(&mut self, input: &mut &[u8]) -> bool {
        if self.content > 0 {
            let taken = usize::try_from(self.content).unwrap_or(usize::MAX).min(input.len());
            *input = input.get(taken..).unwrap_or_default();
            self.content = self.content.saturating_sub(taken as u64);
        }
        self.content == 0 && self.lines.next(input)
    }
}

impl<T: Talk> Analyzer for Dialogue<T> {
    fn held(&self) -> usize {
        [self.client.lines.held(), self.server.lines.held(), self.tls.held()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    fn gap(&mut self, _role: Role, _missed: u64, sink: &mut Sink) {
        sink.give_up_but_tls();
    }

    fn data(&mut self, role: Role, bytes: &[u8], sink: &mut Sink) {
        match role {
            Role::Client => self.client(bytes, sink),
            Role::Server => self.server(bytes, sink),
        }
    }
}

/// The words of a line; runs of spaces are one.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// The three digits in front of a reply, what divides them from the text, and the text.
pub(crate) fn code(line: &[u8]) -> Option<([u8; 3], u8, &[u8])> {
    let (code, rest) = line.split_first_chunk::<3>()?;
    let (divider, text) = rest.split_first().map_or((b' ', &[][..]), |(divider, text)| (*divider, text));
    (code.iter().all(u8::is_ascii_digit) && matches!(divider, b' ' | b'-')).then_some((*code, divider, text))
}

/// Whether `bytes` begin with `start`, in any case; `None` if they are too few to tell.
pub(crate) fn begins(bytes: &[u8], start: &[u8]) -> Option<bool> {
    let length = bytes.len().min(start.len());
    let fits = bytes
        .get(..length)
        .is_some_and(|front| start.get(..length).is_some_and(|start| front.eq_ignore_ascii_case(start)));
    match (fits, length == start.len()) {
        (true, false) => None,
        (fits, _) => Some(fits),
    }
}

/// The first line without its end, if all of it is there.
pub(crate) fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes.get(..end)?;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Whether `text` has `word` in it, in any case.
pub(crate) fn mentions(text: &[u8], word: &[u8]) -> bool {
    !word.is_empty() && text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}
