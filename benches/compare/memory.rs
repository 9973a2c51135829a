//! Captures made to fill memory, under two limits.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Bench;
use super::captures::{Kind, hostile};
use super::measure::rounds;
use super::tables::Table;

/// The default, and one that all three captures reach.
const LIMITS: [&str; 2] = ["2G", "256M"];

/// Prints what each of `kinds` costs under each limit, what is let go, and whether the device among it all is judged as
/// if it were alone.
pub(crate) fn compare(bench: &Bench, kinds: &[Kind]) {
    let mut table =
        Table::new(&["capture", "limit", "wall s", "CPU s", "peak MB", "let go", "findings as alone"]);
    let case = Path::new(hostile::CASE).join("capture.pcap");
    let _ = told(&command(bench, &case, LIMITS[0]));
    let alone = findings(&bench.output(2));
    for &kind in kinds {
        let made = bench.made(kind);
        for limit in LIMITS {
            let commands = [command(bench, &made.path, limit)];
            let [costs] = rounds(&commands, bench.rounds, &bench.folder);
            let (gone, found) = (told(&commands[0]), findings(&bench.output(2)));
            let [wall, cpu] = [costs.wall(), costs.cpu()].map(|seconds| format!("{seconds:.2}"));
            let peak = format!("{:.0}", costs.peak());
            let same = if found == alone { "yes" } else { "**no**" };
            table.row(&[&kind.name(), &limit, &wall, &cpu, &peak, &gone, &same]);
        }
    }
    println!("Medians of {} rounds with two threads, page cache warm; largest peak.\n", bench.rounds);
    table.print();
}

fn command(bench: &Bench, path: &Path, limit: &str) -> Vec<String> {
    let mut command = bench.check(path, 2);
    command.extend(["--max-memory", limit, "--format", "ndjson"].map(String::from));
    command
}

/// What the summary says was let go.
fn told(command: &[String]) -> String {
    let arguments = command[1..].iter().filter(|argument| *argument != "--quiet");
    let output = Command::new(&command[0]).args(arguments).output().expect("wireclaim can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said.lines().filter_map(|line| line.strip_prefix("quality: "));
    let lines = lines.filter(|line| line.contains("--max-memory") || line.contains("were not kept"));
    let short = lines.map(|line| line.split(':').next().unwrap_or(line));
    short.map(|line| line.replace(" to stay below --max-memory", "")).collect::<Vec<_>>().join("; ")
}

/// The rows of a result, without what says where in the capture they are, and without the one that says what was let go.
fn findings(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the output is there");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row"));
    rows.filter(|row| row["code"] != "capture-shed")
        .map(|mut row| {
            row.as_object_mut().expect("an object").retain(|key, _| key != "evidence");
            row
        })
        .collect()
}
