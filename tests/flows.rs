//! Streams of every real capture at hand: no more bytes are handed out than were sent. Skipped where the captures are
//! not: `WIRECLAIM_CAPTURES` names their folder, else `../shared/captures` is tried.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, each test binary uses its own part, and tests print how much agrees"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wireclaim::capture::{Input, Options};
use wireclaim::decode::{Decoded, decode, quoted};
use wireclaim::flow::{FlowHead, FlowTable, Handler, KeyHasher, Limits};
use wireclaim::model::evidence::Seen;
use wireclaim::model::{Direction, Flow};

/// Counts what it is given.
struct Keep;

impl Handler for Keep {
    /// Stream bytes handed out.
    type State = u64;

    fn data(&mut self, out: &mut u64, _: &FlowHead, _: Direction, bytes: &[u8], _: Seen) -> bool {
        *out += bytes.len() as u64;
        true
    }

    fn gap(&mut self, _: &mut u64, _: &FlowHead, _: Direction, _: u64, _: Seen) -> bool {
        true
    }

    fn datagram(&mut self, _: &mut u64, _: &FlowHead, _: Direction, _: &[u8], _: u32, _: Seen) -> bool {
        true
    }

    fn closed(&mut self, _: &mut u64, _: &FlowHead, _: Seen) -> Option<Direction> {
        None
    }
}

/// The flows of a capture, each with how many stream bytes it gave; `ip_bytes` of each are bytes of whole frames,
/// which is what tshark counts. `None` if the file is no capture.
fn flows(path: &Path) -> Option<Vec<(u64, Flow)>> {
    let mut input = Input::open(&[path], Options::default()).ok()?;
    let (mut table, hasher) = (FlowTable::new(Limits::default()), KeyHasher::default());
    while let Ok(Some(batch)) = input.next_batch() {
        for frame in batch.frames() {
            if let Decoded::Packet(mut packet) = decode(&frame) {
                packet.ip_len = frame.orig_len;
                table.packet(&packet, hasher.hash(&packet.key()), &mut Keep);
                if let Some(quoted) = quoted(&packet) {
                    table.icmp_error(&packet, &quoted, hasher.hash(&quoted));
                }
            }
        }
    }
    table.close(&mut Keep);
    let flows = table.outlines().filter_map(|(at, ..)| table.flow(at));
    Some(flows.map(|(flow, out)| (out.copied().unwrap_or(0), flow)).collect())
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("WIRECLAIM_CAPTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    if folder.join("files").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no captures in `{}` (WIRECLAIM_CAPTURES names their folder)", folder.display());
    None
}

/// Cells of a CSV file without quoted line breaks, by column name.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let row = |line: &str| header.iter().map(|name| (*name).to_owned()).zip(cells(line)).collect();
    lines.map(row).collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

#[test]
fn no_stream_gives_more_bytes_than_were_sent() {
    let Some(folder) = folder() else { return };
    for case in table(&folder.join("catalog.csv")) {
        for (handed_out, flow) in flows(&folder.join("files").join(&case["path"])).unwrap_or_default() {
            let sent = flow.bytes.orig + flow.bytes.resp;
            assert!(handed_out <= sent, "{}: {} of {sent} bytes", case["path"], handed_out);
        }
    }
}
