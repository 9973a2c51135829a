//! From what was learnt to what is found: names peers, chooses devices, runs the checks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::device_flows::DeviceFlows;
use super::fleet::Roll;
use super::spread::spread;
use super::{Analysis, Flows, Room};
use crate::checks::devices::{self, Selector, Talkers};
use crate::checks::subject::Evidence;
use crate::checks::{self, ClaimIndex, Coverage, Subject};
use crate::error::{Error, Result};
use crate::files;
use crate::model::finding::{Confidence, DeviceLabel, Severity, Status};
use crate::model::text::printable;
use crate::model::{self, Finding, Flow, NameBinding, NameSource};
use crate::naming::hosts::{Host, Hosts};
use crate::naming::{self, Names, PeerName, Resolver, Sightings};
use crate::profile::Declaration;
use crate::profile::inventory::Site;
use crate::report::{FlowRow, Folder};

/// Who is judged by what.
#[derive(Debug)]
pub struct Task {
    /// The declaration.
    pub declaration: Declaration,
    /// Whom; empty to find out.
    pub selectors: Vec<Selector>,
}

/// What one device's judgement came to.
#[derive(Debug)]
pub struct Verdict {
    /// Name of the profile.
    pub profile: String,
    /// As whom.
    pub subject: String,
    /// Its bound variants.
    pub variant: String,
    /// Who; `None` if no device was found.
    pub device: Option<DeviceLabel>,
    /// How the device was found, or why not.
    pub why: String,
    /// How much of the profile was put to the test.
    pub coverage: Coverage,
}

/// The findings of a run.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Discrepancies, folded.
    pub findings: Vec<Finding>,
    /// One row per claim without discrepancy.
    pub rows: Vec<Finding>,
    /// Per profile and device.
    pub verdicts: Vec<Verdict>,
    /// What the inventory came to, where there is one.
    pub roll: Option<Roll>,
}

/// The analysis, named: what checks and reports look at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Names of addresses.
    pub names: Names<'a>,
    /// Hosts on the link.
    pub hosts: Hosts,
    pub(super) analysis: &'a Analysis,
    pub(super) tasks: &'a [Task],
    /// For each task, who talks as its profile's device does.
    pub(super) talkers: Vec<Talkers<'a>>,
}

impl<'a> Scene<'a> {
    /// Names what was seen, and looks who is to be judged; `given` are the user's own names.
    pub fn new(analysis: &'a Analysis, given: &'a [NameBinding], tasks: &'a [Task]) -> Self {
        let names = Names::new(analysis.names.iter().chain(given));
        // One pass over all flows finds out everything.
        let talkers = || tasks.iter().map(|task| Talkers::new(&task.declaration.profile.identify)).collect();
        let seen = analysis.flows.fold(
            || (Sightings::default(), talkers()),
            |(sightings, talkers): &mut (Sightings, Vec<Talkers<'_>>), _, flow| {
                sightings.add(flow);
                for (talkers, task) in talkers.iter_mut().zip(tasks) {
                    // Whoever is named needs no recognising.
                    if task.selectors.is_empty() {
                        talkers.add(flow);
                    }
                }
            },
        );
        let mut sightings = Sightings::default();
        let mut talkers: Vec<Talkers<'_>> = talkers();
        for (some, part) in seen {
            sightings.merge(some);
            talkers.iter_mut().zip(part).for_each(|(all, some)| all.merge(some));
        }
        Self { names, hosts: sightings.hosts(&analysis.hosts), analysis, tasks, talkers }
    }

