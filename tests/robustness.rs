//! Every capture at hand through the whole pipeline, whole and spoilt in many ways: no panic, no hang, every frame
//! accounted for, and every report written. Captures made by others are skipped where they are not:
//! `WIRECLAIM_CAPTURES` names their folder, else `../shared/captures` is tried.
//!
//! `WIRECLAIM_ROUNDS=N` spoils each file in N times as many ways, `WIRECLAIM_SEED=N` in others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, and these tests print what they did"
)]

mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use support::damage;
use support::pcap::Pcap;
use support::random::Random;
use wireclaim::capture::{Input, Options};
use wireclaim::checks::devices::Selector;
use wireclaim::error::Error;
use wireclaim::model::Finding;
use wireclaim::model::evidence::Evidence;
use wireclaim::model::observation::MAX_VALUES;
use wireclaim::pipeline::judge::{self, Judgement, Scene, Task};
use wireclaim::pipeline::{self, Analysis};
use wireclaim::profile::{bind, builtin};
use wireclaim::report::{self, Content, Format, Output, View};

#[test]
fn fixtures_survive_every_damage() {
    let files: Vec<PathBuf> = support::cases().iter().map(|case| support::capture(case)).collect();
    Lab::new("fixtures").campaign(&files, 1);
}

#[test]
fn captures_of_others_survive_every_damage() {
    let Some(folder) = support::shared_captures() else { return };
    Lab::new("captures").campaign(&support::files(&folder.join("files")), 1);
}

/// What panicked, as its hook was told; emptied after each run.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what panics say and where, instead of printing it: a panic inside an analyzer is caught on the spot and
/// would be known by the analyzer's name only.
fn record_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            if name.ends_with("_damage") {
                // A failed assertion of the test itself.
                before(info);
            }
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
        }));
    });
}

/// Everything that one campaign needs.
struct Lab {
    scratch: tempfile::TempDir,
    /// Who a user would judge.
    tasks: Vec<Task>,
    /// Everybody in the capture, by every profile.
    everybody: Vec<Task>,
    /// Runs so far, and what is being run.
    runs: Arc<AtomicU64>,
    current: Arc<Mutex<String>>,
    /// Failures by their first line, with how often and where first.
    failures: BTreeMap<String, (usize, String)>,
    frames: u64,
    findings: u64,
}

impl Lab {
    fn new(name: &'static str) -> Self {
        record_panics();
        let lab = Self {
            scratch: tempfile::tempdir().unwrap(),
            tasks: tasks(&[]),
            everybody: tasks(&["0.0.0.0/0", "::/0"]),
            runs: Arc::default(),
            current: Arc::default(),
            failures: BTreeMap::new(),
            frames: 0,
            findings: 0,
        };
        watch(name, Arc::clone(&lab.runs), Arc::clone(&lab.current));
        lab
    }

    /// Every file whole and spoilt; `thorough` times as often as usual.
    fn campaign(mut self, files: &[PathBuf], thorough: usize) {
        let number = |name: &str, default: usize| {
            std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
        };
        let (rounds, seed) = (number("WIRECLAIM_ROUNDS", 1), number("WIRECLAIM_SEED", 0));
        for (index, path) in files.iter().enumerate() {
            let random = &mut Random::new((seed * 100_003 + index) as u64);
            self.file(path, rounds * thorough, random);
        }
        println!(
            "{} files, {} runs, {} frames, {} findings",
            files.len(),
            self.runs.load(Ordering::Relaxed),
            self.frames,
            self.findings
        );
        let failures: Vec<String> = self
            .failures
            .iter()
            .map(|(what, (count, first))| format!("{count} times, first with {first}: {what}"))
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }

