//! `wireclaim learn`: the profile that a device's traffic implies, or what is new beside one that exists.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::args::InputArgs;
use super::settings;
use crate::checks::devices::Selector;
use crate::error::{Error, Result};
use crate::learn::{self, Learnt};
use crate::model::text::printable;
use crate::pipeline::judge::{Scene, Task};
use crate::pipeline::learn::{Start, learn};
use crate::profile::{append, bind, builtin, load, write};
use crate::report::Output;
use crate::report::summary::Summary;

#[derive(Debug, Args)]
pub(super) struct LearnArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Learn this device: IP, MAC, OUI, prefix or a name that it states (DHCP, mDNS, NetBIOS, LLDP) [default: the private
    /// address that opens most flows; with --into, whom that profile recognises]
    #[arg(long, value_name = "SELECTOR")]
    device: Option<String>,
    /// Add only what this profile does not allow yet: its text stays as it is, and new claims stand in a marked block at the
    /// end of its list
    #[arg(long, value_name = "PROFILE")]
    into: Option<String>,
    /// With --into: take this variant of the profile; repeatable
    #[arg(long, value_name = "NAME", requires = "into")]
    variant: Vec<String>,
    /// With --into: bind a parameter that the profile leaves open; repeatable
    #[arg(long, value_name = "NAME=VALUE", requires = "into")]
    set: Vec<String>,
    /// Write the profile here instead of to standard output; with --into it may be the same file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &LearnArgs) -> Result<Exit> {
    let existing = args.into.as_deref().map(|name| existing(args, name)).transpose()?;
    let declaration = match &existing {
        Some((declaration, _)) => declaration.clone(),
        None => learn::nothing()?,
    };
    // What somebody has reviewed is not written over; with --into its text is kept.
    if let Some(path) = args.output.as_deref().filter(|path| args.into.is_none() && path.is_file()) {
        return Err(Error::Usage(format!(
            "failed to write the profile `{}`: the file exists (name a new one, or add to it with --into)",
            path.display()
        )));
    }
    let output = Output::create(args.output.as_deref())?;
    let (analysis, names) = settings::analyse(&args.input)?;
    // As in `check`: the end of the process frees it all at once.
    let analysis = ManuallyDrop::new(analysis);
    let selectors = args.device.iter().map(|text| Selector::parse(text)).collect();
    let tasks = [Task { declaration, selectors }];
    let scene = Scene::new(&analysis, &names, &tasks);
    let start = if existing.is_some() { Start::Beside } else { Start::Afresh };
    let learnt = learn(&scene, start)?;
    let text = match (&existing, &args.into) {
        (Some((_, text)), Some(name)) => merged(text, name, &learnt)?,
        _ => write::yaml(&learnt.profile, &learnt.notes),
    };
    // What cannot be read back must not take the place of what can.
    let whole = "the learnt profile";
    match args.into.as_deref().filter(|name| !builtin::names().any(|known| known == *name)).map(Path::new) {
        Some(path) => load::from_str_at(&text, whole, path)?,
        None => load::from_str(&text, whole)?,
    };
    output.write(|out| out.write_all(text.as_bytes()))?;
    if !args.input.quiet {
        super::say(&Summary { every_capture: args.input.verbose, ..super::flows::facts(&analysis) });
        tell(&learnt, existing.is_some());
    }
    super::flows::tell_read_error(&analysis);
    let damaged =
        analysis.read_error.is_some() || analysis.captures.iter().any(|capture| capture.damage.is_some());
    Ok(if !analysis.internal_errors.is_empty() {
        Exit::Internal
    } else if damaged {
        Exit::Incomplete
    } else {
        Exit::Clean
    })
}

/// The profile of `--into`, bound, and its text.
fn existing(args: &LearnArgs, name: &str) -> Result<(crate::profile::Declaration, String)> {
    let profile = builtin::open(name)?;
    let sets = args
        .set
        .iter()
        .map(|text| {
            let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            pair.ok_or_else(|| Error::Usage(format!("failed to read `--set {text}`: expected NAME=VALUE")))
        })
        .collect::<Result<Vec<_>>>()?;
    let declaration = bind::bind(&Arc::new(profile), &args.variant, &sets)?;
    Ok((declaration, append::source(name)?))
}

/// The existing text with what is new; as it was where nothing is.
fn merged(text: &str, name: &str, learnt: &Learnt) -> Result<String> {
    if learnt.profile.claims.is_empty() {
        return Ok(text.to_owned());
    }
    let claims = write::claims_yaml(&learnt.profile, &learnt.notes);
    append::claims(text, name, &claims, &learnt.notes.header, "end of what is new")
}

fn tell(learnt: &Learnt, beside: bool) {
    let (required, allowed, attempts) = learnt.counts;
    let new = if beside { "new claims" } else { "claims" };
    tell!(
        "learnt: {} {new} ({required} required, {allowed} allowed, {attempts} only attempted); {} flows not learnt",
        learnt.profile.claims.len(),
        learnt.left
    );
    if beside && learnt.profile.claims.is_empty() {
        tell!("nothing is new: the profile is as it was");
    }
    for (code, count, sentence) in &learnt.remaining {
        tell!("checking the same captures still gives {code} ({count}): {}", printable(sentence));
    }
}
