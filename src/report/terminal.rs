//! A table for people: aligned, coloured if asked, and with each finding's sentence below its row.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell as Field, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table,
    TableComponent, presets,
};

use super::cell::{Cell, frame_text};
use super::findings::{FindingRow, count, finding_id, message};
use super::flows::FlowCells;
use super::{Format, View};
use crate::model::finding::{Finding, Severity, Way};
use crate::model::{Endpoint, Flow, Timestamp, text};

pub(super) const FORMAT: Format = Format {
    name: "table",
    suffixes: &["txt"],
    help: "aligned table for a terminal",
    available: true,
    binary: false,
    findings: Some(write_findings),
    flows: Some(write_flows),
    changes: Some(super::terminal_changes::write),
    lints: Some(super::lints::write_text),
};

/// Narrower terminals get lines of this width, which they wrap themselves.
const LEAST_WIDTH: u16 = 60;

/// Where the sentence below a row begins: under the second column.
const INDENT: u16 = 10;

/// Stands for the line between two rows until the sentence takes its place. No cell holds it, for control
/// characters are escaped there.
pub(super) const BETWEEN_ROWS: char = '\u{1}';

/// Flows are aligned in pieces of this many, so that memory is bounded.
const CHUNK_ROWS: usize = 4_096;

fn write_findings(rows: &[FindingRow<'_>], view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No findings.");
    }
    // Some rows are about no device.
    let mut keys = rows.iter().map(|row| row.finding.device.key.as_str()).filter(|key| !key.is_empty());
    let first = keys.next();
    let devices = keys.any(|key| Some(key) != first);
    let unlimited = View { width: None, ..*view };
    let widest = finding_table(rows, Shape { devices, values: true }, &unlimited).lines().next();
    let values = view.width.is_none_or(|width| {
        widest.is_some_and(|header| header.chars().count() <= usize::from(width.max(LEAST_WIDTH)))
    });
    let mut sentences = rows.iter();
    for line in finding_table(rows, Shape { devices, values }, view).lines() {
        if !line.starts_with(BETWEEN_ROWS) {
            writeln!(out, "{}", line.trim_end())?;
        } else if let Some(row) = sentences.next() {
            if !values {
                write_below(&values_line(row.finding), view, out)?;
            }
            write_below(&sentence(row), view, out)?;
        }
    }
    Ok(())
}

/// Which columns the table of findings has besides those that it always has.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// The device: where the findings are about several.
    devices: bool,
    /// What was expected and observed: where the terminal is wide enough; else they go below the row.
    values: bool,
}