    fn file(&mut self, path: &Path, rounds: usize, random: &mut Random) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.run(&name, path, true);
        let spoilt = self.scratch.path().join("spoilt");
        let whole = std::fs::read(path).unwrap();
        // Large files add time, not cases.
        let whole = whole.get(..100_000).unwrap_or(&whole);
        for round in 0..(3 * rounds) {
            std::fs::write(&spoilt, damage::file(whole, round, random)).unwrap();
            self.run(&format!("{name}, bytes of the file spoilt, round {round}"), &spoilt, round == 1);
        }
        let Some(pcap) = Pcap::read(path, 250) else { return };
        for round in 0..rounds {
            for way in damage::WAYS {
                let mut pcap = pcap.clone();
                (way.apply)(&mut pcap, random);
                pcap.write(&spoilt);
                self.run(&format!("{name}, frames {}, round {round}", way.name), &spoilt, random.one_in(8));
            }
        }
    }

    /// One run of everything, and what is wrong with it.
    fn run(&mut self, what: &str, path: &Path, fully: bool) {
        what.clone_into(&mut self.current.lock().unwrap());
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let jobs = 1 + (run % 2) as usize;
        let done = catch_unwind(AssertUnwindSafe(|| self.through(path, jobs, fully)));
        let mut problems = match done {
            Ok(Ok((frames, findings))) => {
                self.frames += frames;
                self.findings += findings;
                Vec::new()
            }
            Ok(Err(problem)) => vec![problem],
            Err(_) => vec![String::from("panicked")],
        };
        // The other campaign may have panicked meanwhile: once too often is better than never.
        let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
        problems.extend(panics);
        for problem in problems {
            let entry = self.failures.entry(problem).or_insert_with(|| (0, what.to_owned()));
            if entry.0 == 0
                && let Some(folder) = std::env::var_os("WIRECLAIM_KEEP")
            {
                let name: String =
                    what.chars().map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' }).collect();
                std::fs::copy(path, Path::new(&folder).join(name)).unwrap();
            }
            entry.0 += 1;
        }
    }

    /// Reads, analyses, judges, folds and writes; how many frames and findings, or what is wrong. One run in eight
    /// (and the first, of the whole file) writes the rows of all claims too, and in every format: that takes longest.
    fn through(&self, path: &Path, jobs: usize, fully: bool) -> Result<(u64, u64), String> {
        let input = match Input::open(&[path], Options::default()) {
            Ok(input) => input,
            Err(Error::NotACapture { .. } | Error::Unreadable { .. }) => return Ok((0, 0)),
            Err(error) => return Err(format!("open: {error}")),
        };
        let analysis = pipeline::analyse(input, jobs).map_err(|error| error.to_string())?;
        consistent(&analysis)?;
        let scene = Scene::new(&analysis, &[], &self.everybody);
        let few = scene.hosts.known().count() + scene.hosts.far().len() <= 6;
        let scene = if few { scene } else { Scene::new(&analysis, &[], &self.tasks) };
        let Judgement { findings, rows, .. } = judge::judge(&scene, judge::Show::EveryClaim);
        for finding in findings.iter().chain(&rows) {
            if finding.message.is_empty() || finding.code.is_empty() {
                return Err(format!("a finding without words: {finding:?}"));
            }
            finding.evidence.as_ref().map_or(Ok(()), |evidence| known_frames(evidence, &analysis))?;
        }
        let found = findings;
        let rows = if fully { rows } else { Vec::new() };
        let all = report::fold(found.iter().cloned().chain(rows));
        let ids: std::collections::BTreeSet<String> = all.iter().map(report::finding_id).collect();
        if ids.len() != all.len() {
            return Err(format!("{} identities for {} findings", ids.len(), all.len()));
        }
        self.write(&analysis, &scene, &all, fully)?;
        Ok((analysis.stats.frames, found.len() as u64))
    }

    /// Writes every report that this build has and reads it again.
    fn write(
        &self,
        analysis: &Analysis,
        scene: &Scene<'_>,
        findings: &[Finding],
        fully: bool,
    ) -> Result<(), String> {
        let flows = analysis.flows.all();
        let flows = scene.flow_rows(&flows);
        let path = self.scratch.path().join("report");
        let view = View { captures: &analysis.captures, width: Some(80), color: true };
        let output = || Output::create(Some(&path)).map_err(|error| error.to_string());
        for format in
            report::REGISTRY.iter().filter(|format| format.available && (fully || format.name == "ndjson"))
        {
            if format.offers(Content::Findings) {
                format.write_findings(findings, &view, output()?).map_err(|error| error.to_string())?;
                readable(format, &path, findings.len(), Content::Findings)?;
            }
            if format.offers(Content::Flows) {
                format.write_flows(&flows, &view, output()?).map_err(|error| error.to_string())?;
                readable(format, &path, flows.len(), Content::Flows)?;
            }
        }
        Ok(())
    }
}

