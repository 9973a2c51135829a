//! IEEE 802.11 data frames that are not encrypted, and the headers that capturing hosts put before frames: radiotap,
//! Prism and AVS, PPI.

use super::link::{by_ether_type, by_link_type, llc, station};
use super::{Layer, Network};
use crate::model::LinkType;
use crate::model::packet::{Link, Outer};
use crate::model::stats::SkipReason;

type Result<T> = std::result::Result<T, SkipReason>;

/// Radiotap: version, length and a set of fields, of which only the flags matter here (radiotap.org).
pub(super) fn radiotap(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([0, _, l0, l1, p0, p1, p2, p3], _) = layer.header::<8>("radiotap header")? else {
        return Err(SkipReason::Malformed("radiotap header"));
    };
    let len = usize::from(u16::from_le_bytes([*l0, *l1]));
    if len < 8 {
        return Err(SkipReason::Malformed("radiotap header"));
    }
    let mut present = u32::from_le_bytes([*p0, *p1, *p2, *p3]);
    let first = present;
    // Further words follow as long as bit 31 is set; each is four bytes of the header, so this ends.
    let mut at = 8_usize;
    while present >> 31 == 1 {
        let word = layer.bytes.get(at..len).and_then(|rest| rest.first_chunk::<4>());
        present = u32::from_le_bytes(*word.ok_or_else(|| layer.lacks("radiotap header"))?);
        at = at.saturating_add(4);
    }
    // The time, on a boundary of eight bytes, stands before the flags.
    if first & RADIOTAP_TSFT != 0 {
        at = at.next_multiple_of(8).saturating_add(8);
    }
    let flags = (first & RADIOTAP_FLAGS != 0).then(|| layer.bytes.get(at).copied()).flatten().unwrap_or(0);
    if flags & FLAG_BAD_FCS != 0 {
        return Err(SkipReason::Malformed("802.11 check sequence"));
    }
    if layer.bytes.len() < len {
        return Err(layer.lacks("radiotap header"));
    }
    let body = layer.skip(len);
    let fcs = if flags & FLAG_FCS != 0 { FCS } else { 0 };
    data(body.limit(body.wire.saturating_sub(fcs)), flags & FLAG_PADDED != 0, outer)
}

/// Prism: message code and length, little-endian, then names and values; or AVS, which begins with a magic number.
pub(super) fn prism(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([a, b, c, d, e, f, g, h], _) = layer.header::<8>("Prism header")?;
    let len = if [*a, *b, *c & 0xf0] == [0x80, 0x21, 0x10] {
        u32::from_be_bytes([*e, *f, *g, *h])
    } else {
        let _ = d;
        u32::from_le_bytes([*e, *f, *g, *h])
    };
    if !(8..=MAX_HEADER).contains(&len) {
        return Err(SkipReason::Malformed("Prism header"));
    }
    frame(layer.skip(len as usize), outer)
}

/// PPI: version, flags, length, link type of what follows, all little-endian.
pub(super) fn ppi(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    let ([0, _, l0, l1, t0, t1, t2, t3], _) = layer.header::<8>("PPI header")? else {
        return Err(SkipReason::Malformed("PPI header"));
    };
    let len = usize::from(u16::from_le_bytes([*l0, *l1]));
    if len < 8 || layer.bytes.len() < len {
        return Err(layer.lacks("PPI header"));
    }
    match LinkType(u32::from_le_bytes([*t0, *t1, *t2, *t3])) {
        // It does not contain itself.
        LinkType::PPI => Err(SkipReason::Malformed("PPI header")),
        inner => by_link_type(inner, layer.skip(len), outer),
    }
}

