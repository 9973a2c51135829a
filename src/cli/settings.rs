//! What the program needs, validated and built once from what the user typed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use super::args::{BindArgs, CheckArgs, Duplicates, InputArgs, OutputArgs};
use super::progress::Progress;
use crate::checks::devices::Selector;
use crate::error::{Error, Result};
use crate::files;
use crate::model::stats::CaptureInfo;
use crate::model::{NameBinding, Secrets};
use crate::pipeline::judge::{self, Judgement, Scene, Show, Task};
use crate::pipeline::{self, Analysis, Copies, Input, Options, Terms, fleet};
use crate::profile::inventory::Inventory;
use crate::profile::tls_policy::{Policies, PolicyRef};
use crate::profile::{Declaration, bind, builtin};
use crate::report::{self, Content, Format, Output};

/// Threads to use.
pub(super) fn jobs(args: &InputArgs) -> usize {
    args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get), usize::from)
}

/// Reads everything: captures with their progress bar, then the user's names.
pub(super) fn analyse(args: &InputArgs) -> Result<(Analysis, Vec<NameBinding>)> {
    let names = args.names.as_deref().map(judge::read_names).transpose()?.unwrap_or_default();
    let mut analysis = read_captures(args, read_key_logs(args)?)?;
    // What a capture tells late may be of connections that are over: only a second reading can use it.
    if let Some(secrets) = analysis.late_secrets.take_if(|_| analysis.readable_again) {
        analysis = read_captures(args, secrets)?;
    }
    Ok((analysis, names))
}

/// The secrets of `--keylog`.
fn read_key_logs(args: &InputArgs) -> Result<Secrets> {
    let mut secrets = Secrets::with_room(pipeline::room_for_secrets(args.max_memory));
    for path in &args.keylog {
        let failed = |source| Error::Io { action: "read", path: path.clone(), source };
        let mut lines = BufReader::new(files::open(path).map_err(failed)?);
        let (mut line, mut found) = (Vec::new(), 0);
        // A line that is no line of a key log may be as long as the file.
        while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)? > 0 {
            found += secrets.read(&line);
            line.clear();
        }
        if found == 0 {
            return Err(Error::Usage(format!(
                "failed to find a secret in `{}` (expected lines as in `CLIENT_RANDOM 5f… 9a…`, the NSS key log format)",
                path.display()
            )));
        }
    }
    Ok(secrets)
}

/// Longer lines hold no secret that is used.
const MAX_LINE: u64 = 1 << 12;

fn read_captures(args: &InputArgs, secrets: Secrets) -> Result<Analysis> {
    let window = pipeline::window(args.max_memory);
    let options = Options { filter: args.filter.clone(), window, secrets, ..Options::default() };
    let read = Arc::clone(&options.progress);
    let input = Input::open(&args.captures, options)?;
    let bar = args.progress.on(std::io::stderr().is_terminal() && !args.quiet);
    let progress = bar.then(|| Progress::start(read, input.total_bytes()));
    let copies = match args.duplicates {
        Duplicates::Drop => Copies::Drop,
        Duplicates::Keep => Copies::Keep,
    };
    let terms = Terms { jobs: jobs(args), max_memory: args.max_memory, copies };
    let analysis = pipeline::analyse_on(input, terms)?;
    drop(progress);
    Ok(analysis)
}

/// Where a result goes, and how.
pub(super) struct Target {
    format: &'static Format,
    output: Output,
    width: Option<u16>,
    color: bool,
}

impl Target {
    /// Opens it, before the analysis starts, so that a path that cannot be written fails early.
    pub(super) fn open(args: &OutputArgs, content: Content) -> Result<Self> {
        let stdout = std::io::stdout().is_terminal();
        let terminal = if stdout { report::IsTerminal::Yes } else { report::IsTerminal::No };
        let format = report::choose(args.format.as_deref(), args.output.as_deref(), content, terminal)?;
        let to_terminal = stdout && args.output.is_none();
        Ok(Self {
            format,
            output: Output::create(args.output.as_deref())?,
            width: if to_terminal { super::terminal_width() } else { None },
            color: args.color.on(to_terminal && std::env::var_os("NO_COLOR").is_none()),
        })
    }

    /// The format with its view of `captures`, and the place to write to.
    pub(super) fn parts(self, captures: &[CaptureInfo]) -> (&'static Format, report::View<'_>, Output) {
        (self.format, report::View { captures, width: self.width, color: self.color }, self.output)
    }
}

/// Who is judged by what.
pub(super) enum Order {
    /// By the profiles of `--profile`.
    Tasks(Vec<Task>),
    /// By an inventory.
    Fleet(Box<Inventory>),
}

impl Order {
    /// Loads and binds every profile.
    pub(super) fn of(args: &CheckArgs) -> Result<Self> {
        match &args.inventory {
            Some(path) => {
                stands_alone(args, path)?;
                Inventory::open(path).map(Box::new).map(Self::Fleet)
            }
            None => tasks(args).map(Self::Tasks),
        }
    }

    /// What was declared, each profile as it is bound.
    pub(super) fn declarations(&self) -> Vec<&Declaration> {
        match self {
            Self::Tasks(tasks) => tasks.iter().map(|task| &task.declaration).collect(),
            Self::Fleet(inventory) => inventory.choices.iter().map(|choice| &choice.declaration).collect(),
        }
    }

