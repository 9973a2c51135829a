//! Messages that manage a time server instead of asking for the time: control (mode 6, RFC 9327) and private (mode 7,
//! of ntpd and xntpd, never specified). Their headers are read; of what they carry, nothing.

use nom::number::complete::{be_u16, u8 as any};
use nom::{IResult, Parser};

use super::{CONTROL, CONTROL_ERROR, PRIVATE, PRIVATE_ERROR};
use crate::analyzers::{Role, Sink};
use crate::model::Value;

/// Whether `bytes` have the shape of a control message: the data that is counted, padded to four bytes, then at most
/// an authentication code.
pub(super) fn is_control(bytes: &[u8]) -> bool {
    let Ok((_, control)) = control(bytes) else { return false };
    let data = usize::from(control.count).next_multiple_of(4);
    let rest = bytes.len().checked_sub(CONTROL_LEN.saturating_add(data));
    // Some senders do not pad the last one.
    let unpadded = bytes.len() == CONTROL_LEN.saturating_add(usize::from(control.count));
    unpadded || rest.is_some_and(|rest| rest <= MAX_CODE)
}

/// Whether `bytes` have the shape of a private message: requests are padded to a fixed size, responses hold as many
/// items as they count.
pub(super) fn is_private(bytes: &[u8]) -> bool {
    let Ok((_, private)) = private(bytes) else { return false };
    let items = usize::from(private.items).saturating_mul(usize::from(private.size));
    let holds = bytes.len() >= PRIVATE_LEN.saturating_add(items);
    private.size_reserved == 0 && matches!(private.implementation, 0 | 2 | 3) && holds
}

/// Who sends a control or private message: its response bit tells, in the second byte of the one and the first of the
/// other.
pub(super) fn role(mode: u8, first: u8, second: u8) -> Role {
    let byte = if mode == 6 { second } else { first };
    if byte & 0x80 == 0 { Role::Client } else { Role::Server }
}

/// Says what is asked for; false where the message ends inside its header.
pub(super) fn observe(mode: u8, bytes: &[u8], sink: &mut Sink) -> bool {
    if mode == 6 {
        let Ok((_, control)) = control(bytes) else { return false };
        sink.fact(&CONTROL, opcode(control.opcode));
        if control.error {
            sink.fact(&CONTROL_ERROR, Value::Uint(control.status.to_be_bytes()[0].into()));
        }
    } else {
        let Ok((_, private)) = private(bytes) else { return false };
        sink.fact(&PRIVATE, Value::Uint(private.request.into()));
        if private.error != 0 {
            sink.fact(&PRIVATE_ERROR, Value::Uint(private.error.into()));
        }
    }
    true
}

struct Control {
    error: bool,
    opcode: u8,
    status: u16,
    count: u16,
}

fn control(input: &[u8]) -> IResult<&[u8], Control> {
    // Sequence, association identifier and offset are of no interest here.
    let (rest, (_, second, _, status, _, _, count)) =
        (any, any, be_u16, be_u16, be_u16, be_u16, be_u16).parse(input)?;
    Ok((rest, Control { error: second & 0x40 != 0, opcode: second & 0x1f, status, count }))
}

struct Private {
    implementation: u8,
    request: u8,
    error: u8,
    items: u16,
    size: u16,
    size_reserved: u16,
}

fn private(input: &[u8]) -> IResult<&[u8], Private> {
    let (rest, (_, _, implementation, request, items, size)) =
        (any, any, any, any, be_u16, be_u16).parse(input)?;
    let (error, items) = ((items >> 12) as u8, items & 0x0fff);
    let private =
        Private { implementation, request, error, items, size: size & 0x0fff, size_reserved: size >> 12 };
    Ok((rest, private))
}

/// RFC 9327 section 2, and those that ntpd added.
fn opcode(opcode: u8) -> Value {
    Value::Word(match opcode {
        1 => "read-status",
        2 => "read-variables",
        3 => "write-variables",
        4 => "read-clock-variables",
        5 => "write-clock-variables",
        6 => "set-trap",
        7 => "trap",
        8 => "configure",
        9 => "export-configuration",
        10 => "read-mru",
        11 => "read-ordered-list",
        12 => "request-nonce",
        31 => "unset-trap",
        other => return Value::Uint(other.into()),
    })
}

/// Header of a control message.
const CONTROL_LEN: usize = 12;

/// Header of a private message.
const PRIVATE_LEN: usize = 8;

/// Longest authentication code with its key identifier.
const MAX_CODE: usize = 36;
