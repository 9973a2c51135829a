//! The walk-through of the documentation, command by command, with the real program.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, each test binary uses its own part, and tests print how much agrees"
)]

mod support;

use support::page;

/// What the page calls its recordings, and the cases that they are.
const RECORDINGS: [(&str, &str); 3] =
    [("power-on", "farmbot-clean"), ("evening", "farmbot-faults"), ("update", "farmbot-old-firmware")];

#[test]
#[cfg(feature = "table")]
fn the_walk_through_is_what_the_program_says() {
    let text = page::text("walkthrough.md");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, case) in RECORDINGS {
        assert!(text.contains(&format!("`{name}.pcap`")) && text.contains(&format!("`{case}`")), "{name}");
        let capture = support::capture(&support::root().join("fixtures/cases").join(case));
        std::fs::copy(capture, folder.path().join(format!("{name}.pcap"))).unwrap();
    }
    assert!(page::run(&text, folder.path()) >= 15, "every step has its command");
}

#[test]
fn what_a_page_does_not_show_has_its_dots() {
    assert_eq!(page::shows("a\nb\nc\n", "a\n…\nc"), Ok(()));
    assert_eq!(page::shows("a\nb\nc\n", "…\nb\n…"), Ok(()));
    assert_eq!(page::shows("a\nb\n", "b"), Err("b"), "the beginning is missing");
    assert_eq!(page::shows("a\nb\n", "a"), Err("(nothing more)"));
    assert_eq!(page::shows("a\n", ""), Err("(nothing more)"));
    assert_eq!(page::shows("", ""), Ok(()));
    assert_eq!(page::shows("a\nb\n", "b…a"), Err("b"));
    assert_eq!(page::shows("a\nb\n", "a…b…a"), Err("a"));
}
