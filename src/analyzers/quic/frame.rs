//! The frames that an Initial packet may hold (RFC 9000 sections 12.4 and 19).

use super::packet::varint;
use crate::analyzers::tls::take;

/// One frame, as far as it tells something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Bytes of the handshake, from this offset on.
    Crypto(u64, &'a [u8]),
    /// The connection is closed, with this error.
    Close(u64),
    /// One that has no place here, or is broken; nothing can follow it.
    Broken,
}

/// The next frame that tells something, taken from the front; `None` at the end.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Frame<'a>> {
    // Each turn takes at least the byte of the type.
    loop {
        let frame = match varint(rest)? {
            // PADDING, PING.
            0x00 | 0x01 => continue,
            kind @ (0x02 | 0x03) => match acknowledgement(rest, kind == 0x03) {
                Some(()) => continue,
                None => Frame::Broken,
            },
            0x06 => crypto(rest).unwrap_or(Frame::Broken),
            0x1c => varint(rest).map_or(Frame::Broken, |error| {
                // What it answers to and a phrase for people; the rest of the packet is padding at most.
                *rest = &[];
                Frame::Close(error)
            }),
            _ => Frame::Broken,
        };
        if frame == Frame::Broken {
            *rest = &[];
        }
        return Some(frame);
    }
}

fn crypto<'a>(rest: &mut &'a [u8]) -> Option<Frame<'a>> {
    let (offset, length) = (varint(rest)?, usize::try_from(varint(rest)?).ok()?);
    let bytes = take(rest, length);
    (bytes.len() == length).then_some(Frame::Crypto(offset, bytes))
}

/// Passes an ACK frame over, with counts of congestion marks if `marked`.
fn acknowledgement(rest: &mut &[u8], marked: bool) -> Option<()> {
    // The largest number, the delay; then the first range.
    varint(rest)?;
    varint(rest)?;
    let ranges = varint(rest)?;
    varint(rest)?;
    // As many as announced, or as many as there are: each turn takes two bytes at least.
    for _ in 0..ranges {
        varint(rest)?;
        varint(rest)?;
    }
    for _ in 0..if marked { 3 } else { 0 } {
        varint(rest)?;
    }
    Some(())
}

/// Names of the errors of the transport (RFC 9000 section 20.1).
pub(super) fn error_name(error: u64) -> Option<&'static str> {
    Some(match error {
        0x00 => "no_error",
        0x01 => "internal_error",
        0x02 => "connection_refused",
        0x03 => "flow_control_error",
        0x04 => "stream_limit_error",
        0x05 => "stream_state_error",
        0x06 => "final_size_error",
        0x07 => "frame_encoding_error",
        0x08 => "transport_parameter_error",
        0x09 => "connection_id_limit_error",
        0x0a => "protocol_violation",
        0x0b => "invalid_token",
        0x0c => "application_error",
        0x0d => "crypto_buffer_exceeded",
        0x0e => "key_update_error",
        0x0f => "aead_limit_reached",
        0x10 => "no_viable_path",
        0x11 => "version_negotiation_error",
        0x0100..=0x01ff => "crypto_error",
        _ => return None,
    })
}

/// The alert of TLS that an error stands for (RFC 9001 section 4.8).
pub(super) fn alert(error: u64) -> Option<u8> {
    (error >> 8 == 1).then_some(error as u8)
}
