//! TFTP (RFC 1350) with options (RFC 2347).
//!
//! The server answers a request from a port of its own (RFC 1350 section 4), so that a transfer is a flow of its own
//! besides the flow of its request; it is recognised by its first block or by the server's options. Read: which file,
//! which way, mode and options, how much is transferred, errors. Not kept: contents.

use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    REQUEST = "tftp.request", "RFC 1350 section 5",
        "`read` or `write`.";
    FILE = "tftp.file", "RFC 1350 section 5",
        "Name of the file that is asked for.";
    MODE = "tftp.mode", "RFC 1350 section 5",
        "Mode of the transfer, in lower case: `octet`, `netascii`.";
    OPTION = "tftp.option", "RFC 2347",
        "Name of an option that the client asks for or the server takes, in lower case: `blksize`, `tsize`.";
    TRANSFER = "tftp.transfer", "RFC 1350 section 4",
        "This flow is a transfer, which somebody asked for in another one: `read` or `write`.";
    ERROR = "tftp.error", "RFC 1350 appendix I, RFC 2347",
        "Code of an error: 1 file not found, 2 access violation, 8 options refused.";
}

/// TFTP in the registry.
pub static DEFINITION: Definition = Definition {
    id: "tftp",
    title: "TFTP (RFC 1350)",
    transports: &[Transport::Udp],
    ports: &[69],
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const MODES: [&[u8]; 3] = [b"octet", b"netascii", b"mail"];
const OPTIONS: [&[u8]; 5] = [b"blksize", b"timeout", b"tsize", b"windowsize", b"multicast"];
/// A block without options, which is full unless it is the last (RFC 1350 section 2).
const BLOCK: usize = 512;
const MAX_FILE: usize = 255;

/// A message, as far as it tells what it is.
enum Message<'a> {
    /// Whether it is to read; file, mode, options.
    Request(bool, &'a [u8], &'a [u8], &'a [u8]),
    /// Number and contents.
    Data(u16, &'a [u8]),
    Acknowledgement(u16),
    Error(u16),
    Options(&'a [u8]),
}

fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let (code, mut rest) = bytes.split_first_chunk::<2>()?;
    let number = || bytes.get(2..4).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes);
    match u16::from_be_bytes(*code) {
        kind @ (1 | 2) => {
            let (file, mode) = (string(&mut rest)?, string(&mut rest)?);
            let is_mode = MODES.iter().any(|known| known.eq_ignore_ascii_case(mode));
            let is_file = !file.is_empty() && file.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
            (is_mode && is_file).then_some(Message::Request(kind == 1, file, mode, rest))
        }
        3 => Some(Message::Data(number()?, bytes.get(4..)?)),
        4 => Some(Message::Acknowledgement(number()?)).filter(|_| bytes.len() == 4),
        5 => {
            let message = bytes.get(4..)?.strip_suffix(&[0])?;
            (!message.contains(&0)).then_some(Message::Error(number()?))
        }
        6 => {
            let mut names = rest;
            let name = string(&mut names)?;
            OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(name)).then_some(Message::Options(rest))
        }
        _ => None,
    }
}

/// Takes a string that ends in a zero.
fn string<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = input.iter().position(|byte| *byte == 0)?;
    let string = input.get(..end)?;
    *input = input.get(end.checked_add(1)?..)?;
    Some(string)
}

/// Requests and options are certain; a first block that is full, its acknowledgement, and an error may be others' as
/// well.
fn probe(input: &ProbeInput<'_>) -> Probe {
    match parse(input.bytes) {
        Some(Message::Request(..)) => Probe::Certainly(Role::Client),
        Some(Message::Options(_)) => Probe::Certainly(Role::Server),
        // Who asked does not show here: in a read, which is usual, the server sends data.
        Some(Message::Data(1, data)) if data.len() == BLOCK => Probe::Perhaps(Role::Server),
        Some(Message::Error(0..=8)) if input.bytes.len() > 5 && text_only(input.bytes) => {
            Probe::Perhaps(Role::Server)
        }
        Some(Message::Acknowledgement(0)) => Probe::Perhaps(Role::Server),
        Some(Message::Acknowledgement(1)) => Probe::Perhaps(Role::Client),
        _ => Probe::No,
    }
}

