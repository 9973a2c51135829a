//! Files that people name: what is none is told, nothing is waited for, and no message speaks of a library.

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

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::Answer;

const FAULTS: &str = "fixtures/cases/farmbot-faults/capture.pcap";

/// The answer to arguments, of which blanks part one from the next; a program that waits for ever fails the test.
fn ask(args: &str) -> Answer {
    let mut child = support::wireclaim()
        .args(args.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
            panic!("`{args}` does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap().into()
}

/// Every option and argument that names a file to read, with `{}` for it.
const READ: &[&str] = &[
    "check CAPTURE -q -p {}",
    "check CAPTURE -q --inventory {}",
    "check CAPTURE -q -p farmbot --waivers {}",
    "check CAPTURE -q -p farmbot --tls-policy {}",
    "check CAPTURE -q -p farmbot --names {}",
    "check CAPTURE -q -p farmbot --keylog {}",
    "flows CAPTURE -q --names {}",
    "learn CAPTURE -q --into {}",
    "profile lint {}",
    "profile show {}",
    "profile import {}",
    "profile export {}",
    "explain 48b6 --from {}",
    "diff {} fixtures/cases/farmbot-clean/expected.csv",
];

fn refused(args: &str, parts: &[&str]) {
    let answer = ask(&args.replace("CAPTURE", FAULTS));
    assert_eq!((answer.status, answer.out.as_str()), (2, ""), "{args}: {}", answer.err);
    for part in parts {
        assert!(answer.err.contains(part), "{args}: `{part}` is not in: {}", answer.err);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_a_device_and_a_folder_are_told_as_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.display().to_string();
    let inside = folder.path().display().to_string();
    for (path, what) in [
        (pipe.as_str(), "it is a named pipe"),
        ("/dev/zero", "it is a device"),
        (inside.as_str(), "it is a folder"),
    ] {
        for args in READ {
            // A capture may come from a pipe; of one that is compared the profile is missed first.
            let what = if args.starts_with("diff") { "" } else { what };
            refused(&args.replace("{}", path), &[path, what]);
        }
        let profile = folder.path().join("p.yaml");
        // Each is told at its key.
        for (key, what) in [("extends: X", what), ("lists: {ours: {file: X}}", what), ("tls_policy: X", what)]
        {
            let text = format!(
                "version: 1\nprofile: p\ntitle: P\n{}\nclaims:\n  - {{id: A, title: a, allowed: {{out: anyone}}}}\n",
                key.replace('X', path)
            );
            fs::write(&profile, text).unwrap();
            refused(&format!("profile lint {}", profile.display()), &["p.yaml:4:", path, what]);
        }
        let inventory = folder.path().join("i.yaml");
        let text =
            format!("version: 1\ninventory: i\ndevices:\n  - {{match: {{vlan: 1}}, profile: {path}}}\n");
        fs::write(&inventory, text).unwrap();
        refused(&format!("check CAPTURE --inventory {}", inventory.display()), &["i.yaml:4", path, what]);
    }
}

/// What the shell hands over is read to its end.
#[cfg(unix)]
#[test]
fn what_the_shell_hands_over_is_read() {
    let shell = |line: &str| -> Answer {
        let program = env!("CARGO_BIN_EXE_wireclaim");
        let mut bash = Command::new("bash");
        bash.current_dir(support::root()).args(["-c", &line.replace("wireclaim", program)]);
        bash.output().expect("bash starts").into()
    };
    let profile = "rules/profiles/farmbot.yaml";
    let direct = ask(&format!("check {FAULTS} -q -p {profile}"));
    assert_eq!(direct.status, 1, "{}", direct.err);
    for line in [
        format!("wireclaim check {FAULTS} -q -p <(cat {profile})"),
        format!("cat {profile} | wireclaim check {FAULTS} -q -p /dev/stdin"),
        format!("wireclaim check {FAULTS} -q -p /dev/stdin < {profile}"),
    ] {
        let answer = shell(&line);
        assert_eq!((answer.status, &answer.out), (1, &direct.out), "{line}: {}", answer.err);
    }
    let tables = shell(
        "wireclaim diff <(cat fixtures/cases/farmbot-clean/expected.csv) fixtures/cases/farmbot-faults/expected.csv -q",
    );
    assert_eq!((tables.status, tables.out.lines().count()), (1, 11), "{}", tables.err);
    let endless = shell(&format!("yes 'a: b' | wireclaim check {FAULTS} -q -p /dev/stdin"));
    assert_eq!(endless.status, 2);
    assert!(endless.err.contains("more than 32 MiB"), "{}", endless.err);
    let lint = shell("wireclaim profile lint <(cat rules/profiles/smartserver.yaml) --format csv");
    assert_eq!(lint.status, ask("profile lint smartserver --format csv").status, "{}", lint.err);
}

/// Words that a network administrator does not know, and that libraries like.
const THEIRS: &[&str] = &[
    "os error",
    "serde",
    "scalar",
    "budget",
    "stream did not",
    "deserialize",
    "parsing",
    "scanning",
    "EOF",
    "polars",
    "underlying",
    "invalid type",
    "policy allows",
    "configured policy",
    "Option<",
    "Some(",
    "None",
    "syntax error near",
];

/// Whether the answer is an error in our words.
fn plain(args: &str, named: &str) {
    let answer = ask(&args.replace("CAPTURE", FAULTS));
    assert_eq!(answer.status, 2, "{args}: {}", answer.err);
    assert!(answer.err.contains(named), "{args}: `{named}` is not in: {}", answer.err);
    for word in THEIRS {
        assert!(!answer.err.contains(word), "{args}: `{word}` is in: {}", answer.err);
    }
    let longest = answer.err.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(longest < 400, "{args}: a line of {longest} letters");
}

const PROFILE: &str =
    "version: 1\nprofile: p\ntitle: P\nclaims:\n  - {id: A, title: a, allowed: {out: anyone}}\n";

/// Broken texts that any of our YAML files may be, or JSON.
fn broken_texts() -> Vec<Vec<u8>> {
    let texts = [
        "",
        "text",
        "- a\n",
        "x: &a [*a]\n",
        "x: *a\n",
        "x: \"a\n",
        "x:\n\ty: z\n",
        "x: {a: b\n",
        "<<: 3\n",
        "? [a]\n: b\n",
        "x: !!binary '%'\n",
        "x: y\n---\nz: 1\n",
        "x: .inf\n",
        "x: @a\n",
        "x: %a\n",
        "x: '\\q\n",
        "x: \"\\q\"\n",
        "~: a\n",
        "x:\n  - a: b\n   - c\n",
        "x: |\n a\nb\n",
        "x: \"a\" b\n",
        "x: 1\nx: 2\n",
        "a b\nc\n",
        "%YAML 3.0\n---\nx: y\n",
        "{",
        "{\"a\": [}",
        "{\"a\": 1} b",
        "\u{0}\u{1}",
        "x: a: b\n",
    ];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    all.push(format!("x: {}{}\n", "[".repeat(60), "]".repeat(60)).into_bytes());
    all.push(format!("x: [{}]\n", "a,".repeat(510_000)).into_bytes());
    all.push(b"x: \xff\n".to_vec());
    all.push("x: y\n".encode_utf16().flat_map(u16::to_le_bytes).collect());
    let bomb = (1..9).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(10)));
    all.push(format!("a0: &a0 [{}]\n{}", "x,".repeat(10), bomb.collect::<String>()).into_bytes());
    all
}

#[test]
fn broken_files_are_told_in_our_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.yaml");
    let shown = path.display().to_string();
    for (at, text) in broken_texts().iter().enumerate() {
        fs::write(&path, text).unwrap();
        plain(&format!("profile lint {shown}"), "broken.yaml");
        // All of them are read by the same means: a few of each kind are enough.
        if at % 6 == 0 {
            for option in ["--inventory", "-p farmbot --waivers", "-p farmbot --tls-policy"] {
                plain(&format!("check CAPTURE {option} {shown}"), "broken.yaml");
            }
        }
    }
    for (file, text, named) in [
        ("a.json", "{\"prefixes\": [", "line 1"),
        ("a.json", "{\"prefixes\": [{\"ip_prefix\": 3}]}", "line 1"),
        ("a.json", "{'prefixes': []}", "line 1"),
        ("a.txt", "192.0.2.0/24\nfoo\n", "line 2"),
        ("a.txt", "", "no address"),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
        let list = format!("lists: {{ours: {{file: {file}}}}}\nclaims:");
        fs::write(&path, PROFILE.replace("claims:", &list)).unwrap();
        plain(&format!("profile lint {shown}"), named);
    }
    let hosts = folder.path().join("hosts");
    for (text, named) in
        [(&b"nonsense\n"[..], "hosts:1: "), (b"192.0.2.1 a\nx\n", "hosts:2: "), (b"\n\xff\n", "line 2")]
    {
        fs::write(&hosts, text).unwrap();
        plain(&format!("flows CAPTURE --names {}", hosts.display()), named);
    }
}

