//! Cells, columns and tables: what every row-by-row format is written from, so that a column has one
//! name, one place and one meaning in all of them.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::model::observation::Fact;
use crate::model::stats::CaptureInfo;
use crate::model::{Evidence, Facts, FrameRef, Timestamp, Value, text};

/// What a column holds: the type of its cells where the format has types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Text, words, addresses, lists.
    Text,
    /// A non-negative whole number.
    Uint,
    /// A length of time in seconds.
    Seconds,
    /// A moment, UTC.
    Time,
    /// True or false.
    Flag,
}

/// A column of the table `T`.
pub(super) struct Column<T: Table> {
    /// Lower case with underscores, unique in its table.
    pub(super) name: &'static str,
    /// What its cells are; a cell may always be [`Cell::Empty`].
    pub(super) kind: Kind,
    /// The cell of one row.
    pub(super) cell: for<'r> fn(&'r T::Row<'r>) -> Cell<'r>,
}

/// A table with fixed columns; columns are only ever appended.
pub(super) trait Table: Sized + 'static {
    /// What the cells of one row are made from.
    type Row<'r>;
    /// Its columns, in order.
    const COLUMNS: &'static [Column<Self>];
}

/// The content of one field of one row, neutralised.
#[derive(Debug)]
pub(super) enum Cell<'r> {
    /// Not known, not applicable, not seen.
    Empty,
    /// Text fit to be shown: [`text::cell`] was applied where any of it is not ours. Empty text is an empty cell,
    /// for CSV would otherwise write `""` there.
    Text(Cow<'r, str>),
    /// A number.
    Uint(u64),
    /// A length of time.
    Seconds(Duration),
    /// A moment.
    Time(Timestamp),
    /// Yes or no.
    Flag(bool),
    /// Frame numbers by capture.
    Frames(Vec<(Cow<'r, str>, Vec<u64>)>),
    /// All facts of a flow.
    Facts(&'r Facts, &'r [CaptureInfo]),
}

impl<'r> Cell<'r> {
    /// A word or number of ours, or an address: nothing that could do harm.
    pub(super) fn ours(value: impl Display) -> Self {
        Self::Text(Cow::Owned(value.to_string()))
    }

    /// The same of something that may be missing.
    pub(super) fn maybe(value: Option<impl Display>) -> Self {
        value.map_or(Self::Empty, Self::ours)
    }

    /// Text that may hold anything: from the wire, a profile, a file name. A lone `-` is our own word
    /// for "nothing", and no formula.
    pub(super) fn wire(text: &'r str) -> Self {
        match text {
            "" => Self::Empty,
            "-" => Self::Text(Cow::Borrowed(text)),
            _ => Self::Text(Cow::Owned(text::cell(text))),
        }
    }

    /// A number that may be missing.
    pub(super) fn uint(value: Option<impl Into<u64>>) -> Self {
        value.map_or(Self::Empty, |value| Self::Uint(value.into()))
    }

    /// An address that may be missing.
    pub(super) fn ip(value: Option<IpAddr>) -> Self {
        Self::maybe(value)
    }

    /// The frames that `evidence` names.
    pub(super) fn frames(evidence: &Evidence, captures: &'r [CaptureInfo]) -> Self {
        let mut by_capture: Vec<(Cow<'r, str>, Vec<u64>)> = Vec::new();
        for frame in evidence.frames() {
            let name = capture_name(frame, captures);
            match by_capture.iter_mut().find(|(known, _)| *known == name) {
                Some((_, numbers)) => numbers.push(frame.no().0),
                None => by_capture.push((name, vec![frame.no().0])),
            }
        }
        Self::Frames(by_capture)
    }

    /// The cell as text; `None` where it is empty.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Empty => return None,
            Self::Text(text) if text.is_empty() => return None,
            Self::Text(text) => Cow::Borrowed(text),
            Self::Uint(number) => Cow::Owned(number.to_string()),
            Self::Seconds(span) => Cow::Owned(format!("{:.6}", span.as_secs_f64())),
            Self::Time(time) => Cow::Owned(time.to_string()),
            Self::Flag(true) => Cow::Borrowed("true"),
            Self::Flag(false) => Cow::Borrowed("false"),
            Self::Frames(captures) => Cow::Owned(frames_text(captures)),
            Self::Facts(facts, _) if facts.is_empty() => return None,
            Self::Facts(facts, _) => {
                // Serialising strings and numbers into memory cannot fail; if it did, the cell is empty.
                return serde_json::to_string(&BriefFacts(facts)).ok().map(Cow::Owned);
            }
        })
    }
}

/// `flow.pcap#12`: the frame as text, not yet a cell.
pub(super) fn frame_text(frame: FrameRef, captures: &[CaptureInfo]) -> String {
    frames_text(&[(capture_name(frame, captures), vec![frame.no().0])])
}