/// Whether the message of an error is text.
fn text_only(error: &[u8]) -> bool {
    let message = error.get(4..error.len().saturating_sub(1)).unwrap_or_default();
    message.iter().all(|byte| (b' '..0x7f).contains(byte))
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Tftp { asked: false, told: false })
}

struct Tftp {
    /// The request is in this flow.
    asked: bool,
    /// Which way the transfer goes has been told.
    told: bool,
}

impl Analyzer for Tftp {
    fn data(&mut self, _role: Role, _bytes: &[u8], sink: &mut Sink) {
        sink.give_up();
    }

    fn datagram(&mut self, role: Role, bytes: &[u8], missed: u32, sink: &mut Sink) {
        match parse(bytes) {
            Some(Message::Request(reads, file, mode, mut rest)) => {
                self.asked = true;
                sink.fact(&REQUEST, Value::Word(if reads { "read" } else { "write" }));
                sink.fact(&FILE, text(file, MAX_FILE));
                sink.fact(&MODE, text(&mode.to_ascii_lowercase(), 16));
                options(&mut rest, sink);
            }
            Some(Message::Options(mut rest)) => options(&mut rest, sink),
            Some(Message::Error(code)) => {
                sink.fact(&ERROR, Value::Uint(u64::from(code)));
            }
            Some(Message::Data(..)) if !self.asked && !self.told && missed == 0 => {
                self.told = true;
                sink.fact(&TRANSFER, Value::Word(if role == Role::Server { "read" } else { "write" }));
            }
            _ => {}
        }
    }
}

/// Names and values of options, by turns.
fn options(rest: &mut &[u8], sink: &mut Sink) {
    while let Some(name) = string(rest) {
        sink.fact(&OPTION, text(&name.to_ascii_lowercase(), 32));
        if string(rest).is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{ask_udp, list, steady_datagrams};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    #[test]
    fn a_request_and_a_transfer_are_read() {
        let facts =
            steady_datagrams(&DEFINITION, &[(C, b"\0\x01boot.img\0OCTET\0blksize\x001428\0tsize\x000\0")]);
        assert_eq!(
            list(&facts),
            [
                "tftp.request=read x1",
                "tftp.file=boot.img x1",
                "tftp.mode=octet x1",
                "tftp.option=blksize x1",
                "tftp.option=tsize x1"
            ]
        );
        let block = [&b"\0\x03\0\x01"[..], &[7; 512]].concat();
        let talk: &[(Role, &[u8])] = &[
            (S, b"\0\x06tsize\x00512\0"),
            (C, b"\0\x04\0\0"),
            (S, &block),
            (C, b"\0\x04\0\x01"),
            (S, b"\0\x05\0\x08no\0"),
        ];
        let facts = steady_datagrams(&DEFINITION, talk);
        assert_eq!(list(&facts), ["tftp.option=tsize x1", "tftp.transfer=read x1", "tftp.error=8 x1"]);
    }

    #[test]
    fn only_what_is_full_of_itself_is_certain() {
        let ask = |bytes: &[u8]| ask_udp(&DEFINITION, bytes, 50_000, 50_001);
        assert_eq!(ask(b"\0\x02x\0netascii\0"), Probe::Certainly(C));
        assert_eq!(ask(b"\0\x06blksize\x00512\0"), Probe::Certainly(S));
        assert_eq!(ask(&[&b"\0\x03\0\x01"[..], &[7; 512]].concat()), Probe::Perhaps(S));
        assert_eq!(ask(b"\0\x04\0\x01"), Probe::Perhaps(C));
        assert_eq!(ask(b"\0\x05\0\x01File not found\0"), Probe::Perhaps(S));
        assert_eq!(ask(b"\0\x05\0\x01\x01\0"), Probe::No);
        for other in [
            &b"\0\x01x\0other\0"[..],
            b"\0\x01\0octet\0",
            b"\0\x03\0\x01short",
            b"\0\x04\0\x01\0",
            b"\0\x06x\0",
        ] {
            assert_eq!(ask(other), Probe::No);
        }
    }
}
