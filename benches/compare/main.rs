//! The whole command beside reading the file, tcpdump, other forms of the file, and other tools.
//!
//! `make bench` runs it, `make bench-peers` its comparison with other tools. Figures are printed, never judged by
//! the exit status: that is about commands that fail and counts that are wrong. The captures are made when they are
//! first needed: see `captures`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a benchmark that cannot run says why and stops"
)]

#[path = "../captures/mod.rs"]
mod captures;
mod forms;
mod growth;
mod hop;
mod measure;
mod memory;
mod peers;
mod shapes;
mod tables;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use captures::{Kind, Made};
use clap::{Parser, Subcommand};

/// Where captures and outputs are, unless the variable `WIRECLAIM_BENCH_CAPTURES` says otherwise.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-captures");
/// What is measured, unless the variable `WIRECLAIM_BIN` says otherwise.
const BIN: &str = env!("CARGO_BIN_EXE_wireclaim");
const SHAPES: [Kind; 3] = [Kind::Mixed, Kind::Small, Kind::Elephants];

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Only these captures (mixed, small, elephants; for memory: syns, names, holes)
    #[arg(long, value_delimiter = ',', value_parser = kind, global = true)]
    only: Vec<Kind>,
    /// Measured rounds, after one that warms the page cache
    #[arg(long, default_value_t = 5, global = true)]
    rounds: u32,
    /// Cargo says so
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the captures and stop
    Make,
    /// The three captures against hop-the-headers and tcpdump
    Shapes,
    /// pcapng, gzip and zstd
    Forms,
    /// Twice as much on the same connections
    Double,
    /// More packets, connections, devices, claims, threads
    Growth,
    /// Captures made to fill memory, under two limits
    Memory,
    /// Other tools
    Peers {
        /// Install those that are missing, by apt
        #[arg(long)]
        install: bool,
    },
    /// Count the packets of a capture and touch their headers
    Hop {
        capture: PathBuf,
        /// Bytes read at once
        #[arg(long, default_value_t = hop::BLOCK)]
        block: usize,
    },
    /// Run a command and print microseconds, CPU microseconds, peak kB and status
    #[command(hide = true)]
    Measure {
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

/// What is measured, and how often.
struct Bench {
    bin: PathBuf,
    folder: PathBuf,
    rounds: u32,
    /// Suffix of the output.
    output_form: &'static str,
}

impl Bench {
    fn made(&self, kind: Kind) -> Made {
        kind.made(&self.folder).expect("the capture can be written")
    }

    fn check(&self, path: &Path, jobs: u16) -> Vec<String> {
        let (bin, capture) = (self.bin.display().to_string(), path.display().to_string());
        let output = self.output(jobs).display().to_string();
        let jobs = format!("-j{jobs}");
        [&bin, "check", &capture, "-p", "farmbot", "--quiet", "--fail-on", "never", &jobs, "-o", &output]
            .map(String::from)
            .to_vec()
    }

    /// CSV, unless the command was built without it.
    fn choose_output(&mut self) {
        std::fs::create_dir_all(&self.folder).expect("a folder for captures");
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/farmbot-faults/capture.pcap");
        let command = self.check(Path::new(shipped), 1);
        let output = Command::new(&command[0]).args(&command[1..]).output().expect("wireclaim can be run");
        if !output.status.success() {
            self.output_form = "ndjson";
            println!("Output in ndjson: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    fn output(&self, jobs: u16) -> PathBuf {
        self.folder.join(format!("output-{jobs}.{}", self.output_form))
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::ALL
        .into_iter()
        .chain(Kind::HOSTILE)
        .find(|kind| kind.name() == name)
        .ok_or_else(|| String::from("no such capture"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = |variable, default: &str| {
        let path = std::env::var_os(variable).unwrap_or_else(|| default.into());
        std::path::absolute(path).expect("a path")
    };
    let mut bench = Bench {
        bin: path("WIRECLAIM_BIN", BIN),
        folder: path("WIRECLAIM_BENCH_CAPTURES", FOLDER),
        rounds: arguments.rounds,
        output_form: "csv",
    };
    if !matches!(arguments.what, Some(What::Hop { .. } | What::Measure { .. } | What::Make)) {
        bench.choose_output();
    }
    let or = |all: &[Kind]| if arguments.only.is_empty() { all.to_vec() } else { arguments.only.clone() };
    match arguments.what {
        Some(What::Hop { capture, block }) => {
            let (packets, sum) = hop::hop(&capture, block).expect("the capture can be read");
            println!("{packets} packets, sum {sum:016x}");
        }
        Some(What::Measure { command }) => return measure::measure(&command),
        Some(What::Make) => {
            for kind in or(&Kind::ALL) {
                let Made { path, bytes, frames, tcp, udp } = bench.made(kind);
                println!(
                    "{}: {bytes} bytes, {frames} frames, {tcp} TCP connections, {udp} exchanges over UDP",
                    path.display()
                );
            }
        }
        Some(What::Shapes) => shapes::compare(&bench, &or(&SHAPES)),
        Some(What::Forms) => forms::compare(&bench, &or(&SHAPES)),
        Some(What::Double) => forms::double(&bench),
        Some(What::Growth) => growth::compare(&bench),
        Some(What::Memory) => memory::compare(&bench, &or(&Kind::HOSTILE)),
        Some(What::Peers { install }) => peers::compare(&bench, &or(&SHAPES[..2]), install),
        None => {
            shapes::compare(&bench, &or(&SHAPES));
            forms::compare(&bench, &or(&SHAPES));
            if or(&SHAPES).contains(&Kind::Mixed) {
                forms::double(&bench);
            }
        }
    }
    ExitCode::SUCCESS
}
