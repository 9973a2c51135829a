//! JSON: one document with all rows, as `json` wrote it or another program has laid it out anew.

use serde_json::{Map, Value};

use super::{Damage, Held, flows, ndjson, refuse_twins, row};

/// What a document holds; `None` where the text is none with rows that are read back.
pub(super) fn held(text: &str) -> Option<Result<Held, Damage>> {
    // Most texts that begin with a brace are NDJSON, whose first line is a whole object without rows in it.
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    let is_row = |object: &Map<String, Value>| !KINDS.iter().any(|(name, _)| object.contains_key(*name));
    if serde_json::from_str(first).is_ok_and(|object| is_row(&object)) {
        return None;
    }
    let document: Map<String, Value> = serde_json::from_str(text).ok()?;
    let (rows, read) =
        KINDS.iter().find_map(|(name, read)| Some((document.get(*name)?.as_array()?, read)))?;
    Some(ndjson::refuse_other_versions(0, &document).and_then(|()| read(rows)))
}

/// Reads the rows of a document.
type ReadRows = fn(&[Value]) -> Result<Held, Damage>;

/// Names under which documents have rows that are read back.
const KINDS: &[(&str, ReadRows)] = &[("findings", findings), ("flows", flows_of)];

fn findings(rows: &[Value]) -> Result<Held, Damage> {
    let rows = each(rows, |line, object| ndjson::made(line, object, row).map(|row| (line, row)))?;
    refuse_twins(&rows)?;
    Ok(Held::Findings(rows.into_iter().map(|(_, row)| row).collect()))
}

fn flows_of(rows: &[Value]) -> Result<Held, Damage> {
    each(rows, |line, object| ndjson::made(line, object, flows::line)).map(Held::Flows)
}

/// Our documents have their first row in the second line, and each in a line of its own.
fn each<T>(
    rows: &[Value],
    read: impl Fn(u64, &Map<String, Value>) -> Result<T, Damage>,
) -> Result<Vec<T>, Damage> {
    let one = |(line, value): (u64, &Value)| match value {
        Value::Object(object) => read(line, object),
        _ => Err(Damage::new(line, "expected an object for each row")),
    };
    (2..).zip(rows).map(one).collect()
}
