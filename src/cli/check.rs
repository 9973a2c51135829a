//! `wireclaim check`: the discrepancy table, and the exit status as the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;

use super::Exit;
use super::ages;
use super::args::{CheckArgs, InputArgs};
use super::fleet;
use super::settings::{self, Order, Target};
use super::waivers;
use crate::error::Result;
use crate::model::finding::{Confidence, Severity};
use crate::model::stats::CaptureInfo;
use crate::model::text::counted;
use crate::model::{Date, Finding};
use crate::pipeline::Analysis;
use crate::pipeline::fleet::Roll;
use crate::pipeline::judge::{Judgement, Scene, Show, Verdict};
use crate::pipeline::waive::{self, Use, Waived};
use crate::profile::bind;
use crate::profile::tls_policy::PolicyRef;
use crate::profile::waivers::Waiver;
use crate::report::summary::{Coverage, Summary};
use crate::report::{self, Content};

pub(super) fn run(args: &CheckArgs) -> Result<Exit> {
    let question = Question::of(args)?;
    let draft = args.write_waivers.as_deref().map(waivers::Draft::to).transpose()?;
    let target = Target::open(&args.output, Content::Findings)?;
    let mut judged =
        question.judge(&args.input, if args.all { Show::EveryClaim } else { Show::Discrepancies })?;
    let gate = Gate::of(args);
    let exit = judged.exit(&gate);
    let summary = (!args.input.quiet).then(|| judged.summary(&question, args.input.verbose));
    if args.all {
        let findings = std::mem::take(&mut judged.findings);
        judged.findings = report::fold(findings.into_iter().chain(judged.rows.drain(..)));
    }
    let (format, view, output) = target.parts(&judged.analysis.captures);
    format.write_findings(&judged.findings, &view, output)?;
    let drafted = draft.map(|draft| judged.draft(&draft, &question, &gate)).transpose()?;
    if let Some(summary) = summary {
        super::say(&summary);
    }
    if let Some(drafted) = drafted.filter(|_| !args.input.quiet) {
        tell!("wireclaim: {drafted}");
    }
    if !args.input.quiet {
        let declarations = question.order.declarations();
        let today = question.today(&judged.analysis.captures);
        ages::tell_old_policies(&declarations, today);
        ages::tell_old_lists(&declarations, today, args.max_list_age);
    }
    judged.tell_trouble();
    Ok(exit)
}

/// What is asked of captures: who is judged by what, and what is waived.
pub(super) struct Question {
    order: Order,
    waivers: Vec<Waiver>,
    /// The day that waivers are compared with, if not that of the last packet.
    as_of: Option<Date>,
}

/// What captures say to it.
pub(super) struct Judged {
    /// The process ends with this command: giving back millions of pieces one by one would only take time.
    analysis: ManuallyDrop<Analysis>,
    /// Discrepancies, waived where a waiver covers them.
    pub(super) findings: Vec<Finding>,
    /// One row for each claim without discrepancy, where they are wanted.
    pub(super) rows: Vec<Finding>,
    verdicts: Vec<Verdict>,
    /// With an inventory, who of it is here.
    roll: Option<Roll>,
    uses: Vec<Use>,
}

impl Question {
    /// Reads profiles and waivers.
    pub(super) fn of(args: &CheckArgs) -> Result<Self> {
        let mut order = Order::of(args)?;
        if let Some(policy) = &args.tls_policy {
            order.judge_tls_by(&PolicyRef::open(policy)?);
        }
        let waivers = waivers::read(&args.waivers)?;
        Ok(Self { order, waivers, as_of: args.as_of })
    }

