//! `wireclaim profile lint`: what is wrong with profiles, and the exit status as the answer.

use clap::Args;

use super::Exit;
use super::args::{FailOn, OutputArgs};
use super::settings::Target;
use crate::error::{Error, Result};
use crate::pipeline;
use crate::profile::{Profile, builtin, lint};
use crate::report::{Content, LintRow};

/// Which profiles, and what counts.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Built-in names (farmbot, electric-imp, smartserver, fortrabbit) or files
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    /// Write nothing where there is nothing to tell
    #[arg(short, long)]
    quiet: bool,
    /// Count the age of reviews and address lists to this day (2026, 2026-08, 2026-08-31) [default: the newest date in
    /// the profile and in what it refers to]
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// Exit with 1 where a lint is of this severity or above
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
}

/// Every profile is looked at, also after one that is broken.
pub(super) fn run(args: &LintArgs) -> Result<Exit> {
    if let Some(date) = &args.as_of {
        lint::check_date(date)
            .map_err(|message| Error::Usage(format!("failed to read `--as-of {date}`: {message}")))?;
    }
    let target = Target::open(&args.output, Content::Lints)?;
    let mut broken = 0;
    let mut rows = Vec::new();
    for name in &args.profiles {
        match builtin::open(name) {
            Ok(profile) => rows.extend(rows_of(&profile, name, args.as_of.as_deref())),
            Err(error) => {
                broken += 1;
                super::complain(&error);
            }
        }
    }
    let errors = || Error::Usage(format!("{broken} of {} profiles have errors", args.profiles.len()));
    if broken == args.profiles.len() {
        return Err(errors());
    }
    let worst = rows.iter().map(|row| row.lint.severity).max();
    if !(args.quiet && rows.is_empty() && args.output.output.is_none()) {
        let (format, view, output) = target.parts(&[]);
        format.write_lints(&rows, &view, output)?;
    }
    if broken > 0 {
        return Err(errors());
    }
    let reaches = args.fail_on.severity().is_some_and(|least| worst >= Some(least));
    Ok(if reaches { Exit::Findings } else { Exit::Clean })
}

fn rows_of(profile: &Profile, name: &str, as_of: Option<&str>) -> Vec<LintRow> {
    let text = builtin::text(name);
    let protocols: &[_] = &pipeline::protocols();
    let lints = lint::lint_on(profile, lint::Terms { as_of, text: text.as_deref(), protocols });
    let lines: Vec<&str> = text.as_deref().unwrap_or_default().lines().collect();
    let source = |line: u64| {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        lines.get(index).map(|line| (*line).to_owned())
    };
    let row = |lint: lint::Lint| LintRow {
        file: profile.origin.clone(),
        profile: profile.name.clone(),
        source: source(lint.line),
        lint,
    };
    lints.into_iter().map(row).collect()
}
