//! The command line: what the user typed, what the program needs of it, and what goes to standard error.
//!
//! Standard output carries the result and nothing else. Only this module prints.

/// Writes a line for people to standard error. One that nobody reads any more changes no result and no exit status.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), $($text)*));
    }};
}

mod ages;
mod args;
mod check;
mod diff;
mod explain;
mod explain_tls;
mod fleet;
mod flows;
mod learn;
mod lint;
mod mud;
mod profile;
mod progress;
mod settings;
mod show;
mod waivers;

use std::fmt::Display;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Cli, Command};

use crate::error::Result;
use crate::model::text::printable;
use crate::report::Output;

/// The exit status of a run; the numbers are part of the contract and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The whole input was read and no finding reaches the gate.
    Clean,
    /// At least one finding reaches the gate.
    Findings,
    /// Could not run: usage, profile, unreadable file, unwritable output.
    Failed,
    /// Nothing reaches the gate, but the input was damaged, incomplete or too poor to tell.
    Incomplete,
    /// A bug of ours.
    Internal,
}

impl Exit {
    /// Its number.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Failed => 2,
            Self::Incomplete => 3,
            Self::Internal => 4,
        }
    }
}

/// Runs the program with the arguments of this process.
pub fn run() -> ExitCode {
    quiet_panics();
    let exit = match Cli::try_parse() {
        Ok(cli) => catch_unwind(AssertUnwindSafe(|| dispatch(cli))).unwrap_or_else(|_| {
            complain(&"internal error: nothing can be said of this input (please report it; RUST_BACKTRACE=1 says where)");
            Exit::Internal
        }),
        Err(error) => {
            // Help and version are answers, not errors; clap knows which stream each belongs to.
            let _ = error.print();
            let without_profile = error.to_string().contains("\n  <--profile <PROFILE>|");
            match error.kind() {
                ErrorKind::MissingRequiredArgument if without_profile => {
                    tell!("For a device without profile, `wireclaim learn CAPTURE -o device.yaml` drafts one.");
                    Exit::Failed
                }
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Clean,
                _ => Exit::Failed,
            }
        }
    };
    ExitCode::from(exit.code())
}

fn dispatch(cli: Cli) -> Exit {
    let result = match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Flows(args) => flows::run(&args),
        Command::Learn(args) => learn::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Profile { command } => profile::run(command),
    };
    result.unwrap_or_else(|error| {
        complain(&error);
        Exit::Failed
    })
}

/// Tells people what went wrong. File names may hold anything, and a terminal acts on control characters; the lines of
/// a longer message stay.
fn complain(message: &dyn Display) {
    let lines: Vec<String> = message.to_string().lines().map(printable).collect();
    tell!("wireclaim: {}", lines.join("\n"));
}

/// Writes lines for people to standard error, as `tell!` does.
fn say(lines: &dyn Display) {
    use std::io::Write as _;
    drop(write!(std::io::stderr(), "{lines}"));
}

/// Writes a result to standard output; a reader that has gone away has seen all it wanted.
fn print(text: &str) -> Result<()> {
    Output::create(None)?.write(|out| out.write_all(text.as_bytes()))
}

/// A panic in an analyzer is caught, reported as a finding and must not spill onto the terminal as well.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            tell!("wireclaim: internal error: {info}");
        }
    }));
}

/// Columns of the terminal that standard output is, if it is one.
fn terminal_width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns.or_else(|| comfy_table::Table::new().width()).or(Some(100))
}
