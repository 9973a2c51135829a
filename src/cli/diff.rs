//! `wireclaim diff`: what changed between two discrepancy tables, between what two captures give, or between the
//! conversations of two flow tables.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Args};

use super::Exit;
use super::args::{CheckArgs, InputArgs};
use super::check::{self, Gate, Question};
use super::settings::Target;
use crate::error::{Error, Result};
use crate::model::finding::Severity;
use crate::model::text::printable;
use crate::model::text::{counted, grouped};
use crate::pipeline::judge::Show;
use crate::report::diff::{Change, Fate, diff};
use crate::report::read::{self, Held, Looks, Row, conversations};
use crate::report::{self, Content};

/// The options of `check`, with which captures are judged, and its gate.
#[derive(Debug, Args)]
#[command(mut_args(fitted), mut_group("declared", |group| group.required(false)), override_usage = "wireclaim diff [OPTIONS] <OLD> <NEW>")]
pub(super) struct DiffArgs {
    #[command(flatten)]
    check: CheckArgs,
}

/// An argument of `check` as it is for two inputs.
fn fitted(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "captures" => arg
            .num_args(2)
            .action(ArgAction::Set)
            .value_names(["OLD", "NEW"])
            .help("Two discrepancy tables of `wireclaim check` (CSV, NDJSON or JSON, told apart by content; one may be - for standard input), or captures, which are judged as check would with these options; or two flow tables of `wireclaim flows`, whose conversations are compared"),
        "profile" => arg.help("For captures: a built-in profile, a YAML file or a MUD file; repeatable"),
        "all" => arg.help("Print what is the same, too"),
        "fail_on" => arg.help("Exit with 1 where something new or worse is of this severity or above"),
        "min_confidence" => arg.help("Exit with 1 where something new or worse is of this confidence or above"),
        "write_waivers" => arg.hide(true),
        _ => arg,
    }
}

pub(super) fn run(args: &DiffArgs) -> Result<Exit> {
    let args = &args.check;
    let [old_name, new_name] = args.input.captures.as_slice() else {
        return Err(Error::Usage(String::from("expected two tables or captures: OLD NEW")));
    };
    let sides = [Side::of(old_name), Side::of(new_name)];
    let question = question(args, &sides)?;
    let target = Target::open(&args.output, Content::Changes)?;
    // A table may be without a row for each claim: they are compared where both sides have them for certain.
    let captures = sides.iter().all(|side| matches!(side, Side::Capture(_)));
    let show = if args.all && captures { Show::EveryClaim } else { Show::Discrepancies };
    let [old, new] = sides.map(|side| side.read(&args.input, question.as_ref(), show));
    let (old, new) = (old?, new?);
    let trouble = new.trouble;
    let (old, new) = comparable(old.held, new.held, [old_name, new_name])?;
    let changes = diff(old, new);
    let gate = Gate::of(args);
    let worse: Vec<&Change> = changes.iter().filter(|change| is_worse(change, &gate)).collect();
    let exit = match trouble {
        Exit::Internal => Exit::Internal,
        _ if !worse.is_empty() => Exit::Findings,
        trouble => trouble,
    };
    if !args.input.quiet {
        super::say(&summary(&changes, &worse));
        if exit == Exit::Incomplete {
            tell!("gate: {} is damaged, incomplete or too poor to tell what is new", printable(new_name));
        }
    }
    let shown: Vec<Change> =
        changes.into_iter().filter(|change| args.all || change.fate != Fate::Same).collect();
    let (format, view, output) = target.parts(&[]);
    format.write_changes(&shown, &view, output)?;
    Ok(exit)
}

