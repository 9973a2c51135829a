//! pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces with link types and clocks of
//! their own, and blocks of many kinds.
//!
//! Frames come from Enhanced, Simple and (obsolete) Packet Blocks. Custom and systemd journal blocks have no
//! frame but a number, because Wireshark numbers them. Names come from Name Resolution Blocks; loss from
//! Interface Statistics Blocks, `epb_dropcount` and the drop count of Packet Blocks; secrets of TLS
//! from Decryption Secrets Blocks. All else is skipped; section lengths are ignored, because writers
//! get them wrong.

use std::net::IpAddr;

use pcap_parser::{
    BOM_MAGIC, CB_MAGIC, DCB_MAGIC, DSB_MAGIC, EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, NRB_MAGIC, OptionCode,
    PcapNGOption, SHB_MAGIC, SJE_MAGIC, SPB_MAGIC, parse_option_be, parse_option_le,
};

use super::clock::{Clock, Unit};
use super::{Framed, Ledger, MAX_BLOCK, MAX_FRAME, Names, Order, Split, Stop};
use crate::model::text::lossless;
use crate::model::{LinkType, Secrets};

/// What the blocks so far have said.
#[derive(Debug)]
pub(in super::super) struct PcapNg {
    order: Order,
    /// Interfaces of the section at hand.
    interfaces: Vec<Interface>,
    /// Drops on interfaces of sections before.
    dropped: Option<u64>,
    pub(super) names: Names,
    pub(super) secrets: Secrets,
}

#[derive(Debug)]
struct Interface {
    link_type: LinkType,
    /// Zero means no limit.
    snaplen: u32,
    clock: Clock,
    /// Highest cumulative count that a statistics block gave.
    stated_drops: Option<u64>,
    /// Sum of what single packets said was dropped before them.
    counted_drops: Option<u64>,
}

impl Interface {
    fn dropped(&self) -> Option<u64> {
        self.stated_drops.max(self.counted_drops)
    }

    fn count_drops(&mut self, count: u64) {
        self.counted_drops = Some(self.counted_drops.unwrap_or(0).saturating_add(count));
    }
}

/// Why a block cannot be read.
type BlockResult = Result<(), String>;

