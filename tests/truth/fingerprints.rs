//! Fingerprints of hellos against those that other projects published beside the captures: FoxIO's own JA4 (its Rust and
//! its Python), nDPI's JA4, JA3 and JA3S, and Suricata's JA3. What tshark says is compared with the handshakes.

use std::path::Path;

use wireclaim::model::{Endpoint, Transport};

use super::case::{Case, Ends, Row, ends_of_flow};
use super::ledger::Ledger;

/// A fingerprint that somebody published.
struct Published {
    /// `None`: some flow of the capture.
    ends: Option<Ends>,
    fact: &'static str,
    value: String,
}

/// Compares with what `expected.csv` (its rows are `list`) names for the capture.
pub(crate) fn compare(folder: &Path, list: &[Row], case: &Case, ledger: &mut Ledger) {
    for row in list.iter().filter(|row| row["capture"] == case.name) {
        let name = &row["expected_result"];
        let Ok(text) = std::fs::read_to_string(folder.join("expected").join(name)) else { continue };
        let source = match name.as_str() {
            name if name.contains("/snapshots/") => foxio_rust(&text),
            name if name.contains("/python/") => foxio_python(&text),
            name if name.starts_with("ntop+nDPI/") => ndpi(&text),
            name if name.ends_with("/test.yaml") => suricata(&text),
            _ => continue,
        };
        source.iter().for_each(|published| one(published, case, ledger));
    }
}

fn one(published: &Published, case: &Case, ledger: &mut Ledger) {
    let flows: Vec<_> = (case.flows.iter())
        .filter(|flow| published.ends.is_none() || ends_of_flow(flow) == published.ends)
        .collect();
    let name = published.fact.trim_start_matches("published");
    let ours: Vec<String> = (flows.iter().flat_map(|flow| flow.facts.iter()))
        .filter(|fact| fact.field.name.ends_with(name))
        .map(|fact| fact.value.to_string())
        .collect();
    // Wait for tunnels.
    if flows.is_empty() && case.partial {
        return;
    }
    let key = published
        .ends
        .map_or_else(|| String::from("some flow"), |(transport, a, b)| format!("{transport} {a} {b}"));
    let same = ours.contains(&published.value);
    let shown = if same { published.value.clone() } else { ours.join(" ") };
    ledger.compare(published.fact, &key, &published.value, &shown);
}

fn ends(transport: &str, a: (&str, &str), b: (&str, &str)) -> Option<Ends> {
    let end = |(ip, port): (&str, &str)| {
        Some(Endpoint { ip: ip.trim_matches(['[', ']']).parse().ok()?, port: port.parse().ok()? })
    };
    let transport = match transport {
        "tcp" | "TCP" => Transport::Tcp,
        "udp" | "UDP" => Transport::Udp,
        _ => return None,
    };
    let (a, b) = (end(a)?, end(b)?);
    Some((transport, a.min(b), a.max(b)))
}

/// A list of streams in YAML, of which only lines `key: value` are looked at.
fn foxio_rust(text: &str) -> Vec<Published> {
    let stream = |block: &str| {
        let get = |name: &str| {
            let value = block.lines().find_map(|line| line.strip_prefix(&format!("  {name}: ")));
            value.unwrap_or_default().to_owned()
        };
        let (src, dst) = (get("src"), get("dst"));
        let ends = ends(&get("transport"), (&src, &get("src_port")), (&dst, &get("dst_port")))?;
        Some(Published { ends: Some(ends), fact: "published.ja4", value: get("ja4") })
    };
    let blocks = text.split("\n- stream: ").skip(1).filter_map(stream);
    blocks.filter(|published| !published.value.is_empty()).collect()
}

/// A list of streams in JSON.
fn foxio_python(text: &str) -> Vec<Published> {
    let streams: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let stream = |stream: &serde_json::Value| {
        let get = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
        let value = get("JA4.1");
        // It does not say which transport; the first letter does.
        let transport = if value.starts_with('q') { "udp" } else { "tcp" };
        let ends = ends(transport, (&get("src"), &get("srcport")), (&get("dst"), &get("dstport")))?;
        (!value.is_empty()).then_some(Published { ends: Some(ends), fact: "published.ja4", value })
    };
    streams.iter().filter_map(stream).collect()
}

/// Lines such as `1  TCP 192.0.2.1:1 <-> 192.0.2.2:443 […][JA4: …][JA3S: …]`.
fn ndpi(text: &str) -> Vec<Published> {
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().take(5).collect();
        let [_, transport, a, "<->" | "->", b] = words[..] else { continue };
        let (Some(a), Some(b)) = (a.rsplit_once(':'), b.rsplit_once(':')) else { continue };
        let Some(ends) = ends(transport, a, b) else { continue };
        for (mark, fact) in
            [("[JA4: ", "published.ja4"), ("[JA3C: ", "published.ja3"), ("[JA3S: ", "published.ja3s")]
        {
            for rest in line.split(mark).skip(1) {
                let value = rest.split([']', ' ']).next().unwrap_or_default().to_owned();
                found.push(Published { ends: Some(ends), fact, value });
            }
        }
    }
    found
}

/// Lines `tls.ja3.hash: "…"` of a list of checks.
fn suricata(text: &str) -> Vec<Published> {
    let hashes = text.lines().filter_map(|line| line.trim().strip_prefix("tls.ja3.hash: "));
    let published = |hash: &str| Published {
        ends: None,
        fact: "published.ja3",
        value: hash.trim_matches('"').to_owned(),
    };
    hashes.map(published).collect()
}