    /// Lets this TLS policy judge in the place of all that profiles name.
    pub(super) fn judge_tls_by(&mut self, policy: &PolicyRef) {
        let declarations: Vec<&mut Declaration> = match self {
            Self::Tasks(tasks) => tasks.iter_mut().map(|task| &mut task.declaration).collect(),
            Self::Fleet(inventory) => {
                inventory.choices.iter_mut().map(|choice| &mut choice.declaration).collect()
            }
        };
        for declaration in declarations {
            declaration.policies = Policies::only(policy.clone());
        }
    }

    /// The profiles whose devices are to be found; none with an inventory, which says who they are.
    pub(super) fn tasks(&self) -> &[Task] {
        match self {
            Self::Tasks(tasks) => tasks,
            Self::Fleet(_) => &[],
        }
    }

    /// Judges everybody.
    pub(super) fn judge(&self, scene: &Scene<'_>, show: Show) -> Result<Judgement> {
        match self {
            Self::Tasks(_) => Ok(judge::judge(scene, show)),
            Self::Fleet(inventory) => fleet::judge(scene, inventory, show),
        }
    }
}

/// What an inventory says is said there only.
fn stands_alone(args: &CheckArgs, inventory: &Path) -> Result<()> {
    let given = [
        ("--profile", &args.profile, "profile: NAME"),
        ("--device", &args.device, "match: {ip: 192.0.2.7}"),
        ("--subject", &args.subject, "subject: NAME"),
        ("--variant", &args.bind.variant, "variant: NAME"),
        ("--set", &args.bind.set, "set: {NAME: VALUE}"),
    ];
    let Some((option, values, key)) = given.into_iter().find(|(_, values, _)| !values.is_empty()) else {
        return Ok(());
    };
    Err(Error::Usage(format!(
        "`{option} {}` does not go with `--inventory`: write it into an entry of `{}` instead, as in `- {{match: {{mac: 02:00:5e:10:00:01}}, profile: farmbot}}` with `{key}`",
        values.first().map_or("", String::as_str),
        inventory.display()
    )))
}

/// Loads and binds every profile.
fn tasks(args: &CheckArgs) -> Result<Vec<Task>> {
    let profiles = args.profile.iter().map(|name| builtin::open(name)).collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    let mut variants = spread("--variant", &args.bind.variant, &names)?;
    let mut devices = spread("--device", &args.device, &names)?;
    let subjects = spread("--subject", &args.subject, &names)?;
    let mut sets = spread_sets(&args.bind.set, &names)?;
    profiles
        .into_iter()
        .enumerate()
        .map(|(at, profile)| {
            let variants = variants.remove(&at).unwrap_or_default();
            let sets = sets.remove(&at).unwrap_or_default();
            let subject = one_subject(subjects.get(&at).map(Vec::as_slice).unwrap_or_default())?;
            let declaration = bind::bind_as(&Arc::new(profile), subject, &variants, &sets)?;
            let selectors = devices.remove(&at).unwrap_or_default();
            Ok(Task { declaration, selectors: selectors.iter().map(|text| Selector::parse(text)).collect() })
        })
        .collect()
}

/// Loads one profile and binds it as `--subject`, `--variant` and `--set` say.
pub(super) fn declaration(profile: &str, subject: &[String], given: &BindArgs) -> Result<Declaration> {
    let profile = builtin::open(profile)?;
    let names = [profile.name.as_str()];
    let variants = spread("--variant", &given.variant, &names)?.remove(&0).unwrap_or_default();
    let sets = spread_sets(&given.set, &names)?.remove(&0).unwrap_or_default();
    let subjects = spread("--subject", subject, &names)?.remove(&0).unwrap_or_default();
    bind::bind_as(&Arc::new(profile), one_subject(&subjects)?, &variants, &sets)
}

/// The names and values of `--set`, by profile.
fn spread_sets(given: &[String], profiles: &[&str]) -> Result<BTreeMap<usize, Vec<(String, String)>>> {
    let mut sets: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
    for (at, list) in spread("--set", given, profiles)? {
        for text in list {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| Error::Usage(format!("failed to read `--set {text}`: expected NAME=VALUE")))?;
            sets.entry(at).or_default().push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(sets)
}

/// As whom a profile's devices are judged.
fn one_subject(given: &[String]) -> Result<&str> {
    match given {
        [] => Ok(bind::DEVICE),
        [subject] => Ok(subject),
        [first, second, ..] => Err(Error::Usage(format!(
            "failed to select a subject: got `{first}` and `{second}` for one profile (a run judges it as one of them)"
        ))),
    }
}

/// Gives each `[PROFILE=]VALUE` to its profile, by position; without a prefix there must be one profile only.
fn spread(option: &str, given: &[String], profiles: &[&str]) -> Result<BTreeMap<usize, Vec<String>>> {
    let mut spread: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for text in given {
        let prefixed = text.split_once('=').and_then(|(prefix, rest)| {
            let at = profiles.iter().position(|name| *name == prefix)?;
            Some((at, rest))
        });
        let (at, value) = match (prefixed, profiles) {
            (Some(found), _) => found,
            (None, [_]) => (0, text.as_str()),
            (None, _) => {
                return Err(Error::Usage(format!(
                    "failed to read `{option} {text}`: with several profiles, put one of {} and `=` before it",
                    profiles.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                )));
            }
        };
        spread.entry(at).or_default().push(value.to_owned());
    }
    Ok(spread)
}
