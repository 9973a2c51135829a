//! The page of the language: every example loads and means what is written beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says so"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use wireclaim::profile::{Claim, ClaimState, Profile, bind, load, sentences};

use support::{root, say};

const CLEAN: &str = "fixtures/cases/farmbot-clean/capture.pcap";

/// A fenced block: what the page expects of it, its file name, its text.
struct Example {
    line: usize,
    expected: Vec<String>,
    file: Option<String>,
    text: String,
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/profiles.md")).unwrap()
}

/// The examples of the page in their order.
fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut expected = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line == "<!-- expect" {
            expected =
                lines.by_ref().map(|(_, line)| line.to_owned()).take_while(|line| line != "-->").collect();
        } else if let Some(info) = line.strip_prefix("```") {
            let file = info.split_once("file=").map(|(_, name)| name.to_owned());
            let mut text = String::new();
            for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
                let _ = writeln!(text, "{line}");
            }
            let expected = std::mem::take(&mut expected);
            found.push(Example { line: number + 1, expected, file, text });
        }
    }
    found
}

/// The example as a whole file.
fn whole(text: &str) -> String {
    let has = |key: &str| text.lines().any(|line| line.starts_with(&format!("{key}:")));
    let head = if has("version") { "" } else { "version: 1\nprofile: example\ntitle: Example\n" };
    format!("{head}{text}")
}

/// What a claim says: `required: out to hub.example.com, tcp/443; when mode: fast; binds the browser`.
fn sentence(profile: &Profile, claim: &Claim) -> String {
    let mut text = format!("{} {}: {}", claim.id, claim.level, claim.rule);
    let when: Vec<String> = claim.when.iter().map(ToString::to_string).collect();
    if !when.is_empty() {
        let _ = write!(text, "; when {}", when.join(" and "));
    }
    match claim.subject.as_str() {
        "device" => {}
        "anyone" => text.push_str("; binds every subject"),
        other => {
            assert!(profile.subjects.iter().any(|role| role.name == other));
            let _ = write!(text, "; binds the {other}");
        }
    }
    if let Some(severity) = claim.severity {
        let _ = write!(text, "; severity {severity}");
    }
    text
}

/// What became of a claim with options as on the command line.
fn standing(profile: &Arc<Profile>, options: &str, id: &str) -> &'static str {
    let words: Vec<&str> = options.split_whitespace().collect();
    let of = |name: &str| {
        let pairs = words.chunks(2).filter(|pair| pair[0] == name);
        pairs.map(|pair| pair[1].to_owned()).collect::<Vec<String>>()
    };
    let sets: Vec<(String, String)> = of("--set")
        .iter()
        .map(|text| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect();
    let subject = of("--subject").pop().unwrap_or_else(|| bind::DEVICE.to_owned());
    let declaration = bind::bind_as(profile, &subject, &of("--variant"), &sets).unwrap();
    let bound = declaration.claims.iter().find(|bound| bound.claim.id == id);
    match &bound.unwrap_or_else(|| panic!("no claim {id}")).state {
        ClaimState::Active => "applies",
        ClaimState::Noted(_) => "applies with a note",
        ClaimState::Inactive(_) => "does not apply",
        ClaimState::Unbound(_) => "unbound",
        ClaimState::OtherSubject => "binds another",
    }
}

fn check(example: &Example, folder: &Path) {
    let place = format!("docs/profiles.md:{}", example.line);
    let path = folder.join("example.yaml");
    std::fs::write(&path, whole(&example.text)).unwrap();
    let loaded = load::from_file(&path);
    if let Some(told) = example.expected.iter().find_map(|line| line.strip_prefix("error ")) {
        let error = loaded.expect_err(&place).to_string();
        assert!(error.contains(told), "{place}: {error}");
        return;
    }
    let profile = Arc::new(loaded.unwrap_or_else(|error| panic!("{place}: {error}")));
    let shown = sentences::sentences(&bind::bind(&profile, &[], &[]).unwrap());
    let mut sentences: BTreeMap<String, String> =
        profile.claims.iter().map(|claim| (claim.id.clone(), sentence(&profile, claim))).collect();
    sentences.remove("Z");
    for line in &example.expected {
        if let Some(text) = line.strip_prefix("shows ") {
            let text = text.trim_end();
            // Long lines are broken, and indented again.
            let flowing = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flowing(&shown).contains(&flowing(text)), "{place}: {text}\n{shown}");
        } else if let Some((options, told)) = line.strip_prefix("with").and_then(|rest| rest.split_once(": "))
        {
            let (id, state) = told.split_once(' ').unwrap();
            assert_eq!(standing(&profile, options, id), state, "{place}: {line}");
        } else {
            let id = line.split(' ').next().unwrap();
            assert_eq!(sentences.remove(id).as_ref(), Some(line), "{place}");
        }
    }
    assert_eq!(
        sentences.into_values().collect::<Vec<_>>(),
        Vec::<String>::new(),
        "{place}: nothing is expected of these"
    );
}

#[test]
fn every_example_means_what_stands_beside_it() {
    let page = page();
    let examples = examples(&page);
    let folder = tempfile::tempdir().unwrap();
    for example in &examples {
        if let Some(name) = &example.file {
            std::fs::write(folder.path().join(name), &example.text).unwrap();
        }
    }
    let mut tested = 0;
    for example in examples.iter().filter(|example| example.file.is_none()) {
        assert!(!example.expected.is_empty(), "line {}: nothing is expected of this example", example.line);
        check(example, folder.path());
        tested += 1;
    }
    assert!(tested >= 19, "{tested}");
}

