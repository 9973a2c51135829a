//! Handshakes and certificates over TCP.

use wireclaim::model::Transport;

use super::case::{Case, Row, Stream};
use super::ledger::Ledger;

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let rows: Vec<(String, Row)> = (case.table("tls").into_iter())
        .filter(|row| row["over"] == "tcp")
        .map(|row| (format!("tcp:{}", row["stream"]), row))
        .collect();
    for stream in over_tcp(case, &rows, "tls.") {
        handshake(&stream, ledger);
    }
    let certificates: Vec<(String, Row)> = (case.table("certs").into_iter())
        .map(|row| (row["stream"].clone(), row))
        .filter(|(label, _)| label.starts_with("tcp:"))
        .collect();
    for (role, prefix) in [("server", "tls.certificate_"), ("client", "tls.client_")] {
        let of_role: Vec<(String, Row)> =
            certificates.iter().filter(|(_, row)| row["role"] == role).cloned().collect();
        let leaves: Vec<(String, Row)> =
            of_role.iter().filter(|(_, row)| row["pos"] == "0").cloned().collect();
        for stream in over_tcp(case, &leaves, prefix) {
            leaf(&stream, role, prefix, ledger);
        }
        if role == "server" {
            for stream in over_tcp(case, &leaves, "tls.chain_") {
                let own = of_role.iter().filter(|(label, _)| *label == stream.label);
                // A second handshake sends a second chain.
                let first = own.enumerate().take_while(|(at, (_, row))| row["pos"] == at.to_string()).count();
                let theirs = if first == 0 { String::new() } else { first.to_string() };
                let ours = stream.first("tls.chain_length");
                ledger.compare("certificate.chain_length", &stream.label, &theirs, &ours);
                let rows: Vec<&Row> = (of_role.iter())
                    .filter(|(label, _)| *label == stream.label)
                    .map(|(_, row)| row)
                    .take(first)
                    .collect();
                let wrong = rows.windows(2).any(|pair| pair[0]["issuer"] != pair[1]["subject"]);
                let theirs = match (first, wrong) {
                    (0 | 1, _) => "",
                    (_, true) => "wrong",
                    (_, false) => "right",
                };
                ledger.compare(
                    "certificate.chain_order",
                    &stream.label,
                    theirs,
                    &stream.first("tls.chain_order"),
                );
            }
        }
    }
}

/// Without those whose handshake is part of DTLS or QUIC.
fn over_tcp<'a>(case: &'a Case, rows: &'a [(String, Row)], prefix: &str) -> Vec<Stream<'a>> {
    let is_tcp = |stream: &Stream<'_>| stream.flow.is_none_or(|flow| flow.key.transport == Transport::Tcp);
    case.streams(rows, prefix).into_iter().filter(is_tcp).collect()
}

fn handshake(stream: &Stream<'_>, ledger: &mut Ledger) {
    let mut compare = |fact, theirs: &str, ours: &str| ledger.compare(fact, &stream.label, theirs, ours);
    let flag = |set: bool| if set { "yes" } else { "" };
    compare("tls.sni", stream.cell("sni"), &stream.first("tls.sni"));
    compare("tls.version", stream.cell("sh_version"), &one(stream.hex("tls.version")));
    compare("tls.suite", stream.cell("sh_cipher"), &one(stream.hex("tls.suite")));
    compare("tls.offered_suites", &offered_suites(stream), &stream.hex("tls.offered_suite").join(" "));
    let own = |three: &String| format!("0x{:06x}", three.parse::<u64>().unwrap());
    let ssl2: Vec<String> = stream.all("tls.offered_ssl2_cipher").iter().map(own).collect();
    compare("tls.offered_ssl2_ciphers", &offered_ssl2(stream, false).join(" "), &ssl2.join(" "));
    compare("tls.offered_versions", &offered_versions(stream), &stream.hex("tls.offered_version").join(" "));
    compare("tls.offered_alpn", stream.cell("alpn"), &stream.all("tls.offered_alpn").join(" "));
    compare("tls.ja3", stream.cell("ja3"), &stream.first("tls.ja3"));
    compare("tls.ja3s", stream.cell("ja3s"), &stream.first("tls.ja3s"));
    compare("tls.hello_retry", flag(stream.cell("hrr") == "1"), &stream.first("tls.hello_retry"));
    let requested = flag(stream.cell("cert_requested") == "1");
    compare("tls.certificate_requested", requested, &stream.first("tls.certificate_requested"));
    let sent = stream.all("tls.client_certificate").iter().any(|word| word == "sent");
    compare("tls.client_certificate", flag(stream.cell("client_cert_sent") == "1"), flag(sent));
}

