//! The summary that a run ends with on standard error: what was read, what was not, and how much of the profile
//! this capture could speak to.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use crate::model::finding::Severity;
use crate::model::stats::{CaptureInfo, Stats};
use crate::model::text::{self, counted, grouped};
use crate::model::{Timestamp, Transport};

/// What the summary says; shown by its `Display`, several lines, each ended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Frames read, analysed and skipped.
    pub stats: Stats,
    /// The captures of the input.
    pub captures: Vec<CaptureInfo>,
    /// Whether each capture has its line, however many they are; else only a few, and those that are damaged or lack
    /// frames.
    pub every_capture: bool,
    /// One line for each device under test: who, and how it was found.
    pub devices: Vec<String>,
    /// What is to be known of the inventory, one line each.
    pub fleet: Vec<String>,
    /// Number of flows by transport.
    pub flows: BTreeMap<Transport, u64>,
    /// What is to be known of the capture's quality, one line each.
    pub quality: Vec<String>,
    /// What became of waivers, one line each.
    pub waivers: Vec<String>,
    /// Discrepancies by severity, worst first; empty where there are none or nothing was checked.
    pub findings: Vec<(Severity, u64)>,
    /// Claims and what became of them, for each profile and device; empty where nothing was checked.
    pub coverage: Vec<Coverage>,
}

/// Number of claims by what this capture says of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Which profile and device; empty where there is only one.
    pub title: String,
    /// Claims of the profile in its variant.
    pub declared: u64,
    /// Those that packets can show.
    pub checkable: u64,
    /// Those that something in the capture touched.
    pub exercised: u64,
    /// Exercised and as declared.
    pub conform: u64,
    /// With a discrepancy.
    pub discrepancies: u64,
    /// Checkable, but touched by nothing.
    pub not_exercised: u64,
    /// Checkable, but hidden in this capture.
    pub not_visible: u64,
    /// Those that depend on what nobody bound.
    pub unbound: u64,
    /// Those that bind somebody else than the one who is judged.
    pub others: u64,
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |capture: &&CaptureInfo| {
            self.every_capture || self.captures.len() <= FEW_CAPTURES || is_notable(capture)
        };
        for capture in self.captures.iter().filter(shown) {
            line(f, "capture", &describe(capture))?;
        }
        let hidden = self.captures.len() - self.captures.iter().filter(shown).count();
        if hidden > 0 {
            line(
                f,
                "captures",
                &format!("{} without anything to say", counted(hidden as u64, "more capture")),
            )?;
        }
        line(f, "frames", &frames(&self.stats))?;
        if let Some(span) = span(&self.captures) {
            line(f, "time", &span)?;
        }
        for device in &self.devices {
            line(f, "device", &text::printable(device))?;
        }
        for note in &self.fleet {
            line(f, "inventory", &text::printable(note))?;
        }
        line(f, "flows", &flows(&self.flows))?;
        for note in &self.quality {
            line(f, "quality", &text::printable(note))?;
        }
        for note in &self.waivers {
            line(f, "waivers", &text::printable(note))?;
        }
        if !self.coverage.is_empty() {
            line(f, "findings", &tally(&self.findings))?;
        }
        self.coverage.iter().try_for_each(|coverage| writeln!(f, "{coverage}"))
    }
}

/// `claims: 24 declared, 19 checkable, …`.
impl Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "claims{}: {} declared, {} checkable, {} exercised, {}, {}, {} not exercised, {} not visible in this capture",
            if self.title.is_empty() {
                String::new()
            } else {
                format!(" of {}", text::printable(&self.title))
            },
            grouped(self.declared),
            grouped(self.checkable),
            grouped(self.exercised),
            // The verb and the noun follow the number.
            if self.conform == 1 {
                "1 conforms".to_owned()
            } else {
                format!("{} conform", grouped(self.conform))
            },
            if self.discrepancies == 1 {
                "1 discrepancy".to_owned()
            } else {
                format!("{} discrepancies", grouped(self.discrepancies))
            },
            grouped(self.not_exercised),
            grouped(self.not_visible),
        )?;
        if self.unbound > 0 {
            write!(f, ", {} unbound", grouped(self.unbound))?;
        }
        if self.others > 0 { write!(f, ", {} binding others", grouped(self.others)) } else { Ok(()) }
    }
}

