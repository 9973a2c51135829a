//! Profiles that extend others.

use std::path::{Path, PathBuf};

use super::super::{Profile, Rule};
use super::from_file;

const PARENT: &str = "version: 1
profile: parent
title: Parent
document: {title: Manual, reviewed: 2021-04}
baseline: [arp, dns]
variants:
  mode: {options: [fast, slow], default: fast}
groups:
  broker: broker.example.com
  servers: [a.example.com, b.example.com]
claims:
  - id: P-1
    title: The broker
    required: {out: $broker, tcp: 8883}
    quote: It needs the broker.
    source: page 1
  - id: P-2
    title: The servers
    allowed: {out: $servers, tcp: 443}
    quote: It may use the servers.
    source: page 2
  - id: P-3
    title: Old
    allowed: {out: anyone, tcp: 80}
    quote: It may use the web.
    source: page 3
not_checkable:
  - {id: P-4, title: Updates, reason: Rare., quote: It is updated., source: page 4}
contradictions:
  - {claims: [P-2, P-3], note: HTTPS and HTTP.}
";

const CHILD: &str = "version: 1
profile: child
extends: parent.yaml
without: P-3
groups:
  broker: broker.site.example
claims:
  - {id: P-2, replace: true, title: No servers, forbidden: {out: $servers}}
  - {id: C-1, title: A printer, allowed: {local: local-network, tcp: 631}, when: {mode: slow}}
";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn loaded(files: &[(&str, &str)]) -> Profile {
    let folder = folder(files);
    from_file(&folder.path().join(files[0].0)).unwrap_or_else(|error| panic!("{error}"))
}

/// The error of the first file, without the path of its folder.
fn error(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let message = from_file(&folder.path().join(files[0].0)).unwrap_err().to_string();
    message.replace(&format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR), "")
}

#[test]
fn a_child_overrides_adds_replaces_and_leaves_out() {
    let profile = loaded(&[("child.yaml", CHILD), ("parent.yaml", PARENT)]);
    assert_eq!((profile.name.as_str(), profile.title.as_str()), ("child", "Parent"));
    assert_eq!((profile.document.as_str(), profile.reviewed.as_deref()), ("Manual", Some("2021-04")));
    assert_eq!((profile.baseline.len(), profile.variants.len()), (2, 1));
    let shown: Vec<_> =
        profile.claims.iter().map(|claim| (claim.id.as_str(), claim.rule.to_string(), claim.line)).collect();
    let shown: Vec<_> = shown.iter().map(|(id, rule, line)| (*id, rule.as_str(), *line)).collect();
    // What a claim of the parent refers to is the child's where the child has it; its line is that of `extends`.
    assert_eq!(
        shown,
        [
            ("P-1", "out to broker.site.example, tcp/8883", 3),
            ("P-2", "out to a.example.com, b.example.com", 8),
            ("C-1", "local with local-network, tcp/631", 9),
        ]
    );
    assert_eq!(profile.not_checkable.len(), 1);
    // It names a claim that is left out.
    assert!(profile.contradictions.is_empty());
}

#[test]
fn a_built_in_profile_can_be_extended_and_bound() {
    let profile = loaded(&[(
        "mine.yaml",
        "version: 1\nprofile: mine\ntitle: Our FarmBot\nextends: farmbot\nwithout: [FB-20, FB-12]\ngroups:\n  ntp_servers: ntp.school.example\n",
    )]);
    let farmbot = super::super::builtin::open("farmbot").unwrap();
    assert_eq!(profile.claims.len() + 1, farmbot.claims.len());
    let ntp = profile.claims.iter().find(|claim| claim.id == "FB-11").unwrap();
    assert!(matches!(&ntp.rule, Rule::Flow(rule) if rule.peers.len() == 1), "{}", ntp.rule);
}

#[test]
fn accidents_are_errors() {
    let plain = CHILD.replace(", replace: true", "");
    let message = error(&[("child.yaml", &plain), ("parent.yaml", PARENT)]);
    assert!(
        message.contains("child.yaml:8:5: claims.P-2: the id `P-2` exists already (parent.yaml, line 17); `replace: true` puts this in its place"),
        "{message}"
    );
    let nothing = CHILD.replace("id: P-2", "id: P-5");
    let message = error(&[("child.yaml", &nothing), ("parent.yaml", PARENT)]);
    assert!(message.contains("the extended profile has no `P-5` to replace (did you mean `P-"), "{message}");
    let unknown = CHILD.replace("without: P-3", "without: P-33");
    let message = error(&[("child.yaml", &unknown), ("parent.yaml", PARENT)]);
    assert!(
        message
            .contains("without: the extended profile has no claim or statement `P-33` (did you mean `P-3`?)")
    );
    let message = error(&[("parent.yaml", &PARENT.replace("baseline", "without: P-1\nbaseline"))]);
    assert!(message.contains("`without` goes with `extends`"), "{message}");
    let empty = "version: 1\nprofile: a\nextends: parent.yaml\nwithout: [P-1, P-2, P-3]\n";
    let message = error(&[("a.yaml", empty), ("parent.yaml", PARENT)]);
    assert!(message.contains("expected at least one claim to be left"), "{message}");
}

