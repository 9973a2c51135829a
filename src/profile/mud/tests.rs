//! Whole files: what they become, and what becomes of them on the way back.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::profile::{Claim, Ports, Rule, bind, builtin};

/// MUD files of others, which lie beside the repository where they are there at all.
fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/mud");
    let mut files: Vec<PathBuf> = ["", "daq", "osmud"]
        .iter()
        .filter_map(|sub| std::fs::read_dir(folder.join(sub)).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "md"))
        .collect();
    files.sort();
    files
}

fn back(profile: &Profile) -> (Profile, Exported) {
    let exported = export(profile, &[], &[], &Header::default()).unwrap();
    let again =
        import(&exported.json, "exported").unwrap_or_else(|error| panic!("{error}\n{}", exported.json));
    (again, exported)
}

/// Ports as the set that they are.
fn ports(ports: &Ports) -> String {
    match ports {
        Ports::Except(_) | Ports::Fallback(_) => {
            let mut ranges: Vec<(u16, u16)> = Vec::new();
            for port in (1..=u16::MAX).filter(|port| ports.contains(*port)) {
                match ranges.last_mut() {
                    Some(last) if last.1 + 1 == port => last.1 = port,
                    _ => ranges.push((port, port)),
                }
            }
            Ports::Of(ranges).to_string()
        }
        ports => ports.to_string(),
    }
}

/// What MUD can say of a profile: a line for each claim, by id.
fn sayable<'c>(claims: impl IntoIterator<Item = &'c Claim>, of: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = claims
        .into_iter()
        .filter(|claim| of(&claim.id))
        .filter_map(|claim| {
            let Rule::Flow(rule) = &claim.rule else { return None };
            let mut peers: Vec<String> = rule.peers.iter().map(ToString::to_string).collect();
            peers.sort();
            let mut transports: Vec<String> = rule.transports.iter().map(ToString::to_string).collect();
            transports.sort();
            let offers = rule.tls.as_ref().map(|tls| &tls.offers).filter(|offers| !offers.is_empty());
            let mut line = format!("{} {}", claim.id, claim.level == crate::profile::Level::Forbidden);
            let _ =
                write!(line, " {:?} {peers:?} {transports:?} {} {offers:?}", rule.way, ports(&rule.ports));
            Some(line)
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_known_file_survives_the_way_there_and_back() {
    let files = files();
    if files.is_empty() {
        eprintln!("skipped: no MUD files beside the repository");
    }
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = path.display();
        assert!(is_mud(&text), "{shown}");
        let profile = import(&text, &shown.to_string()).unwrap_or_else(|error| panic!("{error}"));
        let (again, exported) = back(&profile);
        assert_eq!(sayable(&again.claims, |_| true), sayable(&profile.claims, |_| true), "{shown}");
        assert!(exported.notes.iter().all(|(id, _)| id.is_empty()), "{shown}: {:?}", exported.notes);
        let ids = |profile: &Profile| {
            let mut ids: Vec<String> =
                profile.not_checkable.iter().map(|s| format!("{} {}", s.id, s.reason)).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&again), ids(&profile), "{shown}");
        assert_eq!(again.baseline, profile.baseline, "{shown}");
        assert_eq!(format!("{:?}", again.parameters), format!("{:?}", profile.parameters), "{shown}");
        assert_eq!((&again.name, &again.title), (&profile.name, &profile.title), "{shown}");
        let leaves = |profile: &Profile| profile.mud.as_ref().unwrap().leaves.clone();
        for leaf in leaves(&profile) {
            assert!(leaves(&again).contains(&leaf), "{shown}: {leaf:?}");
        }
        // In another order, where a claim is of one family of addresses.
        let sorted = |json: &str| {
            let mut lines: Vec<String> =
                json.lines().map(|line| line.trim().trim_end_matches(',').to_owned()).collect();
            lines.sort();
            lines
        };
        assert!(sorted(&back(&again).1.json) == sorted(&exported.json), "{shown}");
    }
}

/// Through a file that people edit, everything comes back but what the export says.
#[test]
fn every_known_file_survives_the_way_through_yaml() {
    for path in files() {
        let shown = path.display();
        let profile = import(&std::fs::read_to_string(&path).unwrap(), &shown.to_string()).unwrap();
        let yaml = write::loadable_yaml(&profile, &write::Notes::default(), "written").unwrap();
        let from_yaml = load::from_str(&yaml, "written").unwrap();
        let (again, exported) = back(&from_yaml);
        let stated =
            |id: &str| exported.notes.iter().any(|(of, note)| of == id && note.contains("who begins"));
        assert!(
            exported.notes.iter().all(|(id, _)| id.is_empty() || stated(id)),
            "{shown}: {:?}",
            exported.notes
        );
        let of = |profile: &Profile| sayable(&profile.claims, |id| !stated(id));
        assert_eq!(of(&again), of(&profile), "{shown}");
        assert_eq!(again.claims.len(), profile.claims.len(), "{shown}");
        assert_eq!(again.baseline, profile.baseline, "{shown}");
        assert_eq!(format!("{:?}", again.parameters), format!("{:?}", profile.parameters), "{shown}");
        assert_eq!(again.name, profile.name, "{shown}");
        if !profile.identify.mud_urls.is_empty() {
            assert_eq!(again.identify.mud_urls, profile.identify.mud_urls, "{shown}");
        }
        assert_eq!(again.reviewed, profile.reviewed, "{shown}");
    }
}

#[test]
fn what_a_shipped_profile_can_say_in_mud_comes_back() {
    for name in builtin::names() {
        let profile = builtin::open(name).unwrap();
        let (again, exported) = back(&profile);
        let lossy = |id: &str| {
            exported.notes.iter().any(|(of, note)| {
                of == id
                    && (note.contains("left out")
                        || note.contains("the peer")
                        || note.contains("list")
                        || note.contains("who begins")
                        || note.contains("only the local"))
            })
        };
        let bound = bind::bind(&Arc::new(profile.clone()), &[], &[]).unwrap();
        let before = sayable(bound.claims.iter().map(|bound| &bound.claim), |id| !lossy(id));
        let after = sayable(&again.claims, |id| !lossy(id));
        let after: Vec<String> = after.into_iter().filter(|line| !line.starts_with("MUD-NTP")).collect();
        assert_eq!(after, before, "{name}");
    }
}
