//! What each TLS policy that ships says of a cipher suite, a group or a version: the pages of `wireclaim explain` for them.

use std::fmt::Write;

use crate::profile::tls_policy::{
    self, Entry, Judgement, NAMES, Registry, TlsPolicy, group_names, suite_names, version_names,
};

/// Every name that has a page.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    suite_names().names().chain(group_names().names()).chain(version_names().names())
}

type Say = fn(&TlsPolicy, u16) -> Option<&Judgement>;

/// The page of a cipher suite by any of its names or as `0x002F`, else of a group or a version by name.
pub(super) fn page(text: &str) -> Option<String> {
    let code = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let kinds: [(&'static Registry, Say); 3] = [
        (suite_names(), TlsPolicy::suite),
        (group_names(), TlsPolicy::group),
        (version_names(), TlsPolicy::version),
    ];
    let by_name =
        || kinds.iter().find_map(|(registry, say)| Some((*registry, registry.by_name(text)?, *say)));
    match code {
        Some(code) if tls_policy::is_signal(code) => Some(signal(code)),
        Some(code) => {
            let pages: Vec<String> = kinds
                .iter()
                .filter_map(|(registry, say)| Some(of_entry(registry, registry.get(code)?, *say)))
                .collect();
            // A number may be a suite and a group.
            (!pages.is_empty()).then(|| pages.join("\n"))
        }
        None => by_name().map(|(registry, entry, say)| of_entry(registry, entry, say)),
    }
}

fn signal(code: u16) -> String {
    let what = match code {
        0x00ff => {
            "TLS_EMPTY_RENEGOTIATION_INFO_SCSV: says that the client knows secure renegotiation (RFC 5746)"
        }
        0x5600 => {
            "TLS_FALLBACK_SCSV: says that the client repeats the attempt with a lower version (RFC 7507)"
        }
        _ => "GREASE: a reserved value that keeps servers tolerant (RFC 8701)",
    };
    format!("# 0x{code:04X}\n\nA signal in the list of cipher suites, and no suite. {what}.\n")
}

fn of_entry(registry: &Registry, entry: &Entry, say: Say) -> String {
    let mut text = format!("# {}\n\n0x{:04X}, {} of TLS.", entry.name, entry.code, registry.what);
    if let Some(openssl) = entry.openssl_name.filter(|name| *name != entry.name) {
        let _ = write!(text, " OpenSSL: {openssl}.");
    }
    if !entry.also.is_empty() {
        let _ = write!(text, " Also called {}.", entry.also.join(", "));
    }
    text.push_str("\n\n| TLS policy | tier | normative | reasons and citations |\n|---|---|---|---|\n");
    let width = NAMES.iter().map(|name| name.len()).max().unwrap_or(0);
    for name in NAMES {
        let found = TlsPolicy::named(name).and_then(|policy| say(policy, entry.code));
        let _ = match found {
            Some(Judgement { tier, normative, reference }) => {
                writeln!(text, "| {name:width$} | {tier:11} | {normative:10} | {reference} |")
            }
            None => writeln!(text, "| {name:width$} | {:11} | {:10} | not known to it |", "unknown", "-"),
        };
    }
    text.push_str(
        "\nok passes, discouraged is a warning, weak and broken are errors where it is negotiated; one milder where the\n\
         device only offers it. The policies contradict each other and are never merged: a row names the one that decided.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_has_one_page_by_all_its_names() {
        let page = page("TLS_RSA_WITH_AES_128_CBC_SHA").unwrap();
        for name in ["AES128-SHA", "0x002f", "0X002F", "tls_rsa_with_aes_128_cbc_sha"] {
            assert_eq!(super::page(name).as_deref(), Some(page.as_str()), "{name}");
        }
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        // The heading, and each policy.
        assert_eq!(rows.len(), 1 + NAMES.len());
        assert!(
            rows[1].starts_with("| bcp195               | weak        | MUST NOT   | static RSA"),
            "{}",
            rows[1]
        );
        assert!(rows[4].contains("| ok          | -          | Mozilla 5.8 old |"), "{}", rows[4]);
    }

    #[test]
    fn groups_versions_and_signals_have_pages_too() {
        assert!(page("secp224r1").unwrap().contains("0x0015, group of TLS. Also called P-224."));
        assert!(page("tls1.0").unwrap().contains("RFC 8996"));
        assert!(page("0x5600").unwrap().contains("TLS_FALLBACK_SCSV"));
        // 0x001D is a suite and a group.
        let both = page("0x001d").unwrap();
        assert!(both.contains("TLS_FORTEZZA") && both.contains("# x25519"));
        assert_eq!(page("nonsense"), None);
        assert_eq!(page("0xzz"), None);
    }
}