    /// Reads the captures of `input` and judges them.
    pub(super) fn judge(&self, input: &InputArgs, show: Show) -> Result<Judged> {
        let (analysis, names) = settings::analyse(input)?;
        let analysis = ManuallyDrop::new(analysis);
        let scene = Scene::new(&analysis, &names, self.order.tasks());
        let Judgement { findings, rows, verdicts, roll } = self.order.judge(&scene, show)?;
        drop(scene);
        let Waived { findings, uses } = waive::waive(findings, &self.waivers, self.today(&analysis.captures));
        Ok(Judged { analysis, findings, rows, verdicts, roll, uses })
    }

    /// The day that counts: the one given, else that of the last packet.
    fn today(&self, captures: &[CaptureInfo]) -> Option<Date> {
        let last = captures.iter().filter_map(|capture| capture.last).max();
        self.as_of.or_else(|| last.map(Date::of))
    }
}

/// Which findings fail a run.
pub(super) struct Gate {
    severity: Option<Severity>,
    confidence: Confidence,
}

impl Gate {
    pub(super) fn of(args: &CheckArgs) -> Self {
        Self { severity: args.fail_on.severity(), confidence: args.min_confidence.into() }
    }

    /// Whether a row reaches it. What says something about the capture never does, nor does what is waived.
    pub(super) fn is_reached(
        &self,
        code: &str,
        severity: Option<Severity>,
        confidence: Confidence,
        waiver: &str,
    ) -> bool {
        let bad = self.severity.is_some_and(|least| severity >= Some(least));
        bad && confidence >= self.confidence && waiver.is_empty() && !is_about_capture(code)
    }

    fn stops(&self, finding: &Finding) -> bool {
        self.is_reached(finding.code, finding.severity, finding.confidence, &finding.waiver)
    }
}

/// Whether a code says something about the evidence, not about the device.
pub(super) fn is_about_capture(code: &str) -> bool {
    code.starts_with("capture-")
}

impl Judged {
    /// Gives back what was learnt, where the process goes on.
    pub(super) fn free(self) {
        drop(ManuallyDrop::into_inner(self.analysis));
    }

    /// The captures that were read.
    pub(super) fn captures(&self) -> &[CaptureInfo] {
        &self.analysis.captures
    }

    /// The gate, as the exit status.
    fn exit(&self, gate: &Gate) -> Exit {
        let trouble = self.trouble();
        if trouble != Exit::Internal && self.findings.iter().any(|finding| gate.stops(finding)) {
            return Exit::Findings;
        }
        trouble
    }

    /// What the input alone comes to, whatever was found.
    pub(super) fn trouble(&self) -> Exit {
        let analysis = &self.analysis;
        if !analysis.internal_errors.is_empty() {
            return Exit::Internal;
        }
        let poor = self
            .findings
            .iter()
            .any(|finding| is_about_capture(finding.code) && finding.severity == Some(Severity::Error));
        let damaged =
            analysis.read_error.is_some() || analysis.captures.iter().any(|capture| capture.damage.is_some());
        let nobody = self.roll.as_ref().is_some_and(|roll| roll.judged == 0)
            || self.verdicts.iter().any(|verdict| verdict.device.is_none());
        if damaged || poor || nobody { Exit::Incomplete } else { Exit::Clean }
    }

    /// Says who was not found, and why reading ended early.
    pub(super) fn tell_trouble(&self) {
        for verdict in self.verdicts.iter().filter(|verdict| verdict.device.is_none()) {
            tell!(
                "wireclaim: no device for the profile `{}`: {} (name one with --device that is in the captures: `wireclaim flows` \
                 shows who is)",
                verdict.profile,
                verdict.why
            );
        }
        if let Some(roll) = self.roll.as_ref().filter(|roll| roll.judged == 0) {
            super::complain(&format!("no device of the inventory `{}` is in the capture", roll.inventory));
        }
        super::flows::tell_read_error(&self.analysis);
    }

    /// Drafts waivers for what fails the run; says what was done.
    fn draft(&self, draft: &waivers::Draft<'_>, question: &Question, gate: &Gate) -> Result<String> {
        let stopping = self.findings.iter().filter(|finding| gate.stops(finding)).collect();
        draft.write(stopping, &question.waivers, question.today(self.captures()), self.captures())
    }

