//! MQTT, WebSocket and HTTP CONNECT.

use std::collections::BTreeMap;

use wireclaim::model::Value;

use super::case::{Case, Row, Stream};
use super::ledger::Ledger;

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let rows = |table| -> Vec<(String, Row)> {
        let labelled = |row: Row| (format!("{}:{}", row["transport"], row["stream"]), row);
        case.table(table).into_iter().map(labelled).collect()
    };
    for stream in case.streams(&rows("mqtt"), "mqtt.") {
        mqtt(&stream, ledger);
    }
    for stream in case.streams(&rows("ws"), "websocket.") {
        websocket(&stream, ledger);
    }
    let connects = rows("connect");
    for stream in case.streams(&connects, "http.connect.") {
        let own = connects.iter().filter(|(label, _)| *label == stream.label);
        let (targets, statuses): (Vec<_>, Vec<_>) =
            own.map(|(_, row)| (row["target"].as_str(), row["status"].as_str())).unzip();
        let ours = |field| stream.all(field).join(" ");
        ledger.compare("connect.target", &stream.label, &targets.join(" "), &ours("http.connect.target"));
        ledger.compare("connect.status", &stream.label, &statuses.join(" "), &ours("http.connect.status"));
    }
}

/// Control packets by type number, as the tables call them; type 0 has no name there.
const PACKETS: [&str; 16] = [
    "0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

fn mqtt(stream: &Stream<'_>, ledger: &mut Ledger) {
    let mut compare = |fact, theirs: &str, ours: &str| ledger.compare(fact, &stream.label, theirs, ours);
    let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
    for field in ["mqtt.client_packets", "mqtt.server_packets"] {
        for (word, count) in stream.counts(field) {
            let word = if word == "reserved" { String::from("0") } else { word.to_uppercase() };
            let number = PACKETS.iter().position(|name| *name == word).unwrap();
            *counts.entry(number).or_default() += count;
        }
    }
    let shown: Vec<String> =
        counts.iter().map(|(number, count)| format!("{}:{count}", PACKETS[*number])).collect();
    compare("mqtt.packets", stream.cell("counts"), &shown.join(" "));
    let theirs = stream.cell("counts").split(' ').find_map(|pair| pair.strip_prefix("CONNECT:"));
    let ours = counts.get(&1).map(u64::to_string).unwrap_or_default();
    compare("mqtt.connects", theirs.unwrap_or_default(), &ours);
    for (fact, column, field) in [
        ("mqtt.client_id", "client_id", "mqtt.client_id"),
        ("mqtt.protocol_name", "proto_name", "mqtt.protocol_name"),
        ("mqtt.protocol_level", "proto_version", "mqtt.protocol_level"),
        ("mqtt.keep_alive", "keepalive", "mqtt.keep_alive"),
        ("mqtt.connack_code", "connack_code", "mqtt.connack_code"),
    ] {
        compare(fact, stream.cell(column), &stream.first(field));
    }
}

fn websocket(stream: &Stream<'_>, ledger: &mut Ledger) {
    let mut compare = |fact, theirs: &str, ours: &str| ledger.compare(fact, &stream.label, theirs, ours);
    let accepted = !stream.all("websocket.accepted").is_empty();
    let status = if accepted { String::from("101") } else { stream.first("websocket.refused") };
    compare("websocket.status", stream.cell("status"), &status);
    // The table has no row for a request that nobody answered.
    let host = if status.is_empty() { String::new() } else { stream.first("http.host") };
    compare("websocket.host", stream.cell("host"), &host);
    compare("websocket.opened", stream.cell("open_ts"), &time(stream, "websocket.opened"));
    let list = |field| stream.all(field).join(", ");
    // Bearer tokens are shown as `*`, on purpose: no report shall hold one, nor shall the list of disagreements.
    let masked = |offered: &str| match offered.split_once("authorization.bearer.") {
        Some((before, token)) if !token.contains(',') => format!("{before}authorization.bearer.*"),
        _ => offered.to_owned(),
    };
    let offered = masked(stream.cell("offered_subprotocol"));
    compare("websocket.offered", &offered, &list("websocket.subprotocol_offered"));
    compare("websocket.subprotocol", stream.cell("accepted_subprotocol"), &list("websocket.subprotocol"));
    compare("websocket.extensions", stream.cell("extensions"), &list("websocket.extension"));
    let mut frames = stream.counts("websocket.client_frames");
    for (word, count) in stream.counts("websocket.server_frames") {
        *frames.entry(word).or_default() += count;
    }
    let order = ["continuation", "text", "binary", "close", "ping", "pong", "reserved"];
    let shown = order.iter().filter_map(|word| {
        let count = frames.get(*word)?;
        Some(format!("{}:{count}", if *word == "continuation" { "cont" } else { word }))
    });
    compare("websocket.frames", stream.cell("frames_by_opcode"), &shown.collect::<Vec<_>>().join(" "));
    let by = stream.first("websocket.closed_by");
    compare("websocket.closed", stream.cell("close_ts"), &time(stream, "websocket.closed"));
    compare("websocket.closed_by", stream.cell("close_by"), &by);
    let code = stream.first(&format!("websocket.{by}_close_code"));
    compare("websocket.close_code", stream.cell("close_code"), &code);
}

/// Seconds with nine digits after the point.
fn time(stream: &Stream<'_>, field: &str) -> String {
    let facts = stream.flow.into_iter().flat_map(|flow| flow.facts.iter());
    let mut times = facts.filter(|fact| fact.field.name == field).filter_map(|fact| match fact.value {
        Value::Time(time) => Some(format!("{}.{:09}", time.secs(), time.nanos().rem_euclid(1_000_000_000))),
        _ => None,
    });
    times.next().unwrap_or_default()
}
