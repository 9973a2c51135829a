//! One capture: what we find in it, and the tables of what tshark does, joined by stream.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use wireclaim::capture::{Input, Options};
use wireclaim::error::Error;
use wireclaim::model::{Endpoint, Flow, Transport};
use wireclaim::pipeline::{Analysis, Copies, Terms, analyse_on};

use super::support;

/// A row of a table: name of column to cell.
pub(crate) type Row = BTreeMap<String, String>;

/// Two ends of a transport, the smaller first.
pub(crate) type Ends = (Transport, Endpoint, Endpoint);

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    truth: PathBuf,
    /// Whether parts of it wait (tunnels, fragments): then only streams that both sides know are compared.
    pub(crate) partial: bool,
    pub(crate) analysis: Analysis,
    pub(crate) flows: Vec<Flow>,
    /// tshark's number of each of our flows (`tcp:0`), by index; our own words where it knows no such stream.
    labels: Vec<String>,
}

/// A stream as both sides know it; at least one does.
pub(crate) struct Stream<'a> {
    pub(crate) label: String,
    pub(crate) row: Option<&'a Row>,
    pub(crate) flow: Option<&'a Flow>,
}

impl Case {
    /// Reads a capture of the catalogue; `None` if it has a format that we do not read.
    pub(crate) fn read(folder: &Path, name: &str, partial: bool) -> Option<Self> {
        let path = folder.join("files").join(name);
        let input = match Input::open(&[&path], Options::default()) {
            Ok(input) => input,
            Err(Error::NotACapture { .. }) => return None,
            Err(error) => panic!("{name}: {error}"),
        };
        // tshark counts every frame.
        let analysis = match analyse_on(input, Terms { copies: Copies::Keep, ..Terms::default() }) {
            Ok(Analysis { read_error: Some(Error::NotACapture { .. }), .. })
            | Err(Error::NotACapture { .. }) => return None,
            Ok(analysis) => analysis,
            Err(error) => panic!("{name}: {error}"),
        };
        assert!(analysis.internal_errors.is_empty(), "{name}: {:?}", analysis.internal_errors);
        let truth = folder.join("truth").join(name);
        let flows = analysis.flows.all();
        let mut case =
            Self { name: name.to_owned(), path, truth, partial, analysis, flows, labels: Vec::new() };
        case.labels = case.label();
        Some(case)
    }

    /// The rows of a table.
    pub(crate) fn table(&self, name: &str) -> Vec<Row> {
        let path = self.truth.join(name).with_extension("csv");
        support::csv(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    /// Flows of TCP and UDP and what tshark calls them.
    pub(crate) fn flows(&self) -> impl Iterator<Item = (&str, &Flow)> {
        let labelled = self.labels.iter().map(String::as_str).zip(&self.flows);
        labelled.filter(|(label, _)| !label.is_empty())
    }

    /// The n-th flow between two ends is the n-th stream there.
    fn label(&self) -> Vec<String> {
        let mut streams: BTreeMap<Ends, Vec<String>> = BTreeMap::new();
        for row in self.table("flows") {
            if let Some(ends) = ends_of_row(&row) {
                streams.entry(ends).or_default().push(format!("{}:{}", row["proto"], row["stream"]));
            }
        }
        let mut order: Vec<usize> = (0..self.flows.len()).collect();
        order.sort_by_key(|&at| self.flows[at].id);
        let mut labels = vec![String::new(); order.len()];
        let mut used: BTreeMap<Ends, usize> = BTreeMap::new();
        for at in order {
            let flow = &self.flows[at];
            let Some(ends) = ends_of_flow(flow) else { continue };
            let number = used.entry(ends).or_default();
            let stream = streams.get(&ends).and_then(|list| list.get(*number));
            labels[at] = stream.cloned().unwrap_or_else(|| format!("{} #{number}", flow.key.unordered()));
            *number += 1;
        }
        labels
    }

    /// Rows of streams, and flows with a fact whose name begins with `prefix`, side by side.
    pub(crate) fn streams<'a>(&'a self, rows: &'a [(String, Row)], prefix: &str) -> Vec<Stream<'a>> {
        let mut joined: BTreeMap<&str, (Option<&Row>, Option<&Flow>)> = BTreeMap::new();
        let known: BTreeSet<&str> = self.flows().map(|(label, _)| label).collect();
        for (label, row) in rows.iter().filter(|(label, _)| !self.partial || known.contains(label.as_str())) {
            joined.entry(label).or_default().0.get_or_insert(row);
        }
        for (label, flow) in self.flows() {
            if flow.facts.iter().any(|fact| fact.field.name.starts_with(prefix)) {
                joined.entry(label).or_default().1 = Some(flow);
            }
        }
        let stream = |(label, (row, flow)): (&str, _)| Stream { label: label.to_owned(), row, flow };
        joined.into_iter().map(stream).collect()
    }
}

impl Stream<'_> {
    /// What tshark says.
    pub(crate) fn cell(&self, column: &str) -> &str {
        self.row.map_or("", |row| row[column].as_str())
    }

    /// The values of a field that we observed, in order.
    pub(crate) fn all(&self, field: &str) -> Vec<String> {
        let facts = self.flow.into_iter().flat_map(|flow| flow.facts.iter());
        facts.filter(|fact| fact.field.name == field).map(|fact| fact.value.to_string()).collect()
    }

    /// The first of them, or nothing.
    pub(crate) fn first(&self, field: &str) -> String {
        self.all(field).into_iter().next().unwrap_or_default()
    }

    /// Numbers of two bytes among them, as tshark writes them.
    pub(crate) fn hex(&self, field: &str) -> Vec<String> {
        self.all(field).iter().map(|number| format!("0x{:04x}", number.parse::<u64>().unwrap())).collect()
    }

    /// How often each value was seen.
    pub(crate) fn counts(&self, field: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for fact in self.flow.into_iter().flat_map(|flow| flow.facts.iter()) {
            if fact.field.name == field {
                *counts.entry(fact.value.to_string()).or_default() += fact.evidence.count;
            }
        }
        counts
    }
}

/// The ends of a flow of TCP or UDP.
pub(crate) fn ends_of_flow(flow: &Flow) -> Option<Ends> {
    let key = flow.key.unordered();
    matches!(key.transport, Transport::Tcp | Transport::Udp).then_some((key.transport, key.orig, key.resp))
}

/// The ends of a row of `flows.csv`; `None` for transports over other networks than IP.
pub(crate) fn ends_of_row(row: &Row) -> Option<Ends> {
    let end =
        |ip: &str, port: &str| Some(Endpoint { ip: row[ip].parse().ok()?, port: row[port].parse().ok()? });
    let (a, b) = (end("a", "a_port")?, end("b", "b_port")?);
    let transport = if row["proto"] == "tcp" { Transport::Tcp } else { Transport::Udp };
    Some((transport, a.min(b), a.max(b)))
}
