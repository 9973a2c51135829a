//! The hellos in QUIC's Initial packets.

use super::case::{Case, Row, Stream};
use super::ledger::Ledger;
use super::tls::{offered_versions, without_signals};

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let rows: Vec<(String, Row)> = (case.table("tls").into_iter())
        .filter(|row| row["over"] == "quic")
        .map(|row| (format!("udp:{}", row["stream"]), row))
        .collect();
    for stream in case.streams(&rows, "quic.") {
        handshake(&stream, ledger);
    }
}

fn handshake(stream: &Stream<'_>, ledger: &mut Ledger) {
    let mut compare = |fact, theirs: &str, ours: &str| ledger.compare(fact, &stream.label, theirs, ours);
    compare("quic.sni", stream.cell("sni"), &stream.first("tls.sni"));
    compare("quic.tls_version", stream.cell("sh_version"), &stream.hex("tls.version").join(" "));
    compare("quic.suite", stream.cell("sh_cipher"), &stream.hex("tls.suite").join(" "));
    let suites = without_signals(stream.cell("ch_ciphers").split(' '));
    compare("quic.offered_suites", &suites, &stream.hex("tls.offered_suite").join(" "));
    compare("quic.offered_versions", &offered_versions(stream), &stream.hex("tls.offered_version").join(" "));
    compare("quic.offered_alpn", stream.cell("alpn"), &stream.all("tls.offered_alpn").join(" "));
    let retry = if stream.cell("hrr") == "1" { "yes" } else { "" };
    compare("quic.hello_retry", retry, &stream.first("tls.hello_retry"));
}
