//! Secrets of connections, in a file or inside a capture, wherever they stand in it: the same facts, for any number of
//! threads.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use support::run;

const SECRETS: u32 = 0x0a;
const FRAME: u32 = 6;

/// The blocks of a little-endian pcapng, with their types.
struct Blocks(Vec<(u32, Vec<u8>)>);

impl Blocks {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let (mut blocks, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let len = number(at + 4) as usize;
            blocks.push((number(at), bytes[at..at + len].to_vec()));
            at += len;
        }
        Self(blocks)
    }

    /// All but the secrets, and the key log in them.
    fn without_secrets(self) -> (Self, String) {
        let (secrets, rest): (Vec<_>, Vec<_>) = self.0.into_iter().partition(|(kind, _)| *kind == SECRETS);
        let log = |block: &[u8]| {
            let len = u32::from_le_bytes(block[12..16].try_into().unwrap()) as usize;
            String::from_utf8(block[16..16 + len].to_vec()).unwrap()
        };
        (Self(rest), secrets.iter().map(|(_, block)| log(block)).collect())
    }

    /// With blocks of these secrets, each before the frame of that number, from 0; behind all if there is none.
    fn with(&self, secrets: &[(usize, &str)]) -> Vec<u8> {
        let (mut out, mut frame) = (Vec::new(), 0);
        let put = |out: &mut Vec<u8>, frame: Option<usize>| {
            for (_, log) in secrets.iter().filter(|(at, _)| frame.is_none_or(|frame| *at == frame)) {
                out.extend(block(log));
            }
        };
        for (kind, bytes) in &self.0 {
            if *kind == FRAME {
                put(&mut out, Some(frame));
                frame += 1;
            }
            out.extend(bytes);
        }
        if secrets.iter().all(|(at, _)| *at >= frame) {
            put(&mut out, None);
        }
        out
    }

    fn frames(&self) -> usize {
        self.0.iter().filter(|(kind, _)| *kind == FRAME).count()
    }
}

fn block(log: &str) -> Vec<u8> {
    let numbers = [0x544c_534b, log.len() as u32].map(u32::to_le_bytes).concat();
    any_block(SECRETS, &[&numbers, log.as_bytes()].concat())
}

fn any_block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = (12 + padded) as u32;
    let mut out = [kind, total].map(u32::to_le_bytes).concat();
    out.extend(body);
    out.resize(8 + padded, 0);
    out.extend(total.to_le_bytes());
    out
}

/// More than is read at a time, of blocks that say nothing.
fn much() -> Vec<u8> {
    any_block(0x0bad_cafe, &vec![0; 50_000]).repeat(20)
}

/// The case's capture without secrets, and these.
fn parts() -> (Blocks, String) {
    Blocks::read(&support::root().join("fixtures/cases/farmbot-keys/capture.pcapng")).without_secrets()
}