/// An 802.11 frame without a header of the capturing host.
pub(super) fn frame(layer: Layer<'_>, outer: Outer) -> Result<Network<'_>> {
    data(layer, false, outer)
}

/// The same whose frame control may have its two bytes exchanged: read as they are, and read the other way round.
pub(super) fn in_either_order(layer: Layer<'_>, outer: Outer) -> [Result<Network<'_>>; 2] {
    match layer.header::<2>("802.11 header") {
        Ok(([a, b], _)) => [[*a, *b], [*b, *a]].map(|control| with_control(control, layer, false, outer)),
        Err(reason) => [Err(reason), Err(reason)],
    }
}

/// IEEE 802.11-2020 section 9.2: frame control, duration, three addresses, sequence control, then what the frame
/// control says: a fourth address, QoS control, HT control.
fn data(layer: Layer<'_>, padded: bool, outer: Outer) -> Result<Network<'_>> {
    let (control, _) = layer.header::<2>("802.11 header")?;
    with_control(*control, layer, padded, outer)
}

/// The same, whatever the first two bytes are.
fn with_control(
    [control, flags]: [u8; 2],
    layer: Layer<'_>,
    padded: bool,
    outer: Outer,
) -> Result<Network<'_>> {
    if control & 0x0f != DATA {
        // Version 0 and type data: all else is management, control or an extension.
        return Err(match control & 0x03 {
            0 => SkipReason::Protocol("802.11"),
            _ => SkipReason::Malformed("802.11 header"),
        });
    }
    let ([_, _, _, _, addresses @ .., _, _], _) = layer.header::<24>("802.11 header")?;
    let subtype = control >> 4;
    if subtype & SUBTYPE_NULL != 0 {
        return Err(SkipReason::Protocol("802.11"));
    }
    if flags & PROTECTED != 0 {
        return Err(SkipReason::Tunnel("encrypted 802.11"));
    }
    let (to_ds, from_ds) = (flags & TO_DS != 0, flags & FROM_DS != 0);
    let mut len = 24_usize;
    let fourth = layer.bytes.get(24..).and_then(|rest| rest.first_chunk::<6>());
    if to_ds && from_ds {
        len = len.saturating_add(6);
    }
    let qos = (subtype & SUBTYPE_QOS != 0).then(|| layer.bytes.get(len).copied().unwrap_or(0));
    if qos.is_some() {
        len = len.saturating_add(2);
        if flags & ORDER != 0 {
            len = len.saturating_add(4);
        }
    }
    if padded {
        len = len.next_multiple_of(4);
    }
    if layer.bytes.len() < len {
        return Err(layer.lacks("802.11 header"));
    }
    let [first, second, third] = three(addresses);
    let (dst, src) = match (to_ds, from_ds) {
        (false, false) => (first, second),
        (false, true) => (first, third),
        (true, false) => (third, second),
        (true, true) => (third, fourth.copied().unwrap_or_default()),
    };
    let link = Link { src: station(src), dst: station(dst), vlan: None };
    let body = layer.skip(len);
    let body = if qos.is_some_and(|qos| qos & AGGREGATE != 0) { subframe(body)? } else { body };
    let (ether_type, body) = llc(body)?;
    by_ether_type(ether_type, link, outer, body)
}

/// The one frame of an aggregate (section 9.3.2.2). Of several, none is told apart by a frame number, so they are not read.
fn subframe(layer: Layer<'_>) -> Result<Layer<'_>> {
    let ([.., l0, l1], rest) = layer.header::<14>("802.11 aggregate")?;
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    if rest.wire > len.next_multiple_of(4).saturating_add(FCS) {
        return Err(SkipReason::Tunnel("802.11 aggregate"));
    }
    Ok(rest.limit(len))
}

fn three(addresses: &[u8]) -> [[u8; 6]; 3] {
    let mut three = [[0; 6]; 3];
    for (place, address) in three.iter_mut().zip(addresses.chunks_exact(6)) {
        place.copy_from_slice(address);
    }
    three
}

const RADIOTAP_TSFT: u32 = 1;
const RADIOTAP_FLAGS: u32 = 1 << 1;
const FLAG_FCS: u8 = 0x10;
/// Between header and body there are zeros up to a boundary of four bytes.
const FLAG_PADDED: u8 = 0x20;
const FLAG_BAD_FCS: u8 = 0x40;
/// The check sequence at the end of a frame.
const FCS: usize = 4;
/// No header of a capturing host is longer.
const MAX_HEADER: u32 = 1024;
/// Version 0, type 2.
const DATA: u8 = 0x08;
const SUBTYPE_NULL: u8 = 0x4;
const SUBTYPE_QOS: u8 = 0x8;
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
const AGGREGATE: u8 = 0x80;