fn finding_table(rows: &[FindingRow<'_>], shape: Shape, view: &View<'_>) -> Table {
    let mut table = plain_table(view);
    let mut header: Vec<Field> = ["SEVERITY", "CODE"].map(Field::new).into();
    header.extend(shape.devices.then(|| Field::new("DEVICE")));
    header.push(Field::new("PEER"));
    header.extend(["EXPECTED", "OBSERVED"].into_iter().filter(|_| shape.values).map(Field::new));
    header.push(right("COUNT"));
    table.set_header(header);
    for row in rows {
        table.add_row(cells(row.finding, shape));
    }
    let last = close_up(&mut table);
    // Words of ours are short and are not broken; what is wrapped is the peer and the values.
    for index in [0, 1, last] {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.set_style(TableComponent::HorizontalLines, BETWEEN_ROWS);
    table.set_style(TableComponent::BottomBorder, BETWEEN_ROWS);
    table
}

/// The finding's message with its id, which `explain` and waivers ask for, its claim and first frame.
fn sentence(row: &FindingRow<'_>) -> String {
    let finding = row.finding;
    let id = (finding.code != CLAIM_ROW).then(|| finding_id(finding));
    let claim =
        (finding.code != CLAIM_ROW && !finding.claim.is_empty()).then(|| text::printable(&finding.claim));
    let frame = finding.evidence.as_ref().map(|evidence| frame_text(evidence.first.frame, row.captures));
    let waiver =
        (!finding.waiver.is_empty()).then(|| format!("waived by {}", text::printable(&finding.waiver)));
    let origin: Vec<String> = id.into_iter().chain(claim).chain(frame).chain(waiver).collect();
    let message = message(finding);
    if origin.is_empty() { message } else { format!("{message} [{}]", origin.join(", ")).trim().to_owned() }
}

/// `expected: tls>=1.2, observed: tls1.0`, as far as there are values.
fn values_line(finding: &Finding) -> String {
    let parts = [("expected", &finding.expected), ("observed", &finding.observed)];
    let parts = parts.map(|(head, value)| Some(format!("{head}: {}", Cell::wire(value).text()?)));
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Writes `text` under the second column, wrapped.
pub(super) fn write_below(text: &str, view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut paragraph = plain_table(view);
    paragraph.add_row([Field::new(text)]);
    if let Some(column) = paragraph.column_mut(0) {
        column.set_padding((INDENT, 0));
    }
    paragraph.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

/// The code of the rows that only `--all` shows: one for each claim.
const CLAIM_ROW: &str = "claim";

fn cells(finding: &Finding, shape: Shape) -> Row {
    let shown = |text: &str| Field::new(Cell::wire(text).text().unwrap_or_default());
    let how = match finding.severity {
        Some(severity) => Field::new(severity),
        None => Field::new(finding.status),
    };
    let what = if finding.code == CLAIM_ROW { &finding.claim } else { finding.code };
    let mut cells = vec![tinted(how, finding.severity), tinted(shown(what), finding.severity)];
    if shape.devices {
        cells.push(shown(&finding.device.name));
    }
    cells.push(shown(&peer(finding)));
    if shape.values {
        cells.extend([shown(&finding.expected), shown(&finding.observed)]);
    }
    cells.push(right(&count(finding).to_string()));
    cells.into()
}

/// `name:port/transport`, as far as they are known; for flows that came from outside, who came to which port.
fn peer(finding: &Finding) -> String {
    let name = match finding.peer_ip {
        _ if !finding.peer_name.is_empty() => finding.peer_name.clone(),
        Some(ip) => ip.to_string(),
        None => String::new(),
    };
    let service = match (finding.port, finding.transport) {
        (Some(port), Some(transport)) => format!("{port}/{transport}"),
        (Some(port), None) => port.to_string(),
        (None, Some(transport)) => transport.to_string(),
        (None, None) => String::new(),
    };
    match (name.is_empty(), service.is_empty()) {
        (true, _) => service,
        (false, true) => name,
        (false, false) if finding.way == Some(Way::In) => format!("from {name} to {service}"),
        (false, false) if finding.port.is_none() => format!("{name} {service}"),
        (false, false) if finding.peer_name.is_empty() && name.contains(':') => format!("[{name}]:{service}"),
        (false, false) => format!("{name}:{service}"),
    }
}

fn write_flows(rows: &[FlowCells<'_>], view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(start) = rows.first().map(|row| row.flow.first.at) else {
        return writeln!(out, "No flows.");
    };
    for chunk in rows.chunks(CHUNK_ROWS) {
        let mut table = plain_table(view);
        let left = ["PROTO", "ORIGINATOR", "RESPONDER", "SERVICE"].map(Field::new);
        let numbers = ["PACKETS", "BYTES", "SECONDS"].map(right);
        table
            .set_header([right("START")].into_iter().chain(left).chain(numbers).chain([Field::new("STATE")]));
        for row in chunk {
            table.add_row(flow_row(row, start));
        }
        close_up(&mut table);
        table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
    }
    Ok(())
}

fn flow_row(row: &FlowCells<'_>, start: Timestamp) -> Row {
    let flow = row.flow;
    let responder = match row.resp_name {
        Some((name, _)) if flow.key.resp.port == 0 => text::printable(name),
        Some((name, _)) => format!("{}:{}", text::printable(name), flow.key.resp.port),
        None => end_point(flow, flow.key.resp),
    };
    let sum = |sides: crate::model::PerDirection<u64>| sides.orig.saturating_add(sides.resp).to_string();
    Row::from(vec![
        right(&format!("{:.3}", flow.first.at.since(start).as_secs_f64())),
        Field::new(flow.key.transport),
        Field::new(end_point(flow, flow.key.orig)),
        Field::new(responder),
        Field::new(flow.service_name().unwrap_or_default()),
        right(&sum(flow.packets)),
        right(&sum(flow.bytes)),
        right(&format!("{:.3}", flow.duration().as_secs_f64())),
        Field::new(flow.tcp.as_ref().map(|tcp| tcp.state.to_string()).unwrap_or_default()),
    ])
}

fn end_point(flow: &Flow, end: Endpoint) -> String {
    use crate::model::Transport::{Tcp, Udp};
    if matches!(flow.key.transport, Tcp | Udp) { end.to_string() } else { end.ip.to_string() }
}

/// Writes rows of text under their header, aligned.
pub(super) fn write_aligned<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    view: &View<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = plain_table(view);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    close_up(&mut table);
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

/// A table without lines that asks neither the terminal nor the environment.
pub(super) fn plain_table(view: &View<'_>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).force_no_tty();
    if view.color {
        table.enforce_styling();
    }
    if let Some(width) = view.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(LEAST_WIDTH));
    }
    table
}

/// Two spaces between columns and none at the edges. Returns the index of the last column.
pub(super) fn close_up(table: &mut Table) -> usize {
    let last = table.column_count().saturating_sub(1);
    for column in table.column_iter_mut() {
        column.set_padding((0, if column.index == last { 0 } else { 2 }));
    }
    last
}

pub(super) fn right(text: &str) -> Field {
    Field::new(text).set_alignment(CellAlignment::Right)
}

pub(super) fn tinted(field: Field, severity: Option<Severity>) -> Field {
    match severity {
        Some(Severity::Error) => field.fg(Color::Red),
        Some(Severity::Warning) => field.fg(Color::Yellow),
        Some(Severity::Info) => field.add_attribute(Attribute::Dim),
        None => field,
    }
}

#[cfg(test)]
mod tests {
    use super::super::flows::{FlowRow, sorted};
    use super::super::fold;
    use super::super::samples::{capture, finding, flow};
    use super::*;

    fn shown(findings: &[Finding], width: Option<u16>, color: bool) -> String {
        let captures = [capture(0, "demo.pcap")];
        let mut out = Vec::new();
        let rows: Vec<_> =
            findings.iter().map(|finding| FindingRow { finding, captures: &captures }).collect();
        write_findings(&rows, &View { width, color, ..View::default() }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn several() -> Vec<Finding> {
        let mut bare = finding();
        bare.code = "undeclared-destination";
        bare.claim.clear();
        bare.peer_name.clear();
        bare.peer_ip = Some("2001:db8::7".parse().unwrap());
        bare.message =
            "The device opened {count connection} to 2001:db8::7, which no claim of the profile allows, \
                        and nobody told it a name for this address."
                .into();
        let mut mild = finding();
        mild.severity = Some(Severity::Info);
        mild.code = "inbound-attempted";
        mild.way = Some(Way::In);
        fold(vec![finding(), bare, mild])
    }

    #[test]
    fn nothing_found_is_said() {
        assert_eq!(shown(&[], Some(100), false), "No findings.\n");
    }

    #[test]
    fn a_row_is_followed_by_its_sentence() {
        assert_eq!(
            shown(&[finding()], Some(100), false),
            "SEVERITY  CODE              PEER                EXPECTED  OBSERVED  COUNT\n\
             error     weak-tls-version  my.example:443/tcp  tls>=1.2  tls1.0        1\n\
             \x20         1 connection with TLS 1.0 [d1c9d34ffe3447a9, tls, demo.pcap#17]\n"
        );
    }

    #[test]
    fn lines_fit_the_terminal_and_every_finding_has_its_sentence() {
        let text = shown(&several(), Some(100), false);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert_eq!(text.matches(", tls, demo.pcap#17]").count(), 2, "{text}");
        assert!(text.contains("[2001:db8::7]:443/tcp"), "{text}");
        assert!(text.contains("from my.example to 443/tcp"), "{text}");
        let bare = several().iter().find(|row| row.claim.is_empty()).map(finding_id).unwrap();
        assert!(text.contains(&format!("[{bare}, demo.pcap#17]")), "{text}");
        assert!(!text.contains(BETWEEN_ROWS));
    }

    #[test]
    fn values_go_below_the_row_where_the_terminal_is_too_narrow_for_them() {
        let mut row = finding();
        row.observed = "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA".into();
        assert_eq!(
            shown(&[row], Some(80), false),
            "SEVERITY  CODE              PEER                COUNT\n\
             error     weak-tls-version  my.example:443/tcp      1\n\
             \x20         expected: tls>=1.2, observed: TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA\n\
             \x20         1 connection with TLS 1.0 [cb9e5151f3330a9b, tls, demo.pcap#17]\n"
        );
    }

    #[test]
    fn without_a_width_nothing_is_wrapped() {
        let text = shown(&several(), None, false);
        assert_eq!(text.lines().count(), 1 + 2 * 3, "{text}");
    }

    #[test]
    fn a_wire_text_of_any_length_or_content_does_not_break_the_table() {
        let mut row = finding();
        row.peer_name = "\u{1}\u{1b}[2J".repeat(60);
        row.observed = "\u{202e}x\n".into();
        let text = shown(&[row], Some(60), false);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("1 connection with TLS 1.0"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        assert!(!shown(&several(), Some(100), false).contains('\u{1b}'));
        assert!(shown(&several(), Some(100), true).contains("\u{1b}["));
    }

    #[test]
    fn several_devices_are_told_apart() {
        let mut other = finding();
        other.device.key = "02:00:00:00:00:02".into();
        other.device.name = "bot2".into();
        let text = shown(&[finding(), other], Some(100), false);
        assert!(text.starts_with("SEVERITY  CODE              DEVICE  PEER"), "{text}");
        assert!(text.contains("bot2"), "{text}");
    }

    #[test]
    fn claims_of_all_show_their_status() {
        let mut row = finding();
        row.code = "claim";
        row.claim = "clock".into();
        row.severity = None;
        row.status = crate::model::finding::Status::NotExercised;
        row.evidence = None;
        let text = shown(&[row], None, false);
        assert!(text.contains("not_exercised  clock "), "{text}");
    }

    #[test]
    fn flows_start_at_zero() {
        let flow = flow();
        let row = FlowRow { flow: &flow, resp_name: None };
        let mut out = Vec::new();
        write_flows(&sorted(&[row], &[]), &View::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "START  PROTO  ORIGINATOR       RESPONDER         SERVICE  PACKETS    BYTES  SECONDS  STATE\n\
             0.000  tcp    192.0.2.10:1025  198.51.100.7:443  tls           19  2001000   60.000  SF\n"
        );
    }
}