    /// The rows of the flow table: each of `flows` with what its responder is called by its originator.
    pub fn flow_rows<'f>(&self, flows: &'f [Flow]) -> Vec<FlowRow<'f>> {
        let mut resolvers: BTreeMap<IpAddr, Resolver<'_>> = BTreeMap::new();
        for flow in flows {
            let asker = flow.key.orig.ip;
            let own = || Resolver::new(&self.names, &BTreeSet::from([asker]));
            resolvers.entry(asker).or_insert_with(own).note(flow);
        }
        let row = |flow: &'f Flow| {
            let names = resolvers.get_mut(&flow.key.orig.ip);
            let peer = names.map_or_else(PeerName::none, |names| names.peer(flow, flow.key.resp.ip, true));
            FlowRow { flow, resp_name: peer.name.map(|name| (name, peer.source)) }
        };
        flows.iter().map(row).collect()
    }

    /// The flows of the run.
    pub(super) fn flows(&self) -> &'a Flows {
        &self.analysis.flows
    }

    pub(super) fn evidence(&self, site: &'a Site) -> Evidence<'_> {
        Evidence {
            names: &self.names,
            stats: &self.analysis.stats,
            captures: &self.analysis.captures,
            span: self.analysis.flows.span(),
            site,
        }
    }
}

/// Reads a hosts file for `--names`.
pub fn read_names(path: &Path) -> Result<Vec<NameBinding>> {
    let text = files::text(path, MAX_HOSTS, "names")?;
    naming::parse_hosts(&text).map_err(|line| {
        Error::Usage(format!(
            "failed to load the names: {}:{line}: expected an address, then names, as in /etc/hosts",
            path.display()
        ))
    })
}

/// Largest hosts file, in bytes.
const MAX_HOSTS: u64 = 64 << 20;

/// The site that nobody described.
pub(super) static UNSAID: Site = Site::unsaid();

/// Judges every device of every task.
pub fn judge(scene: &Scene<'_>, show: Show) -> Judgement {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (task, talkers) in scene.tasks.iter().zip(&scene.talkers) {
        let profile = &task.declaration.profile;
        let (devices, why) = devices::choose(&scene.hosts, talkers, profile, &task.selectors);
        let index = Arc::new(ClaimIndex::new(&task.declaration));
        let case = |device| Case {
            declaration: &task.declaration,
            index: Arc::clone(&index),
            device,
            name: None,
            site: &UNSAID,
            why: why.clone(),
        };
        if devices.is_empty() {
            cases.push(case(None));
        }
        cases.extend(devices.into_iter().map(|device| case(Some(device))));
    }
    judge_all(scene, &cases, show, Vec::new())
}

/// Judges every case; `others` are findings about no device of theirs.
pub(super) fn judge_all(
    scene: &Scene<'_>,
    cases: &[Case<'_>],
    show: Show,
    others: Vec<Finding>,
) -> Judgement {
    let devices = cases.iter().filter_map(|case| case.device.as_deref());
    let flows = DeviceFlows::find(&scene.analysis.flows, &scene.hosts, devices);
    let mut kept = Kept::new(scene.analysis.room);
    let mut verdicts = Vec::new();
    for some in cases.chunks(AT_ONCE) {
        for (found, rows, verdict) in
            spread(scene.analysis.flows.jobs(), some, |case| case.judge(scene, &flows))
        {
            kept.add(found, if show == Show::EveryClaim { rows } else { Vec::new() });
            verdicts.push(verdict);
        }
    }
    for other in others {
        let mut one = Folder::default();
        one.add(other);
        kept.add(one, Vec::new());
    }
    scene.analysis.internal_errors.iter().map(internal_error).for_each(|error| kept.findings.add(error));
    Judgement { findings: kept.findings.finish(), rows: kept.rows.finish(), verdicts, roll: None }
}

/// Devices that are judged before their rows are put with those of all.
const AT_ONCE: usize = 256;

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Discrepancies.
    Discrepancies,
    /// One of every claim without discrepancy, too.
    EveryClaim,
}

/// Rows of all devices, as many as there is room for; those of the devices after that stand together.
struct Kept {
    room: Room,
    findings: Folder,
    rows: Folder,
}

impl Kept {
    fn new(room: Room) -> Self {
        Self { room, findings: Folder::default(), rows: Folder::default() }
    }

