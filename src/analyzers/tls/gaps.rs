//! What bytes that are not in the capture leave behind: where records go on after them, and what is not known any more.
//!
//! A gap inside the body of a record is passed over exactly. After any other, records go on where a header is plausible
//! and either begins a segment or is borne out by the record that follows, or by the end of the segment. Whether
//! what comes is encrypted is not known then: a handshake message must look like one of this side to be read.

use super::connection::Connection;
use super::record::{Content, Record};
use super::state::{Protection, kind};
use super::take;
use crate::analyzers::{Role, Sink};

/// So many bytes without a header that is borne out, and this side is given up: a dozen of the longest records.
const MAX_SEARCH: u64 = 256 * 1024;
/// Headers that wait to be borne out.
const CANDIDATES: usize = 4;
/// A MAC or tag, and nothing in it.
const MIN_ENCRYPTED: u16 = 16;
/// An encrypted alert, with the longest padding of CBC.
const MAX_ALERT: u16 = 400;

/// Looks for a record after a gap.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Bytes since the first gap that were looked at.
    at: u64,
    /// Where records end whose headers were seen, counted likewise; zero is none.
    ends: [u64; CANDIDATES],
}

/// What stands behind a header.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// It is none.
    No,
    /// Its record takes this many bytes, which reach beyond what is in sight.
    Alone(u64),
    /// What follows its record bears it out.
    BorneOut,
}

impl Search {
    /// Where in a segment records go on, if they do there.
    fn find(&mut self, segment: &[u8], version: Option<u16>) -> Option<usize> {
        let borne_out = self.ends.iter().filter(|end| **end > 0).filter_map(|end| {
            let offset = usize::try_from(end.checked_sub(self.at)?).ok()?;
            let header = segment.get(offset..)?.first_chunk::<5>()?;
            plausible(*header, version).map(|_| offset)
        });
        borne_out.min().or_else(|| self.scan(segment, version))
    }

    fn scan(&mut self, segment: &[u8], version: Option<u16>) -> Option<usize> {
        self.ends =
            self.ends.map(|end| if end < self.at.saturating_add(segment.len() as u64) { 0 } else { end });
        for offset in 0..segment.len() {
            match sight(segment.get(offset..).unwrap_or_default(), version) {
                Sight::No => {}
                Sight::Alone(_) if offset == 0 => return Some(0),
                Sight::BorneOut => return Some(offset),
                Sight::Alone(length) => {
                    if let Some(free) = self.ends.iter_mut().find(|end| **end == 0) {
                        *free = self.at.saturating_add(offset as u64).saturating_add(length);
                    }
                }
            }
        }
        self.at = self.at.saturating_add(segment.len() as u64);
        None
    }
}

/// What a header at the front of `bytes` is worth.
fn sight(bytes: &[u8], version: Option<u16>) -> Sight {
    let [20..=23, super::VERSION_MAJOR, ..] = *bytes else { return Sight::No };
    let mut rest = bytes;
    let Some(record) = take(&mut rest, 5).first_chunk().and_then(|header| plausible(*header, version)) else {
        return Sight::No;
    };
    let length = usize::from(record.length);
    let alone = Sight::Alone((length as u64).saturating_add(5));
    if rest.len() <= length {
        return if rest.len() == length { Sight::BorneOut } else { alone };
    }
    take(&mut rest, length);
    match (rest.first_chunk::<5>(), rest) {
        (Some(next), _) if plausible(*next, version).is_some() => Sight::BorneOut,
        (None, [20..=23, super::VERSION_MAJOR, ..] | [20..=23]) => alone,
        _ => Sight::No,
    }
}

/// A header that a record of a connection with this version may have.
fn plausible(header: [u8; 5], version: Option<u16>) -> Option<Record> {
    let record = Record::parse(header, false).filter(|record| version.is_none_or(|v| v == record.version))?;
    let fits = match record.content {
        Content::ChangeCipherSpec => record.length == 1,
        Content::Alert => record.length == 2 || (MIN_ENCRYPTED..=MAX_ALERT).contains(&record.length),
        Content::Handshake => record.length >= 4,
        Content::ApplicationData => record.length >= MIN_ENCRYPTED,
        Content::Heartbeat | Content::Ssl2(_) => false,
    };
    fits.then_some(record)
}

impl Connection {
    /// Whether bytes of either side are known to be missing, so that what was not seen may have been.
    pub(super) fn is_missing_any(&self) -> bool {
        self.client.missing || self.server.missing
    }

    /// `missed` bytes of one side are not in the capture.
    pub(super) fn passed_by(&mut self, role: Role, missed: u64, sink: &mut Sink) {
        if self.side(role).lost || self.gap_in_body(role, missed, sink) {
            return;
        }
        self.misses(role, sink);
        let side = self.side(role);
        // A further gap: what was seen before it bears out nothing behind it.
        let at = side.search.as_ref().map_or(0, |search| search.at);
        side.search = Some(Box::new(Search { at, ..Search::default() }));
        self.lose_inside(role, sink);
    }

    /// Something of this side is not known.
    fn misses(&mut self, role: Role, sink: &mut Sink) {
        let side = self.side(role);
        side.missing = true;
        side.messages.reset();
        if side.protection == Protection::Clear {
            side.protection = Protection::Unknown;
        }
        self.end_bulk();
        self.renegotiation.misses();
        if role == Role::Client {
            self.early.lost();
        }
        self.incomplete("gap", sink);
    }

