//! What TLS negotiates by number, and what it is called: cipher suites (`rules/tls/suites.csv`), groups of key exchange
//! (`rules/tls/groups.csv`) and versions. Names only: what is weak is for a policy to say.

use std::sync::LazyLock;

const SUITES: &str = include_str!("../../../rules/tls/suites.csv");
const GROUPS: &str = include_str!("../../../rules/tls/groups.csv");
/// Versions as on the wire; they are too few for a file.
const VERSIONS: &str = "code,name,also
0x0002,ssl2,SSL2.0 SSLv2
0x0300,ssl3,SSL3.0 SSLv3
0x0301,tls1.0,TLSv1 TLSv1.0 TLS1
0x0302,tls1.1,TLSv1.1
0x0303,tls1.2,TLSv1.2
0x0304,tls1.3,TLSv1.3
0xFEFF,dtls1.0,DTLSv1 DTLSv1.0
0xFEFD,dtls1.2,DTLSv1.2
0xFEFC,dtls1.3,DTLSv1.3
";

/// Something with a number on the wire and a name: a cipher suite, a group, a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Code point as on the wire: 0xC027.
    pub code: u16,
    /// IANA name: `TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256`.
    pub name: &'static str,
    /// OpenSSL name of a suite, if it has one: `ECDHE-RSA-AES128-SHA256`.
    pub openssl_name: Option<&'static str>,
    /// Other and older names.
    pub also: Vec<&'static str>,
}

/// What is known of one kind of number.
#[derive(Debug)]
pub struct Registry {
    /// What one of them is called in a sentence: `cipher suite`.
    pub what: &'static str,
    /// By code point.
    entries: Vec<Entry>,
}

impl Registry {
    /// All of them, by code point.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The one with this code point.
    pub fn get(&self, code: u16) -> Option<&Entry> {
        let found = self.entries.binary_search_by_key(&code, |entry| entry.code);
        found.ok().and_then(|index| self.entries.get(index))
    }

    /// The one with this name, older or newer; case is ignored.
    pub fn by_name(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Every name of all of them.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().flat_map(Entry::names)
    }
}

impl Entry {
    /// All its names, the IANA one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.openssl_name).chain(self.also.clone())
    }

    /// Whether its name has these words in a row: `TLS_RSA` is in `TLS_RSA_WITH_NULL_SHA`, and `RSA` is not in `SRSA`.
    pub(in crate::profile) fn has_part(&self, part: &str) -> bool {
        let whole = |at: usize| {
            let before = self.name.get(..at).is_some_and(|text| text.is_empty() || text.ends_with('_'));
            let after = self.name.get(at..).and_then(|text| text.strip_prefix(part));
            before && after.is_some_and(|text| text.is_empty() || text.starts_with('_'))
        };
        !part.is_empty() && self.name.match_indices(part).any(|(at, _)| whole(at))
    }
}

/// Cipher suites.
pub fn suite_names() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| registry("cipher suite", SUITES, true));
    &REGISTRY
}

/// Named groups of key exchange.
pub fn group_names() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| registry("group", GROUPS, false));
    &REGISTRY
}

/// Versions of TLS and DTLS.
pub fn version_names() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| registry("version", VERSIONS, false));
    &REGISTRY
}

/// Every cipher suite that is known, by code point.
pub fn suites() -> &'static [Entry] {
    suite_names().entries()
}

/// The suite with this code point; `None` for an unknown one, and for [signals](is_signal).
pub fn suite(code: u16) -> Option<&'static Entry> {
    suite_names().get(code)
}

/// The suite with this IANA, OpenSSL or older name; case is ignored.
pub fn suite_by_name(name: &str) -> Option<&'static Entry> {
    suite_names().by_name(name)
}

/// Whether a code point in a list of suites is a signal and no suite: GREASE (RFC 8701),
/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746), `TLS_FALLBACK_SCSV` (RFC 7507).
pub fn is_signal(code: u16) -> bool {
    is_grease(code) || matches!(code, 0x00ff | 0x5600)
}

/// Whether a code point of suites, groups, versions or extensions is GREASE (RFC 8701 section 2): both bytes equal and
/// of the form 0x?A.
pub fn is_grease(code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// A code point in hex, as `0x002F`.
pub(super) fn hex(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    u16::from_str_radix(digits, 16).ok()
}

/// A table with a line of headings; no cell holds a comma.
fn registry(what: &'static str, table: &'static str, openssl: bool) -> Registry {
    let mut entries: Vec<Entry> = table.lines().skip(1).filter_map(|line| entry(line, openssl)).collect();
    entries.sort_unstable_by_key(|entry| entry.code);
    Registry { what, entries }
}

fn entry(line: &'static str, openssl: bool) -> Option<Entry> {
    let mut cells = line.split(',');
    let (code, name) = (hex(cells.next()?)?, cells.next()?);
    let openssl_name = if openssl { cells.next().filter(|name| !name.is_empty()) } else { None };
    let also = cells.next()?.split_ascii_whitespace().collect();
    Some(Entry { code, name, openssl_name, also })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_entry_and_code_points_are_unique() {
        for (registry, table) in
            [(suite_names(), SUITES), (group_names(), GROUPS), (version_names(), VERSIONS)]
        {
            assert_eq!(registry.entries().len(), table.lines().count() - 1, "{}", registry.what);
            let mut codes: Vec<u16> = registry.entries().iter().map(|entry| entry.code).collect();
            codes.dedup();
            assert_eq!(codes.len(), registry.entries().len(), "{}", registry.what);
            let mut names: Vec<String> = registry.names().map(str::to_lowercase).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            // TLS 1.3 suites have the same name everywhere and count twice.
            let twice = registry.entries().iter().filter(|entry| entry.openssl_name == Some(entry.name));
            assert_eq!(all - names.len(), twice.count(), "{}", registry.what);
        }
    }

    #[test]
    fn suites_are_found_by_any_of_their_names() {
        let imp = suite_by_name("ECDHE-RSA-AES128-SHA256").unwrap();
        assert_eq!((imp.code, imp.openssl_name), (0xc027, Some("ECDHE-RSA-AES128-SHA256")));
        assert_eq!(suite_by_name("tls_ecdhe_rsa_with_aes_128_cbc_sha256"), Some(imp));
        assert_eq!(suite_by_name("EDH-RSA-DES-CBC3-SHA").unwrap().code, 0x0016);
        assert_eq!(suite_by_name("DES-CBC3-SHA").unwrap().code, 0x000a);
        assert_eq!(suite_by_name("nonsense"), None);
        assert_eq!(suite(0x0a0a), None);
        assert_eq!(group_names().by_name("p-256").unwrap().code, 23);
        assert_eq!(version_names().by_name("TLSv1.2").unwrap().code, 0x0303);
    }

    #[test]
    fn signals_are_no_suites() {
        for code in [0x0a0a, 0xfafa, 0x00ff, 0x5600] {
            assert!(is_signal(code) && suite(code).is_none(), "{code:#06x}");
        }
        assert!(!is_signal(0x1301) && !is_signal(0x0a1a));
    }

    #[test]
    fn parts_are_whole_words_in_a_row() {
        let suite = suite(0x0030).unwrap();
        assert_eq!(suite.name, "TLS_DH_DSS_WITH_AES_128_CBC_SHA");
        assert!(suite.has_part("TLS_DH") && suite.has_part("DSS") && suite.has_part("SHA"));
        assert!(
            !suite.has_part("DHE")
                && !suite.has_part("DH_RSA")
                && !suite.has_part("S")
                && !suite.has_part("")
        );
    }
}
