//! `wireclaim check`: the discrepancy table, and the exit status as the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;

use super::Exit;
use super::args::CheckArgs;
use super::settings::{self, Target};
use crate::error::Result;
use crate::model::finding::{Confidence, Severity};
use crate::model::text::printable;
use crate::model::{Finding, Timestamp};
use crate::pipeline::Analysis;
use crate::pipeline::judge::{self, Judgement, Scene, Show, Task, Verdict};
use crate::profile::tls_policy::{Policies, PolicyRef};
use crate::profile::{addresses, bind};
use crate::report::summary::{Coverage, Summary};
use crate::report::{self, Content};

pub(super) fn run(args: &CheckArgs) -> Result<Exit> {
    let mut tasks = settings::tasks(args)?;
    if let Some(policy) = &args.tls_policy {
        let policy = PolicyRef::open(policy)?;
        for task in &mut tasks {
            task.declaration.policies = Policies::only(policy.clone());
        }
    }
    let target = Target::open(&args.output, Content::Findings)?;
    let (analysis, names) = settings::analyse(&args.input)?;
    // The process ends with this command: giving back millions of pieces one by one would only take time.
    let analysis = ManuallyDrop::new(analysis);
    let scene = Scene::new(&analysis, &names, &tasks);
    let Judgement { findings, rows, verdicts } =
        judge::judge(&scene, if args.all { Show::EveryClaim } else { Show::Discrepancies });
    let exit = status(args, &analysis, &findings, &verdicts);
    let shown = if args.all { report::fold(findings.into_iter().chain(rows)) } else { findings };
    let (format, view, output) = target.parts(&analysis.captures);
    format.write_findings(&shown, &view, output)?;
    if !args.input.quiet {
        eprint!("{}", summary(&analysis, &verdicts, &shown, args.input.verbose));
        tell_old_policies(&tasks, analysis.flows.span().1);
    }
    for verdict in verdicts.iter().filter(|verdict| verdict.device.is_none()) {
        eprintln!(
            "wireclaim: no device for the profile `{}`: {} (name it with --device)",
            verdict.profile, verdict.why
        );
    }
    if !args.input.quiet {
        tell_old_lists(&tasks, analysis.flows.span().1, args.max_list_age);
    }
    super::flows::tell_read_error(&analysis);
    Ok(exit)
}

/// Says which address lists are old for this capture: what an old list says of an address may no longer be so.
fn tell_old_lists(tasks: &[Task], last: Timestamp, most: u64) {
    let lists: BTreeSet<(&str, &str, u64)> = tasks
        .iter()
        .flat_map(|task| addresses::of(&task.declaration))
        .map(|set| (set.name.as_str(), set.dated.as_str(), set.age_in_days(last)))
        .collect();
    for (name, dated, age) in lists.into_iter().filter(|(.., age)| *age > most) {
        eprintln!(
            "wireclaim: the address list `{name}` is of {dated}, {age} days before the capture ends: an address outside it \
             may be inside by then (`lists` in a profile reads a newer one under this name)"
        );
    }
}

/// Advice ages: what was known of TLS more than a year before the last packet may have been overtaken.
fn tell_old_policies(tasks: &[Task], last: Timestamp) {
    let last = last.to_string();
    let policies = tasks.iter().flat_map(|task| task.declaration.policies.all());
    let old: BTreeMap<&str, &str> = policies
        .filter(|policy| is_a_year_before(policy.dated(), &last))
        .map(|policy| (policy.name(), policy.dated()))
        .collect();
    for (name, dated) in old {
        let day = last.get(..10).unwrap_or(&last);
        eprintln!(
            "wireclaim: the TLS policy `{}` is of {dated} and the last packet of {day}: newer advice may exist",
            printable(name)
        );
    }
}