    /// Adds what was found of a device, and its other rows. All of it or, so that nothing depends on order, only its counts.
    fn add(&mut self, found: Folder, rows: Vec<Finding>) {
        let before = self.findings.len().saturating_add(self.rows.len());
        let more = found.len().saturating_add(rows.len());
        if before.saturating_add(more) <= self.room.all_rows {
            self.findings.merge(found);
            rows.into_iter().for_each(|row| self.rows.add(row));
        } else {
            found
                .finish()
                .into_iter()
                .for_each(|row| self.findings.add(of_other_devices(row, self.room.all_rows)));
            rows.into_iter().for_each(|row| self.rows.add(of_other_devices(row, self.room.all_rows)));
        }
    }
}

/// One device under one declaration.
pub(super) struct Case<'a> {
    pub(super) declaration: &'a Declaration,
    pub(super) index: Arc<ClaimIndex>,
    /// `None` if nobody was found.
    pub(super) device: Option<Cow<'a, Host>>,
    /// What the user calls it; `None` to go by what it calls itself.
    pub(super) name: Option<&'a str>,
    pub(super) site: &'a Site,
    pub(super) why: String,
}

impl Case<'_> {
    /// Its discrepancies, its rows of claims without one, and what they come to.
    fn judge(&self, scene: &Scene<'_>, flows: &DeviceFlows) -> (Folder, Vec<Finding>, Verdict) {
        let verdict = Verdict {
            profile: self.declaration.profile.name.clone(),
            subject: self.declaration.subject.clone(),
            variant: self.declaration.variant.clone(),
            device: None,
            why: self.why.clone(),
            coverage: Coverage::default(),
        };
        let Some(device) = self.device.as_deref() else { return (Folder::default(), Vec::new(), verdict) };
        let verdict = Verdict { why: with_mud_urls(&self.why, device), ..verdict };
        // Only as long as this device is judged are its flows there whole.
        let Room { flows: most, rows, .. } = scene.analysis.room;
        let (places, left_out) = scene.analysis.flows.most_telling(flows.of(device), most, &device.addresses);
        let flows = scene.analysis.flows.at(&places);
        let mut stats = Cow::Borrowed(&scene.analysis.stats);
        if left_out.total() > 0 {
            stats.to_mut().shed.merge(&left_out);
        }
        let evidence = Evidence { stats: &stats, ..scene.evidence(self.site) };
        let mut subject = Subject::new(self.declaration, &self.index, device, &flows, evidence);
        if let Some(name) = self.name {
            name.clone_into(&mut subject.label.name);
        }
        let mut rows = Rows { most: rows, by_code: BTreeMap::new(), folded: Folder::default() };
        checks::run(&subject, |finding| rows.add(finding));
        let findings = rows.folded;
        let rows = checks::claim_rows(&subject, findings.rows());
        let coverage = checks::coverage(&subject, findings.rows(), &rows);
        let verdict = Verdict { device: Some(subject.label.clone()), coverage, ..verdict };
        (findings, rows, verdict)
    }
}

/// Why a device is judged, with the descriptions that it names itself.
fn with_mud_urls(why: &str, device: &Host) -> String {
    let urls: Vec<String> = device
        .mud_urls
        .iter()
        .take(MAX_URLS)
        .map(|url| printable(url))
        .filter(|url| !why.contains(url.as_str()))
        .collect();
    if urls.is_empty() { why.to_owned() } else { format!("{why}, MUD URL {}", urls.join(" and ")) }
}

/// MUD URLs of a device that are shown; it can send any number.
const MAX_URLS: usize = 3;

/// The rows of a device: of each code as many as there is room for, then one that stands for all others.
struct Rows {
    most: usize,
    by_code: BTreeMap<&'static str, usize>,
    folded: Folder,
}

impl Rows {
    fn add(&mut self, finding: Finding) {
        let rows = self.by_code.entry(finding.code).or_default();
        if *rows < self.most {
            let before = self.folded.len();
            self.folded.add(finding);
            *rows = rows.saturating_add(self.folded.len().saturating_sub(before));
        } else if let Some(new) = self.folded.add_to_known(finding) {
            self.folded.add(one_of_the_others(new, self.most));
        }
    }
}