    /// Passes over bytes that are within the body of the record at hand; whether they are.
    fn gap_in_body(&mut self, role: Role, missed: u64, sink: &mut Sink) -> bool {
        let side = self.side(role);
        // The record known last lies before an earlier gap.
        if side.search.is_some() {
            return false;
        }
        let Some(record) = side.records.current() else { return false };
        if matches!(record.content, Content::Ssl2(_)) || !side.records.skip(missed) {
            return false;
        }
        side.cut = true;
        let open = side.protection != Protection::Encrypted;
        match record.content {
            Content::Handshake if open => self.gap_in_message(role, missed, sink),
            Content::Alert if record.length == 2 => self.misses(role, sink),
            _ => {}
        }
        if let Some(decryption) = &mut self.decryption {
            decryption.cut(role);
        }
        // The record may be over with them.
        self.read(role, &[], sink);
        true
    }

    /// The same of handshake messages in the clear.
    fn gap_in_message(&mut self, role: Role, missed: u64, sink: &mut Sink) {
        let side = self.side(role);
        if side.blind {
            return;
        }
        let known = side.messages.is_cut();
        let Some(kind) = side.messages.skip(missed) else {
            side.blind = true;
            return self.misses(role, sink);
        };
        side.missing = true;
        self.incomplete("gap", sink);
        match kind {
            _ if known => {}
            kind::CLIENT_HELLO | kind::SERVER_HELLO => {}
            kind::CERTIFICATE => self.side(role).certified = true,
            kind => self.message_passed(role, kind, sink),
        }
    }

    /// Where in a segment records go on after a gap; `None` if they do not.
    pub(super) fn resume<'a>(&mut self, role: Role, segment: &'a [u8], sink: &mut Sink) -> Option<&'a [u8]> {
        let version = self.choice.as_ref().map(|choice| choice.version.min(0x0303));
        let side = self.side(role);
        let Some(search) = &mut side.search else { return Some(segment) };
        if let Some(offset) = search.find(segment, version) {
            side.search = None;
            side.records.resume();
            return segment.get(offset..);
        }
        if search.at > MAX_SEARCH {
            self.lose(role, sink);
        }
        None
    }

    /// After a gap, or where a stream may begin anywhere: whether this header begins a handshake
    /// message in the clear. Of random bytes, not one in a million would.
    pub(super) fn is_clear_again(&mut self, role: Role, kind: u8, length: u32) -> bool {
        let Some(record) = self.side(role).records.current() else { return false };
        let least = match (role, kind) {
            (Role::Server, kind::SERVER_HELLO_DONE) => return length == 0,
            (Role::Client, kind::CLIENT_HELLO) => 41,
            (Role::Server, kind::SERVER_HELLO) => 36,
            (Role::Server, kind::NEW_SESSION_TICKET) => 6,
            (
                Role::Server,
                kind::SERVER_KEY_EXCHANGE | kind::CERTIFICATE_REQUEST | kind::CERTIFICATE_STATUS,
            )
            | (Role::Client, kind::CLIENT_KEY_EXCHANGE | kind::CERTIFICATE_VERIFY)
            | (_, kind::CERTIFICATE) => 3,
            _ => return false,
        };
        (least..=u32::from(record.length).saturating_sub(4)).contains(&length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content: u8, body: &[u8]) -> Vec<u8> {
        [&[content, 3, 3], &(body.len() as u16).to_be_bytes()[..], body].concat()
    }

    fn find(segments: &[&[u8]]) -> Option<(usize, usize)> {
        let mut search = Search::default();
        let mut found = |segment: &&[u8]| search.find(segment, Some(0x0303));
        segments.iter().enumerate().find_map(|(number, segment)| Some((number, found(segment)?)))
    }

    #[test]
    fn records_go_on_where_a_segment_begins_with_a_header() {
        let long = record(23, &[0x5a; 4000]);
        assert_eq!(find(&[&long[..1448]]), Some((0, 0)));
        assert_eq!(find(&[&long[1448..2896], &long[2896..], &long]), Some((2, 0)));
        assert_eq!(find(&[&record(21, &[2, 48])]), Some((0, 0)));
        // Another version, a length that none has, a ChangeCipherSpec of two bytes.
        for other in [&[23, 3, 1, 0, 40, 0][..], &[23, 3, 3, 0x50, 0, 0], &[20, 3, 3, 0, 2, 1, 1]] {
            assert_eq!(find(&[other]), None, "{other:?}");
        }
    }

    #[test]
    fn inside_a_segment_a_header_is_borne_out_by_what_follows() {
        let rest = vec![0x5a; 700];
        let alert = record(21, &[0xaa; 26]);
        assert_eq!(find(&[&[&rest[..], &alert].concat()]), Some((0, 700)), "by the end of the segment");
        let two = [&rest[..], &record(23, &[1; 100]), &record(23, &[2; 900])[..300]].concat();
        assert_eq!(find(&[&two]), Some((0, 700)), "by the next header");
        let odd = [&rest[..], &record(23, &[1; 100]), b"what comes here is no header"].concat();
        assert_eq!(find(&[&odd]), None);
    }

    #[test]
    fn a_header_of_a_record_over_many_segments_is_borne_out_by_the_one_after_it() {
        let stream = [vec![0x5a; 700], record(23, &[1; 4000]), record(23, &[2; 4000])].concat();
        let segments: Vec<&[u8]> = stream.chunks(1000).collect();
        // The second header is at 700 + 5 + 4000.
        assert_eq!(find(&segments), Some((4, 705)));
    }
}
