//! From what was learnt to what is found: names peers, chooses devices, runs the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use super::Analysis;
use crate::checks::devices::{self, Selector};
use crate::checks::subject::{Evidence, FlowIndex};
use crate::checks::{self, Coverage, Subject};
use crate::error::{Error, Result};
use crate::model::evidence::Evidence as Sightings;
use crate::model::finding::{Confidence, DeviceLabel, Severity, Status};
use crate::model::{Finding, Flow, NameBinding, NameSource};
use crate::naming::hosts::Hosts;
use crate::naming::{self, Names, Resolver};
use crate::profile::Declaration;
use crate::profile::tls_policy::TlsPolicy;
use crate::report::FlowRow;

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
    /// Discrepancies, not folded.
    pub findings: Vec<Finding>,
    /// One row per claim without discrepancy.
    pub rows: Vec<Finding>,
    /// Per profile and device.
    pub verdicts: Vec<Verdict>,
}

/// The analysis, named: what checks and reports look at.
#[derive(Debug)]
pub struct Scene {
    /// Names of addresses.
    pub names: Names,
    /// Hosts on the link.
    pub hosts: Hosts,
    /// Which flows are whose.
    index: FlowIndex,
}

impl Scene {
    /// Names what was seen; `given` are the user's own names.
    pub fn new(analysis: &Analysis, given: Vec<NameBinding>) -> Self {
        let names = Names::new(analysis.names.iter().cloned().chain(given).collect());
        Self {
            names,
            hosts: Hosts::new(&analysis.flows, &analysis.hosts),
            index: FlowIndex::new(&analysis.flows),
        }
    }

    /// The rows of the flow table: each flow with what its responder is called by its originator.
    pub fn flow_rows<'a>(&self, analysis: &'a Analysis) -> Vec<FlowRow<'a>> {
        let mut resolvers: BTreeMap<IpAddr, Resolver<'_>> = BTreeMap::new();
        let row = |flow: &'a Flow| {
            let asker = flow.key.orig.ip;
            let names =
                resolvers.entry(asker).or_insert_with(|| Resolver::new(&self.names, BTreeSet::from([asker])));
            let peer = names.peer(flow, flow.key.resp.ip, true);
            FlowRow { flow, resp_name: peer.name.map(|name| (name, peer.source)) }
        };
        analysis.flows.iter().map(row).collect()
    }

    fn evidence<'a>(&'a self, analysis: &'a Analysis) -> Evidence<'a> {
        Evidence {
            flows: &analysis.flows,
            index: &self.index,
            names: &self.names,
            hosts: &self.hosts,
            stats: &analysis.stats,
            captures: &analysis.captures,
        }
    }
}

/// Reads a hosts file for `--names`.
pub fn read_names(path: &Path) -> Result<Vec<NameBinding>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    naming::parse_hosts(&text).map_err(|line| {
        Error::Usage(format!("{}:{line}: expected an address, then names (as in hosts(5))", path.display()))
    })
}

/// Judges every device of every task.
pub fn judge(analysis: &Analysis, scene: &Scene, tasks: &[Task]) -> Judgement {
    let mut judgement = Judgement::default();
    let evidence = scene.evidence(analysis);
    for task in tasks {
        let profile = &task.declaration.profile;
        let Some(policy) = TlsPolicy::named(&profile.tls_policy) else { continue };
        let (devices, why) = devices::choose(evidence, profile, &task.selectors);
        if devices.is_empty() {
            judgement.verdicts.push(Verdict {
                profile: profile.name.clone(),
                variant: task.declaration.variant.clone(),
                device: None,
                why: why.clone(),
                coverage: Coverage::default(),
            });
        }
        for device in devices {
            let subject = Subject::new(&task.declaration, policy, device, evidence);
            let findings = checks::run(&subject);
            let rows = checks::claim_rows(&subject, &findings);
            judgement.verdicts.push(Verdict {
                profile: profile.name.clone(),
                variant: task.declaration.variant.clone(),
                device: Some(subject.label.clone()),
                why: why.clone(),
                coverage: checks::coverage(&subject, &findings, &rows),
            });
            judgement.findings.extend(findings);
            judgement.rows.extend(rows);
        }
    }
    judgement.findings.extend(analysis.internal_errors.iter().map(internal_error));
    judgement
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
        evidence: Some(Sightings::once(error.seen)),
        message: format!(
            "wireclaim's own analyzer {} failed on the flow {}; the rest is judged. Please report it with this capture.",
            error.analyzer, error.flow
        ),
    }
}