#[test]
fn an_error_in_the_parent_names_its_file_and_all_are_told() {
    let parent = PARENT.replace("tcp: 443}", "tcp: 44300000}");
    let child = CHILD.replace("tcp: 631", "tcp: 0");
    let message = error(&[("child.yaml", &child), ("parent.yaml", &parent)]);
    assert!(
        message.starts_with("failed to load the profile `child.yaml`: 2 problems\nchild.yaml:9:"),
        "{message}"
    );
    assert!(message.contains("\nparent.yaml:19:35: claims.P-2.allowed.tcp: expected a port"), "{message}");
    assert!(message.contains("\n  19 |     allowed: {out: $servers, tcp: 44300000}\n"), "{message}");
    let broken = error(&[("child.yaml", CHILD), ("parent.yaml", "version: [1\n")]);
    assert!(
        broken.starts_with("failed to load the profile `child.yaml`: 1 problem\nparent.yaml:"),
        "{broken}"
    );
}

#[test]
fn what_is_extended_exists_and_does_not_lead_back() {
    let extending = |name: &str| format!("version: 1\nprofile: a\nextends: {name}\n");
    let message = error(&[("a.yaml", &extending("farmbto"))]);
    assert!(
        message.contains("a.yaml:3:10: extends: expected a built-in profile or a file, got `farmbto`"),
        "{message}"
    );
    assert!(message.contains("did you mean `farmbot`?"), "{message}");
    let message = error(&[("a.yaml", &extending("b.yaml")), ("b.yaml", &extending("./a.yaml"))]);
    assert!(
        message
            .contains("b.yaml:3:10: extends: a profile cannot extend itself: a.yaml -> b.yaml -> ./a.yaml"),
        "{message}"
    );
    let many: Vec<(String, String)> =
        (0..12).map(|n| (format!("{n}.yaml"), extending(&format!("{}.yaml", n + 1)))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let message = error(&many);
    assert!(message.contains("expected at most 8 profiles that extend each other"), "{message}");
    let message = super::from_str(&extending("b.yaml"), "text").unwrap_err().to_string();
    assert!(message.contains("only a profile in a file extends another by its path"), "{message}");
    let message = error(&[("a.yaml", &extending("[farmbot]"))]);
    assert!(message.contains("expected the name or file of a profile, got a list"), "{message}");
    let message = error(&[("a.yaml", &extending("."))]);
    assert!(message.contains("extends: failed to read"), "{message}");
}

#[test]
fn lists_are_read_beside_the_profile_that_names_them() {
    let folder = folder(&[("list.txt", "# dated: 2026-11-01\n192.0.2.0/24\n")]);
    std::fs::create_dir(folder.path().join("sites")).unwrap();
    let parent = "version: 1\nprofile: p\ntitle: P\nlists:\n  ours: {file: list.txt}\nclaims:\n  - {id: A, title: a, allowed: {out: 'list:ours'}}\n";
    std::fs::write(folder.path().join("parent.yaml"), parent).unwrap();
    let child: PathBuf = folder.path().join("sites/child.yaml");
    std::fs::write(&child, "version: 1\nprofile: c\nextends: ../parent.yaml\n").unwrap();
    let profile = from_file(&child).unwrap();
    assert_eq!(profile.claims[0].rule.to_string(), "out to list:ours");
    std::fs::write(
        &child,
        "version: 1\nprofile: c\nextends: ../parent.yaml\nlists:\n  ours: {file: none.txt}\n",
    )
    .unwrap();
    let message = from_file(&child).unwrap_err().to_string();
    assert!(
        message.contains("lists.ours.file: failed to read the list") && message.contains("none.txt"),
        "{message}"
    );
    let near = parent.replace("list:ours", "list:our");
    std::fs::write(folder.path().join("parent.yaml"), near).unwrap();
    let message = from_file(Path::new(&folder.path().join("parent.yaml"))).unwrap_err().to_string();
    assert!(message.contains("unknown address list `our` (did you mean `ours`?)"), "{message}");
}
