//! Claims against observations: what differs, and which claims hold.
//!
//! A check is a pure function of one [`Subject`] (a device, its bound profile and everything the capture shows of
//! it) and gives findings. A new check is one file with its codes and one line in [`REGISTRY`].

mod amqp;
mod availability;
mod capture;
mod certificate;
mod claim_index;
mod claims;
mod destination;
pub mod devices;
mod dns;
mod inside;
mod lifetime;
pub mod matching;
mod mqtt;
mod mud_url;
mod ntp;
pub mod outcome;
mod protocol;
mod rating;
pub mod roster;
mod sessions;
pub mod subject;
mod tls;
mod tls_features;
mod tls_handshake;
mod tls_offer;
mod tls_version;
mod websocket;

pub use claim_index::ClaimIndex;
pub use claims::{Coverage, claim_rows, coverage};
pub use subject::{Evidence as CaptureEvidence, Subject, View};
pub use tls::equivalent as equivalent_version;

use crate::model::Finding;
use crate::model::finding::Severity;

/// What can be found, with the page that `wireclaim explain` shows.
#[derive(Debug)]
pub struct Code {
    /// Kebab-case, named for what is found.
    pub id: &'static str,
    /// One line.
    pub title: &'static str,
    /// Severity of a violation or obstruction; drift is always `info`, inconclusive always `warning`.
    pub severity: Severity,
    /// The version that brought it.
    pub since: &'static str,
    /// What it reports, why it matters, when it stays silent, profile keys, references, an example: Markdown with
    /// these six as second-level headings.
    pub page: &'static str,
}

/// A check: which codes it may give, and how it finds them.
#[derive(Debug)]
pub struct Check {
    /// Kebab-case family name.
    pub id: &'static str,
    /// Its codes.
    pub codes: &'static [&'static Code],
    /// Finds.
    pub run: fn(&Subject<'_>, &mut Found<'_>),
}

/// Takes what checks find, one by one: there may be a finding for every flow, and most of them are folded into one.
pub struct Found<'f>(&'f mut dyn FnMut(Finding));

impl Found<'_> {
    /// Takes one.
    pub fn push(&mut self, finding: Finding) {
        (self.0)(finding);
    }

    /// Takes several, or one, or none.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(&mut *self.0);
    }
}

impl std::fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Found")
    }
}

/// Every check.
pub const REGISTRY: &[&Check] = &[
    &destination::CHECK,
    &protocol::CHECK,
    &tls::CHECK,
    &tls_features::CHECK,
    &tls_handshake::CHECK,
    &tls_offer::CHECK,
    &certificate::CHECK,
    &availability::CHECK,
    &ntp::CHECK,
    &dns::CHECK,
    &inside::CHECK,
    &lifetime::CHECK,
    &mqtt::CHECK,
    &amqp::CHECK,
    &websocket::CHECK,
    &mud_url::CHECK,
    &capture::CHECK,
];

/// Codes that no check of a device gives.
pub static INTERNAL_ERROR: Code = Code {
    id: "internal-error",
    title: "wireclaim failed on one flow",
    severity: Severity::Error,
    since: "0.1",
    page: include_str!("pages/internal-error.md"),
};

/// A device that the inventory knows nothing of.
pub static UNLISTED_DEVICE: Code = Code {
    id: "unlisted-device",
    title: "A device that no entry of the inventory matches",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/unlisted-device.md"),
};

/// A deviation was accepted for a time, and the time is over.
pub static WAIVER_EXPIRED: Code = Code {
    id: "waiver-expired",
    title: "A waiver has expired, and what it covered is still there",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/waiver-expired.md"),
};

/// Every code, by family.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    let of_checks = REGISTRY.iter().flat_map(|check| check.codes.iter().copied());
    of_checks.chain([&UNLISTED_DEVICE, &INTERNAL_ERROR, &WAIVER_EXPIRED])
}

/// Whether rows of a code can be waived: not those that tell of the capture, of wireclaim, or of a waiver.
pub fn is_waivable(code: &str) -> bool {
    !code.starts_with("capture-") && code != INTERNAL_ERROR.id && code != WAIVER_EXPIRED.id
}

/// Runs every check on one device, and gives `take` each finding.
pub fn run(subject: &Subject<'_>, mut take: impl FnMut(Finding)) {
    let mut found = Found(&mut take);
    REGISTRY.iter().for_each(|check| (check.run)(subject, &mut found));
}
