//! Waivers applied to findings, after everything is judged and folded: a waived row is shown as `info` and fails no run.
//! An expired waiver lowers nothing, and is a finding of its own where it would cover one.

use std::borrow::Cow;

use crate::checks::devices::{Selector, wildcard};
use crate::checks::{self, WAIVER_EXPIRED};
use crate::model::finding::{Confidence, DeviceLabel, Finding, Severity, Status};
use crate::model::{Date, Evidence, NameSource, text};
use crate::profile::waivers::{Match, WaivedPeer, Waiver};
use crate::report::{finding_id, fold};

/// What became of findings and waivers.
#[derive(Debug)]
pub struct Waived {
    /// The findings, with those about expired waivers, sorted as the table has them.
    pub findings: Vec<Finding>,
    /// What each waiver did, in the order given.
    pub uses: Vec<Use>,
}

/// What one waiver did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Rows that it lowers or, being expired, would lower.
    pub rows: u64,
    /// Its last day has passed.
    pub expired: bool,
}

/// Lowers every finding that a valid waiver covers; of several the first one counts. `today` is the day with which
/// the last day of a waiver is compared; without one nothing has expired, for there was no packet.
pub fn waive(mut findings: Vec<Finding>, waivers: &[Waiver], today: Option<Date>) -> Waived {
    let mut rules: Vec<Rule<'_>> = waivers.iter().map(|waiver| Rule::new(waiver, today)).collect();
    if rules.is_empty() {
        return Waived { findings, uses: Vec::new() };
    }
    for finding in findings.iter_mut().filter(|finding| checks::is_waivable(finding.code)) {
        let id = finding_id(finding);
        // Of all that cover it, a valid one first, then the first of the file.
        let covering =
            rules.iter_mut().filter(|rule| rule.covers(finding, &id)).min_by_key(|rule| rule.expired);
        match covering {
            Some(rule) if rule.expired => rule.would_cover(finding, &id),
            Some(rule) => rule.lower(finding),
            None => {}
        }
    }
    let uses = rules.iter().map(|rule| Use { rows: rule.rows, expired: rule.expired }).collect();
    findings.extend(rules.into_iter().filter(|rule| rule.expired && rule.rows > 0).map(Rule::finding));
    Waived { findings: fold(findings), uses }
}

/// A waiver at work.
struct Rule<'w> {
    waiver: &'w Waiver,
    devices: Vec<Selector>,
    expired: bool,
    rows: u64,
    /// The first few rows that it would cover, if it is expired, and where all of them were seen.
    examples: Vec<String>,
    evidence: Option<Evidence>,
}

/// Rows named of those that an expired waiver would cover.
const EXAMPLES: usize = 3;

impl<'w> Rule<'w> {
    fn new(waiver: &'w Waiver, today: Option<Date>) -> Self {
        Self {
            waiver,
            devices: waiver.matches.devices.iter().map(|text| Selector::parse(text)).collect(),
            expired: today.is_some_and(|today| waiver.expires < today),
            rows: 0,
            examples: Vec::new(),
            evidence: None,
        }
    }

    /// Whether every key that the waiver has fits the finding.
    fn covers(&self, finding: &Finding, id: &str) -> bool {
        let Match { codes, profiles, claims, peers, ports, transports, ways, observed, finding_ids, .. } =
            &self.waiver.matches;
        fits(codes, |code| code == finding.code)
            && fits(finding_ids, |known| known == id)
            && fits(profiles, |profile| *profile == shown(&finding.profile))
            && fits(claims, |claim| *claim == shown(&finding.claim))
            && fits(&self.devices, |device| device.names(&finding.device))
            && fits(ways, |way| finding.way == Some(*way))
            && fits(ports, |(low, high)| finding.port.is_some_and(|port| (*low..=*high).contains(&port)))
            && fits(transports, |word| finding.transport.is_some_and(|known| known.to_string() == *word))
            && fits(peers, |peer| is_peer(peer, finding))
            && fits(observed, |pattern| wildcard(pattern, &shown(&finding.observed)))
    }