/// One of the two that are compared.
enum Side<'a> {
    Table(&'a Path),
    Capture(&'a str),
}

/// The rows of both sides, which are of one kind.
fn comparable(old: Held, new: Held, names: [&str; 2]) -> Result<(Vec<Row>, Vec<Row>)> {
    match (old, new) {
        (Held::Findings(old), Held::Findings(new)) => Ok((old, new)),
        (Held::Nothing, Held::Findings(new)) => Ok((Vec::new(), new)),
        (Held::Findings(old), Held::Nothing) => Ok((old, Vec::new())),
        (Held::Nothing, Held::Nothing) => Ok((Vec::new(), Vec::new())),
        (Held::Flows(old), Held::Flows(new)) => Ok(conversations(&old, &new)),
        (Held::Flows(old), Held::Nothing) => Ok(conversations(&old, &[])),
        (Held::Nothing, Held::Flows(new)) => Ok(conversations(&[], &new)),
        (old, _) => {
            let [first, second] = names;
            let (flows, findings) =
                if matches!(old, Held::Flows(_)) { (first, second) } else { (second, first) };
            Err(Error::Usage(format!(
                "failed to compare `{first}` with `{second}`: `{flows}` is a flow table, `{findings}` findings (compare two tables of \
                 `wireclaim flows`, or two of `wireclaim check`)"
            )))
        }
    }
}

/// What one side has.
struct Found {
    held: Held,
    /// [`Exit::Clean`], or why its rows may not be all there are.
    trouble: Exit,
}

impl<'a> Side<'a> {
    fn of(argument: &'a str) -> Self {
        let path = Path::new(argument);
        match read::looks(path) {
            Looks::Table => Self::Table(path),
            Looks::Other => Self::Capture(argument),
        }
    }

    fn read(&self, input: &InputArgs, question: Option<&Question>, show: Show) -> Result<Found> {
        match (self, question) {
            (Self::Table(path), _) => {
                let held = read::read_any(path)?;
                let poor = |row: &Row| {
                    check::is_about_capture(row.cell("code")) && row.severity == Some(Severity::Error)
                };
                let is_poor = matches!(&held, Held::Findings(rows) if rows.iter().any(poor));
                Ok(Found { held, trouble: if is_poor { Exit::Incomplete } else { Exit::Clean } })
            }
            (Self::Capture(capture), Some(question)) => {
                let input = InputArgs { captures: vec![(*capture).to_owned()], ..input.clone() };
                let judged = question.judge(&input, show)?;
                if !input.quiet {
                    super::say(&judged.summary(question, input.verbose));
                }
                judged.tell_trouble();
                let shown = report::fold(judged.findings.iter().chain(&judged.rows).cloned());
                let held = Held::Findings(report::rows(&shown, judged.captures()));
                let found = Found { held, trouble: judged.trouble() };
                judged.free();
                Ok(found)
            }
            (Self::Capture(capture), None) => Err(needs_profile(capture)),
        }
    }
}

/// What captures are asked; `None` where there is none. Refuses what would go without effect.
fn question(args: &CheckArgs, sides: &[Side<'_>; 2]) -> Result<Option<Question>> {
    let capture = sides.iter().find_map(|side| match side {
        Side::Capture(capture) => Some(*capture),
        Side::Table(_) => None,
    });
    if args.write_waivers.is_some() {
        return Err(Error::Usage(String::from(
            "failed to use `--write-waivers`: it is an option of `wireclaim check`",
        )));
    }
    let Some(capture) = capture else {
        let given = [
            ("--profile", !args.profile.is_empty()),
            ("--inventory", args.inventory.is_some()),
            ("--variant", !args.bind.variant.is_empty()),
            ("--set", !args.bind.set.is_empty()),
            ("--device", !args.device.is_empty()),
            ("--waivers", !args.waivers.is_empty()),
            ("--filter", args.input.filter.is_some()),
            ("--keylog", !args.input.keylog.is_empty()),
            ("--names", args.input.names.is_some()),
        ];
        return match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Error::Usage(format!(
                "failed to use `{option}`: it is for captures, and both are tables (give it to the `wireclaim check` that writes them)"
            ))),
            None => Ok(None),
        };
    };
    if args.profile.is_empty() && args.inventory.is_none() {
        // A path that is not there is told as such, not as a missing profile.
        return Err(needs_profile(capture));
    }
    Question::of(args).map(Some)
}

/// Why a capture cannot be judged: there is no profile to judge it by, or it is not even there.
fn needs_profile(capture: &str) -> Error {
    let path = Path::new(capture);
    match path.metadata() {
        Err(source) if !capture.contains(['*', '?', '[']) => {
            Error::Io { action: "read", path: path.to_owned(), source }
        }
        _ => Error::Usage(format!(
            "failed to compare `{capture}`: it is no table (CSV, NDJSON or JSON, as `wireclaim check` or `wireclaim flows` writes it), and a \
             capture is judged by a profile (name one with `-p`)"
        )),
    }
}

/// Whether a change fails the run: what is new or worse reaches the gate, and did not do so before as bad as this.
fn is_worse(change: &Change, gate: &Gate) -> bool {
    let reaches =
        |row: &Row| gate.is_reached(row.cell("code"), row.severity, row.confidence, row.cell("waiver"));
    match (&change.fate, &change.before) {
        (Fate::New, _) => reaches(&change.row),
        (Fate::Changed, Some(before)) => {
            reaches(&change.row) && (!reaches(before) || change.row.severity > before.severity)
        }
        _ => false,
    }
}

/// `changes: 3 new, 1 gone, 2 changed, 14 the same`, and what fails the run.
fn summary(changes: &[Change], worse: &[&Change]) -> String {
    let count = |fate| grouped(changes.iter().filter(|change| change.fate == fate).count() as u64);
    let mut out = format!(
        "changes: {} new, {} gone, {} changed, {} the same\n",
        count(Fate::New),
        count(Fate::Gone),
        count(Fate::Changed),
        count(Fate::Same)
    );
    for change in worse.iter().take(MAX_TOLD) {
        let Change { fate, row, .. } = change;
        let _ = writeln!(out, "gate: {fate} {} {}", row.cell("code"), row.id());
    }
    if worse.len() > MAX_TOLD {
        let _ = writeln!(out, "gate: {}", counted((worse.len() - MAX_TOLD) as u64, "more row"));
    }
    out
}

/// Rows that are named as failing the run.
const MAX_TOLD: usize = 5;
