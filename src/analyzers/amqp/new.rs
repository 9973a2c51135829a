//! Frames of AMQP 1.0 that authenticate, open and close a connection, in the type system of part 1.
//!
//! Every frame read is a described list: 0x00, a descriptor, a list. Values are told apart by their first octet, whose
//! high half gives their width (part 1 section 1.2), so that unknown ones can be passed over without looking inside.

use super::fields::{
    CLIENT_IDLE_TIMEOUT, CLOSE_ERROR, CLOSE_TEXT, CONTAINER, CREDENTIALS, MECHANISM, MECHANISM_OFFERED,
    OPENED, SASL_OUTCOME, SERVER_IDLE_TIMEOUT, VIRTUAL_HOST,
};
use super::old::{Told, sends_password};
use super::{MAX_MECHANISMS, MAX_TEXT};
use crate::analyzers::{Role, Sink, text};
use crate::model::Value;

/// Reads the performative of a frame.
pub(super) fn performative(role: Role, payload: &[u8], sink: &mut Sink) -> Told {
    let mut rest = payload;
    let Some((descriptor, list)) = described(&mut rest) else { return Told::Nothing };
    match (descriptor, role) {
        (0x10, _) => open(role, list, sink),
        (0x18, _) => {
            let mut list = list;
            let error = described(&mut list).filter(|(descriptor, _)| *descriptor == 0x1d);
            if let Some((_, mut error)) = error {
                if let Some(condition) = bytes(&mut error) {
                    sink.fact(&CLOSE_ERROR, text(condition, MAX_TEXT));
                }
                if let Some(why) = bytes(&mut error).filter(|why| !why.is_empty()) {
                    sink.fact(&CLOSE_TEXT, text(why, MAX_TEXT));
                }
            }
            return Told::Close;
        }
        (0x40, Role::Server) => {
            let mut list = list;
            for mechanism in symbols(&mut list).into_iter().take(MAX_MECHANISMS) {
                sink.fact(&MECHANISM_OFFERED, text(mechanism, MAX_TEXT));
            }
        }
        (0x41, Role::Client) => {
            let mut list = list;
            if let Some(mechanism) = bytes(&mut list) {
                sink.fact(&MECHANISM, text(mechanism, MAX_TEXT));
                if sends_password(mechanism) {
                    sink.fact(&CREDENTIALS, Value::Yes);
                }
            }
        }
        (0x44, Role::Server) => {
            if let [0x50, code, ..] = list {
                sink.fact(&SASL_OUTCOME, Value::Uint(u64::from(*code)));
            }
        }
        _ => {}
    }
    Told::Nothing
}

/// Container, host name, longest frame, most channels, idle time-out.
fn open(role: Role, mut list: &[u8], sink: &mut Sink) {
    if let Some(container) = bytes(&mut list) {
        sink.fact(&CONTAINER, text(container, MAX_TEXT));
    }
    if let Some(host) = bytes(&mut list).filter(|_| role == Role::Client) {
        sink.fact(&VIRTUAL_HOST, text(host, MAX_TEXT));
    }
    let _ = (skip(&mut list), skip(&mut list));
    if let Some(timeout) = number(&mut list) {
        let field = if role == Role::Client { &CLIENT_IDLE_TIMEOUT } else { &SERVER_IDLE_TIMEOUT };
        sink.fact(field, Value::Uint(timeout));
    }
    if role == Role::Server {
        sink.fact(&OPENED, Value::Yes);
    }
}

/// A described list: the number of its descriptor, and its elements.
fn described<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    take(rest, 1).filter(|constructor| *constructor == [0])?;
    let mut descriptor = value(rest)?;
    let descriptor = number(&mut descriptor)?;
    let list = value(rest)?;
    let elements = match list {
        [0x45] => &[],
        // Size and count come first.
        [0xc0, _, _, elements @ ..] | [0xd0, _, _, _, _, _, _, _, _, elements @ ..] => elements,
        _ => return None,
    };
    Some((descriptor, elements))
}

/// One primitive value, its constructor included; no described one.
fn value<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = match rest.first()? >> 4 {
        0x4 => 0,
        0x5 => 1,
        0x6 => 2,
        0x7 => 4,
        0x8 => 8,
        0x9 => 16,
        0xa | 0xc | 0xe => usize::from(*rest.get(1)?).checked_add(1)?,
        0xb | 0xd | 0xf => {
            let size = u32::from_be_bytes(*rest.get(1..)?.first_chunk::<4>()?);
            usize::try_from(size).ok()?.checked_add(4)?
        }
        _ => return None,
    };
    take(rest, length.checked_add(1)?)
}

fn skip(rest: &mut &[u8]) -> Option<()> {
    value(rest).map(|_| ())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// Text, symbol or binary; `None` for null and everything else.
fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    match value(rest)? {
        [0xa0 | 0xa1 | 0xa3, _, bytes @ ..] | [0xb0 | 0xb1 | 0xb3, _, _, _, _, bytes @ ..] => Some(bytes),
        _ => None,
    }
}

/// An unsigned number of any width.
fn number(rest: &mut &[u8]) -> Option<u64> {
    match value(rest)? {
        [0x43 | 0x44] => Some(0),
        [0x50 | 0x52 | 0x53 | 0x60 | 0x70 | 0x80, number @ ..] => {
            Some(number.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)))
        }
        _ => None,
    }
}

/// A symbol, or the symbols of an array.
fn symbols<'a>(rest: &mut &'a [u8]) -> Vec<&'a [u8]> {
    let before = *rest;
    let Some(array) = value(rest) else { return Vec::new() };
    // Size, count, the constructor of the elements.
    let (wide, mut elements) = match array {
        [0xe0, _, _, kind @ (0xa3 | 0xb3), elements @ ..]
        | [0xf0, _, _, _, _, _, _, _, _, kind @ (0xa3 | 0xb3), elements @ ..] => (*kind == 0xb3, elements),
        _ => {
            let mut one = before;
            return bytes(&mut one).into_iter().collect();
        }
    };
    let mut list = Vec::new();
    while let Some(length) = take(&mut elements, if wide { 4 } else { 1 }) {
        let length = length.iter().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte));
        let Some(symbol) = take(&mut elements, length) else { break };
        list.push(symbol);
    }
    list
}