/// `a.pcap#17,18;b.pcap#3`. Captures are named as they are in the statistics, `-` for standard input:
/// that one needs no `'`, for digits are all that follows.
fn frames_text(captures: &[(Cow<'_, str>, Vec<u64>)]) -> String {
    let mut out = String::new();
    for (name, numbers) in captures {
        if !out.is_empty() {
            out.push(';');
        }
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        out.push_str(name);
        out.push('#');
        out.push_str(&numbers.join(","));
    }
    if out.starts_with("-#") { out } else { text::cell(&out) }
}

/// The name of the capture that holds `frame`, without anything that a terminal would act on.
fn capture_name(frame: FrameRef, captures: &[CaptureInfo]) -> Cow<'_, str> {
    let id = frame.capture();
    let by_place = usize::try_from(id.0).ok().and_then(|place| captures.get(place));
    match by_place.filter(|capture| capture.id == id).or_else(|| captures.iter().find(|c| c.id == id)) {
        Some(capture) => Cow::Owned(text::printable(&capture.name)),
        None => Cow::Owned(format!("capture-{}", id.0)),
    }
}

/// Numbers as numbers, absence as null, evidence and facts as nested values.
impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_none(),
            Self::Text(text) if text.is_empty() => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Uint(number) => serializer.serialize_u64(*number),
            Self::Seconds(span) => serializer.serialize_f64(span.as_secs_f64()),
            Self::Time(time) => serializer.collect_str(time),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Frames(captures) => {
                let mut list = serializer.serialize_seq(None)?;
                for (capture, numbers) in captures {
                    for &frame in numbers {
                        list.serialize_element(&Place { capture, frame })?;
                    }
                }
                list.end()
            }
            Self::Facts(facts, captures) => {
                let mut map = serializer.serialize_map(None)?;
                for (field, values) in by_field(facts) {
                    let values: Vec<FullFact<'_>> =
                        values.into_iter().map(|fact| FullFact { fact, captures }).collect();
                    map.serialize_entry(field, &values)?;
                }
                map.end()
            }
        }
    }
}

/// One row as a JSON object, keys as the columns.
pub(super) struct RowObject<'r, T: Table> {
    pub(super) row: &'r T::Row<'r>,
    /// The `schema_version` to begin with; none inside a document that has said it already.
    pub(super) version: Option<u64>,
}

impl<T: Table> Serialize for RowObject<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(version) = self.version {
            map.serialize_entry("schema_version", &version)?;
        }
        for column in T::COLUMNS {
            map.serialize_entry(column.name, &(column.cell)(self.row))?;
        }
        map.end()
    }
}

/// A frame in JSON.
#[derive(serde::Serialize)]
struct Place<'r> {
    capture: &'r str,
    frame: u64,
}

/// The facts by field name, names ascending, values in order of first sighting.
fn by_field(facts: &Facts) -> Vec<(&'static str, Vec<&Fact>)> {
    let mut sorted: Vec<&Fact> = facts.iter().collect();
    sorted.sort_by_key(|fact| fact.field.name);
    sorted
        .chunk_by(|a, b| a.field.name == b.field.name)
        .filter_map(|group| Some((group.first()?.field.name, group.to_vec())))
        .collect()
}

/// `{"ntp.stratum":[2],"tls.sni":["a.example"]}`: what fits one cell.
struct BriefFacts<'r>(&'r Facts);

impl Serialize for BriefFacts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, values) in by_field(self.0) {
            let values: Vec<FactValue<'_>> = values.into_iter().map(|fact| FactValue(&fact.value)).collect();
            map.serialize_entry(field, &values)?;
        }
        map.end()
    }
}

/// A value with how often and where it was first seen.
struct FullFact<'r> {
    fact: &'r Fact,
    captures: &'r [CaptureInfo],
}

impl Serialize for FullFact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Evidence { first, count, .. } = &self.fact.evidence;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("value", &FactValue(&self.fact.value))?;
        map.serialize_entry("count", count)?;
        map.serialize_entry("first_seen", &Cell::Time(first.at))?;
        map.serialize_entry("capture", &capture_name(first.frame, self.captures))?;
        map.serialize_entry("frame", &first.frame.no().0)?;
        map.end()
    }
}

struct FactValue<'r>(&'r Value);

impl Serialize for FactValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Yes => serializer.serialize_bool(true),
            Value::Uint(number) => serializer.serialize_u64(*number),
            Value::Text(wire) => serializer.serialize_str(&text::printable(wire)),
            Value::Word(word) => serializer.serialize_str(word),
            Value::Ip(ip) => serializer.collect_str(ip),
            Value::Time(time) => serializer.collect_str(time),
            Value::Span(span) => serializer.serialize_f64(span.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{capture, seen, seen_in};
    use super::*;

    #[test]
    fn our_own_words_get_no_quote_and_formulas_do() {
        for (text, shown) in
            [("-", Some("-")), ("", None), ("-1", Some("'-1")), ("=1+1", Some("'=1+1")), ("a", Some("a"))]
        {
            assert_eq!(Cell::wire(text).text().as_deref(), shown, "{text:?}");
        }
    }

    #[test]
    fn evidence_is_grouped_by_capture_and_frames_are_as_wireshark_counts() {
        let captures = [capture(0, "a.pcap"), capture(1, "b.pcap")];
        let mut evidence = Evidence::once(seen_in(0, 17, 1));
        evidence.again(seen_in(0, 18, 2));
        evidence.again(seen_in(1, 3, 3));
        let cell = Cell::frames(&evidence, &captures);
        assert_eq!(cell.text().as_deref(), Some("a.pcap#17,18;b.pcap#3"));
        assert_eq!(
            serde_json::to_string(&cell).unwrap(),
            r#"[{"capture":"a.pcap","frame":17},{"capture":"a.pcap","frame":18},{"capture":"b.pcap","frame":3}]"#
        );
    }

    #[test]
    fn a_hostile_file_name_is_no_formula_and_standard_input_is_not_taken_for_one() {
        let frames =
            |name| Cell::frames(&Evidence::once(seen(4)), &[capture(0, name)]).text().map(Cow::into_owned);
        assert_eq!(frames("=cmd|x.pcap").as_deref(), Some("'=cmd|x.pcap#4"));
        assert_eq!(frames("a\u{1b}[31m\u{202e}.pcap").as_deref(), Some("a\\x1b[31m\\u{202e}.pcap#4"));
        assert_eq!(frames("-").as_deref(), Some("-#4"));
    }

    #[test]
    fn frames_of_an_unlisted_capture_are_still_named() {
        assert_eq!(frame_text(seen_in(7, 3, 0).frame, &[]), "capture-7#3");
    }
}
