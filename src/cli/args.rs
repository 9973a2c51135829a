//! What the user typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use super::diff::DiffArgs;
use super::explain::ExplainArgs;
use super::learn::LearnArgs;
use super::lint::LintArgs;
use super::mud::{ExportArgs, ImportArgs};
use super::show::ShowArgs;
use crate::model::Date;
use crate::model::finding::{Confidence, Severity};
use crate::pipeline::LEAST_MAX_MEMORY;

/// Does this device do on the network what it is declared to do, and does this network let it?
#[derive(Debug, Parser)]
#[command(name = "wireclaim", bin_name = "wireclaim", version, about, propagate_version = true, after_help = EXAMPLES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How to begin.
const EXAMPLES: &str = "\
Begin with:
  wireclaim check site.pcap -p farmbot        judge the FarmBot in a capture
  wireclaim learn site.pcap -o device.yaml    no profile yet: draft one for review
  wireclaim check next.pcap -p device.yaml    judge the next capture by it
  wireclaim explain undeclared-destination    what a row of the table means";

/// What scripts go by.
const STATUS: &str = "\
Exit status:
  0  the whole input was read and no finding reaches the gate (--fail-on, --min-confidence)
  1  at least one finding reaches it
  2  could not run: usage, profile, unreadable file, unwritable output
  3  nothing reaches the gate, but the input was damaged or incomplete, or too poor to tell
  4  a bug of wireclaim's; the rest is reported

For a device without profile, see `wireclaim learn --help`.";

const DIFF_STATUS: &str = "\
Exit status:
  0  nothing new or worse reaches the gate (--fail-on, --min-confidence)
  1  something new or worse reaches it
  2  could not run: usage, profile, a table that is damaged or none
  3  nothing reaches the gate, but NEW was damaged or incomplete, or too poor to tell
  4  a bug of wireclaim's; the rest is reported";

const FLOWS_STATUS: &str = "\
Exit status:
  0  the whole input was read
  2  could not run: usage, unreadable file, unwritable output
  3  the input was damaged; what could be read is in the table
  4  a bug of wireclaim's; the rest is in the table";

const LEARN_STATUS: &str = "\
Exit status:
  0  a profile was written, or nothing is new beside that of --into
  2  nothing was learnt or written: usage, no device or several, unreadable file, unwritable output
  3  a profile was written, but the captures were damaged
  4  a bug of wireclaim's; the rest was learnt

The draft says in comments why each claim is there and what the captures could not show (docs/learn.md).";

const WRITE_STATUS: &str = "\
Exit status:
  0  it was written
  2  nothing was written: usage, a file that has errors or could not be read, unwritable output";

const EXPLAIN_STATUS: &str = "\
Exit status:
  0  it was explained
  2  usage, nothing of that name or id, a table that is damaged or none";

const LINT_STATUS: &str = "\
Exit status:
  0  no lint reaches --fail-on
  1  at least one does
  2  a profile has errors, or could not be read";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compare captures with declared profiles: prints the discrepancy table; the exit status is the answer
    #[command(after_help = STATUS)]
    Check(CheckArgs),
    /// Print the flow table itself, with every fact of each flow
    #[command(after_help = FLOWS_STATUS)]
    Flows(FlowsArgs),
    /// Write the profile that a device's traffic implies, or what is new beside an existing one: a draft for review
    #[command(after_help = LEARN_STATUS)]
    Learn(LearnArgs),
    /// Say what a finding or a lint means, why it matters and what to do; of a cipher suite, what each TLS policy says of it
    #[command(after_help = EXPLAIN_STATUS)]
    Explain(ExplainArgs),
    /// Say what changed between two discrepancy tables, captures or flow tables: new, gone, changed; 1 if it is for the worse
    #[command(after_help = DIFF_STATUS)]
    Diff(Box<DiffArgs>),
    /// Show, lint, import and export profiles
    Profile {
        #[command(subcommand)]
        command: ProfileCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Print a profile in plain sentences, as a table, or as firewall rules (nftables, ufw, CSV of openings)
    #[command(after_help = WRITE_STATUS)]
    Show(ShowArgs),
    /// Print the JSON Schema of profiles, inventories, waivers or TLS policies, with which editors complete and check them
    Schema {
        /// Of which file
        #[arg(long, value_enum, value_name = "FILE", default_value_t = SchemaOf::Profile)]
        of: SchemaOf,
    },
    /// Find what is wrong with profiles: errors, contradictions, what can never apply, what is out of date
    #[command(after_help = LINT_STATUS)]
    Lint(LintArgs),
    /// Write a MUD file (RFC 8520 and the drafts before it) as a YAML profile, with what is odd in it as comments
    #[command(after_help = WRITE_STATUS)]
    Import(ImportArgs),
    /// Write a profile as a MUD file (RFC 8520), and say what that cannot express
    #[command(after_help = WRITE_STATUS)]
    Export(ExportArgs),
}

