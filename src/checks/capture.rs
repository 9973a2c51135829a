//! What the capture itself lacks. These findings are about the evidence, not the device.

use super::subject::{Subject, View, flow_evidence};
use super::{Check, Code, Found};
use crate::model::finding::{Confidence, Severity, Status};
use crate::model::stats::{Shed, ShedKind};
use crate::model::{Evidence, Finding, Transport};

/// The check.
pub(super) static CHECK: Check = Check {
    id: "capture",
    codes: &[&CAPTURE_LOSS, &CAPTURE_TRUNCATED, &CAPTURE_ONE_SIDED, &CAPTURE_SHED],
    run,
};

static CAPTURE_LOSS: Code = Code {
    id: "capture-loss",
    title: "The capture lacks packets that were on the wire",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/capture-loss.md"),
};
static CAPTURE_TRUNCATED: Code = Code {
    id: "capture-truncated",
    title: "The capture holds only the beginning of each frame",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/capture-truncated.md"),
};
static CAPTURE_ONE_SIDED: Code = Code {
    id: "capture-one-sided",
    title: "The capture holds one direction of connections only",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/capture-one-sided.md"),
};

static CAPTURE_SHED: Code = Code {
    id: "capture-shed",
    title: "Flows or names of the device were let go, because the limit of memory was reached",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/capture-shed.md"),
};

/// Above this share of lost bytes, what was not seen may well have been lost.
const NOTABLE_LOSS: f64 = 0.01;
/// Above this share nothing can be said of what was not seen (Zeek's capture-loss calls it "too much").
const GREAT_LOSS: f64 = 0.10;
/// Above this share of connections, the span port mirrors one direction.
const NOTABLE_SIDED: f64 = 0.2;

/// How sure an "it was never answered" can be in this capture.
pub(super) fn absence(subject: &Subject<'_>) -> Confidence {
    let poor = subject.one_sided || lost(subject).0 > NOTABLE_LOSS || shed(subject).is_some();
    if poor { Confidence::Probable } else { Confidence::Strong }
}

/// What was let go, if something of the device may be among it.
fn shed<'s>(subject: &Subject<'s>) -> Option<&'s Shed> {
    let shed = &subject.evidence.stats.shed;
    (!shed.is_nothing() && subject.device.addresses.iter().any(|ip| shed.may_touch(*ip))).then_some(shed)
}

/// Whether connections of the device show one direction only.
pub(super) fn is_one_sided(subject: &Subject<'_>) -> bool {
    let (one_sided, connections) = sided(subject);
    connections > 0 && one_sided.len() as f64 / connections as f64 > NOTABLE_SIDED
}

/// Whether the snap length cut answers to the device's look-ups.
pub(super) fn look_ups_are_cut(subject: &Subject<'_>) -> bool {
    let dns = |view: &View<'_>| view.by_device && view.flow.key.resp.port == 53;
    subject.views.iter().any(|view| dns(view) && view.flow.truncated_frames > 0)
}

/// Whether names that the device was told may have been let go.
pub(super) fn names_are_shed(subject: &Subject<'_>) -> bool {
    shed(subject).is_some_and(|shed| shed.names > 0)
}

/// Share of TCP payload bytes of the device's flows that the capture lacks, and their number.
fn lost(subject: &Subject<'_>) -> (f64, u64) {
    let (mut missed, mut seen) = (0_u64, 0_u64);
    for view in tcp_views(subject) {
        // What the snap length cut was captured in part: that is truncation, not loss.
        if view.flow.truncated_frames == 0 {
            missed = missed.saturating_add(view.flow.missed.orig).saturating_add(view.flow.missed.resp);
        }
        seen = seen.saturating_add(view.flow.bytes.orig).saturating_add(view.flow.bytes.resp);
    }
    let all = missed.saturating_add(seen);
    (if all == 0 { 0.0 } else { missed as f64 / all as f64 }, missed)
}

fn tcp_views<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = &'s View<'s>> {
    subject.views.iter().filter(|view| view.flow.key.transport == Transport::Tcp && !view.through_proxy)
}

/// TCP flows that show one side only although the other must have spoken, and the number of all TCP flows.
fn sided<'s>(subject: &'s Subject<'_>) -> (Vec<&'s View<'s>>, usize) {
    (tcp_views(subject).filter(|view| shows_one_side(view)).collect(), tcp_views(subject).count())
}

/// Whether the capture holds nothing that was sent to the device: nobody answers it, or one direction is missing.
pub(super) fn hears_nothing(subject: &Subject<'_>) -> bool {
    subject.views.iter().all(|view| {
        let packets = view.flow.packets;
        let heard = if view.by_device { packets.resp } else { packets.orig };
        heard == 0 && view.flow.icmp_errors.is_empty()
    })
}