/// A finding of a device for whose rows there is no room, without what tells it from those of others.
fn of_other_devices(finding: Finding, most: usize) -> Finding {
    let device =
        DeviceLabel { key: String::new(), name: String::from("further devices"), ip: None, mac: None };
    let message = format!(
        "{{count connection|connections}} of devices whose rows are beyond the first {most} of all are only counted here, to stay below --max-memory."
    );
    Finding { device, message, ..one_of_the_others(finding, most) }
}

/// A finding for which there is no room, without what tells it from others of its code.
fn one_of_the_others(finding: Finding, most: usize) -> Finding {
    Finding {
        way: None,
        transport: None,
        service: String::new(),
        peer_name: String::new(),
        name_source: NameSource::None,
        peer_ip: None,
        port: None,
        observed: format!("beyond {most} rows"),
        inside: String::new(),
        message: format!(
            "{{count connection|connections}} of {} are beyond the first {most} rows of this code and are only counted here, to stay below --max-memory.",
            finding.device.name
        ),
        ..finding
    }
}

/// A bug of ours, as a row.
fn internal_error(error: &super::InternalError) -> Finding {
    Finding {
        code: checks::INTERNAL_ERROR.id,
        status: Status::Inconclusive,
        severity: Some(Severity::Error),
        confidence: Confidence::Proven,
        profile: String::new(),
        variant: String::new(),
        claim: String::new(),
        device: DeviceLabel { key: String::new(), name: String::new(), ip: None, mac: None },
        way: None,
        transport: Some(error.flow.transport),
        service: error.analyzer.to_owned(),
        peer_name: String::new(),
        name_source: NameSource::None,
        peer_ip: Some(error.flow.resp.ip),
        port: Some(error.flow.resp.port),
        expected: String::from("no failure"),
        observed: format!("analyzer {} failed", error.analyzer),
        reference: String::new(),
        evidence: Some(model::Evidence::once(error.seen)),
        inside: String::new(),
        message: format!(
            "wireclaim's own analyzer {} failed on the flow {}; the rest is judged. Please report it with this capture.",
            error.analyzer, error.flow
        ),
        waiver: String::new(),
        policy: String::new(),
        normative: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::Seen;
    use crate::model::{Endpoint, FlowKey, Timestamp, Transport};
    use crate::pipeline::InternalError;

    /// Rows of a device, each about another peer.
    fn rows(device: &str, count: u8) -> Folder {
        let mut rows = Folder::default();
        for peer in 0..count {
            let end = |port| Endpoint { ip: [192, 0, 2, peer].into(), port };
            let flow = FlowKey { transport: Transport::Tcp, orig: end(1025), resp: end(443) };
            let seen = Seen { at: Timestamp::default(), frame: model::FrameRef::default() };
            let mut row = internal_error(&InternalError { analyzer: "test", flow, seen });
            row.device.key = device.to_owned();
            rows.add(row);
        }
        rows
    }

    #[test]
    fn devices_whose_rows_find_no_room_stand_together_and_are_counted() {
        let room = Room { all_rows: 5, ..Room::default() };
        let mut kept = Kept::new(room);
        for (device, count) in [("a", 3), ("b", 3), ("c", 2), ("d", 1)] {
            kept.add(rows(device, count), Vec::new());
        }
        let found = kept.findings.finish();
        let of = |device: &str| found.iter().filter(|row| row.device.key == device).count();
        // Three, then one for all of `b`; two more would be six.
        assert_eq!((of("a"), of("b"), of("c"), of("d"), of("")), (3, 0, 0, 1, 1));
        let others = found.iter().find(|row| row.device.key.is_empty()).unwrap();
        assert_eq!(others.evidence.as_ref().unwrap().count, 5);
        assert_eq!((others.device.name.as_str(), others.peer_ip), ("further devices", None));
    }
}
