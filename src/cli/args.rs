//! What the user typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::finding::{Confidence, Severity};
use crate::pipeline::LEAST_MAX_MEMORY;

/// Does this device do on the network what it is declared to do, and does this network let it?
#[derive(Debug, Parser)]
#[command(name = "wireclaim", version, about, propagate_version = true, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compare captures with declared profiles: prints the discrepancy table; the exit status is the answer
    Check(CheckArgs),
    /// Print the flow table itself, with every fact of each flow
    Flows(FlowsArgs),
    /// Say what a finding means, why it matters and when it stays silent; of a cipher suite, what each TLS policy says of it
    Explain {
        /// A code, as in the column `code`; or a cipher suite (IANA or OpenSSL name, or 0xC027), a group or a version of TLS
        code: String,
    },
    /// Look at declared profiles
    Profile {
        #[command(subcommand)]
        command: ProfileCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Print a profile in words: every claim with its quote, and what packets cannot show
    Show {
        /// A built-in name or a YAML file
        profile: String,
    },
    /// Print the JSON Schema of profiles, with which editors complete and check them
    Schema,
    /// Check profiles for errors
    Lint {
        /// Built-in names or YAML files
        #[arg(required = true)]
        profiles: Vec<String>,
    },
}

/// Which captures, and how to read them.
#[derive(Debug, Args)]
pub(super) struct InputArgs {
    /// Captures: files, directories (recursive), globs, or - for standard input; pcap and pcapng, plain or in gzip, zstd or xz
    #[arg(required = true, value_name = "CAPTURE")]
    pub(super) captures: Vec<String>,
    /// Read only the frames that this capture filter takes (BPF, as for tcpdump)
    #[arg(long, value_name = "BPF")]
    pub(super) filter: Option<String>,
    /// Name addresses by this file (hosts(5): address, names)
    #[arg(long, value_name = "HOSTS-FILE")]
    pub(super) names: Option<PathBuf>,
    /// Decrypt TLS with the secrets in this file (NSS key log, as SSLKEYLOGFILE makes one); repeatable. Secrets inside pcapng
    /// captures are used too
    #[arg(long, value_name = "FILE")]
    pub(super) keylog: Vec<PathBuf>,
    /// Count packets that were captured twice (a span of both ends of a path, several interfaces) once, or each time
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Duplicates::Drop)]
    pub(super) duplicates: Duplicates,
    /// Threads; the output does not depend on it [default: one per core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Take no more memory than this, at least 64M (K, M and G are powers of 1024), beside some 15 MiB for each thread;
    /// beyond it, what tells least is let go and counted. The output depends on it only then, and where a packed capture
    /// needs more than an eighth of it to be unpacked
    #[arg(long, value_name = "SIZE", default_value = "2G", value_parser = size, allow_hyphen_values = true)]
    pub(super) max_memory: u64,
    /// Show a progress bar on standard error
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(super) progress: When,
    /// Print no summary and no notes
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Say more: a line for every capture, however many they are
    #[arg(short, long, conflicts_with = "quiet")]
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
#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// Write the result here instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Form of the result [default: by the suffix of FILE; csv on a pipe, table on a terminal]
    #[arg(long)]
    pub(super) format: Option<String>,
    /// Colour the table
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(super) color: When,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    /// A built-in profile (farmbot, electric-imp, smartserver, fortrabbit) or a YAML file; repeatable
    #[arg(short, long, required = true, value_name = "PROFILE")]
    pub(super) profile: Vec<String>,
    /// Take this variant of a profile; repeatable
    #[arg(long, value_name = "[PROFILE=]NAME")]
    pub(super) variant: Vec<String>,
    /// Bind a parameter that a profile leaves open; repeatable
    #[arg(long, value_name = "[PROFILE=]NAME=VALUE")]
    pub(super) set: Vec<String>,
    /// Judge the selected as this subject of the profile, such as `browser` [default: device]
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
    /// Exit with 1 from this severity on
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub(super) fail_on: FailOn,
    /// Exit with 1 from this confidence on
    #[arg(long, value_enum, default_value_t = MinConfidence::Strong)]
    pub(super) min_confidence: MinConfidence,
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
