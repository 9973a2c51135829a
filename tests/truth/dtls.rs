//! Handshakes of DTLS. The tables beside the captures have none: `dtls.csv` here is what tshark 4.0.17 prints of each
//! hello and certificate (`-Y dtls.handshake.type -T fields`).

use super::case::{Case, Row};
use super::ledger::Ledger;
use super::support;
use super::tls::without_signals;

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let rows: Vec<(String, Row)> = support::csv(include_str!("dtls.csv"))
        .into_iter()
        .filter(|row| row["capture"] == case.name)
        .map(|row| (format!("udp:{}", row["stream"]), row))
        .collect();
    let is_dtls = |service: &[&str]| service.first() == Some(&"dtls");
    for stream in case.streams(&rows, "tls.") {
        if stream.row.is_none() && stream.flow.is_none_or(|flow| !is_dtls(&flow.service)) {
            continue;
        }
        let mut compare = |fact, theirs: &str, ours: &str| ledger.compare(fact, &stream.label, theirs, ours);
        compare("dtls.version", stream.cell("sh_version"), &stream.hex("tls.version").join(" "));
        compare("dtls.suite", stream.cell("sh_cipher"), &stream.hex("tls.suite").join(" "));
        compare("dtls.sni", stream.cell("sni"), &stream.first("tls.sni"));
        let suites = without_signals(stream.cell("ch_ciphers").split(' '));
        compare("dtls.offered_suites", &suites, &stream.hex("tls.offered_suite").join(" "));
        compare("dtls.hello_verify", stream.cell("hello_verify"), &stream.first("dtls.hello_verify"));
        compare("dtls.certificate_cn", stream.cell("cn"), &stream.first("tls.certificate_cn"));
        compare("dtls.client_cn", stream.cell("client_cn"), &stream.first("tls.client_cn"));
    }
}
