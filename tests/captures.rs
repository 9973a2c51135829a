//! Every real capture at hand, whole and damaged, against what tshark says of it. Skipped where the captures
//! are not: `WIRECLAIM_CAPTURES` names their folder, else `../shared/captures` is tried.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, and these tests print how much agrees"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use wireclaim::capture::{Input, Options, Summary};
use wireclaim::decode::{Decoded, Defragmenter, decode, neighbour, whole};
use wireclaim::error::{Error, Result};
use wireclaim::model::Timestamp;
use wireclaim::model::stats::Stats;

fn captures() -> Option<PathBuf> {
    let folder = std::env::var_os("WIRECLAIM_CAPTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    if folder.join("files").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no captures in `{}` (WIRECLAIM_CAPTURES names their folder)", folder.display());
    None
}

/// A capture and the folder of what tshark says of it.
struct Case {
    name: String,
    path: PathBuf,
    truth: PathBuf,
    tags: BTreeSet<String>,
}

fn cases(folder: &Path) -> Vec<Case> {
    let catalog = fs::read_to_string(folder.join("catalog.csv")).unwrap();
    let mut lines = catalog.lines().map(cells);
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|cell| cell == name).unwrap();
    let (path, tags) = (column("path"), column("tags"));
    lines
        .map(|row| Case {
            name: row[path].clone(),
            path: folder.join("files").join(&row[path]),
            truth: folder.join("truth").join(&row[path]),
            tags: row[tags].split(' ').map(str::to_owned).collect(),
        })
        .collect()
}

/// The cells of a CSV line without line breaks in quotes.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

fn meta(case: &Case) -> BTreeMap<String, String> {
    let text = fs::read_to_string(case.truth.join("meta.csv")).unwrap_or_default();
    text.lines().map(cells).filter_map(|row| Some((row.first()?.clone(), row.get(1)?.clone()))).collect()
}

/// Reads and decodes everything and checks that every frame is accounted for.
fn run(paths: &[PathBuf]) -> Result<(Stats, Summary)> {
    let mut input = Input::open(paths, Options::default())?;
    let mut stats = Stats::default();
    let mut defragmenter = Defragmenter::default();
    while let Some(batch) = input.next_batch()? {
        for frame in batch.frames() {
            let decoded = decode(&frame);
            stats.frame(&frame, decoded.fate());
            match decoded {
                Decoded::Packet(packet) => {
                    assert!(packet.payload.len() <= packet.payload_len as usize);
                    let _ = neighbour(&packet);
                }
                Decoded::Fragment(fragment) => {
                    if let Some(packet) = defragmenter.add(&fragment, &mut stats) {
                        let _ = whole(&packet);
                    }
                }
                Decoded::Neighbour(_) | Decoded::Lldp(_) | Decoded::Other | Decoded::Skipped(_) => {}
            }
        }
    }
    defragmenter.finish(&mut stats);
    let summary = input.finish();
    stats.merge(&summary.passed_over);
    assert_eq!(stats.frames, stats.analysed + stats.skipped.values().sum::<u64>());
    assert_eq!(stats.frames, summary.captures.iter().map(|info| info.frames).sum::<u64>());
    Ok((stats, summary))
}

/// Captures of formats that we do not read.
const OTHER_FORMATS: &[&str] = &["netmon", "snoop", "ngsniffer", "other-format"];

#[test]
fn frames_and_times_of_every_capture_are_those_that_tshark_sees() {
    let Some(folder) = captures() else { return };
    let (mut agreed, mut differences) = (0, Vec::new());
    for case in cases(&folder) {
        let meta = meta(&case);
        let fact = |name: &str| meta.get(name).cloned().unwrap_or_default();
        let other_format = OTHER_FORMATS.iter().any(|tag| case.tags.contains(*tag));
        let (_, summary) = match run(std::slice::from_ref(&case.path)) {
            Ok(read) => read,
            Err(Error::NotACapture { looks_like, .. }) => {
                assert!(other_format, "{}: {looks_like}", case.name);
                continue;
            }
            Err(error) => panic!("{}: {error}", case.name),
        };
        assert!(!other_format, "{}", case.name);
        let info = &summary.captures[0];
        let mut facts = vec![
            ("frames", info.frames.to_string(), fact("frames_dissected")),
            ("damaged", info.damage.is_some().to_string(), (fact("tshark_rc") != "0").to_string()),
        ];
        // capinfos counts no records but frames, and gives up at damage.
        if info.damage.is_none() && info.frames > 0 {
            for (name, ours, theirs) in [
                ("first", info.first, fact("capinfos:Start time")),
                ("last", info.last, fact("capinfos:End time")),
            ] {
                if let (Some(ours), false) = (ours, theirs.is_empty() || theirs == "n/a") {
                    facts.push((name, like(ours, &theirs), theirs));
                }
            }
        }
        for (name, ours, theirs) in facts {
            if ours == theirs {
                agreed += 1;
            } else {
                let reason =
                    info.damage.as_ref().map(|damage| format!("{}: {}", damage.offset, damage.reason));
                differences.push(format!("{} {name}: {ours}, tshark {theirs} {reason:?}", case.name));
            }
        }
    }
    println!("{agreed} facts agree, {} differ", differences.len());
    let unknown: Vec<&String> = differences
        .iter()
        .filter(|difference| !KNOWN_DIFFERENCES.iter().any(|known| difference.contains(known)))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(agreed > 1_150, "{agreed}");
}

