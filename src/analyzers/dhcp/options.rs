//! DHCP options (RFC 2132): code, length, content.

use std::net::{IpAddr, Ipv4Addr};

use super::{COOKIE, COOKIE_AT, OPTIONS_AT};

/// The options that are read, as borrowed content. Of an option that comes several times the first counts, except
/// for lists.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// 53.
    pub(super) kind: Option<u8>,
    /// 12, without trailing zeros.
    pub(super) host_name: Option<&'a [u8]>,
    /// 81, flags included.
    pub(super) fqdn: Option<&'a [u8]>,
    /// 60.
    pub(super) vendor_class: Option<&'a [u8]>,
    /// 50.
    pub(super) requested: Option<Ipv4Addr>,
    /// 54.
    pub(super) server: Option<Ipv4Addr>,
    /// 51, in seconds.
    pub(super) lease: Option<u32>,
    /// 1.
    pub(super) mask: Option<Ipv4Addr>,
    /// 3.
    pub(super) routers: Addresses<'a>,
    /// 6.
    pub(super) dns_servers: Addresses<'a>,
    /// 42.
    pub(super) ntp_servers: Addresses<'a>,
    /// 15, without trailing zeros.
    pub(super) domain: Option<&'a [u8]>,
    /// 161.
    pub(super) mud_url: Option<&'a [u8]>,
    /// 56, without trailing zeros.
    pub(super) text: Option<&'a [u8]>,
    /// Options end inside one, or the message before them.
    pub(super) cut: bool,
    /// An option has a length that its kind cannot have.
    pub(super) malformed: bool,
    /// 52: which of the fields `file` and `sname` hold options too.
    overload: u8,
}

/// Addresses of an option, four bytes each; an option may come in two pieces.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Addresses<'a>([&'a [u8]; 2]);

impl<'a> Addresses<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = IpAddr> + 'a {
        let octets = self.0.into_iter().flat_map(|piece| piece.as_chunks::<4>().0);
        octets.map(|octets| Ipv4Addr::from(*octets).into())
    }

    fn add(&mut self, content: &'a [u8]) {
        if let Some(free) = self.0.iter_mut().find(|piece| piece.is_empty()) {
            *free = content;
        }
    }
}

/// Reads the options of a message; none, if it has no magic cookie.
pub(super) fn read(message: &[u8]) -> Options<'_> {
    let mut options = Options::default();
    match message.get(COOKIE_AT..OPTIONS_AT) {
        Some(cookie) if *cookie == COOKIE => {}
        Some(_) => return options,
        None => {
            options.cut = true;
            return options;
        }
    }
    options.field(message.get(OPTIONS_AT..).unwrap_or_default());
    // RFC 2132 section 9.3: first `file`, then `sname`.
    if options.overload & 1 != 0 {
        options.field(message.get(108..COOKIE_AT).unwrap_or_default());
    }
    if options.overload & 2 != 0 {
        options.field(message.get(44..108).unwrap_or_default());
    }
    options
}

impl<'a> Options<'a> {
    /// Reads one field up to its end option.
    fn field(&mut self, mut rest: &'a [u8]) {
        loop {
            match rest.split_first() {
                Some((&PAD, tail)) => rest = tail,
                // The end option is mandatory; many a BOOTP client does without.
                Some((&END, _)) | None => return,
                Some((code, tail)) => {
                    let Some((length, tail)) = tail.split_first() else { break };
                    let Some((content, tail)) = tail.split_at_checked(usize::from(*length)) else { break };
                    if self.option(*code, content).is_none() {
                        self.malformed = true;
                    }
                    rest = tail;
                }
            }
        }
        self.cut = true;
    }

    /// Takes one option; `None` if its length is wrong.
    fn option(&mut self, code: u8, content: &'a [u8]) -> Option<()> {
        match code {
            1 => first(&mut self.mask, address(content)?),
            3 => self.routers.add(addresses(content)?),
            6 => self.dns_servers.add(addresses(content)?),
            12 => first(&mut self.host_name, text(content)?),
            15 => first(&mut self.domain, text(content)?),
            42 => self.ntp_servers.add(addresses(content)?),
            50 => first(&mut self.requested, address(content)?),
            51 => first(&mut self.lease, u32::from_be_bytes(content.try_into().ok()?)),
            52 => self.overload |= only(content)?,
            53 => first(&mut self.kind, only(content)?),
            54 => first(&mut self.server, address(content)?),
            56 => first(&mut self.text, text(content)?),
            60 => first(&mut self.vendor_class, text(content)?),
            161 => first(&mut self.mud_url, text(content)?),
            81 => first(&mut self.fqdn, Some(content).filter(|content| content.len() >= 3)?),
            _ => {}
        }
        Some(())
    }
}

fn first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

fn only(content: &[u8]) -> Option<u8> {
    match content {
        [byte] => Some(*byte),
        _ => None,
    }
}

fn address(content: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(content).ok().map(Ipv4Addr::from)
}

fn addresses(content: &[u8]) -> Option<&[u8]> {
    Some(content).filter(|content| !content.is_empty() && content.len().is_multiple_of(4))
}

/// Text without the zeros that some clients put behind it; at least one byte.
fn text(content: &[u8]) -> Option<&[u8]> {
    let end = content.iter().rposition(|byte| *byte != 0)?;
    content.get(..=end)
}

const PAD: u8 = 0;
const END: u8 = 255;