impl PcapNg {
    /// Whether a file begins with a section header; its content is looked at when it is split.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        if head.first_chunk::<4>()? != &SHB_MAGIC.to_be_bytes() {
            return None;
        }
        // A file that ends before its byte-order magic is a damaged capture.
        if let Some(magic) = head.get(8..12) {
            order_of(magic)?;
        }
        Some(Self {
            order: Order::Little,
            interfaces: Vec::new(),
            dropped: None,
            names: Names::default(),
            secrets: Secrets::with_room(MAX_BLOCK as usize),
        })
    }

    /// Frames that were dropped, over all interfaces; `None` where nothing is said.
    pub(super) fn dropped(&self) -> Option<u64> {
        let said = self.interfaces.iter().filter_map(Interface::dropped).chain(self.dropped);
        said.reduce(u64::saturating_add)
    }

    /// See [`super::Savefile::take_secrets`].
    pub(super) fn take_secrets(&mut self) -> Option<Secrets> {
        let room = self.secrets.room();
        let any = !self.secrets.is_empty() || self.secrets.dropped() > 0;
        any.then(|| std::mem::replace(&mut self.secrets, Secrets::with_room(room)))
    }

    /// See [`super::Savefile::split`].
    pub(super) fn split(&mut self, bytes: &[u8], mut at: usize, ledger: &mut Ledger) -> Split {
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let needed = match self.block(rest, at, ledger) {
                Ok(Block::Read(len)) => {
                    at = at.saturating_add(len);
                    continue;
                }
                Ok(Block::Cut(needed)) => Stop::More(needed),
                Ok(Block::TooLong(len)) => Stop::Skip(len),
                Err(reason) => Stop::Damage(reason),
            };
            return Split { end: at, stop: needed };
        }
    }

    /// Reads the block at the start of `rest`, which is `at` in the buffer.
    fn block(&mut self, rest: &[u8], at: usize, ledger: &mut Ledger) -> Result<Block, String> {
        let Some(start) = rest.first_chunk::<12>() else {
            return Ok(Block::Cut(12));
        };
        if start.starts_with(&SHB_MAGIC.to_be_bytes()) {
            let magic = start.get(8..).unwrap_or_default();
            self.order = order_of(magic).ok_or_else(|| {
                format!(
                    "a section begins with byte-order magic {magic:02x?}, expected 1a2b3c4d in either order"
                )
            })?;
        }
        let [kind, total] = self.order.words::<2>(start).unwrap_or_default();
        if total < 12 {
            return Err(format!("a block of type 0x{kind:x} claims {total} bytes, expected at least 12"));
        }
        let len = total as usize;
        let Some(block) = rest.get(..len) else {
            let too_many_secrets = kind == DSB_MAGIC && total > MAX_BLOCK;
            if too_many_secrets {
                self.secrets.drop_unread();
            }
            if !is_read(kind) && total > LONG || too_many_secrets {
                // Of a block this long without use, only the number is needed.
                unread(kind, ledger);
                return Ok(Block::TooLong(u64::from(total)));
            }
            if total > MAX_BLOCK {
                return Err(format!(
                    "a block of type 0x{kind:x} claims {total} bytes, expected at most {MAX_BLOCK}"
                ));
            }
            return Ok(Block::Cut(len));
        };
        // At least 12 bytes: two numbers before the body and one behind it.
        let (body, trailer) = block.split_last_chunk::<4>().unwrap_or((&[], &[0; 4]));
        let body = body.get(8..).unwrap_or_default();
        let trailer = self.order.u32(*trailer);
        if trailer != total {
            return Err(format!(
                "a block of type 0x{kind:x} begins with length {total} and ends with {trailer}"
            ));
        }
        let at = at.saturating_add(8);
        match kind {
            EPB_MAGIC => self.enhanced(body, at, ledger)?,
            SPB_MAGIC => self.simple(body, at, ledger)?,
            OLD_PACKET => self.old_packet(body, at, ledger)?,
            SHB_MAGIC => self.section(body)?,
            IDB_MAGIC => self.interface(body)?,
            ISB_MAGIC => self.statistics(body),
            NRB_MAGIC => self.resolution(body),
            DSB_MAGIC => self.secrets(body),
            _ => unread(kind, ledger),
        }
        Ok(Block::Read(len))
    }

    fn section(&mut self, body: &[u8]) -> BlockResult {
        let Some([_, versions]) = body.as_chunks::<4>().0.first_chunk::<2>() else {
            return Err(format!("a section header has {} bytes, expected at least 16", body.len()));
        };
        let [a, b, c, d] = *versions;
        let (major, minor) = (self.order.u16([a, b]), self.order.u16([c, d]));
        if major != 1 {
            return Err(format!("a section has version {major}.{minor}, expected 1.0"));
        }
        self.dropped = self.dropped();
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, body: &[u8]) -> BlockResult {
        let Some(([_, snaplen], options)) = self.fixed::<2>(body) else {
            return Err(format!("an interface description has {} bytes, expected at least 8", body.len()));
        };
        let link_type = body.first_chunk::<2>().map_or(0, |bytes| self.order.u16(*bytes));
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(format!("a section has more than {MAX_INTERFACES} interfaces"));
        }
        let mut clock = Clock { unit: Unit::Nanos(1_000), offset_secs: 0 };
        for option in self.options(options) {
            match (option.code, option.value()) {
                (OptionCode::IfTsresol, [tsresol, ..]) => clock.unit = Unit::of(*tsresol),
                (OptionCode::IfTsoffset, value) => {
                    let offset = value.first_chunk::<8>().map(|bytes| self.order.u64(*bytes));
                    clock.offset_secs = offset.unwrap_or(0).cast_signed();
                }
                _ => {}
            }
        }
        self.interfaces.push(Interface {
            link_type: LinkType(u32::from(link_type)),
            snaplen,
            clock,
            stated_drops: None,
            counted_drops: None,
        });
        Ok(())
    }

    fn enhanced(&mut self, body: &[u8], at: usize, ledger: &mut Ledger) -> BlockResult {
        let Some(([id, high, low, caplen, orig_len], data)) = self.fixed::<5>(body) else {
            return Err(format!("an enhanced packet block has {} bytes, expected at least 20", body.len()));
        };
        let options = self.packet(Stamped { id, high, low, caplen, orig_len }, data, at, ledger)?;
        if !options.is_empty() {
            let drops = self.count(options, EPB_DROPCOUNT);
            if let (Some(drops), Some(interface)) = (drops, self.interfaces.get_mut(id as usize)) {
                interface.count_drops(drops);
            }
        }
        Ok(())
    }

    fn old_packet(&mut self, body: &[u8], at: usize, ledger: &mut Ledger) -> BlockResult {
        let Some(([_, high, low, caplen, orig_len], data)) = self.fixed::<5>(body) else {
            return Err(format!("a packet block has {} bytes, expected at least 20", body.len()));
        };
        let [a, b, c, d] = body.first_chunk::<4>().copied().unwrap_or_default();
        let (id, drops) = (u32::from(self.order.u16([a, b])), self.order.u16([c, d]));
        self.packet(Stamped { id, high, low, caplen, orig_len }, data, at, ledger)?;
        // The highest number means that nobody knows.
        if drops != u16::MAX
            && let Some(interface) = self.interfaces.get_mut(id as usize)
        {
            interface.count_drops(u64::from(drops));
        }
        Ok(())
    }

    /// Enters a frame with a timestamp and returns the options behind it. `at` is where the body begins.
    fn packet<'a>(
        &self,
        stamped: Stamped,
        data: &'a [u8],
        at: usize,
        ledger: &mut Ledger,
    ) -> Result<&'a [u8], String> {
        let Stamped { id, high, low, caplen, orig_len } = stamped;
        let interface = self.interfaces.get(id as usize).ok_or_else(|| {
            format!("a packet is of interface {id}, but the section has {} interfaces", self.interfaces.len())
        })?;
        let len = frame_len(caplen, data)?;
        let time = interface.clock.time(high, low);
        let start = at.saturating_add(PACKET_HEADER);
        ledger.frame(Framed { time, start, len: caplen, orig_len, link_type: interface.link_type });
        Ok(data.get(len.next_multiple_of(4)..).unwrap_or_default())
    }

    fn simple(&mut self, body: &[u8], at: usize, ledger: &mut Ledger) -> BlockResult {
        let Some(([orig_len], data)) = self.fixed::<1>(body) else {
            return Err(format!("a simple packet block has {} bytes, expected at least 4", body.len()));
        };
        let interface = self.interfaces.first().ok_or("a simple packet is in a section without interface")?;
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let caplen = orig_len.min(snaplen);
        frame_len(caplen, data)?;
        let time = ledger.previous_time();
        let start = at.saturating_add(4);
        ledger.frame(Framed { time, start, len: caplen, orig_len, link_type: interface.link_type });
        Ok(())
    }

    fn statistics(&mut self, body: &[u8]) {
        let Some(([id, _, _], options)) = self.fixed::<3>(body) else {
            return;
        };
        let drops = [OptionCode::IsbIfDrop, OptionCode::IsbOsDrop].map(|code| self.count(options, code));
        let stated = drops.into_iter().flatten().reduce(u64::saturating_add);
        if let Some(interface) = self.interfaces.get_mut(id as usize) {
            // Counts run from the start of the capture, so the highest is the latest.
            interface.stated_drops = interface.stated_drops.max(stated);
        }
    }

    /// Records of type, length, address, and one or more names each ended by a zero.
    fn resolution(&mut self, mut rest: &[u8]) {
        while let Some((&[a, b, c, d], behind)) = rest.split_first_chunk::<4>() {
            let (kind, len) = (self.order.u16([a, b]), usize::from(self.order.u16([c, d])));
            let Some(value) = behind.get(..len).filter(|_| kind != NRB_END) else {
                break;
            };
            rest = behind.get(len.next_multiple_of(4)..).unwrap_or_default();
            let (address, names): (IpAddr, _) = match kind {
                NRB_IPV4 => match value.split_first_chunk::<4>() {
                    Some((address, names)) => ((*address).into(), names),
                    None => continue,
                },
                NRB_IPV6 => match value.split_first_chunk::<16>() {
                    Some((address, names)) => ((*address).into(), names),
                    None => continue,
                },
                _ => continue,
            };
            for name in names.split(|byte| *byte == 0) {
                let name = name.strip_suffix(b".").unwrap_or(name);
                if !name.is_empty() && name.len() <= MAX_NAME {
                    self.names.add(address, lossless(name).to_ascii_lowercase().into());
                }
            }
        }
    }

    /// A key log as TLS libraries write it; secrets of other protocols are passed over.
    fn secrets(&mut self, body: &[u8]) {
        if let Some(([TLS_KEY_LOG, len], log)) = self.fixed::<2>(body) {
            self.secrets.read(log.get(..len as usize).unwrap_or(log));
        }
    }

    /// The first `N` numbers of a body and what is behind them.
    fn fixed<'a, const N: usize>(&self, body: &'a [u8]) -> Option<([u32; N], &'a [u8])> {
        let numbers = self.order.words::<N>(body)?;
        Some((numbers, body.get(N.saturating_mul(4)..).unwrap_or_default()))
    }

    /// Options one by one, up to the end mark or the first that is cut.
    fn options<'a>(&self, mut rest: &'a [u8]) -> impl Iterator<Item = PcapNGOption<'a>> + use<'a> {
        let order = self.order;
        std::iter::from_fn(move || {
            let parsed = match order {
                Order::Little => parse_option_le::<()>(rest),
                Order::Big => parse_option_be::<()>(rest),
            };
            let (behind, option) = parsed.ok()?;
            rest = behind;
            (option.code != OptionCode::EndOfOpt).then_some(option)
        })
    }

    /// The value of the first option `code` that is a 64-bit count.
    fn count(&self, options: &[u8], code: OptionCode) -> Option<u64> {
        let mut found = self.options(options).filter(|option| option.code == code);
        found.find_map(|option| option.value().first_chunk::<8>().map(|bytes| self.order.u64(*bytes)))
    }
}

