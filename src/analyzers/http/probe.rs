//! Recognising HTTP/1 by its first line.

use crate::analyzers::{Probe, ProbeInput, Role};
use crate::model::Transport;

/// Methods by which a request is recognised without seeing its whole first line: the IANA
/// registry's usual ones, and those of UPnP.
const METHODS: [&str; 25] = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "MERGE",
    "PURGE",
    "NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "M-SEARCH",
    "QUERY",
];

/// The longest of them with its space, and some room.
pub(super) const ENOUGH: usize = 16;

/// Length up to which a first line is awaited before the method alone must convince.
const MAX_LINE: usize = 1024;
const MAX_METHOD: usize = 32;

/// The method as a constant, if it is a usual one.
pub(super) fn known_method(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method)
}

/// Whether `bytes` begin a message of `role`, judged by at most [`ENOUGH`] of them.
pub(super) fn begins(role: Role, bytes: &[u8]) -> Probe {
    match role {
        Role::Client => begins_request(bytes),
        Role::Server => begins_response(bytes),
    }
}

pub(super) fn probe(input: &ProbeInput<'_>) -> Probe {
    if input.transport != Transport::Tcp {
        return Probe::No;
    }
    // RFC 9112 section 2.2: an empty line before the request line is ignored.
    let blank = input.bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).take(4).count();
    let bytes = input.bytes.get(blank..).unwrap_or_default();
    match begins_response(bytes) {
        Probe::No => request_line(bytes),
        told => told,
    }
}

fn begins_request(bytes: &[u8]) -> Probe {
    let mut more = false;
    for method in METHODS {
        let method = method.as_bytes();
        match bytes.strip_prefix(method) {
            Some([b' ', ..]) => return Probe::Certainly(Role::Client),
            Some([]) => more = true,
            Some(_) => {}
            None => more = more || method.starts_with(bytes),
        }
    }
    if more { Probe::More } else { Probe::No }
}

/// `HTTP/1.` digit, space, three digits (RFC 9112 section 4).
fn begins_response(bytes: &[u8]) -> Probe {
    const SHAPE: &[u8; 12] = b"HTTP/1.0 000";
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        literal => byte == literal,
    };
    if !bytes.iter().zip(SHAPE).all(fits) {
        Probe::No
    } else if bytes.len() < SHAPE.len() {
        Probe::More
    } else {
        Probe::Certainly(Role::Server)
    }
}

/// `method target HTTP/1.x` and the end of the line; any token will do as the method.
fn request_line(bytes: &[u8]) -> Probe {
    // What is no text is not worth looking for the end of a line in.
    if bytes.first().is_some_and(|byte| !is_token(*byte)) {
        return Probe::No;
    }
    let (line, whole) = match bytes.iter().take(MAX_LINE).position(|&byte| byte == b'\n') {
        Some(end) => (bytes.get(..end).unwrap_or_default(), true),
        None => (bytes.get(..MAX_LINE).unwrap_or(bytes), false),
    };
    let method = line.iter().take(MAX_METHOD).take_while(|byte| is_token(**byte)).count();
    match line.get(method..) {
        None | Some([]) if !whole && method < MAX_METHOD => Probe::More,
        Some([b' ', target @ ..]) if method > 0 => {
            if whole {
                let target = target.strip_suffix(b"\r").unwrap_or(target);
                match target {
                    [_, .., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => {
                        Probe::Certainly(Role::Client)
                    }
                    _ => Probe::No,
                }
            } else if target.iter().any(|byte| *byte < b' ' && *byte != b'\r') {
                Probe::No
            } else if line.len() >= MAX_LINE || target.starts_with(b"/") {
                // A usual method with a path convinces: the line may be cut by the snap length.
                match begins_request(line) {
                    Probe::No if line.len() < MAX_LINE => Probe::More,
                    told => told,
                }
            } else {
                Probe::More
            }
        }
        _ => Probe::No,
    }
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
