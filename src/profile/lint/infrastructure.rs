//! What every device needs and documents forget: name resolution, and a way to tell the device itself.

use super::super::{Baseline, Identify, Peer, mud};
use super::transport::level_key;
use super::{Code, Declared, Family, Level, Lint, Severity, Subject};
use crate::model::finding::Way;

pub(super) static FAMILY: Family = Family { codes: &[&DNS, &NOBODY], find };

static DNS: Code = Code {
    id: "names-without-dns",
    title: "Peers are declared by name, and DNS is not declared",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/names-without-dns.md"),
};

static NOBODY: Code = Code {
    id: "no-identify",
    title: "Nothing says how the device is recognised in a capture",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/no-identify.md"),
};

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    names_without_dns(subject, lints);
    no_identify(subject, lints);
}

fn names_without_dns(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    let reaches_by_name = |claim: &&Declared<'_>| {
        let rule = claim.rule;
        claim.claim.level != Level::Forbidden
            && rule.way != Some(Way::In)
            && rule.peers.iter().any(|peer| matches!(peer, Peer::Name(_)))
    };
    let declares =
        |claim: &Declared<'_>| claim.opens() && claim.rule.way != Some(Way::In) && claim.ports.contains(53);
    let Some(first) = subject.flows.iter().find(reaches_by_name) else { return };
    if subject.flows.iter().any(declares) {
        return;
    }
    let profile = subject.profile;
    if !profile.baseline.contains(&Baseline::Dns) {
        let message = "names a peer, and neither the baseline nor a claim allows DNS".to_owned();
        let remedy = "add `dns` to `baseline`, or a claim for port 53";
        lints.push(subject.about(&DNS, first.claim, level_key(first.claim), message, remedy));
    } else if !profile.document.is_empty() && !mud::describes(profile) {
        // Whoever enforces a MUD file permits DNS without being told (RFC 8520 appendix A).
        let message = "names peers, and the document never says that the device needs DNS: only the profile's baseline \
                       allows it"
            .to_owned();
        let remedy =
            "open port 53 to the device's resolvers too where a firewall is set up from the document";
        let lint = subject.at(&DNS, &["baseline"], message, remedy).with_claims([first.claim]);
        lints.push(lint.with_severity(Severity::Info));
    }
}

fn no_identify(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    let Identify { dhcp_host_names, dhcp_vendor_classes, mud_urls, ouis, names, ports } =
        &subject.profile.identify;
    let nothing = dhcp_host_names.is_empty()
        && dhcp_vendor_classes.is_empty()
        && mud_urls.is_empty()
        && ouis.is_empty()
        && names.is_empty()
        && ports.is_empty();
    if nothing {
        let message =
            "no `identify`: the private address that opens most flows is taken for the device".to_owned();
        let remedy = "say what only such a device has (`identify: {ouis: …}`), or name it with --device";
        lints.push(subject.at(&NOBODY, &["profile"], message, remedy));
    }
}
