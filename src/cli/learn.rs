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
use crate::model::text::counted;
use crate::model::text::printable;
use crate::pipeline::judge::{Scene, Task};
use crate::pipeline::learn::{Start, learn};
use crate::profile::tls_policy::{self, Policies, PolicyRef};
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
    /// Go by this TLS policy, a built-in one or a YAML file: what it does not call good is not declared; a new profile names it
    /// [default: as the profile of --into says, else bcp195]
    #[arg(long, value_name = "NAME|FILE")]
    tls_policy: Option<String>,
    /// Write the profile here instead of to standard output. A file that exists is refused, for it may have been reviewed;
    /// with --into it may, as the same file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &LearnArgs) -> Result<Exit> {
    let existing = args.into.as_deref().map(|name| existing(args, name)).transpose()?;
    let mut declaration = match &existing {
        Some((declaration, _)) => declaration.clone(),
        None => learn::nothing()?,
    };
    if let Some(policy) = &args.tls_policy {
        declaration.policies = Policies::only(PolicyRef::open(policy)?);
        if existing.is_none() {
            let named = policy_name(policy, args.output.as_deref())?;
            Arc::make_mut(&mut declaration.profile).tls_policy = named;
        }
    }
    // What somebody has reviewed is not written over; with --into its text is kept.
    let holds_something = |path: &&Path| path.metadata().is_ok_and(|file| file.is_file() && file.len() > 0);
    if let Some(path) = args.output.as_deref().filter(|_| args.into.is_none()).filter(holds_something) {
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
    let file =
        args.into.as_deref().filter(|name| !builtin::names().any(|known| known == *name)).map(Path::new);
    match file.or(args.output.as_deref().filter(|_| args.into.is_none())) {
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

/// What a new profile calls the TLS policy: by its name, or where its file is as seen from the profile's.
fn policy_name(policy: &str, output: Option<&Path>) -> Result<String> {
    if tls_policy::NAMES.contains(&policy) {
        return Ok(policy.to_owned());
    }
    let whole = |path: &Path| {
        path.canonicalize().map_err(|source| Error::Io { action: "find", path: path.to_owned(), source })
    };
    let file = whole(Path::new(policy))?;
    let folder = output
        .and_then(Path::parent)
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folder = folder.map(whole).transpose()?;
    let beside = folder.and_then(|folder| file.strip_prefix(folder).ok().map(Path::to_owned));
    Ok(beside
        .map_or_else(|| file.display().to_string(), |path| Path::new(".").join(path).display().to_string()))
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
    let new = if beside { "new claim" } else { "claim" };
    let claims = learnt.profile.claims.len() as u64;
    tell!(
        "learnt: {} ({required} required, {allowed} allowed, {attempts} only attempted); {} not learnt",
        counted(claims, new),
        counted(learnt.left as u64, "flow")
    );
    for which in &learnt.why_left {
        tell!("not learnt: {}", printable(which));
    }
    if beside && learnt.profile.claims.is_empty() {
        tell!("nothing is new to claim: the profile is as it was");
    }
    for (code, count, sentence) in &learnt.remaining {
        tell!("checking the same captures still gives {code} ({count}): {}", printable(sentence));
    }
}
