//! Methods of AMQP 0-9-1 that open, tune and close a connection.

use super::fields::{
    CHANNEL_CLOSE_CODE, CLIENT_PRODUCT, CLOSE_CODE, CLOSE_TEXT, CREDENTIALS, HEARTBEAT, HEARTBEAT_OFFERED,
    MECHANISM, MECHANISM_OFFERED, OPENED, SERVER_PRODUCT, VIRTUAL_HOST,
};
use super::{MAX_MECHANISMS, MAX_TEXT};
use crate::analyzers::{Role, Sink, text};
use crate::model::Value;

/// Fields of a table that are looked at, and how deep their names may lie: peers send less than twenty.
const MAX_TABLE: usize = 64;

/// What a method means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The connection is being closed.
    Close,
    Nothing,
}

/// Reads one method: class, method, arguments.
pub(super) fn method(role: Role, payload: &[u8], sink: &mut Sink) -> Told {
    let Some(([_, class, _, method], mut rest)) = payload.split_first_chunk::<4>() else {
        return Told::Nothing;
    };
    match (class, method, role) {
        (10, 10, Role::Server) => start(rest, sink),
        (10, 11, Role::Client) => start_ok(rest, sink),
        (10, 30, Role::Server) => heartbeat(rest, &HEARTBEAT_OFFERED, sink),
        (10, 31, Role::Client) => heartbeat(rest, &HEARTBEAT, sink),
        (10, 40, Role::Client) => {
            if let Some(host) = short(&mut rest) {
                sink.fact(&VIRTUAL_HOST, text(host, MAX_TEXT));
            }
        }
        (10, 41, Role::Server) => sink.fact(&OPENED, Value::Yes),
        (10, 50, _) => {
            if let Some(code) = number(&mut rest) {
                sink.fact(&CLOSE_CODE, Value::Uint(u64::from(code)));
            }
            if let Some(why) = short(&mut rest).filter(|why| !why.is_empty()) {
                sink.fact(&CLOSE_TEXT, text(why, MAX_TEXT));
            }
            return Told::Close;
        }
        (20, 40, _) => {
            if let Some(code) = number(&mut rest) {
                sink.fact(&CHANNEL_CLOSE_CODE, Value::Uint(u64::from(code)));
            }
        }
        _ => {}
    }
    Told::Nothing
}

/// Version, properties, mechanisms, locales.
fn start(mut rest: &[u8], sink: &mut Sink) {
    let (Some(_), Some(properties)) = (number(&mut rest), long(&mut rest)) else { return };
    if let Some(product) = product(properties) {
        sink.fact(&SERVER_PRODUCT, product);
    }
    let mechanisms = long(&mut rest).unwrap_or_default();
    for mechanism in mechanisms.split(|byte| *byte == b' ').take(MAX_MECHANISMS) {
        sink.fact(&MECHANISM_OFFERED, text(mechanism, MAX_TEXT));
    }
}

/// Properties, mechanism, response, locale.
fn start_ok(mut rest: &[u8], sink: &mut Sink) {
    let Some(properties) = long(&mut rest) else { return };
    if let Some(product) = product(properties) {
        sink.fact(&CLIENT_PRODUCT, product);
    }
    let Some(mechanism) = short(&mut rest) else { return };
    sink.fact(&MECHANISM, text(mechanism, MAX_TEXT));
    if sends_password(mechanism) {
        sink.fact(&CREDENTIALS, Value::Yes);
    }
}

/// Whether the response of a mechanism is the password itself.
pub(super) fn sends_password(mechanism: &[u8]) -> bool {
    matches!(mechanism, b"PLAIN" | b"AMQPLAIN" | b"LOGIN")
}

/// Most channels, longest frame, heartbeat period.
fn heartbeat(rest: &[u8], field: &'static crate::model::Field, sink: &mut Sink) {
    if let Some([.., hi, lo]) = rest.first_chunk::<8>() {
        sink.fact(field, Value::Uint(u64::from(u16::from_be_bytes([*hi, *lo]))));
    }
}

/// `product version` of a table of properties; `None` without a product.
fn product(mut table: &[u8]) -> Option<Value> {
    let (mut product, mut version) = (None, None);
    for _ in 0..MAX_TABLE {
        let Some(name) = short(&mut table) else { break };
        let Some((kind, rest)) = table.split_first() else { break };
        table = rest;
        let value = match kind {
            b'S' | b'x' | b'F' | b'A' => long(&mut table)?,
            b't' | b'b' | b'B' => take(&mut table, 1)?,
            b's' | b'u' | b'U' => take(&mut table, 2)?,
            b'I' | b'i' | b'f' => take(&mut table, 4)?,
            b'D' => take(&mut table, 5)?,
            b'L' | b'l' | b'd' | b'T' => take(&mut table, 8)?,
            b'V' => &[],
            _ => break,
        };
        match (name, kind) {
            (b"product", b'S') => product = Some(value),
            (b"version", b'S') => version = Some(value),
            _ => {}
        }
    }
    let product = product?;
    let both = version.map(|version| [product, version].join(&b' '));
    Some(text(both.as_deref().unwrap_or(product), MAX_TEXT))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    take(rest, 2)?.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes))
}

/// A string with its length in one octet.
fn short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = *take(rest, 1)?.first()?;
    take(rest, usize::from(length))
}

/// A string or table with its length in four octets.
fn long<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 4)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))?;
    take(rest, usize::try_from(length).ok()?)
}