/// Up to so many captures have a line each without being asked for.
const FEW_CAPTURES: usize = 4;

/// Whether something is to be said of a capture beyond its frames.
fn is_notable(capture: &CaptureInfo) -> bool {
    capture.damage.is_some() || capture.dropped.is_some_and(|dropped| dropped > 0)
}

/// `2 errors, 1 warning`.
fn tally(findings: &[(Severity, u64)]) -> String {
    let parts: Vec<String> = findings
        .iter()
        .map(|(severity, count)| match severity {
            Severity::Info => format!("{} for information", grouped(*count)),
            other => counted(*count, &other.to_string()),
        })
        .collect();
    if parts.is_empty() { String::from("none") } else { parts.join(", ") }
}

/// A length of time in at most two units: `2 d 3 h`, `4 min 5 s`, `6.789 s`.
pub fn span_text(span: Duration) -> String {
    let secs = span.as_secs();
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    };
    if secs >= 86_400 {
        two(secs / 86_400, "d", secs % 86_400 / 3_600, "h")
    } else if secs >= 3_600 {
        two(secs / 3_600, "h", secs % 3_600 / 60, "min")
    } else if secs >= 60 {
        two(secs / 60, "min", secs % 60, "s")
    } else {
        format!("{:.3} s", span.as_secs_f64())
    }
}

fn line(f: &mut fmt::Formatter<'_>, head: &str, body: &str) -> fmt::Result {
    writeln!(f, "{head}: {body}")
}

fn describe(capture: &CaptureInfo) -> String {
    let mut out = format!("{}, {}", text::printable(&capture.name), counted(capture.frames, "frame"));
    if let Some(dropped) = capture.dropped.filter(|&dropped| dropped > 0) {
        let _ = write!(out, ", {} dropped while capturing", counted(dropped, "frame"));
    }
    if capture.out_of_order > 0 {
        let _ = write!(out, ", {} out of order", counted(capture.out_of_order, "frame"));
    }
    if let Some(damage) = &capture.damage {
        let (offset, reason) = (grouped(damage.offset), text::printable(&damage.reason));
        let _ = write!(out, "; incomplete: damaged at byte {offset}: {reason}");
    }
    out
}

/// `1,234 read = 1,200 analysed + 34 skipped (30 EtherType 0x88cc, 4 IP fragment)`, most frequent reason first.
fn frames(stats: &Stats) -> String {
    let skipped: u64 = stats.skipped.values().fold(0, |sum, count| sum.saturating_add(*count));
    let mut out = format!(
        "{} read = {} analysed + {} skipped",
        grouped(stats.frames),
        grouped(stats.analysed),
        grouped(skipped)
    );
    let mut reasons: Vec<_> = stats.skipped.iter().filter(|(_, count)| **count > 0).collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), **reason));
    if !reasons.is_empty() {
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{} {reason}", grouped(**count))).collect();
        let _ = write!(out, " ({})", reasons.join(", "));
    }
    if stats.truncated > 0 {
        let _ = write!(out, "; {} cut by the snap length", grouped(stats.truncated));
    }
    out
}

fn span(captures: &[CaptureInfo]) -> Option<String> {
    let first: Timestamp = captures.iter().filter_map(|capture| capture.first).min()?;
    let last = captures.iter().filter_map(|capture| capture.last).max()?;
    Some(format!("{first} to {last} ({})", span_text(last.since(first))))
}

