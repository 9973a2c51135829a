//! `wireclaim profile import` and `export`: Manufacturer Usage Descriptions (RFC 8520) as profiles, and the reverse.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use crate::error::{Error, Result};
use crate::model::text::printable;
use crate::profile::mud::{self, Header};
use crate::profile::write::{self, Notes};
use crate::profile::{Profile, builtin};
use crate::report::Output;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The MUD file
    file: PathBuf,
    /// Write the profile here instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print no summary
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A built-in name, a YAML file or a MUD file
    profile: String,
    /// Write the MUD file here instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take this variant of the profile; repeatable
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// Bind a parameter that the profile leaves open; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Where the MUD file will be found (mud-url) [default: the profile's own, else a stand-in]
    #[arg(long, value_name = "URL", value_parser = url)]
    mud_url: Option<String>,
    /// Date of the last update [default: when the profile was reviewed, else a stand-in]
    #[arg(long, value_name = "DATE", value_parser = date)]
    last_update: Option<String>,
    /// Do not say what the MUD file cannot express
    #[arg(short, long)]
    quiet: bool,
}

fn url(text: &str) -> std::result::Result<String, String> {
    let valid = text.starts_with("https://") && text.len() <= 255 && !text.contains(char::is_whitespace);
    if valid { Ok(text.to_owned()) } else { Err("expected a URL that begins with https://".to_owned()) }
}

fn date(text: &str) -> std::result::Result<String, String> {
    let digits = |part: &str, len: usize| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => Ok(text.to_owned()),
        _ => Err("expected a date such as 2026-04-30".to_owned()),
    }
}

/// Writes a MUD file as YAML.
pub(super) fn import(args: &ImportArgs) -> Result<Exit> {
    let name = args.file.display().to_string();
    let profile = if args.file.exists() { mud::open(&args.file)? } else { return Err(missing(&args.file)) };
    let Some(extras) = &profile.mud else {
        return Err(Error::Usage(format!(
            "failed to import `{name}`: it is a profile already, not a MUD file"
        )));
    };
    let origin = format!("import of {name}");
    let text = write::loadable_yaml(&profile, &notes(&profile, &name), &origin).map_err(|error| {
        Error::Profile(format!(
            "failed to import `{name}`: nothing is written, since it would not load again\n{error}"
        ))
    })?;
    put(args.output.as_deref(), &text)?;
    if !args.quiet {
        tell!(
            "wireclaim: {name} follows {}; claims: {}, statements that packets cannot show: {}, lints: {}",
            extras.dialect,
            profile.claims.len(),
            profile.not_checkable.len(),
            extras.lints.len()
        );
        let open: Vec<&str> = profile
            .parameters
            .iter()
            .filter(|parameter| parameter.default.is_none())
            .map(|parameter| parameter.name.as_str())
            .collect();
        if !open.is_empty() {
            tell!(
                "wireclaim: {name}: claims are unbound until these are set (--set {}=ADDRESSES): {}",
                open.first().copied().unwrap_or_default(),
                open.join(", ")
            );
        }
    }
    Ok(Exit::Clean)
}

fn missing(path: &Path) -> Error {
    Error::Usage(format!("failed to find the MUD file `{}`: no such file", path.display()))
}

/// What is odd in the file, as comments: before the claim that it is about, else at the top.
fn notes(profile: &Profile, name: &str) -> Notes {
    let mut notes = Notes::default();
    let Some(extras) = &profile.mud else { return notes };
    notes.header.push(format!(
        "Imported from the MUD file {}, which follows {}.",
        printable(name),
        extras.dialect
    ));
    notes.header.push("Lines are those of that file.".to_owned());
    for lint in &extras.lints {
        let line = format!("line {}: {}: {}: {}", lint.line, lint.severity, lint.code, lint.message);
        match lint.claims.first() {
            Some(id) => notes.entries.entry(id.clone()).or_default().push(line),
            None => notes.header.push(line),
        }
    }
    notes
}

/// Writes a profile as a MUD file.
pub(super) fn export(args: &ExportArgs) -> Result<Exit> {
    let profile = builtin::open(&args.profile)?;
    let sets: Vec<(String, String)> = args
        .set
        .iter()
        .map(|text| {
            text.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| Error::Usage(format!("failed to read `--set {text}`: expected NAME=VALUE")))
        })
        .collect::<Result<_>>()?;
    let header = Header { url: args.mud_url.clone(), updated: args.last_update.clone() };
    let exported = mud::export(&profile, &args.variant, &sets, &header)?;
    put(args.output.as_deref(), &exported.json)?;
    if !args.quiet {
        for (id, note) in &exported.notes {
            let id = if id.is_empty() { String::new() } else { format!(" {id}") };
            tell!("wireclaim: {}{id}: {}", printable(&profile.name), printable(note));
        }
    }
    Ok(Exit::Clean)
}

fn put(path: Option<&Path>, text: &str) -> Result<()> {
    Output::create(path)?.write(|out| out.write_all(text.as_bytes()))
}