/// The files that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaOf {
    /// What a device is declared to do (-p)
    Profile,
    /// Which device is judged by which profile (--inventory)
    Inventory,
    /// Which findings are accepted until when (--waivers)
    Waivers,
    /// What is weak in TLS (--tls-policy)
    TlsPolicy,
}

/// What a profile leaves open, bound.
#[derive(Debug, Args)]
pub(super) struct BindArgs {
    /// Take this variant of a profile; repeatable
    #[arg(long, value_name = "[PROFILE=]NAME")]
    pub(super) variant: Vec<String>,
    /// Bind a parameter that a profile leaves open; repeatable
    #[arg(long, value_name = "[PROFILE=]NAME=VALUE")]
    pub(super) set: Vec<String>,
}

/// Options that many commands have stand below their own, in `--help`.
const READING: &str = "Reading captures";
const OUTPUT: &str = "Output";

/// Which captures, and how to read them.
#[derive(Debug, Clone, Args)]
pub(super) struct InputArgs {
    /// Captures: files, directories (recursive), globs, or - for standard input; pcap and pcapng, plain or in gzip, zstd or xz
    #[arg(required = true, value_name = "CAPTURE")]
    pub(super) captures: Vec<String>,
    /// Read only the frames that this capture filter takes (BPF, as for tcpdump)
    #[arg(help_heading = READING, long, value_name = "BPF")]
    pub(super) filter: Option<String>,
    /// Name addresses by this file (hosts(5): address, names)
    #[arg(help_heading = READING, long, value_name = "HOSTS-FILE")]
    pub(super) names: Option<PathBuf>,
    /// Decrypt TLS with the secrets in this file (NSS key log, as SSLKEYLOGFILE makes one); repeatable. Secrets inside pcapng
    /// captures are used too
    #[arg(help_heading = READING, long, value_name = "FILE")]
    pub(super) keylog: Vec<PathBuf>,
    /// Count packets that were captured twice (a span of both ends of a path, several interfaces) once, or each time
    #[arg(help_heading = READING, long, value_enum, value_name = "WHAT", default_value_t = Duplicates::Drop)]
    pub(super) duplicates: Duplicates,
    /// Threads; the output does not depend on it [default: one per core]
    #[arg(help_heading = READING, short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Take no more memory than this, at least 64M (K, M and G are powers of 1024), beside some 15 MiB for each thread;
    /// beyond it, what tells least is let go and counted. The output depends on it only then, and where a packed capture
    /// needs more than an eighth of it to be unpacked
    #[arg(help_heading = READING, long, value_name = "SIZE", default_value = "2G", value_parser = size, allow_hyphen_values = true)]
    pub(super) max_memory: u64,
    /// Show a progress bar on standard error
    #[arg(help_heading = READING, long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub(super) progress: When,
    /// Print no summary and no notes
    #[arg(help_heading = READING, short, long)]
    pub(super) quiet: bool,
    /// Say more: a line for every capture, however many they are
    #[arg(help_heading = READING, short, long, conflicts_with = "quiet")]
    pub(super) verbose: bool,
}

/// What becomes of packets that were captured twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Duplicates {
    /// Counted once.
    Drop,
    /// Counted each time.
    Keep,
}