fn flows(flows: &BTreeMap<Transport, u64>) -> String {
    let total = flows.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let parts: Vec<String> = flows
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(transport, count)| match transport {
            Transport::Tcp => counted(*count, "TCP connection"),
            _ => format!("{} {transport}", grouped(*count)),
        })
        .collect();
    if parts.is_empty() { "none".to_owned() } else { format!("{} ({})", grouped(total), parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::samples::capture;
    use super::*;
    use crate::model::LinkType;
    use crate::model::stats::{Damage, SkipReason};

    #[test]
    fn the_whole_summary_reads_as_the_contract_says() {
        let mut damaged = capture(1, "b\u{1b}.pcap");
        damaged.damage = Some(Damage { offset: 1_234, reason: "record of 9 bytes, expected 24".into() });
        damaged.dropped = Some(1);
        let stats = Stats {
            frames: 2_468,
            analysed: 2_433,
            skipped: BTreeMap::from([
                (SkipReason::Fragment, 4),
                (SkipReason::EtherType(0x88cc), 30),
                (SkipReason::LinkType(LinkType(9)), 1),
            ]),
            truncated: 7,
            ..Stats::default()
        };
        let summary = Summary {
            stats,
            captures: vec![capture(0, "a.pcap"), damaged],
            devices: vec!["bot (02:00:00:00:00:01), found by its DHCP host name".into()],
            fleet: vec!["campus: 1 entry, 1 device judged".into()],
            flows: BTreeMap::from([(Transport::Tcp, 1), (Transport::Udp, 1_200)]),
            quality: vec!["3 of 12 connections began before the capture".into()],
            coverage: vec![Coverage {
                declared: 24,
                checkable: 19,
                exercised: 14,
                conform: 12,
                discrepancies: 2,
                not_exercised: 3,
                not_visible: 2,
                ..Coverage::default()
            }],
            waivers: vec!["1 finding waived by 1 of 2 waivers".into()],
            findings: vec![(Severity::Error, 1), (Severity::Info, 1)],
            every_capture: false,
        };
        assert_eq!(
            summary.to_string(),
            "capture: a.pcap, 1,234 frames\n\
             capture: b\\x1b.pcap, 1,234 frames, 1 frame dropped while capturing; incomplete: damaged at byte \
             1,234: record of 9 bytes, expected 24\n\
             frames: 2,468 read = 2,433 analysed + 35 skipped (30 EtherType 0x88cc, 4 fragment of an incomplete packet, 1 link type 9); \
             7 cut by the snap length\n\
             time: 1970-01-01T00:00:12.000000Z to 1970-01-01T00:01:12.000000Z (1 min)\n\
             device: bot (02:00:00:00:00:01), found by its DHCP host name\n\
             inventory: campus: 1 entry, 1 device judged\n\
             flows: 1,201 (1 TCP connection, 1,200 udp)\n\
             quality: 3 of 12 connections began before the capture\n\
             waivers: 1 finding waived by 1 of 2 waivers\n\
             findings: 1 error, 1 for information\n\
             claims: 24 declared, 19 checkable, 14 exercised, 12 conform, 2 discrepancies, 3 not exercised, 2 not \
             visible in this capture\n"
        );
    }

    #[test]
    fn an_empty_input_has_a_summary_too() {
        assert_eq!(Summary::default().to_string(), "frames: 0 read = 0 analysed + 0 skipped\nflows: none\n");
        assert!(
            Coverage { conform: 1, discrepancies: 1, ..Coverage::default() }
                .to_string()
                .contains("1 conforms, 1 discrepancy,")
        );
    }

    #[test]
    fn lengths_of_time_have_two_units() {
        for (secs, text) in
            [(0, "0.000 s"), (59, "59.000 s"), (60, "1 min"), (3_725, "1 h 2 min"), (183_600, "2 d 3 h")]
        {
            assert_eq!(span_text(Duration::from_secs(secs)), text);
        }
    }
}
