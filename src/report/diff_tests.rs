use super::super::samples::{capture, finding, seen};
use super::super::{IsTerminal, Output, View, choose, fold, rows};
use super::*;
use crate::model::Evidence;
use crate::model::finding::{Confidence, Finding, Severity};

fn table(findings: Vec<Finding>) -> Vec<Row> {
    rows(&fold(findings), &[capture(0, "a.pcap")])
}

fn of(observed: &str) -> Finding {
    Finding { observed: observed.into(), ..finding() }
}

fn fates(changes: &[Change]) -> Vec<(Fate, String)> {
    changes.iter().map(|change| (change.fate, change.row.cell("observed").to_owned())).collect()
}

#[test]
fn findings_are_told_apart_by_their_id() {
    let changes = diff(table(vec![of("a"), of("b")]), table(vec![of("b"), of("c")]));
    let expected = [(Fate::New, "c".to_owned()), (Fate::Gone, "a".to_owned()), (Fate::Same, "b".to_owned())];
    assert_eq!(fates(&changes), expected);
}

#[test]
fn time_frames_and_words_are_no_change() {
    let mut later = finding();
    later.evidence = Some(Evidence::once(seen(4_000)));
    later.message = "other words".into();
    later.peer_ip = None;
    let changes = diff(table(vec![finding()]), table(vec![later]));
    assert_eq!(changes[0].fate, Fate::Same);
}

#[test]
fn what_changed_is_said_from_old_to_new() {
    let mut worse = finding();
    worse.severity = Some(Severity::Error);
    worse.confidence = Confidence::Proven;
    worse.expected = "tls>=1.3".into();
    let mut before = finding();
    before.severity = Some(Severity::Info);
    before.waiver = "W-1".into();
    let changes = diff(table(vec![before]), table(vec![worse]));
    assert_eq!(changes[0].fate, Fate::Changed);
    assert_eq!(
        changes[0].what_changed(),
        "severity: info -> error; confidence: strong -> proven; expected: tls>=1.2 -> tls>=1.3; waiver: W-1 -> none"
    );
}

#[test]
fn a_count_changes_when_it_is_ten_times_another() {
    let times = |count: u64| {
        let mut row = finding();
        let mut evidence = Evidence::once(seen(1));
        (1..count).for_each(|n| evidence.again(seen(n)));
        row.evidence = (count > 0).then_some(evidence);
        table(vec![row])
    };
    for (old, new, changed) in
        [(1, 9, false), (1, 10, true), (30, 4, false), (30, 3, true), (0, 1, true), (0, 0, false)]
    {
        let changes = diff(times(old), times(new));
        assert_eq!(changes[0].fate == Fate::Changed, changed, "{old} {new}");
    }
}

#[test]
fn a_measurement_is_the_same_finding_with_another_value() {
    let changes = diff(table(vec![of("80 s")]), table(vec![of("81 s")]));
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].fate, changes[0].what_changed().as_str()),
        (Fate::Changed, "observed: 80 s -> 81 s")
    );
    // Not where it could be one of several, and not where anything else differs.
    assert_eq!(diff(table(vec![of("80 s"), of("90 s")]), table(vec![of("81 s")])).len(), 3);
    let elsewhere = Finding { peer_name: "other.example".into(), ..of("81 s") };
    assert_eq!(diff(table(vec![of("80 s")]), table(vec![elsewhere])).len(), 2);
    assert_eq!(diff(table(vec![of("rsa1024")]), table(vec![of("rsa512")])).len(), 2);
}

#[test]
fn only_numbers_with_a_unit_are_measurements() {
    for (text, without) in [
        ("80 s", Some("* s")),
        ("5.1 % lost", Some("* % lost")),
        ("RST by a box on the path after 25 s idle", Some("RST by a box on the path after * s idle")),
        ("30 s, inferred", Some("* s, inferred")),
        ("1883/tcp", None),
        ("1 of 2", None),
        ("tls1.0", None),
        ("1024 bits", None),
        ("s", None),
        ("", None),
    ] {
        assert_eq!(without_measurements(text).as_deref(), without, "{text}");
    }
}

fn shown(changes: &[Change], format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let format = choose(Some(format), None, super::super::Content::Changes, IsTerminal::No).unwrap();
    let view = View { width: Some(100), ..View::default() };
    format.write_changes(changes, &view, Output::create(Some(&path)).unwrap()).unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_table_for_people_says_what_became_of_each() {
    let changes = diff(table(vec![of("80 s")]), table(vec![of("81 s"), of("b")]));
    let id = |at: usize| changes[at].row.id().to_owned();
    assert_eq!(
        shown(&changes, "table"),
        format!(
            "CHANGE   SEVERITY  CODE              PEER                COUNT\n\
             new      error     weak-tls-version  my.example:443/tcp      1\n\
             \x20         1 connection with TLS 1.0 [{}, tls, a.pcap#17]\n\
             changed  error     weak-tls-version  my.example:443/tcp      1\n\
             \x20         observed: 80 s -> 81 s\n\
             \x20         1 connection with TLS 1.0 [{}, tls, a.pcap#17]\n",
            id(0),
            id(1)
        )
    );
    assert_eq!(shown(&[], "table"), "Nothing changed.\n");
}

#[test]
fn cells_are_written_as_in_the_table_they_came_from() {
    let hostile = Finding { peer_name: "=HYPERLINK(1)".into(), service: "-".into(), ..of("+1\u{1b}") };
    let changes = diff(Vec::new(), table(vec![hostile.clone()]));
    let json: serde_json::Value = serde_json::from_str(&shown(&changes, "ndjson")).unwrap();
    assert_eq!(json["change"], "new");
    assert_eq!(json["what_changed"], serde_json::Value::Null);
    assert_eq!(json["peer_name"], "'=HYPERLINK(1)");
    assert_eq!(json["observed"], "'+1\\x1b");
    assert_eq!((&json["port"], &json["service"]), (&serde_json::json!(443), &serde_json::json!("-")));
    assert_eq!(json["evidence"], serde_json::json!([{"capture": "a.pcap", "frame": 17}]));
    if cfg!(feature = "table") {
        let csv = shown(&changes, "csv");
        assert!(csv.starts_with("change,what_changed,finding_id,code,"), "{csv}");
        assert!(
            csv.contains("\nnew,,") && csv.contains(",'=HYPERLINK(1),") && csv.contains(",a.pcap#17,"),
            "{csv}"
        );
    }
}