/// Those of supported_versions, else the one in the hello itself.
pub(crate) fn offered_versions(stream: &Stream<'_>) -> String {
    let supported = without_signals(stream.cell("ch_supported_versions").split(' '));
    if supported.is_empty() { stream.cell("ch_version").to_owned() } else { supported }
}

fn one(values: Vec<String>) -> String {
    values.into_iter().next().unwrap_or_default()
}

/// Code points without GREASE (RFC 8701) and signalling values (RFC 5746, RFC 7507), each once as in our facts: where
/// one frame holds several hellos, the table has the lists of all of them.
pub(crate) fn without_signals<'a>(code_points: impl Iterator<Item = &'a str>) -> String {
    let grease = |code: &str| code.len() == 6 && code[2..4] == code[4..6] && code[3..4] == *"a";
    let mut kept: Vec<&str> = Vec::new();
    for code in code_points.filter(|code| !grease(code) && !["0x00ff", "0x5600"].contains(code)) {
        if !kept.contains(&code) {
            kept.push(code);
        }
    }
    kept.join(" ")
}

/// What the client offers; in an SSLv2 hello, those kinds that stand for a TLS suite.
fn offered_suites(stream: &Stream<'_>) -> String {
    let ssl2 = offered_ssl2(stream, true);
    if ssl2.is_empty() {
        return without_signals(stream.cell("ch_ciphers").split(' '));
    }
    without_signals(ssl2.iter().map(String::as_str))
}

/// Kinds of an SSLv2 hello that stand for TLS suites, or the others.
fn offered_ssl2(stream: &Stream<'_>, suites: bool) -> Vec<String> {
    let kinds = stream.cell("sslv2_cipherspecs").split(' ').filter(|kind| !kind.is_empty());
    let shown = |kind: &str| match kind.strip_prefix("0x00") {
        Some(suite) if suites => format!("0x{suite}"),
        _ => kind.to_owned(),
    };
    kinds.filter(|kind| kind.starts_with("0x00") == suites).map(shown).collect()
}

fn leaf(stream: &Stream<'_>, role: &str, prefix: &str, ledger: &mut Ledger) {
    let key = format!("{} {role}", stream.label);
    let mut compare = |fact, theirs: &str, ours: &str| ledger.compare(fact, &key, theirs, ours);
    let ours = |field: &str| stream.first(&format!("{prefix}{field}"));
    let kind = match ours("key_type").as_str() {
        "rsa" => String::from("rsaEncryption"),
        "dsa" => String::from("dsaEncryption"),
        "ec" => String::from("id-ecPublicKey"),
        other => other.to_owned(),
    };
    let bits = ours("key_bits");
    let own_key = if bits.is_empty() { kind } else { format!("{kind} ({bits} bit)") };
    compare("certificate.key", stream.cell("key"), &own_key);
    compare("certificate.signature", stream.cell("sig_alg"), &ours("signature"));
    compare("certificate.subject", stream.cell("subject"), &ours("subject"));
    compare("certificate.issuer", stream.cell("issuer"), &ours("issuer"));
    compare("certificate.not_before", &time(stream.cell("not_before")), &ours("not_before"));
    compare("certificate.not_after", &time(stream.cell("not_after")), &ours("not_after"));
}

/// `Sep 19 00:00:00 2018 GMT` as we write it.
fn time(text: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [month, day, clock, year, "GMT"] = parts[..] else { return text.to_owned() };
    let month = MONTHS.iter().position(|name| *name == month).map_or(0, |at| at + 1);
    format!("{year}-{month:02}-{day:0>2}T{clock}.000000Z")
}
