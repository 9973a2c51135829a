//! Frames to packets: link, network and transport headers, each read once. No state, no allocation, no
//! judgement, and nothing ever fails: a frame gives a packet, a statement about a neighbour, or the reason
//! why it gives nothing.
//!
//! Lax: of a frame cut by the snap length there is what is there, and lengths are those on the wire. Where a
//! header claims more than the wire carried, the wire is right.
//!
//! Built on `etherparse`, layer by layer, since its whole-packet slicers cost several times as much; the usual frame, and
//! with it nearly every one, is read in one go before that, several times faster again. Ours
//! are the layers it lacks or reads too strictly and the choice of what comes next.
//!
//! Tunnels are followed to the innermost packet, which keeps what was around it ([`Outer`]).
//! Where nothing makes sense inside, the packet is the one around. Fragments of IP packets are given as such;
//! [`Defragmenter`] puts them together, in the order of the capture, and [`whole`] goes on from there; so it does with what
//! [`unpacked`] finds in a packet that is compressed.

#![warn(clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")
)]

mod capwap;
mod defrag;
mod ipcomp;
mod link;
mod lldp;
mod neighbour;
mod network;
mod ppp;
mod transport;
mod tunnel;
mod usual;
mod wireless;

use std::net::IpAddr;

use crate::model::Packet;
use crate::model::evidence::Seen;
use crate::model::frame::Frame;
use crate::model::packet::{Link, Lldp, Neighbour, Outer};
use crate::model::stats::{Fate, SkipReason};
use defrag::Cut;
pub use defrag::{Defragmenter, Fragment, Whole};
pub use ipcomp::{is_compressed, unpacked};
pub use lldp::chassis_text;
pub use neighbour::{neighbour, resolvers};
pub use transport::quoted;

/// What a frame gives.
#[derive(Debug, Clone, Copy)]
pub enum Decoded<'a> {
    /// An IP packet; it may make a statement about a neighbour too, see [`neighbour()`].
    Packet(Packet<'a>),
    /// A fragment of an IP packet, or of what one carries.
    Fragment(Fragment<'a>),
    /// ARP: an address is at a MAC address.
    Neighbour(Neighbour),
    /// LLDP: a station says what it is.
    Lldp(Lldp<'a>),
    /// Understood, and nothing for us: ARP that states nothing.
    Other,
    /// Not understood or not followed.
    Skipped(SkipReason),
}

/// Decodes a frame as far as its transport header.
pub fn decode<'a>(frame: &Frame<'a>) -> Decoded<'a> {
    usual::read(frame).map_or_else(|| unusual(frame), Decoded::Packet)
}

/// Decodes a frame of which [`usual()`] makes nothing.
pub fn unusual<'a>(frame: &Frame<'a>) -> Decoded<'a> {
    usual::icmp(frame).map_or_else(|| layer_by_layer(frame), Decoded::Packet)
}

/// The packet of a usual frame, as nearly every one is; `None` says that [`decode`] may know more.
#[inline(always)]
#[expect(clippy::inline_always, reason = "who only wants the 5-tuple pays for no more")]
pub fn usual<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    usual::read(frame)
}

/// Decodes any frame.
#[inline(never)]
fn layer_by_layer<'a>(frame: &Frame<'a>) -> Decoded<'a> {
    let seen = Seen { at: frame.time, frame: frame.at };
    let decoded = link::read(frame).and_then(|network| network::read(network, seen));
    decoded.map_or_else(Decoded::Skipped, innermost)
}

/// Decodes what fragments were put together to, or what was unpacked; that may be a fragment of something larger.
pub fn whole(whole: &Whole) -> Decoded<'_> {
    let ip = whole.ip();
    let decoded = match (whole.cut(), ip.src) {
        (Cut::Capwap { .. }, _) => capwap::whole(ip).and_then(|frame| network::read(frame, ip.around.seen)),
        (Cut::Ip, IpAddr::V4(_)) => network::behind_authentication(ip),
        (Cut::Ip, IpAddr::V6(_)) => network::behind_extensions(ip),
    };
    decoded.map_or_else(Decoded::Skipped, innermost)
}

/// Follows tunnels. Each is noted in the packet's [`Outer`], which has room for [`Outer::MAX`], so this ends.
fn innermost(mut decoded: Decoded<'_>) -> Decoded<'_> {
    while let Decoded::Packet(packet) = decoded
        && let Some(Ok(network)) = tunnel::inside(&packet)
        && let Ok(inside) = network::read(network, packet.seen)
    {
        decoded = inside;
    }
    match decoded {
        Decoded::Packet(packet) => capwap::fragment(&packet).map_or(decoded, Decoded::Fragment),
        other => other,
    }
}

impl Decoded<'_> {
    /// What becomes of its frame.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Skipped(reason) => Fate::Skipped(*reason),
            Self::Fragment(_) => Fate::Waits,
            Self::Packet(_) | Self::Neighbour(_) | Self::Lldp(_) | Self::Other => Fate::Analysed,
        }
    }
}

/// A layer of a frame with all that is inside it.
#[derive(Debug, Clone, Copy)]
struct Layer<'a> {
    /// As captured; never longer than `wire`.
    bytes: &'a [u8],
    /// Length on the wire.
    wire: usize,
}

impl<'a> Layer<'a> {
    fn of(frame: &Frame<'a>) -> Self {
        // Some captures state original lengths below the captured ones; what is there was on the wire.
        Self { bytes: frame.data, wire: frame.data.len().max(frame.orig_len as usize) }
    }

    /// What is behind the first `len` bytes.
    fn skip(self, len: usize) -> Self {
        Self { bytes: self.bytes.get(len..).unwrap_or_default(), wire: self.wire.saturating_sub(len) }
    }

    /// No more than the first `len` bytes: the rest is padding or another's.
    fn limit(self, len: usize) -> Self {
        Self { bytes: self.bytes.get(..len).unwrap_or(self.bytes), wire: self.wire.min(len) }
    }

    /// Why a header does not fit into what was captured.
    fn lacks(self, header: &'static str) -> SkipReason {
        if self.bytes.len() < self.wire { SkipReason::Truncated } else { SkipReason::Malformed(header) }
    }

    /// The first `N` bytes and what is behind them.
    fn header<const N: usize>(self, name: &'static str) -> Result<(&'a [u8; N], Self), SkipReason> {
        let header = self.bytes.first_chunk::<N>().ok_or_else(|| self.lacks(name))?;
        Ok((header, self.skip(N)))
    }
}

/// What the link layer or a tunnel carries.
#[derive(Debug, Clone, Copy)]
struct Network<'a> {
    link: Link,
    outer: Outer,
    protocol: Protocol,
    layer: Layer<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Ipv4,
    Ipv6,
    /// Told by the first four bits.
    EitherIp,
    Arp,
    Lldp,
}

#[cfg(test)]
mod defrag_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrapped_tests;
