//! `wireclaim profile show`: what is declared, in sentences, as a table, or as rules of a firewall.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Exit;
use super::args::BindArgs;
use super::settings;
use crate::error::{Error, Result};
use crate::profile::{firewall, sentences};
use crate::report::{self, Output, View};

/// Which profile, how it is bound, and in which form.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A built-in name (farmbot, electric-imp, smartserver, fortrabbit) or a file
    #[arg(value_name = "PROFILE")]
    profile: String,
    #[command(flatten)]
    bind: BindArgs,
    /// Show it as `check --subject` judges: what binds this subject of the profile, such as `browser` [default: device]
    #[arg(long, value_name = "[PROFILE=]NAME")]
    subject: Vec<String>,
    /// Form of the result [default: by the suffix of FILE: .nft, .sh, .csv, .txt; else text]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Write the result here instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a profile is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Plain sentences, grouped as a firewall administrator thinks
    Text,
    /// Every claim on a line
    Table,
    /// A table for nft, on a firewall that forwards the device's traffic
    Nftables,
    /// Commands for ufw, on the device itself
    Ufw,
    /// The openings to ask for, for a spreadsheet
    Csv,
}

pub(super) fn run(args: &ShowArgs) -> Result<Exit> {
    let declaration = settings::declaration(&args.profile, &args.subject, &args.bind)?;
    let form = args.format.map_or_else(|| by_suffix(args.output.as_deref()), Ok)?;
    let output = Output::create(args.output.as_deref())?;
    match form {
        Form::Text => write(&sentences::sentences(&declaration), output),
        Form::Nftables => write(&firewall::nftables(&declaration), output),
        Form::Ufw => write(&firewall::ufw(&declaration), output),
        Form::Csv => report::write_openings(&firewall::openings(&declaration), output),
        Form::Table => report::write_claims(&firewall::claim_rows(&declaration), &view(args), output),
    }?;
    Ok(Exit::Clean)
}

fn write(text: &str, output: Output) -> Result<()> {
    output.write(|out| out.write_all(text.as_bytes()))
}

fn view(args: &ShowArgs) -> View<'static> {
    let terminal = args.output.is_none() && std::io::stdout().is_terminal();
    View { width: if terminal { super::terminal_width() } else { None }, ..View::default() }
}

fn by_suffix(path: Option<&Path>) -> Result<Form> {
    let Some(path) = path.filter(|path| !path.starts_with("/dev")) else { return Ok(Form::Text) };
    let Some(suffix) = path.extension().map(std::ffi::OsStr::to_ascii_lowercase) else {
        return Ok(Form::Text);
    };
    match suffix.to_str() {
        Some("nft" | "nftables") => Ok(Form::Nftables),
        Some("sh" | "ufw") => Ok(Form::Ufw),
        Some("csv") => Ok(Form::Csv),
        Some("txt") => Ok(Form::Text),
        _ => Err(Error::Usage(format!(
            "failed to choose a form for `{}`: its suffix is none of .nft, .sh, .csv, .txt (name it otherwise, or the form with \
             `--format`: text, table, nftables, ufw, csv)",
            path.display()
        ))),
    }
}