    /// What standard error ends with.
    pub(super) fn summary(&self, question: &Question, verbose: bool) -> Summary {
        let waivers = waivers::lines(&question.waivers, &self.uses);
        let fleet = self.roll.as_ref().map(|roll| fleet::lines(roll, verbose)).unwrap_or_default();
        Summary { fleet, waivers, ..summary(&self.analysis, &self.verdicts, &self.findings, verbose) }
    }
}

fn summary(analysis: &Analysis, verdicts: &[Verdict], shown: &[Finding], verbose: bool) -> Summary {
    let most = if verbose { usize::MAX } else { MANY_DEVICES };
    let mut devices: Vec<String> = verdicts.iter().filter_map(device).take(most).collect();
    let mut coverage: Vec<Coverage> =
        verdicts.iter().take(most).map(|verdict| covered(verdict, verdicts.len())).collect();
    let more = verdicts.len().saturating_sub(most);
    if more > 0 {
        devices.push(format!(
            "{} (--verbose names them, and the coverage of each)",
            counted(more as u64, "more device")
        ));
    }
    if verdicts.len() > 1 {
        coverage.push(of_all(verdicts));
    }
    let facts = super::flows::facts(analysis);
    Summary { devices, coverage, findings: tally(shown), every_capture: verbose, ..facts }
}

/// So many devices have their lines in the summary without being asked for.
const MANY_DEVICES: usize = 50;

/// Who was judged, and how it was found.
fn device(verdict: &Verdict) -> Option<String> {
    let label = verdict.device.as_ref()?;
    let ip = label.ip.map(|ip| format!(", {ip}")).unwrap_or_default();
    Some(format!("{} ({}{ip}): {}", label.name, label.key, verdict.why))
}

/// The coverage line of one of `count` verdicts.
fn covered(verdict: &Verdict, count: usize) -> Coverage {
    let who = verdict.device.as_ref().map_or_else(String::new, |label| format!(" for {}", label.name));
    let variant = if verdict.variant.is_empty() { String::new() } else { format!(" ({})", verdict.variant) };
    let title = if count > 1 || verdict.subject != bind::DEVICE {
        format!("{}{variant}{who}", verdict.profile)
    } else {
        String::new()
    };
    let counts = verdict.coverage;
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
        others: counts.others as u64,
    }
}

/// The coverage line of all: each device's claims count.
fn of_all(verdicts: &[Verdict]) -> Coverage {
    let devices: BTreeSet<&str> = verdicts
        .iter()
        .filter_map(|verdict| verdict.device.as_ref())
        .map(|label| label.key.as_str())
        .collect();
    let title = match verdicts.iter().find_map(|verdict| verdict.device.as_ref()) {
        // One device, and what several profiles say of it.
        Some(label) if devices.len() == 1 => format!("all profiles for {}", label.name),
        _ => format!("all {}", counted(devices.len() as u64, "device")),
    };
    let mut all = Coverage { title, ..Coverage::default() };
    for one in verdicts.iter().map(|verdict| covered(verdict, 1)) {
        all.declared += one.declared;
        all.checkable += one.checkable;
        all.exercised += one.exercised;
        all.conform += one.conform;
        all.discrepancies += one.discrepancies;
        all.not_exercised += one.not_exercised;
        all.not_visible += one.not_visible;
        all.unbound += one.unbound;
        all.others += one.others;
    }
    all
}

/// Discrepancies by severity, worst first.
fn tally(shown: &[Finding]) -> Vec<(Severity, u64)> {
    let mut counts: BTreeMap<Severity, u64> = BTreeMap::new();
    for severity in shown.iter().filter_map(|finding| finding.severity) {
        *counts.entry(severity).or_default() += 1;
    }
    counts.into_iter().rev().collect()
}
