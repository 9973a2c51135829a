//! What a command costs: a small process starts it, waits for it and asks the kernel.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Cost of one command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// User and system, all threads.
    pub(crate) cpu: Duration,
    /// Peak resident memory in kB.
    pub(crate) peak: u64,
    pub(crate) status: i32,
}

/// Runs `command` in a process of its own that measures it; its output is thrown away.
pub(crate) fn cost(command: &[String], folder: &Path) -> Cost {
    let this = std::env::current_exe().expect("the benchmark knows where it is");
    let output = Command::new(this)
        .args(["measure", "--"])
        .args(command)
        .current_dir(folder)
        .output()
        .expect("the benchmark can run itself");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[wall, cpu, peak, status] = numbers.as_slice() else { panic!("could not run {command:?}: {text}") };
    let [wall, cpu] = [wall, cpu].map(Duration::from_micros);
    Cost { wall, cpu, peak, status: status as i32 }
}

/// The measuring process: microseconds of wall and CPU, kB, and the exit status (255 for a signal).
pub(crate) fn measure(command: &[String]) -> ExitCode {
    let (program, arguments) = command.split_first().expect("a command");
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let wall = start.elapsed().as_micros();
    let Ok(status) = status else { return ExitCode::FAILURE };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts");
    let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    println!("{wall} {cpu} {} {}", usage.max_rss(), status.code().unwrap_or(255));
    ExitCode::SUCCESS
}

/// Costs of one command in several rounds.
#[derive(Debug, Default)]
pub(crate) struct Costs(Vec<Cost>);

impl Costs {
    pub(crate) fn push(&mut self, cost: Cost) {
        self.0.push(cost);
    }

    /// Median seconds from start to end.
    pub(crate) fn wall(&self) -> f64 {
        self.median(|cost| cost.wall)
    }

    /// Median CPU seconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.median(|cost| cost.cpu)
    }

    /// Largest peak of memory in MB (10^6 bytes).
    pub(crate) fn peak(&self) -> f64 {
        self.0.iter().map(|cost| cost.peak).max().unwrap_or(0) as f64 * 1.024e-3
    }

    fn median(&self, of: impl Fn(&Cost) -> Duration) -> f64 {
        let mut values: Vec<f64> = self.0.iter().map(|cost| of(cost).as_secs_f64()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        }
    }
}

/// What a command that failed says when it is run again.
fn complaint(command: &[String]) -> String {
    let output = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).output();
    output
        .map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs commands in turn, so that what disturbs the machine disturbs all of them; every one must succeed.
pub(crate) fn rounds<const N: usize>(commands: &[Vec<String>; N], rounds: u32, folder: &Path) -> [Costs; N] {
    let mut costs = [(); N].map(|()| Costs::default());
    for round in 0..=rounds {
        for (command, costs) in commands.iter().zip(&mut costs) {
            let cost = cost(command, folder);
            assert_eq!(cost.status, 0, "{} failed: {}", command.join(" "), complaint(command));
            // The first round warms the page cache.
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    costs
}