#[test]
fn outputs_that_cannot_be_written_are_told_in_our_words() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().display().to_string();
    let writes = [
        "check CAPTURE -p farmbot -q -o {}",
        "learn CAPTURE -q -o {}",
        "profile export farmbot -q -o {}",
        "flows CAPTURE -q -o {}",
    ];
    for args in writes {
        plain(&args.replace("{}", "/nonexistent/x.csv"), "is there a folder `/nonexistent`?");
        plain(&args.replace("{}", &inside), "Is a directory");
        if Path::new("/dev/full").exists() {
            plain(&args.replace("{}", "/dev/full"), "failed to write `/dev/full`: No space left on device");
        }
    }
    if cfg!(feature = "table") && Path::new("/dev/full").exists() {
        let full = "failed to write `/dev/full`: No space left on device";
        plain("flows CAPTURE -q -o /dev/full --format parquet", full);
    }
    let begun = ask(&format!("check {FAULTS} -p farmbot --write-waivers /nonexistent/w.yaml"));
    assert_eq!((begun.status, begun.out.as_str()), (2, ""), "told before the analysis");
    assert!(begun.err.contains("there is no folder `/nonexistent`"), "{}", begun.err);
    for missing in ["check nowhere.pcap -p farmbot", "check '***x' -p farmbot", "check [ -p farmbot"] {
        plain(missing, "failed to read");
    }
    plain("check CAPTURE -p -", "/dev/stdin");
}

#[test]
fn a_suffix_that_stands_for_no_format_is_refused_before_the_analysis() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for args in [
        "check CAPTURE -p farmbot -o {}",
        "flows CAPTURE -o {}",
        "profile lint farmbot -o {}",
        "profile show farmbot -o {}",
    ] {
        for name in ["x.doc", "x.xlsx", "x.csv.gz"] {
            let path = at(name);
            plain(&args.replace("{}", &path), "its suffix is none of .");
            assert!(!Path::new(&path).exists(), "{args}");
        }
    }
    if cfg!(feature = "table") {
        let named = format!("check {FAULTS} -p farmbot -q -o {}", at("plain"));
        assert_eq!(ask(&named).status, 1, "without a suffix it is CSV");
        assert!(fs::read_to_string(at("plain")).unwrap().starts_with("finding_id,"));
        assert_eq!(ask(&format!("{} --format csv", named.replace("plain", "x.doc"))).status, 1);
    }
}
