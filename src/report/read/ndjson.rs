//! NDJSON: one object per line.

use serde_json::{Map, Value};

use super::super::SCHEMA_VERSION;
use super::{Cells, Damage};
use crate::model::text;

/// The rows with their lines, each made by `make`.
pub(super) fn rows<T>(
    text: &str,
    make: impl Fn(u64, &mut Cells<'_>) -> Result<T, Damage>,
) -> Result<Vec<(u64, T)>, Damage> {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let reason = format!(
                "it is no JSON object from character {} on: the file is damaged or cut off (write it again with `wireclaim check -o`)",
                error.column()
            );
            Damage::new(line, reason)
        })?;
        refuse_other_versions(line, &object)?;
        rows.push((line, made(line, &object, &make)?));
    }
    Ok(rows)
}

/// The row that an object is.
pub(super) fn made<T>(
    line: u64,
    object: &Map<String, Value>,
    make: impl Fn(u64, &mut Cells<'_>) -> Result<T, Damage>,
) -> Result<T, Damage> {
    make(line, &mut |name| object.get(name).map(|value| cell(line, name, value)).transpose())
}

/// Refuses what a newer program has written otherwise.
pub(super) fn refuse_other_versions(line: u64, object: &Map<String, Value>) -> Result<(), Damage> {
    match object.get("schema_version").filter(|version| **version != SCHEMA_VERSION) {
        Some(version) => Err(Damage::new(
            line,
            format!(
                "schema_version is {version}, and this wireclaim reads {SCHEMA_VERSION} (use a newer one)"
            ),
        )),
        None => Ok(()),
    }
}

/// The keys of the first object.
pub(super) fn header(text: &str) -> Vec<String> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let object: Map<String, Value> = serde_json::from_str(first).unwrap_or_default();
    object.keys().cloned().collect()
}

/// A value as a CSV cell has it.
fn cell(line: u64, column: &'static str, value: &Value) -> Result<String, Damage> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(places) if column == "evidence" => evidence(places).ok_or_else(|| Damage {
            line,
            column,
            reason: String::from("expected a list of captures and frames"),
        }),
        _ => Err(Damage { line, column, reason: String::from("expected a text, a number or null") }),
    }
}

/// `a.pcap#17,18;b.pcap#3` of a list of places.
fn evidence(places: &[Value]) -> Option<String> {
    let mut out = String::new();
    let mut last = None;
    for place in places {
        let (capture, frame) = (place.get("capture")?.as_str()?, place.get("frame")?.as_u64()?);
        if last == Some(capture) {
            out.push(',');
        } else {
            if last.is_some() {
                out.push(';');
            }
            out.push_str(capture);
            out.push('#');
        }
        out.push_str(&frame.to_string());
        last = Some(capture);
    }
    // As the CSV has it, whose guard is taken off every cell.
    Some(text::cell(&out))
}