/// Every shipped profile, in the variants that judge most; `devices` as selectors.
fn tasks(devices: &[&str]) -> Vec<Task> {
    let variants = [
        ("electric-imp", None),
        ("electric-imp", Some("proxy")),
        ("farmbot", None),
        ("fortrabbit", None),
        ("smartserver", Some("enhanced")),
    ];
    variants
        .iter()
        .map(|(name, variant)| {
            let profile = Arc::new(builtin::open(name).unwrap());
            let variants: Vec<String> = variant.iter().map(|text| (*text).to_owned()).collect();
            let mut sets = Vec::new();
            if *name == "fortrabbit" {
                sets.push(("standard_ports".to_owned(), "22,25,80,443,587,993".to_owned()));
            }
            Task {
                declaration: bind::bind(&profile, &variants, &sets).unwrap(),
                selectors: devices.iter().map(|text| Selector::parse(text)).collect(),
            }
        })
        .collect()
}

/// What holds for every input.
fn consistent(analysis: &Analysis) -> Result<(), String> {
    if let Some(error) = analysis.internal_errors.first() {
        return Err(format!("internal error in {}", error.analyzer));
    }
    if let Some(error) = &analysis.read_error {
        return Err(format!("read error: {error}"));
    }
    let stats = &analysis.stats;
    let skipped: u64 = stats.skipped.values().sum();
    if stats.frames != stats.analysed + skipped {
        return Err(format!(
            "{} frames are not {} analysed and {skipped} skipped",
            stats.frames, stats.analysed
        ));
    }
    let read: u64 = analysis.captures.iter().map(|capture| capture.frames).sum();
    if read != stats.frames {
        return Err(format!("{read} frames read, {} counted", stats.frames));
    }
    let flows = analysis.flows.all();
    let packets: u64 = flows.iter().map(|flow| flow.packets.orig + flow.packets.resp).sum();
    if packets > stats.analysed {
        return Err(format!("{packets} packets in flows, {} frames analysed", stats.analysed));
    }
    for flow in &flows {
        let mut values: BTreeMap<&str, usize> = BTreeMap::new();
        for fact in &flow.facts {
            *values.entry(fact.field.name).or_default() += 1;
            known_frames(&fact.evidence, analysis)?;
        }
        if let Some((field, count)) = values.iter().find(|(_, count)| **count > MAX_VALUES) {
            return Err(format!("{count} values of {field}"));
        }
    }
    Ok(())
}

/// Evidence has to be where somebody can look it up.
fn known_frames(evidence: &Evidence, analysis: &Analysis) -> Result<(), String> {
    let unknown = evidence.frames().find(|frame| {
        let capture = analysis.captures.iter().find(|capture| capture.id == frame.capture());
        !capture.is_some_and(|capture| (1..=capture.frames).contains(&frame.no().0))
    });
    unknown.map_or(Ok(()), |frame| Err(format!("evidence in a frame that is not there: {frame:?}")))
}

/// The right number of rows, and of cells in each.
fn readable(format: &Format, path: &Path, rows: usize, content: Content) -> Result<(), String> {
    let bytes = std::fs::read(path).unwrap();
    let columns = report::columns(content).len();
    let wrong = |what: String| Err(format!("{} of {content:?}: {what}", format.name));
    match format.name {
        "ndjson" => {
            let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
            if text.lines().count() != rows {
                return wrong(format!("{} lines for {rows} rows", text.lines().count()));
            }
            for line in text.lines() {
                let object: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
                // The version of the schema comes first.
                if object.len() != columns + 1 {
                    return wrong(format!("{} keys for {columns} columns: {line}", object.len()));
                }
            }
        }
        "csv" => {
            let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
            let records = support::records(&text);
            if records.len() != rows + 1 {
                return wrong(format!("{} records for {rows} rows", records.len()));
            }
            if let Some(record) = records.iter().find(|record| record.len() != columns) {
                return wrong(format!("{} cells for {columns} columns: {record:?}", record.len()));
            }
        }
        "table" => {
            let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
            if text.chars().any(|c| c.is_control() && c != '\n' && c != '\u{1b}') {
                return wrong(format!("control characters: {text:?}"));
            }
        }
        _ if bytes.is_empty() => return wrong(String::from("nothing written")),
        _ => {}
    }
    Ok(())
}

/// Ends the test with a word on what hangs, where otherwise nobody would know.
fn watch(name: &'static str, runs: Arc<AtomicU64>, current: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let (mut last, mut same) = (0, 0);
        loop {
            std::thread::sleep(Duration::from_secs(10));
            let now = runs.load(Ordering::Relaxed);
            // When the campaign is over it holds no copy any more.
            if Arc::strong_count(&runs) == 1 {
                return;
            }
            same = if now == last { same + 1 } else { 0 };
            last = now;
            if same >= 18 {
                eprintln!("{name}: hangs with {}", current.lock().unwrap());
                std::process::abort();
            }
        }
    });
}