    fn lower(&mut self, finding: &mut Finding) {
        finding.waiver.clone_from(&self.waiver.id);
        finding.severity = finding.severity.map(|_| Severity::Info);
        self.rows += 1;
    }

    fn would_cover(&mut self, finding: &Finding, id: &str) {
        self.rows += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("{} {id}", finding.code));
        }
        match (&mut self.evidence, &finding.evidence) {
            (Some(all), Some(more)) => all.merge(more),
            (all @ None, Some(first)) => *all = Some(first.clone()),
            (_, None) => {}
        }
    }

    /// The row about an expired waiver. It names no device and no claim, so that it stays the same row whatever else
    /// the waiver would cover in the next capture.
    fn finding(self) -> Finding {
        let Waiver { id, owner, expires, .. } = self.waiver;
        let others = self.rows.saturating_sub(self.examples.len() as u64);
        let others = match others {
            0 => Cow::Borrowed(""),
            1 => Cow::Borrowed(" and 1 more row"),
            many => Cow::Owned(format!(" and {many} more rows")),
        };
        Finding {
            code: WAIVER_EXPIRED.id,
            status: Status::Inconclusive,
            severity: Some(WAIVER_EXPIRED.severity),
            confidence: Confidence::Proven,
            profile: String::new(),
            variant: String::new(),
            claim: String::new(),
            device: DeviceLabel { key: String::new(), name: String::new(), ip: None, mac: None },
            way: None,
            transport: None,
            service: String::new(),
            peer_name: String::new(),
            name_source: NameSource::None,
            peer_ip: None,
            port: None,
            expected: String::from("valid waiver"),
            observed: format!("{id} {expires}"),
            reference: String::new(),
            evidence: self.evidence,
            inside: String::new(),
            message: format!(
                "The waiver {id} (owner {owner}) expired on {expires}; it would cover {}{others}.",
                self.examples.join(", ")
            ),
            waiver: String::new(),
            policy: String::new(),
            normative: "",
        }
    }
}

/// Text as the table shows it, and as a file that is read has it: without blanks around it.
fn shown(text: &str) -> String {
    text::printable(text).trim().to_owned()
}

/// Whether nothing is asked for, or one entry fits.
fn fits<T>(asked: &[T], fit: impl Fn(&T) -> bool) -> bool {
    asked.is_empty() || asked.iter().any(fit)
}

