//! NTP requests and replies of each pair of addresses, the client first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::case::Case;
use super::ledger::Ledger;

/// Requests, replies, and replies to a request that was seen.
type Counts = [u64; 3];

pub(crate) fn compare(case: &Case, ledger: &mut Ledger) {
    let mut theirs: BTreeMap<(IpAddr, IpAddr), Counts> = BTreeMap::new();
    let mut kisses: BTreeMap<(IpAddr, IpAddr), [String; 2]> = BTreeMap::new();
    for row in case.table("ntp") {
        let (Ok(client), Ok(server)) = (row["client"].parse(), row["server"].parse()) else { continue };
        let counts = ["requests", "responses", "matched_responses"].map(|name| row[name].parse().unwrap());
        theirs.insert((client, server), counts);
        kisses.entry((client, server)).or_default()[0] = row["kiss_codes"].split(' ').map(kiss).collect();
    }
    let mut ours: BTreeMap<(IpAddr, IpAddr), Counts> = BTreeMap::new();
    for (_, flow) in case.flows() {
        let (client, server) = (flow.key.orig.ip, flow.key.resp.ip);
        for fact in &flow.facts {
            let count = fact.evidence.count;
            let by_client = fact.value.as_str() == Some("client");
            let asked = if by_client { (client, server) } else { (server, client) };
            let answered = if by_client { (server, client) } else { (client, server) };
            match fact.field.name {
                "ntp.request" => ours.entry(asked).or_default()[0] += count,
                "ntp.reply" => {
                    let counts = ours.entry(answered).or_default();
                    counts[1] += count;
                    counts[2] += count;
                }
                "ntp.unmatched_reply" => ours.entry(answered).or_default()[1] += count,
                "ntp.broadcast" => ours.entry((client, server)).or_default()[1] += count,
                "ntp.kiss" => {
                    let shown = format!("{}:{count}", fact.value);
                    kisses.entry((client, server)).or_default()[1].push_str(&shown);
                }
                _ => {}
            }
        }
    }
    for pair in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let key = format!("{} {}", pair.0, pair.1);
        let side = |counts: Option<&Counts>, at: usize| {
            counts
                .map(|counts| counts[at])
                .filter(|count| *count > 0)
                .map_or_else(String::new, |n| n.to_string())
        };
        for (at, fact) in ["ntp.requests", "ntp.replies", "ntp.matched_replies"].into_iter().enumerate() {
            ledger.compare(fact, &key, &side(theirs.get(pair), at), &side(ours.get(pair), at));
        }
    }
    for (pair, [theirs, ours]) in kisses {
        ledger.compare("ntp.kiss", &format!("{} {}", pair.0, pair.1), &theirs, &ours);
    }
}

/// `52415445:1` as `RATE:1`.
fn kiss(text: &str) -> String {
    let Some((code, count)) = text.split_once(':') else { return text.to_owned() };
    let byte = |at: usize| code.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let letters: Option<String> = [0, 2, 4, 6].map(|at| byte(at).map(char::from)).into_iter().collect();
    letters.map_or_else(|| text.to_owned(), |letters| format!("{letters}:{count}"))
}