/// A time with as many digits as another has.
fn like(time: Timestamp, other: &str) -> String {
    let digits = other.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let nanos = format!("{:09}", time.nanos().rem_euclid(1_000_000_000));
    format!("{}.{}", time.secs(), nanos.get(..digits).unwrap_or(&nanos))
}

/// File and fact where we differ, and why.
const KNOWN_DIFFERENCES: &[&str] = &[
    // tshark refuses the file for a Bluetooth record of 3 bytes; it is damaged only 4785 records later.
    "BT_USB_LinCooked_Eth_80211_RT.ntar.gz frames: 4785, tshark 0",
    // Fractions of a second above one: capinfos prints them as they overflow, we carry them over.
    "FuzzTarget-6604968558198784 first: 538976826.9762880, tshark 538976288.2105376",
    "FuzzTarget-6604968558198784 last: 538976826.9762880, tshark 538976288.2105376",
    "rx_serviceid_oobr.pcap first: 3841.91697600, tshark 0.-2078753",
    // Times in the year 586524; ours end in 2262, and capinfos takes the first for the earliest.
    "pcapng-example.pcapng.zst first: 1422527998.578402, tshark 18446744073204.126329",
    "pcapng-example.pcapng.zst last: 9223372036.854775, tshark 18446744073204.277451",
];

#[test]
fn damaged_captures_never_panic_and_account_for_their_frames() {
    let Some(folder) = captures() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("damaged");
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 8) as usize % below.max(1)
    };
    let mut read = 0;
    for case in cases(&folder) {
        let whole = fs::read(&case.path).unwrap();
        // Large files add time, not cases.
        let whole = whole.get(..60_000).unwrap_or(&whole);
        for round in 0..12 {
            let mut damaged = whole.to_vec();
            if round % 2 == 0 {
                damaged.truncate(random(damaged.len()));
            } else {
                for _ in 0..=random(8) {
                    let at =
                        if round % 3 == 0 { random(200.min(damaged.len())) } else { random(damaged.len()) };
                    if let Some(byte) = damaged.get_mut(at) {
                        *byte ^= 1 << random(8);
                    }
                }
            }
            fs::write(&file, damaged).unwrap();
            match run(std::slice::from_ref(&file)) {
                Ok(_) => read += 1,
                Err(Error::NotACapture { .. } | Error::Unreadable { .. }) => {}
                Err(error) => panic!("{}: {error}", case.name),
            }
        }
    }
    assert!(read > 2_000, "{read}");
}

#[test]
fn the_whole_folder_is_one_input_in_order_of_time() {
    let Some(folder) = captures() else { return };
    let mut latest = BTreeMap::new();
    let mut input = Input::open(&[folder.join("files")], Options::default()).unwrap();
    let total = input.total_bytes();
    let mut frames = 0_u64;
    while let Some(batch) = input.next_batch().unwrap() {
        for frame in batch.frames() {
            let no = latest.insert(frame.at.capture(), frame.at.no());
            assert!(no < Some(frame.at.no()));
            frames += 1;
        }
    }
    let summary = input.finish();
    assert!(total > Some(10_000_000));
    assert!(summary.captures.len() > 290 && !summary.not_captures.is_empty());
    let names: BTreeSet<&str> = summary.captures.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names.len(), summary.captures.len(), "names are unique");
    let counted: u64 = summary.captures.iter().map(|info| info.frames).sum();
    assert_eq!(frames + summary.passed_over.frames, counted);
}