fn is_peer(peer: &WaivedPeer, finding: &Finding) -> bool {
    match peer {
        WaivedPeer::Name(pattern) => {
            let name = finding.peer_name.trim_end_matches('.').to_ascii_lowercase();
            !name.is_empty() && pattern.matches(&name)
        }
        WaivedPeer::Network(network) => finding.peer_ip.is_some_and(|ip| network.contains(&ip)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::evidence::Seen;
    use crate::model::finding::Way;
    use crate::model::{FrameRef, MacAddr, Timestamp, Transport};
    use crate::profile::waivers::{Codes, from_str};
    use crate::report::{View, draft};

    fn finding() -> Finding {
        let seen = Seen { at: Timestamp::default(), frame: FrameRef::default() };
        Finding {
            code: "undeclared-destination",
            status: Status::Violation,
            severity: Some(Severity::Error),
            confidence: Confidence::Strong,
            profile: "farmbot".into(),
            variant: String::new(),
            claim: String::new(),
            device: DeviceLabel {
                key: "02:00:00:00:00:01".into(),
                name: "bot-1".into(),
                ip: Some("192.0.2.10".parse().unwrap()),
                mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            },
            way: Some(Way::Out),
            transport: Some(Transport::Tcp),
            service: "tls".into(),
            peer_name: "telemetry.example.net".into(),
            name_source: NameSource::Sni,
            peer_ip: Some("203.0.113.60".parse().unwrap()),
            port: Some(443),
            expected: "declared peer".into(),
            observed: "80 s".into(),
            reference: String::new(),
            evidence: Some(Evidence::once(seen)),
            inside: String::new(),
            message: "m".into(),
            waiver: String::new(),
            policy: String::new(),
            normative: "",
        }
    }

    fn waivers(entries: &[(&str, &str, &str)]) -> Vec<Waiver> {
        let entry = |(id, keys, expires): &(&str, &str, &str)| {
            format!("  - {{id: {id}, match: {{{keys}}}, reason: r, owner: alice, expires: {expires}}}\n")
        };
        let text: String = entries.iter().map(entry).collect();
        let codes = Codes { waivable: &["undeclared-destination", "weak-cipher"], never: &[] };
        from_str(&format!("version: 1\nwaivers:\n{text}"), "w.yaml", codes).unwrap()
    }

    fn today() -> Option<Date> {
        Date::parse("2026-11-21")
    }

    #[test]
    fn every_key_must_fit() {
        let id = finding_id(&finding());
        for (keys, fits) in [
            ("code: undeclared-destination", true),
            ("code: [weak-cipher, undeclared-destination]", true),
            ("code: weak-cipher", false),
            ("profile: farmbot", true),
            ("profile: farm", false),
            ("claim: FB-1", false),
            ("device: bot-1", true),
            ("device: 'bot-*'", true),
            ("device: 192.0.2.0/24", true),
            ("device: 192.0.2.11", false),
            ("device: '02:00:00:00:00:01'", true),
            ("device: '02:00:00'", true),
            ("device: '02:00:01'", false),
            ("peer: telemetry.example.net", true),
            ("peer: '*.example.net'", true),
            ("peer: .telemetry.example.net", true),
            ("peer: '*.telemetry.example.net'", false),
            ("peer: example.net", false),
            ("peer: 203.0.113.0/24", true),
            ("peer: 203.0.113.61", false),
            ("port: 443", true),
            ("port: 400-500", true),
            ("port: 80", false),
            ("transport: tcp", true),
            ("transport: udp", false),
            ("direction: out", true),
            ("direction: [in, local]", false),
            ("observed: 80 s", true),
            ("observed: '* s'", true),
            ("observed: 81 s", false),
            ("finding_id: 0123456789abcdef", false),
            (&format!("finding_id: {id}"), true),
            ("code: undeclared-destination, port: 443, peer: .example.net", true),
            ("code: undeclared-destination, port: 444, peer: .example.net", false),
        ] {
            let waived = waive(vec![finding()], &waivers(&[("W", keys, "2026-11-21")]), today());
            let row = &waived.findings[0];
            assert_eq!((waived.findings.len(), row.waiver == "W"), (1, fits), "{keys}");
            assert_eq!(row.severity, Some(if fits { Severity::Info } else { Severity::Error }), "{keys}");
            assert_eq!(waived.uses, [Use { rows: u64::from(fits), expired: false }], "{keys}");
        }
    }

    #[test]
    fn a_waiver_is_valid_through_its_last_day() {
        for (expires, valid) in [("2026-11-20", false), ("2026-11-21", true), ("2026-11-22", true)] {
            let waived = waive(vec![finding()], &waivers(&[("W", "port: 443", expires)]), today());
            assert_eq!(waived.uses, [Use { rows: 1, expired: !valid }], "{expires}");
            let codes: Vec<_> = waived.findings.iter().map(|row| (row.code, row.severity)).collect();
            let lowered = [("undeclared-destination", Some(Severity::Info))];
            let kept = [
                ("undeclared-destination", Some(Severity::Error)),
                ("waiver-expired", Some(Severity::Warning)),
            ];
            assert_eq!(codes, if valid { &lowered[..] } else { &kept[..] }, "{expires}");
        }
    }

    #[test]
    fn the_first_valid_waiver_counts_and_an_expired_one_is_told_only_where_none_is_valid() {
        let list = [
            ("old", "port: 443", "2026-01-01"),
            ("a", "port: 443", "2027-01-01"),
            ("b", "port: 443", "2028-01-01"),
        ];
        let waived = waive(vec![finding()], &waivers(&list), today());
        assert_eq!(waived.findings.len(), 1);
        assert_eq!(waived.findings[0].waiver, "a");
        assert_eq!(waived.uses.iter().map(|used| used.rows).collect::<Vec<_>>(), [0, 1, 0]);
    }

    #[test]
    fn the_row_of_an_expired_waiver_names_owner_day_and_what_it_would_cover() {
        let rows = (1..=5).map(|n| Finding { observed: format!("{n} s"), ..finding() }).collect();
        let waived = waive(rows, &waivers(&[("W-7", "port: 443", "2026-06-30")]), today());
        let row = waived.findings.iter().find(|row| row.code == "waiver-expired").unwrap();
        assert_eq!((row.observed.as_str(), row.expected.as_str()), ("W-7 2026-06-30", "valid waiver"));
        assert!(
            row.message.starts_with(
                "The waiver W-7 (owner alice) expired on 2026-06-30; it would cover undeclared-destination "
            ),
            "{}",
            row.message
        );
        assert!(row.message.ends_with(" and 2 more rows."), "{}", row.message);
        assert_eq!(row.evidence.as_ref().unwrap().count, 5);
    }

    #[test]
    fn what_tells_of_the_capture_is_never_waived() {
        for code in ["capture-loss", "internal-error"] {
            let row = Finding { code, ..finding() };
            let waived = waive(vec![row], &waivers(&[("W", "port: 443", "2027-01-01")]), today());
            assert_eq!(
                (waived.findings[0].severity, waived.uses[0].rows),
                (Some(Severity::Error), 0),
                "{code}"
            );
        }
    }

    /// What `--write-waivers` writes of these, filled in.
    fn drafted(findings: &[&Finding]) -> Result<Vec<Waiver>, String> {
        let expires = Date::parse("2027-02-19").unwrap();
        let text = draft::waivers(findings, &View::default(), expires, &BTreeSet::new());
        let codes = Codes { waivable: &["undeclared-destination"], never: &[] };
        let refused = from_str(&text, "w.yaml", codes).unwrap_err().to_string();
        assert!(refused.contains("`reason` is still to be filled in"), "{refused}");
        let filled = text.replace("reason: \"\"", "reason: r").replace("owner: \"\"", "owner: o");
        from_str(&filled, "w.yaml", codes).map_err(|error| format!("{error}\n{text}"))
    }

    proptest! {
        #[test]
        fn a_draft_that_is_filled_in_waives_its_finding_whatever_the_wire_says(
            texts in proptest::collection::vec("\\PC{0,12}|[\\x00-\\x7f]{0,12}|[a-z.*'\"#:-]{0,9}", 5),
            port in any::<Option<u16>>(),
        ) {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().unwrap_or_default();
            let row = Finding {
                peer_name: next(), observed: next(), claim: next(), profile: next(), message: next(), port, ..finding()
            };
            let waivers = drafted(&[&row]).map_err(TestCaseError::fail)?;
            let waived = waive(vec![row], &waivers, today());
            prop_assert_eq!(waived.uses, [Use { rows: 1, expired: false }]);
        }
    }

    #[test]
    fn a_draft_is_as_narrow_as_the_row_but_for_measurements() {
        let waivers = drafted(&[&finding()]).unwrap();
        let covers = |row: Finding| waive(vec![row], &waivers, today()).uses[0].rows == 1;
        assert!(covers(finding()));
        assert!(covers(Finding { observed: "95 s".into(), ..finding() }));
        assert!(!covers(Finding { observed: "95 s idle".into(), ..finding() }));
        assert!(!covers(Finding { port: Some(444), ..finding() }));
        assert!(!covers(Finding { peer_name: "a.telemetry.example.net".into(), ..finding() }));
        assert!(!covers(Finding { way: Some(Way::In), ..finding() }));
    }
}
