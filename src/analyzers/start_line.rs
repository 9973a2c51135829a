//! Messages of a start line, headers and a body, in the manner of HTTP, as SIP and RTSP have them.

use super::dialogue::first_line;
use super::lines::LineReader;
use super::{Probe, Role, Sink};
use crate::model::{Field, Value};

/// How much of a first line is awaited.
const MAX_START: usize = 2048;
/// Longest line that is read whole.
const MAX_LINE: usize = 1024;
/// Longest method by which a protocol is recognised.
const MAX_METHOD: usize = 32;

/// What a protocol makes of the parts of its messages.
pub(crate) trait Parts {
    /// Its versions as they are written: `SIP/2.0`.
    const VERSIONS: &'static [&'static str];

    /// The method of a request.
    fn method(&mut self, method: &[u8], sink: &mut Sink);
    /// The status of a response.
    fn status(&mut self, status: u64, sink: &mut Sink);
    /// A header: its name in lower case, its value trimmed.
    fn header(&mut self, role: Role, name: &[u8], value: &[u8], sink: &mut Sink);
}

/// Recognises a first line: a status line of one of `versions`, or a request line with it and one of `methods`.
pub(crate) fn probe(bytes: &[u8], versions: &[&str], methods: &[&str]) -> Probe {
    if !bytes.first().is_none_or(|first| first.is_ascii_uppercase() || matches!(first, b'\r' | b'\n')) {
        return Probe::No;
    }
    let mut answer = Probe::No;
    for version in versions {
        match probe_version(bytes, version, methods) {
            Probe::No => {}
            Probe::More => answer = Probe::More,
            told => return told,
        }
    }
    answer
}

fn probe_version(bytes: &[u8], version: &str, methods: &[&str]) -> Probe {
    // Empty lines before it are allowed (RFC 3261 section 7.5).
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).take(8).count();
    let bytes = bytes.get(blank..).unwrap_or_default();
    let length = bytes.len().min(version.len());
    if bytes.get(..length) == version.as_bytes().get(..length) {
        return match bytes.get(length..) {
            Some([b' ', a, b, c, ..]) if [a, b, c].into_iter().all(u8::is_ascii_digit) => {
                Probe::Certainly(Role::Server)
            }
            Some([] | [b' '] | [b' ', _] | [b' ', _, _]) => Probe::More,
            _ => Probe::No,
        };
    }
    let method = bytes.iter().take(MAX_METHOD).take_while(|byte| **byte != b' ').count();
    let word = bytes.get(..method).unwrap_or_default();
    if method == bytes.len() {
        let fits = methods.iter().any(|known| known.as_bytes().starts_with(word));
        return if fits { Probe::More } else { Probe::No };
    }
    if !methods.iter().any(|known| known.as_bytes() == word) {
        return Probe::No;
    }
    let is_request =
        |line: &[u8]| line.strip_suffix(version.as_bytes()).is_some_and(|rest| rest.ends_with(b" "));
    match first_line(bytes) {
        Some(line) if is_request(line) => Probe::Certainly(Role::Client),
        None if bytes.len() < MAX_START => Probe::More,
        _ => Probe::No,
    }
}

/// Reads the messages of one direction.
#[derive(Debug)]
pub(crate) struct Messages {
    lines: LineReader,
    state: State,
    /// Of the message at hand, as far as its headers are read.
    body: u64,
    /// Messages begun.
    pub(crate) count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Headers,
    /// This many bytes are no lines.
    Skip(u64),
    /// Frames of binary data among the messages (RFC 2326 section 10.12): its header so far.
    Binary([u8; 4], usize),
    Lost,
}

impl Default for Messages {
    fn default() -> Self {
        Self { lines: LineReader::new(MAX_LINE), state: State::Start, body: 0, count: 0 }
    }
}

impl Messages {
    /// Reads on; `None` if these are no messages.
    pub(crate) fn read<P: Parts>(
        &mut self,
        parts: &mut P,
        role: Role,
        mut bytes: &[u8],
        sink: &mut Sink,
    ) -> Option<()> {
        // Each turn takes bytes or ends the loop.
        while let Some(&first) = bytes.first() {
            match self.state {
                State::Start if first == b'$' => self.state = State::Binary([0; 4], 0),
                State::Start | State::Headers => {
                    if !self.lines.next(&mut bytes) {
                        return Some(());
                    }
                    if self.state == State::Headers {
                        self.header(parts, role, sink);
                    } else if !self.lines.line().is_empty() {
                        self.state = if self.start(parts, sink) { State::Headers } else { State::Lost };
                    }
                }
                State::Skip(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(taken..)?;
                    let left = left.saturating_sub(taken as u64);
                    self.state = if left == 0 { State::Start } else { State::Skip(left) };
                }
                State::Binary(mut header, have) => {
                    *header.get_mut(have)? = first;
                    bytes = bytes.get(1..)?;
                    let have = have.saturating_add(1);
                    let [_, _, high, low] = header;
                    self.state = match u64::from(u16::from_be_bytes([high, low])) {
                        _ if have < header.len() => State::Binary(header, have),
                        0 => State::Start,
                        length => State::Skip(length),
                    };
                }
                State::Lost => return None,
            }
        }
        if self.state == State::Lost { None } else { Some(()) }
    }

    /// A start line; false if it is none.
    fn start<P: Parts>(&mut self, parts: &mut P, sink: &mut Sink) -> bool {
        let line = self.lines.line();
        self.body = 0;
        self.count = self.count.saturating_add(1);
        let versions = || P::VERSIONS.iter().map(|version| version.as_bytes());
        if let Some(rest) = versions().find_map(|version| line.strip_prefix(version)) {
            let digits = rest.get(1..4).and_then(|digits| str::from_utf8(digits).ok());
            let Some(status) = digits.and_then(|digits| digits.parse().ok()) else { return false };
            parts.status(status, sink);
            return true;
        }
        let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let is_token = method.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-'));
        // The version of a longer line is not kept.
        let ends = versions().any(|version| line.ends_with(version)) || line.len() >= MAX_LINE;
        if !is_token || method.is_empty() || method.len() > MAX_METHOD || !ends {
            return false;
        }
        parts.method(method, sink);
        true
    }

    fn header<P: Parts>(&mut self, parts: &mut P, role: Role, sink: &mut Sink) {
        let line = self.lines.line();
        if line.is_empty() {
            self.state = if self.body == 0 { State::Start } else { State::Skip(self.body) };
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let name = name.trim_ascii().to_ascii_lowercase();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // `l` is its short form in SIP (RFC 3261 section 7.3.3).
        if name == b"content-length" || name == b"l" {
            self.body = str::from_utf8(value).ok().and_then(|length| length.parse().ok()).unwrap_or(0);
        }
        parts.header(role, &name, value, sink);
    }

    /// What it takes beside itself.
    pub(crate) fn held(&self) -> usize {
        self.lines.held()
    }
}

/// The scheme of an `Authorization` header: `Digest`.
pub(crate) fn scheme(value: &[u8]) -> Vec<u8> {
    value.split(|byte| *byte == b' ').next().unwrap_or_default().to_ascii_lowercase()
}

/// Observes that a scheme shows a password or token to whoever reads along.
pub(crate) fn readable(scheme: &[u8], field: &'static Field, sink: &mut Sink) {
    for known in ["basic", "bearer"] {
        if scheme == known.as_bytes() {
            sink.fact(field, Value::Word(known));
        }
    }
}