/// Where the result goes, and in which form.
#[derive(Debug, Clone, Args)]
pub(super) struct OutputArgs {
    /// Write the result here instead of to standard output
    #[arg(help_heading = OUTPUT, short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Form of the result: csv, ndjson, json, table; markdown for findings and lints, parquet for flows [default: by the
    /// suffix of FILE; else table on a terminal, csv elsewhere]
    #[arg(help_heading = OUTPUT, long)]
    pub(super) format: Option<String>,
    /// Colour the table
    #[arg(help_heading = OUTPUT, long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub(super) color: When,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("declared").args(["profile", "inventory"]).required(true).multiple(true))]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    /// A built-in profile (farmbot, electric-imp, smartserver, fortrabbit), a YAML file or a MUD file; repeatable
    #[arg(short, long, value_name = "PROFILE")]
    pub(super) profile: Vec<String>,
    /// Judge a whole fleet: this file says which device is judged by which profile (docs/fleet.md); takes the place of -p,
    /// --device, --subject, --variant and --set
    #[arg(long, value_name = "FILE")]
    pub(super) inventory: Option<PathBuf>,
    #[command(flatten)]
    pub(super) bind: BindArgs,
    /// Judge whom --device selects as this subject of the profile, such as `browser` [default: device]
    #[arg(long, value_name = "[PROFILE=]NAME")]
    pub(super) subject: Vec<String>,
    /// Judge TLS by this policy, whatever profiles say: bcp195, mozilla-modern, mozilla-intermediate, mozilla-old,
    /// nist-800-52r2, bsi-tr-02102-2, anssi, pci-dss-4, iot-constrained, or a YAML file [default: as profiles say, else bcp195]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) tls_policy: Option<String>,
    /// Judge this device: IP, prefix, MAC, OUI, a name that it states (DHCP, mDNS, NetBIOS, LLDP) or vlan:N; repeatable [default: whom the profile recognises]
    #[arg(long, value_name = "[PROFILE=]SELECTOR")]
    pub(super) device: Vec<String>,
    /// Note address lists that are older than this when the capture ends
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub(super) max_list_age: u64,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// Print a row for every claim, not only discrepancies
    #[arg(long)]
    pub(super) all: bool,
    /// Exit with 1 where a finding is of this severity or above
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Error)]
    pub(super) fail_on: FailOn,
    /// Exit with 1 only for findings of this confidence or above
    #[arg(long, value_enum, value_name = "CONFIDENCE", default_value_t = MinConfidence::Strong)]
    pub(super) min_confidence: MinConfidence,
    /// Lower findings that somebody has accepted for a time to info: YAML with id, match, reason, owner, expires; repeatable
    #[arg(long, value_name = "FILE")]
    pub(super) waivers: Vec<PathBuf>,
    /// Draft waivers for what fails this run, in a new file: fill in reason and owner
    #[arg(long, value_name = "FILE")]
    pub(super) write_waivers: Option<PathBuf>,
    /// Compare what expires or ages with this day instead of that of the last packet
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(super) as_of: Option<Date>,
}

/// `2026-12-31`.
fn date(text: &str) -> Result<Date, String> {
    Date::parse(text).ok_or_else(|| format!("expected a day such as 2026-12-31, got `{text}`"))
}

#[derive(Debug, Args)]
pub(super) struct FlowsArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// When to do something that only makes sense on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl When {
    /// Whether to, given whether it is a terminal.
    pub(super) fn on(self, terminal: bool) -> bool {
        match self {
            Self::Auto => terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// From which severity on a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Errors only
    Error,
    /// Warnings and errors
    Warning,
    /// Anything
    Info,
    /// Nothing
    Never,
}

impl FailOn {
    /// The least severity that fails; `None` for never.
    pub(super) fn severity(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Info => Some(Severity::Info),
            Self::Never => None,
        }
    }
}

/// From which confidence on a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MinConfidence {
    /// Anything
    Weak,
    /// More likely than not
    Probable,
    /// Other readings need coincidence
    Strong,
    /// No other reading
    Proven,
}

impl From<MinConfidence> for Confidence {
    fn from(value: MinConfidence) -> Self {
        match value {
            MinConfidence::Weak => Self::Weak,
            MinConfidence::Probable => Self::Probable,
            MinConfidence::Strong => Self::Strong,
            MinConfidence::Proven => Self::Proven,
        }
    }
}

/// Reads `512M`: bytes, or with K, M or G (also KiB, MiB, GiB) so many powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().trim_end_matches("iB").trim_end_matches('B').to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(format!("expected a number with K, M or G, as in 512M; got `{text}`")),
    };
    let number: u64 = number.parse().map_err(|_| match number {
        "" => format!("expected a number first, as in 512M; got `{text}`"),
        _ => format!("`{text}` is more than 16 EiB"),
    })?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is more than 16 EiB"))?;
    if bytes < LEAST_MAX_MEMORY {
        return Err(format!("expected at least {}M, got `{text}`", LEAST_MAX_MEMORY >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("100000000"), Ok(100_000_000));
        assert!(size("63M").unwrap_err().contains("64"));
        for bad in ["", "M", "1.5G", "2T", "99999999999999999999"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