/// What became of a block.
enum Block {
    Read(usize),
    /// Needs this many bytes.
    Cut(usize),
    /// Not needed, and longer than the bytes at hand.
    TooLong(u64),
}

/// The numbers at the start of enhanced and old packet blocks.
#[derive(Clone, Copy)]
struct Stamped {
    id: u32,
    high: u32,
    low: u32,
    caplen: u32,
    orig_len: u32,
}

fn frame_len(caplen: u32, data: &[u8]) -> Result<usize, String> {
    if caplen > MAX_FRAME {
        return Err(format!("the next frame claims {caplen} bytes, expected at most {MAX_FRAME}"));
    }
    if caplen as usize > data.len() {
        return Err(format!("a frame claims {caplen} bytes in a block with room for {}", data.len()));
    }
    Ok(caplen as usize)
}

/// Counts a block that is not looked into.
fn unread(kind: u32, ledger: &mut Ledger) {
    match kind {
        CB_MAGIC | DCB_MAGIC => ledger.no_frame("pcapng custom block"),
        SJE_MAGIC => ledger.no_frame("systemd journal entry"),
        _ => {}
    }
}

/// Whether blocks of this type are looked into.
fn is_read(kind: u32) -> bool {
    matches!(
        kind,
        SHB_MAGIC | IDB_MAGIC | EPB_MAGIC | SPB_MAGIC | OLD_PACKET | ISB_MAGIC | NRB_MAGIC | DSB_MAGIC
    )
}

fn order_of(magic: &[u8]) -> Option<Order> {
    if magic == BOM_MAGIC.to_le_bytes() {
        Some(Order::Little)
    } else if magic == BOM_MAGIC.to_be_bytes() {
        Some(Order::Big)
    } else {
        None
    }
}

/// The obsolete Packet Block, appendix A of the draft.
const OLD_PACKET: u32 = 2;
/// Numbers before the frame in enhanced and old packet blocks.
const PACKET_HEADER: usize = 20;
const EPB_DROPCOUNT: OptionCode = OptionCode(4);
/// `TLSK`: secrets in the NSS key log format.
const TLS_KEY_LOG: u32 = 0x544c_534b;
const NRB_END: u16 = 0;
const NRB_IPV4: u16 = 1;
const NRB_IPV6: u16 = 2;
/// Longer ones are no host names.
const MAX_NAME: usize = 255;
/// Unread blocks above this are not brought into memory whole.
const LONG: u32 = 64 << 10;
/// Old packet blocks cannot name more; real captures have a few.
const MAX_INTERFACES: usize = 65_536;

#[cfg(test)]
#[path = "pcapng_tests.rs"]
mod tests;