fn flows(path: &Path, more: &[&str]) -> Output {
    let mut args = vec!["flows".into(), path.display().to_string(), "--format".into(), "ndjson".into()];
    args.extend(more.iter().map(|word| (*word).to_owned()));
    run(&args)
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A folder with the capture in it as `name`.
fn put(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn secrets_do_the_same_wherever_they_are() {
    let (rest, log) = parts();
    let folder = tempfile::tempdir().unwrap();
    let expected = {
        let path = put(&folder, "capture.pcapng", &rest.with(&[(0, &log)]));
        text(&flows(&path, &["-q"]))
    };
    for service in ["\"tls/http\"", "\"tls/http/websocket\"", "\"tls/mqtt\""] {
        assert!(expected.contains(service), "{service}");
    }
    let lines: Vec<String> = log.lines().map(|line| format!("{line}\n")).collect();
    let one_each: Vec<(usize, &str)> =
        lines.iter().enumerate().map(|(at, line)| (at * 7 % rest.frames(), line.as_str())).collect();
    let ways = [
        ("in the middle", rest.with(&[(rest.frames() / 2, &log)])),
        ("behind all frames", rest.with(&[(usize::MAX, &log)])),
        ("in many blocks", rest.with(&one_each)),
        ("far behind all frames", [rest.with(&[]), much(), block(&log)].concat()),
    ];
    for (way, bytes) in ways {
        let path = put(&folder, "capture.pcapng", &bytes);
        for jobs in ["1", "2", "8"] {
            assert_eq!(text(&flows(&path, &["-q", "-j", jobs])), expected, "{way} with {jobs} threads");
        }
    }
    let path = put(&folder, "capture.pcapng", &rest.with(&[]));
    let keys = put(&folder, "keys.log", log.as_bytes());
    let keys = keys.to_str().unwrap();
    assert_eq!(text(&flows(&path, &["-q", "--keylog", keys])), expected, "from a file");
    let (first, second) = lines.split_at(lines.len() / 2);
    let (first, second) =
        (put(&folder, "1", first.concat().as_bytes()), put(&folder, "2", second.concat().as_bytes()));
    let two = ["-q", "--keylog", first.to_str().unwrap(), "--keylog", second.to_str().unwrap()];
    assert_eq!(text(&flows(&path, &two)), expected, "from two files");
    let none = text(&flows(&path, &["-q"]));
    assert!(!none.contains("tls/") && !none.contains("tls.decryption"), "nothing without them");
}

#[test]
fn secrets_of_another_file_of_the_input_are_used() {
    let (rest, log) = parts();
    let folder = tempfile::tempdir().unwrap();
    let whole = put(&folder, "capture.pcapng", &rest.with(&[]));
    // A section, an interface, then secrets and no frame.
    let head: Vec<u8> =
        rest.0.iter().take_while(|(kind, _)| *kind != FRAME).flat_map(|(_, b)| b.clone()).collect();
    let only = put(&folder, "secrets.pcapng", &[head, block(&log)].concat());
    let args = ["flows", whole.to_str().unwrap(), only.to_str().unwrap(), "-q", "--format", "ndjson"];
    assert!(text(&run(&args)).contains("\"tls/mqtt\""));
}

#[test]
fn late_secrets_of_a_pipe_are_told_of() {
    let (rest, log) = parts();
    let feed = |bytes: &[u8]| {
        let mut child = support::wireclaim()
            .args(["flows", "-", "--format", "ndjson"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
        child.wait_with_output().unwrap()
    };
    let early = feed(&rest.with(&[(0, &log)]));
    assert!(text(&early).contains("\"tls/mqtt\""));
    assert!(!String::from_utf8_lossy(&early.stderr).contains("secrets"));
    let late = feed(&[rest.with(&[]), much(), block(&log)].concat());
    assert!(!text(&late).contains("\"tls/mqtt\""));
    assert!(String::from_utf8_lossy(&late.stderr).contains("read only once"));
}

#[test]
fn no_secret_is_in_any_output() {
    let (rest, log) = parts();
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder, "capture.pcapng", &rest.with(&[(0, &log)]));
    let mut said = Vec::new();
    for args in [&["--verbose", "--format", "csv"][..], &["--format", "table"], &["--format", "ndjson"]] {
        let mut all = vec!["flows", path.to_str().unwrap()];
        all.extend(args);
        let output = run(&all);
        said.extend([output.stdout, output.stderr].concat());
        all.splice(..1, ["check", "-p", "farmbot", "--all"]);
        let output = run(&all);
        said.extend([output.stdout, output.stderr].concat());
    }
    let said = String::from_utf8_lossy(&said).to_lowercase();
    assert!(said.contains("tls.decryption"));
    for line in log.lines() {
        let secret = line.rsplit(' ').next().unwrap().to_lowercase();
        assert!(!said.contains(&secret[..16]));
    }
}

#[test]
fn a_file_without_secrets_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (rest, _) = parts();
    let path = put(&folder, "capture.pcapng", &rest.with(&[]));
    let wrong = put(&folder, "notes.txt", b"# nothing\nEXPORTER_SECRET 00 11\n");
    for keys in [wrong.as_path(), &folder.path().join("none")] {
        let output = flows(&path, &["--keylog", keys.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(keys.file_name().unwrap().to_str().unwrap()), "{said}");
    }
}