#[test]
fn every_key_and_word_is_on_the_page_and_in_an_example() {
    let page = page();
    let texts: String = examples(&page).into_iter().map(|example| example.text).collect();
    let schema: Value = serde_json::from_str(&wireclaim::profile::json_schema()).unwrap();
    let mut left = vec![&schema];
    let mut seen = 0;
    while let Some(value) = left.pop() {
        for name in value["properties"].as_object().into_iter().flat_map(|keys| keys.keys()) {
            assert!(texts.contains(&format!("{name}:")), "no example has the key `{name}`");
            seen += 1;
        }
        for word in value["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(page.contains(word), "the page does not have the word `{word}`");
        }
        match value {
            Value::Object(map) => left.extend(map.values()),
            Value::Array(list) => left.extend(list),
            _ => {}
        }
    }
    assert!(seen > 100, "{seen}");
}

/// A file in a folder of its own.
fn written(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn the_selected_are_judged_as_the_subject_that_is_named() {
    let all = |rest: &str| say(&format!("check {CLEAN} -p farmbot --format ndjson --fail-on never {rest}"));
    let device = all("--all");
    let row = |answer: &support::Answer, claim: &str| {
        answer
            .rows()
            .into_iter()
            .find(|row| row["claim"] == claim)
            .unwrap_or_else(|| panic!("no row of {claim}"))
    };
    assert_eq!(row(&device, "FB-06")["message"], "This binds the browser, not the device.");
    assert!(!device.err.contains("subject:"), "{}", device.err);
    let browser = all("--all --subject browser --device 192.0.2.100");
    assert_eq!(row(&browser, "FB-11")["message"], "This binds the device, not the browser.");
    assert_eq!(row(&browser, "FB-06")["variant"], "subject:browser");
    assert_ne!(row(&browser, "FB-06")["message"], row(&device, "FB-06")["message"]);
    assert!(
        browser.err.contains("claims of farmbot (subject:browser) for farmbot-1234: "),
        "{}",
        browser.err
    );
    // What binds the device alone is nothing that the browser lacks.
    let line = |answer: &support::Answer| {
        answer.err.lines().find(|line| line.starts_with("claims")).unwrap_or_default().to_owned()
    };
    assert!(line(&browser).ends_with("6 binding others"), "{}", browser.err);
    assert!(line(&device).ends_with("1 binding others"), "{}", device.err);
    // The device's own connections are undeclared for a browser.
    assert!(browser.codes().iter().any(|code| code == "undeclared-destination"));
    for (options, told) in [
        ("--subject brwser", "`farmbot` has no subject `brwser` (did you mean `browser`?)"),
        ("--subject browser --subject device", "got `browser` and `device` for one profile"),
    ] {
        let refused = all(options);
        assert_eq!(refused.status, 2);
        assert!(refused.err.contains(told), "{}", refused.err);
    }
}

#[test]
fn old_address_lists_are_noted_once_and_never_by_the_clock() {
    // The capture ends on 2026-11-21, 156 days after the shipped list.
    let told = say(&format!("check {CLEAN} -p farmbot --fail-on never"));
    let note = "the address list `aws-us-east-1` is of 2026-06-18, 156 days before the capture ends";
    assert_eq!(told.err.matches(note).count(), 1, "{}", told.err);
    for rest in ["--max-list-age 156", "--quiet"] {
        let silent = say(&format!("check {CLEAN} -p farmbot --fail-on never {rest}"));
        assert!(!silent.err.contains("address list"), "{}", silent.err);
    }
    // A newer one of the same name takes its place, in inherited claims too.
    let (folder, path) =
        written("version: 1\nprofile: mine\nextends: farmbot\nlists:\n  aws-us-east-1: {file: new.txt}\n");
    std::fs::write(folder.path().join("new.txt"), "# dated: 2026-11-01\n192.0.2.0/24\n").unwrap();
    let newer = say(&format!("check {CLEAN} -p {path} --fail-on never"));
    assert_eq!(newer.status, 0, "{}", newer.err);
    assert!(!newer.err.contains("address list"), "{}", newer.err);
}

#[test]
fn a_profile_that_extends_another_finds_what_the_other_finds() {
    let faults = "fixtures/cases/farmbot-faults/capture.pcap";
    let check = |profile: &str| say(&format!("check {faults} -p {profile} --format ndjson"));
    let (_folder, path) = written("version: 1\nprofile: mine\nextends: farmbot\nwithout: FB-20\n");
    let (parent, child) = (check("farmbot"), check(&path));
    let codes = |answer: &support::Answer| {
        let mut codes = answer.codes();
        codes.sort();
        codes
    };
    assert_eq!((parent.status, codes(&parent)), (child.status, codes(&child)));
    assert!(!parent.codes().is_empty());
    let broken = path.replace("mine", "broken");
    std::fs::write(&broken, "version: 1\nprofile: b\nextends: mine.yaml\nclaims:\n  - {id: FB-01, title: t, allowed: {out: a b}}\n").unwrap();
    let refused = check(&broken);
    assert_eq!(refused.status, 2);
    for told in [
        "broken.yaml:5:5: claims.FB-01: the id `FB-01` exists already (built-in farmbot, line ",
        "expected a domain name",
    ] {
        assert!(refused.err.contains(told), "{}", refused.err);
    }
}
