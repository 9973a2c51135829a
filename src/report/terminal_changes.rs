//! What changed between two tables, for people: one row for each finding, its sentence below, and what changed of it.

use std::io::{self, Write};

use comfy_table::{Cell as Field, Row as Fields, Table, TableComponent};

use super::View;
use super::diff::{Change, Fate};
use super::read::Row;
use super::terminal::{BETWEEN_ROWS, close_up, plain_table, right, tinted, write_below};

pub(super) fn write(changes: &[Change], view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "Nothing changed.");
    }
    let mut sentences = changes.iter();
    for line in table(changes, view).lines() {
        if !line.starts_with(BETWEEN_ROWS) {
            writeln!(out, "{}", line.trim_end())?;
        } else if let Some(change) = sentences.next() {
            write_below(&change.what_changed(), view, out)?;
            write_below(&sentence(&change.row), view, out)?;
        }
    }
    Ok(())
}

fn table(changes: &[Change], view: &View<'_>) -> Table {
    let mut devices = changes.iter().map(|change| device(&change.row)).filter(|device| !device.is_empty());
    let first = devices.next();
    let several = devices.any(|device| Some(device) != first);
    let mut table = plain_table(view);
    let mut header: Vec<Field> = ["CHANGE", "SEVERITY", "CODE"].map(Field::new).into();
    header.extend(several.then(|| Field::new("DEVICE")));
    header.extend([Field::new("PEER"), right("COUNT")]);
    table.set_header(header);
    for Change { fate, row, .. } in changes {
        // What is gone is no cause for alarm.
        let severity = row.severity.filter(|_| *fate != Fate::Gone);
        let how = row.severity.map_or_else(|| row.status.to_string(), |severity| severity.to_string());
        let mut cells = vec![Field::new(fate), tinted(Field::new(how), severity)];
        cells.push(tinted(Field::new(what(row)), severity));
        cells.extend(several.then(|| Field::new(row.cell("device"))));
        cells.extend([Field::new(peer(row)), right(&row.count.to_string())]);
        table.add_row(Fields::from(cells));
    }
    close_up(&mut table);
    table.set_style(TableComponent::HorizontalLines, BETWEEN_ROWS);
    table.set_style(TableComponent::BottomBorder, BETWEEN_ROWS);
    table
}

/// Who, by what tells devices apart.
fn device(row: &Row) -> &str {
    [row.cell("device_mac"), row.cell("device_ip")]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// The code; of a row of `--all`, the claim.
fn what(row: &Row) -> &str {
    match row.cell("code") {
        "claim" => row.cell("claim"),
        code => code,
    }
}

/// `name:port/transport`, as far as they are known.
fn peer(row: &Row) -> String {
    let service = match (row.cell("port"), row.cell("transport")) {
        ("", transport) => transport.to_owned(),
        (port, "") => port.to_owned(),
        (port, transport) => format!("{port}/{transport}"),
    };
    let name = [row.cell("peer_name"), row.cell("peer_ip")].into_iter().find(|text| !text.is_empty());
    match name {
        None => service,
        Some(name) if service.is_empty() => name.to_owned(),
        Some(name) if row.cell("direction") == "in" => format!("from {name} to {service}"),
        Some(name) if row.cell("port").is_empty() => format!("{name} {service}"),
        Some(name) if name.contains(':') => format!("[{name}]:{service}"),
        Some(name) => format!("{name}:{service}"),
    }
}

/// The message with its id, the claim, the evidence and the waiver.
fn sentence(row: &Row) -> String {
    let waiver = Some(row.cell("waiver")).filter(|id| !id.is_empty()).map(|id| format!("waived by {id}"));
    let parts =
        [row.id(), row.cell("claim"), row.cell("evidence")].into_iter().filter(|text| !text.is_empty());
    let parts: Vec<String> = parts.map(str::to_owned).chain(waiver).collect();
    format!("{} [{}]", row.cell("message"), parts.join(", ")).trim().to_owned()
}
