//! CAPWAP (RFC 5415): what access points and their controller send the frames of stations to each other in.
//!
//! Read: the header of data messages, and inside the frames of 802.3 and of 802.11 (RFC 5416 section 2.2). Fragments of
//! messages (RFC 5415 section 3.4) wait for each other as those of IP packets do. Cisco's devices write the frame control of
//! 802.11 with its two bytes exchanged: which way round it is, is told by what follows it. Not read: control messages and
//! keep-alives; what is inside DTLS is that protocol's.

use super::defrag::{Cut, Fragment};
use super::link::ethernet;
use super::network::{Around, Ip};
use super::tunnel::{TOO_DEEP, ip_len};
use super::{Layer, Network, Protocol, wireless};
use crate::model::Packet;
use crate::model::packet::{Outer, Segment, WrapKind};
use crate::model::stats::SkipReason;

type Result<T> = std::result::Result<T, SkipReason>;

/// UDP port of the controller for data.
pub(super) const PORT: u16 = 5247;

/// What a data message carries. A fragment carries a part of that.
#[derive(Debug, Clone, Copy)]
struct Message<'a> {
    content: Content,
    part: Option<Part>,
    body: Layer<'a>,
}

/// In which form: [`NATIVE`] and the wireless binding.
#[derive(Debug, Clone, Copy)]
struct Content(u8);

/// Where a fragment belongs.
#[derive(Debug, Clone, Copy)]
struct Part {
    id: u16,
    offset: usize,
    more: bool,
}

/// Section 4.3: preamble, lengths and flags, fragment, then the radio's address and what the binding says of reception, each
/// with its length and padded to words.
fn message(layer: Layer<'_>) -> Result<Message<'_>> {
    let ([0, length, binding, flags, i0, i1, o0, o1], rest) = layer.header::<8>("CAPWAP header")? else {
        return Err(NOT_FOLLOWED);
    };
    let has = |bit: u8| flags & bit != 0;
    let is_odd = flags & RESERVED != 0 || has(LAST) && !has(FRAGMENT);
    if is_odd || has(KEEP_ALIVE) {
        return Err(NOT_FOLLOWED);
    }
    let length = usize::from(length >> 3).saturating_mul(4);
    let mut behind = rest;
    for present in [has(RADIO_MAC), has(WIRELESS)] {
        if present {
            let ([length], _) = behind.header::<1>("CAPWAP header")?;
            behind = behind.skip(usize::from(*length).saturating_add(1).next_multiple_of(4));
        }
    }
    let parts = layer.wire.saturating_sub(behind.wire);
    if length < parts || layer.bytes.len() < length {
        return Err(layer.lacks("CAPWAP header"));
    }
    let place = u16::from_be_bytes([*o0, *o1]);
    let part = has(FRAGMENT).then(|| Part {
        id: u16::from_be_bytes([*i0, *i1]),
        offset: usize::from(place & !0x07),
        more: !has(LAST),
    });
    if part.is_some() && place & 0x07 != 0 {
        return Err(NOT_FOLLOWED);
    }
    // Two bits of the radio's number stand above the binding, and the form below it.
    let content = Content(((binding >> 1) & BINDING) | if binding & 1 == 1 { NATIVE } else { 0 });
    Ok(Message { content, part, body: layer.skip(length) })
}

/// What a data message carries, if that is a frame with a packet.
pub(super) fn read(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let Message { content, part, body } = message(layer)?;
    if part.is_some() { Err(NOT_FOLLOWED) } else { carried(content, body, outer) }
}

/// The fragment of a message that this datagram is, if it is one.
pub(super) fn fragment<'a>(packet: &Packet<'a>) -> Option<Fragment<'a>> {
    let Segment::Udp { src_port, dst_port } = packet.segment else { return None };
    if src_port != PORT && dst_port != PORT {
        return None;
    }
    let layer = Layer { bytes: packet.payload, wire: packet.payload_len as usize };
    let Message { content: Content(number), part, body } = message(layer).ok()?;
    let Part { id, offset, more } = part?;
    // All but the last are whole units of eight bytes; not all of them are one fragment.
    let fits = body.wire > 0 && (!more || body.wire.is_multiple_of(8)) && (more || offset > 0);
    let may_be = matches!(Content(number).binding(), 0 | IEEE_802_11);
    (fits && may_be).then_some(Fragment {
        cut: Cut::Capwap { ports: [src_port, dst_port] },
        id: u32::from(id),
        number: 0,
        offset,
        more,
        ip: Ip {
            around: Around { link: packet.link, outer: packet.outer, seen: packet.seen },
            src: packet.src,
            dst: packet.dst,
            hop_limit: packet.hop_limit,
            id: packet.ip_id,
            len: packet.ip_len as usize,
            number,
            payload: body,
        },
    })
}

/// What fragments were put together to.
pub(super) fn whole(ip: Ip<'_>) -> Result<Network<'_>> {
    carried(Content(ip.number), ip.payload, ip.around.outer)
}

/// A frame that makes sense up to the length of the packet in it.
fn carried(content: Content, body: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let outer = outer.with(WrapKind::Capwap, 0).ok_or(TOO_DEEP)?;
    if content.0 & NATIVE == 0 {
        return ethernet(body, outer).and_then(fits);
    }
    // Binding 0 is reserved, and written by some for 802.11.
    if !matches!(content.binding(), 0 | IEEE_802_11) {
        return Err(NOT_FOLLOWED);
    }
    let [in_order, exchanged] = wireless::in_either_order(body, outer);
    in_order.and_then(fits).or_else(|_| exchanged.and_then(fits))
}

fn fits(network: Network<'_>) -> Result<Network<'_>> {
    let is_ip = matches!(network.protocol, Protocol::Ipv4 | Protocol::Ipv6 | Protocol::EitherIp);
    if is_ip && ip_len(network.layer.bytes).is_none_or(|len| len > network.layer.wire) {
        return Err(NOT_FOLLOWED);
    }
    Ok(network)
}

impl Content {
    fn binding(self) -> u8 {
        self.0 & BINDING
    }
}

const NOT_FOLLOWED: SkipReason = SkipReason::Tunnel("CAPWAP");

/// The frame is one of the wireless binding, not of 802.3.
const NATIVE: u8 = 0x80;
const BINDING: u8 = 0x1f;
const IEEE_802_11: u8 = 1;

/// Flags of the fourth byte.
const FRAGMENT: u8 = 0x80;
const LAST: u8 = 0x40;
const WIRELESS: u8 = 0x20;
const RADIO_MAC: u8 = 0x10;
const KEEP_ALIVE: u8 = 0x08;
const RESERVED: u8 = 0x07;
