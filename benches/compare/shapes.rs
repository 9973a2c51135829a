//! The whole command on each capture, against reading the file and against tcpdump.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::captures::{Kind, Made};
use super::measure::{Costs, rounds};
use super::tables::{Table, against};
use super::{Bench, hop as limit};

/// What must be reached on a capture.
struct Targets {
    /// Wall time against hop-the-headers.
    hop: f64,
    /// CPU time against tcpdump.
    tcpdump: f64,
    /// Peak memory in MB.
    peak: f64,
    /// Wall time on one core against two.
    cores: f64,
}

fn targets(kind: Kind) -> Targets {
    match kind {
        Kind::Mixed | Kind::Double => Targets { hop: 2.5, tcpdump: 1.5, peak: 200.0, cores: 1.7 },
        Kind::Small => Targets { hop: 5.0, tcpdump: 2.5, peak: 350.0, cores: 1.7 },
        Kind::Elephants | Kind::Syns | Kind::Names | Kind::Holes => {
            Targets { hop: 2.0, tcpdump: 1.0, peak: 100.0, cores: 1.5 }
        }
    }
}

/// Measures and prints both tables: seconds, and how they stand to the targets.
pub(crate) fn compare(bench: &Bench, kinds: &[Kind]) {
    let mut seconds =
        Table::new(&["capture", "MB", "frames", "connections", "command", "wall s", "CPU s", "peak MB"]);
    let mut figures = Table::new(&[
        "capture",
        "wall / hop",
        "CPU / tcpdump",
        "peak MB",
        "one core / two",
        "peak bytes / flow",
    ]);
    for &kind in kinds {
        let made = bench.made(kind);
        check(bench, &made);
        let commands =
            [hop(&made.path), tcpdump(&made.path), bench.check(&made.path, 1), bench.check(&made.path, 2)];
        let costs = rounds(&commands, bench.rounds, &bench.folder);
        same_output(bench, kind);
        let names = ["hop", "tcpdump -w /dev/null", "wireclaim check -j1", "wireclaim check -j2"];
        for (name, costs) in names.iter().zip(&costs) {
            let size = format!("{:.0}", made.bytes as f64 / 1e6);
            let [wall, cpu] = [costs.wall(), costs.cpu()].map(|seconds| format!("{seconds:.3}"));
            let peak = format!("{:.0}", costs.peak());
            seconds.row(&[&kind.name(), &size, &made.frames, &made.tcp, name, &wall, &cpu, &peak]);
        }
        let [hop, tcpdump, one, two] = &costs;
        let targets = targets(kind);
        let flows = (made.tcp + made.udp) as f64;
        figures.row(&[
            &kind.name(),
            &against(two.wall() / hop.wall(), targets.hop, true),
            &against(two.cpu() / tcpdump.cpu(), targets.tcpdump, true),
            &against(two.peak(), targets.peak, true),
            &against(one.wall() / two.wall(), targets.cores, false),
            &per_flow(two, flows),
        ]);
    }
    println!("Medians of {} rounds, all commands in turn, page cache warm; largest peak.\n", bench.rounds);
    seconds.print();
    figures.print();
}

/// An upper bound of what an open flow takes, where there are many.
fn per_flow(costs: &Costs, flows: f64) -> String {
    if flows < 1_000.0 { String::from("-") } else { format!("{:.0}", costs.peak() * 1e6 / flows) }
}

/// All that the generator wrote is there, for the loop and for `wireclaim`.
fn check(bench: &Bench, made: &Made) {
    let (frames, _) = limit::hop(&made.path, limit::BLOCK).expect("the capture can be read");
    assert_eq!(frames, made.frames, "frames that the loop sees in {}", made.path.display());
    let mut command = bench.check(&made.path, 2);
    command.retain(|argument| argument != "--quiet");
    let output = Command::new(&command[0]).args(&command[1..]).output().expect("wireclaim can be run");
    let said = String::from_utf8_lossy(&output.stderr).replace(',', "");
    assert!(output.status.success(), "{} failed: {said}", command.join(" "));
    let number = |before: &str, after: &str| {
        let end = said.find(after).unwrap_or_else(|| panic!("wireclaim says how many: {said}"));
        let start = said[..end].rfind(before).map_or(0, |at| at + before.len());
        said[start..end].parse::<u64>().expect("a number")
    };
    assert_eq!(number("frames: ", " read ="), made.frames, "frames that wireclaim reads");
    assert_eq!(number("(", " TCP connections"), made.tcp, "TCP connections that wireclaim sees");
}

fn same_output(bench: &Bench, kind: Kind) {
    let [one, two] = [1, 2].map(|jobs| fs::read(bench.output(jobs)).expect("the output is there"));
    assert!(one == two, "the output on {} depends on the number of threads", kind.name());
}

fn hop(path: &Path) -> Vec<String> {
    let this = std::env::current_exe().expect("the benchmark knows where it is");
    [this.display().to_string(), "hop".into(), path.display().to_string()].to_vec()
}

fn tcpdump(path: &Path) -> Vec<String> {
    ["tcpdump", "-r", &path.display().to_string(), "-w", "/dev/null"].map(String::from).to_vec()
}