/// Whether `last` (RFC 3339) is more than twelve months after a date that may be a year or a month only.
fn is_a_year_before(dated: &str, last: &str) -> bool {
    let (year, rest) = dated.split_at_checked(4).unwrap_or((dated, ""));
    let Ok(year) = year.parse::<u16>() else { return false };
    let limit = format!("{:04}{rest}", year.saturating_add(1));
    last.get(..limit.len()).is_some_and(|last| last > limit.as_str())
}

/// The gate, as the exit status.
fn status(args: &CheckArgs, analysis: &Analysis, findings: &[Finding], verdicts: &[Verdict]) -> Exit {
    if !analysis.internal_errors.is_empty() {
        return Exit::Internal;
    }
    let confident = |finding: &&Finding| finding.confidence >= Confidence::from(args.min_confidence);
    let about_capture = |finding: &Finding| finding.code.starts_with("capture-");
    let reaches = args.fail_on.severity().is_some_and(|least| {
        findings
            .iter()
            .filter(confident)
            .any(|finding| !about_capture(finding) && finding.severity >= Some(least))
    });
    if reaches {
        return Exit::Findings;
    }
    let poor =
        findings.iter().any(|finding| about_capture(finding) && finding.severity == Some(Severity::Error));
    let damaged =
        analysis.read_error.is_some() || analysis.captures.iter().any(|capture| capture.damage.is_some());
    let nobody = verdicts.iter().any(|verdict| verdict.device.is_none());
    if damaged || poor || nobody { Exit::Incomplete } else { Exit::Clean }
}

fn summary(analysis: &Analysis, verdicts: &[Verdict], shown: &[Finding], verbose: bool) -> Summary {
    let devices = verdicts
        .iter()
        .filter_map(|verdict| {
            let label = verdict.device.as_ref()?;
            let ip = label.ip.map(|ip| format!(", {ip}")).unwrap_or_default();
            Some(format!("{} ({}{ip}): {}", label.name, label.key, verdict.why))
        })
        .collect();
    let coverage = verdicts
        .iter()
        .map(|verdict| {
            let counts = verdict.coverage;
            let who =
                verdict.device.as_ref().map_or_else(String::new, |label| format!(" for {}", label.name));
            let variant =
                if verdict.variant.is_empty() { String::new() } else { format!(" ({})", verdict.variant) };
            let title = if verdicts.len() > 1 || verdict.subject != bind::DEVICE {
                format!("{}{variant}{who}", verdict.profile)
            } else {
                String::new()
            };
            Coverage {
                title,
                declared: counts.declared as u64,
                checkable: counts.checkable as u64,
                exercised: counts.exercised as u64,
                conform: counts.conform as u64,
                discrepancies: counts.discrepancies as u64,
                not_exercised: counts.not_exercised as u64,
                not_visible: counts.not_visible as u64,
                unbound: counts.unbound as u64,
            }
        })
        .collect();
    let facts = super::flows::facts(analysis);
    Summary { devices, coverage, findings: tally(shown), every_capture: verbose, ..facts }
}

/// Discrepancies by severity, worst first.
fn tally(shown: &[Finding]) -> Vec<(Severity, u64)> {
    let mut counts: BTreeMap<Severity, u64> = BTreeMap::new();
    for severity in shown.iter().filter_map(|finding| finding.severity) {
        *counts.entry(severity).or_default() += 1;
    }
    counts.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_old_after_twelve_months_of_packets() {
        for (dated, last, old) in [
            ("2026-08", "2027-08-31T23:59:59.000000Z", false),
            ("2026-08", "2027-09-01T00:00:00.000000Z", true),
            ("2026-08", "2019-01-01T00:00:00.000000Z", false),
            ("2026", "2027-12-31T00:00:00.000000Z", false),
            ("2026", "2028-01-01T00:00:00.000000Z", true),
            ("2026-08-15", "2027-08-16T00:00:00.000000Z", true),
            ("", "2027-08-16T00:00:00.000000Z", false),
        ] {
            assert_eq!(is_a_year_before(dated, last), old, "{dated} {last}");
        }
    }
}