/// Nobody sends data on a connection that was not accepted, and nobody answers one that was not opened.
pub(super) fn shows_one_side(view: &View<'_>) -> bool {
    let flow = view.flow;
    (flow.packets.resp == 0 && flow.bytes.orig > 0) || (flow.packets.orig == 0 && flow.packets.resp > 0)
}

fn run(subject: &Subject<'_>, findings: &mut Found<'_>) {
    let (share, missed) = lost(subject);
    let dropped: u64 = subject.evidence.captures.iter().filter_map(|capture| capture.dropped).sum();
    let frames = subject.evidence.stats.frames.max(1);
    let dropped_share = dropped as f64 / (dropped + frames) as f64;
    if share > NOTABLE_LOSS || dropped_share > NOTABLE_LOSS {
        let great = share > GREAT_LOSS || dropped_share > GREAT_LOSS;
        let mut finding = about_capture(subject, &CAPTURE_LOSS, great);
        finding.expected = String::from("complete");
        finding.observed = format!("{:.1} % lost", 100.0 * share.max(dropped_share));
        let reported = match dropped {
            0 => String::new(),
            _ => format!(", and its recorder reported {dropped} dropped frames"),
        };
        finding.message = format!(
            "The capture lacks {missed} bytes of this device's connections ({:.1} %){reported}: what was not seen may have been lost.",
            100.0 * share
        );
        finding.evidence =
            joined(tcp_views(subject).filter(|view| view.flow.missed.orig + view.flow.missed.resp > 0));
        findings.push(finding);
    }
    findings.extend(truncated(subject));
    if let Some(shed) = shed(subject) {
        // Attempts are one of many of their kind; whatever else is gone may be what matters.
        let much = shed.names > 0 || shed.flows.keys().any(|kind| *kind > ShedKind::Attempt);
        let mut finding = about_capture(subject, &CAPTURE_SHED, much);
        finding.evidence.clone_from(&shed.evidence);
        finding.expected = String::from("everything judged");
        let names = (shed.names > 0).then(|| format!("{} names", shed.names));
        let flows = (shed.total() > 0).then(|| format!("{} flows", shed.total()));
        let list = |parts: [Option<String>; 2]| parts.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        finding.observed = format!("{} let go", list([flows.clone(), names.clone()]));
        let kinds: Vec<String> = shed.flows.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let flows = flows.map(|flows| format!("{flows} of the capture ({})", kinds.join(", ")));
        finding.message = format!(
            "{} were let go unjudged to stay below --max-memory, some of this device among them: raise it, or filter the capture.",
            list([flows, names])
        );
        findings.push(finding);
    }
    if subject.one_sided {
        let (views, connections) = sided(subject);
        let one_sided = views.len();
        let mut finding = about_capture(subject, &CAPTURE_ONE_SIDED, one_sided == connections);
        finding.evidence = joined(views.into_iter());
        finding.expected = String::from("both directions");
        finding.observed = format!("{one_sided} of {connections} connections one-sided");
        finding.message = format!(
            "{one_sided} of {connections} connections of this device show one direction only: mirror both directions of the port."
        );
        findings.push(finding);
    }
}

/// Frames cut so short that handshakes cannot be read.
fn truncated(subject: &Subject<'_>) -> Option<Finding> {
    // A tunnelled connection shares its frames with the one to the proxy.
    let views = || subject.views.iter().filter(|view| !view.through_proxy);
    let frames: u64 = views().map(|view| view.flow.packets.orig + view.flow.packets.resp).sum();
    let cut: u64 = views().map(|view| view.flow.truncated_frames).sum();
    if cut == 0 {
        return None;
    }
    let mut finding =
        about_capture(subject, &CAPTURE_TRUNCATED, cut * 2 > frames || look_ups_are_cut(subject));
    finding.evidence = joined(subject.views.iter().filter(|view| view.flow.truncated_frames > 0));
    finding.expected = String::from("whole frames");
    finding.observed = format!("{cut} of {frames} frames cut");
    finding.message = format!(
        "{cut} of {frames} frames of this device are cut by the snap length: record with a snap length of 0 or 262144."
    );
    Some(finding)
}

fn joined<'v>(views: impl Iterator<Item = &'v View<'v>>) -> Option<Evidence> {
    let mut all = views.map(|view| flow_evidence(view.flow));
    let mut sum = all.next()?;
    all.for_each(|one| sum.merge(&one));
    Some(sum)
}

fn about_capture(subject: &Subject<'_>, code: &'static Code, too_poor: bool) -> Finding {
    let mut finding = subject.bare_finding(code, Status::Inconclusive, Confidence::Strong, None);
    finding.severity = Some(if too_poor { Severity::Error } else { Severity::Warning });
    finding
}
