//! The real program as people and scripts meet it: arguments, inputs, outputs, messages, exit status.

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
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Output, Stdio};

use support::{Answer, say};
use tempfile::TempDir;

const CLEAN: &str = "fixtures/cases/farmbot-clean/capture.pcap";
const FAULTS: &str = "fixtures/cases/farmbot-faults/capture.pcap";
const IMP: &str = "fixtures/cases/imp-bad/capture.pcap";

/// `wireclaim check` of these captures as a FarmBot's, as NDJSON.
fn farmbot(rest: &str) -> Answer {
    say(&format!("check -p farmbot --format ndjson {rest}"))
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A path as an argument; temporary folders have no blanks in their names.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &str) -> Vec<u8> {
    fs::read(support::root().join(path)).expect("the fixture is there")
}

/// Asserts that the run could not start, and that the message has each of `parts`.
fn refused(answer: &Answer, parts: &[&str]) {
    assert_eq!(answer.status, 2, "{}", answer.err);
    assert_eq!(answer.out, "", "nothing on standard output");
    for part in parts {
        assert!(answer.err.contains(part), "`{part}` is not in: {}", answer.err);
    }
}

#[test]
fn help_and_version_are_answers() {
    for args in [
        "--help",
        "-h",
        "check --help",
        "flows --help",
        "profile --help",
        "explain --help",
        "learn --help",
        "diff --help",
        "profile show --help",
        "help",
        "help check",
        "profile help schema",
    ] {
        let answer = say(args);
        assert_eq!((answer.status, answer.err.as_str()), (0, ""), "{args}");
        assert!(answer.out.contains("Usage: wireclaim"), "{args}: {}", answer.out);
    }
    let version = say("--version");
    assert_eq!((version.status, version.err.as_str()), (0, ""));
    assert_eq!(version.out, format!("wireclaim {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_are_refused() {
    refused(&say(""), &["Usage: wireclaim"]);
    refused(&say("--nope"), &["--nope"]);
    refused(&say("chek x.pcap"), &["chek", "check"]);
    refused(&say("check -p farmbot"), &["CAPTURE"]);
    assert!(!say("check -p farmbot").err.contains("drafts one"));
    refused(
        &say(&format!("check {CLEAN}")),
        &["--profile", "`wireclaim learn CAPTURE -o device.yaml` drafts one"],
    );
    refused(&farmbot(&format!("{CLEAN} --fail-on fatal")), &["fatal", "error", "never"]);
    refused(&farmbot(&format!("{CLEAN} -j 0")), &["0"]);
    refused(&farmbot(&format!("{CLEAN} -q -v")), &["--quiet", "--verbose"]);
}

#[test]
fn unknown_profiles_variants_and_parameters_come_with_their_near_miss() {
    refused(
        &say(&format!("check {CLEAN} -p farmbt --format ndjson")),
        &["`farmbt`", "did you mean `farmbot`?"],
    );
    refused(
        &say(&format!("check {CLEAN} -p electric-imp --variant singl-ip --format ndjson")),
        &["singl-ip", "did you mean `single-ip`?"],
    );
    refused(&farmbot(&format!("{CLEAN} --set fbos=newest")), &["fbos", "newest"]);
    refused(&farmbot(&format!("{CLEAN} --set ssh_kye=true")), &["ssh_kye", "ssh_key"]);
    refused(&farmbot(&format!("{CLEAN} --set ssh_key")), &["--set ssh_key", "NAME=VALUE"]);
}

#[test]
fn a_bad_profile_names_file_line_column_key_and_near_miss() {
    let folder = folder();
    let path = folder.path().join("mine.yaml");
    let text = "version: 1\nprofile: mine\ntitle: Mine\nclaims:\n  - id: M-1\n    title: Web\n    \
                requird: {out: my.example.net, tcp: 443}\n";
    fs::write(&path, text).unwrap();
    let place = format!("{}:7:5: ", shown(&path));
    let parts = [place.as_str(), "requird", "did you mean `required`?", "requird: {out"];
    refused(&say(&format!("check {CLEAN} --format ndjson -p {}", shown(&path))), &parts);
    refused(&say(&format!("profile lint {}", shown(&path))), &parts);
    refused(&say(&format!("profile show {}", shown(&path))), &parts);
    fs::write(&path, "version: 1\nprofile: [mine\n").unwrap();
    refused(&say(&format!("profile lint {}", shown(&path))), &[shown(&path).as_str()]);
}

#[test]
fn lint_looks_at_every_profile_and_fails_for_broken_ones_only() {
    let good = say("profile lint farmbot electric-imp smartserver fortrabbit");
    assert_eq!((good.status, good.err.as_str()), (0, ""));
    let folder = folder();
    let path = folder.path().join("broken.yaml");
    fs::write(&path, "version: 1\nprofle: x\n").unwrap();
    let mixed = say(&format!("profile lint {} farmbot", shown(&path)));
    assert_eq!(mixed.status, 2);
    assert!(mixed.err.contains("profle") && mixed.err.contains("1 of 2 profiles"), "{}", mixed.err);
    assert!(mixed.out.contains("farmbot"), "notes on the good one: {}", mixed.out);
    refused(&say("profile lint nowhere.yaml"), &["nowhere.yaml"]);
}

#[test]
fn show_prints_every_statement_with_its_quote() {
    let answer = say("profile show farmbot");
    assert_eq!((answer.status, answer.err.as_str()), (0, ""));
    let yaml = String::from_utf8(read("rules/profiles/farmbot.yaml")).unwrap();
    let ids: Vec<&str> = yaml.lines().filter_map(|line| line.trim().strip_prefix("- id: ")).collect();
    assert!(ids.len() >= 24, "{ids:?}");
    for id in ids {
        assert!(answer.out.contains(id), "{id}");
    }
    for number in 1..=24 {
        assert!(answer.out.contains(&format!("FB-{number:02}")), "FB-{number:02}");
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = words(&answer.out);
    let profile = wireclaim::profile::builtin::open("farmbot").expect("the profile is built in");
    let claims = profile.claims.iter().map(|claim| (&claim.id, &claim.source.quote));
    let others = profile.not_checkable.iter().map(|statement| (&statement.id, &statement.source.quote));
    for (id, quote) in claims.chain(others) {
        assert!(shown.contains(&words(quote)), "quote of {id}: {quote}");
    }
}

#[test]
fn rows_that_are_no_findings_have_a_page() {
    for code in ["claim", "conversation"] {
        let page = say(&format!("explain {code}"));
        assert_eq!((page.status, page.err.as_str()), (0, ""), "{code}");
        assert!(
            page.out.starts_with(&format!("# {code}\n")) && page.out.contains("\n## What to do\n"),
            "{code}"
        );
        assert!(say("explain").out.contains(&format!("\n  {code} ")), "{code}");
    }
}

/// What scripts go by stands in the help of what they call.
#[test]
fn help_says_the_exit_statuses() {
    for (command, statuses) in [
        ("check", "01234"),
        ("flows", "0234"),
        ("learn", "0234"),
        ("explain", "02"),
        ("diff", "01234"),
        ("profile show", "02"),
        ("profile lint", "012"),
        ("profile import", "02"),
        ("profile export", "02"),
    ] {
        let help = say(&format!("{command} --help")).out;
        let (_, told) = help.split_once("Exit status:\n").unwrap_or_else(|| panic!("{command}: {help}"));
        for status in statuses.chars() {
            assert!(
                told.lines().any(|line| line.starts_with(&format!("  {status}  "))),
                "{command}: {status}"
            );
        }
    }
    assert!(say("learn --help").out.contains("A file that exists is refused"));
}

#[test]
fn usage_has_the_same_name_whatever_the_program_is_called() {
    let folder = folder();
    let other = folder.path().join("wc-other");
    fs::copy(env!("CARGO_BIN_EXE_wireclaim"), &other).unwrap();
    for args in [&["diff", "--help"][..], &["check", "--help"], &["profile", "import"], &["--help"]] {
        let said = std::process::Command::new(&other).args(args).output().unwrap();
        let text = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
        assert!(text.contains("Usage: wireclaim") && !text.contains("wc-other"), "{args:?}: {text}");
    }
}

#[test]
fn a_run_that_fails_leaves_no_file_and_takes_none() {
    let folder = folder();
    let (new, old) = (folder.path().join("new.ndjson"), folder.path().join("old.ndjson"));
    fs::write(&old, "kept\n").unwrap();
    for file in [&new, &old] {
        refused(&say(&format!("check nofile.pcap -p farmbot -o {}", shown(file))), &["nofile.pcap"]);
        refused(&say(&format!("flows nofile.pcap -o {}", shown(file))), &["nofile.pcap"]);
    }
    refused(&say(&format!("learn nofile.pcap -o {}", shown(&new))), &["nofile.pcap"]);
    assert!(!new.exists());
    assert_eq!(fs::read_to_string(&old).unwrap(), "kept\n");
    let (json, profile) = (folder.path().join("lamp.json"), folder.path().join("lamp.yaml"));
    fs::write(&json, "{}").unwrap();
    let import = |of: &Path| say(&format!("profile import {} -o {}", shown(of), shown(&profile)));
    refused(&import(&json), &["`ietf-mud:mud`"]);
    assert!(!import(&json).err.contains("`claims`"), "no keys of a profile are asked for");
    // Cut behind the key that makes it a MUD file, and before it.
    let whole =
        "{\"ietf-mud:mud\": {\"mud-version\": 1,\n \"mud-url\": \"https://lamps.example/lamp.json\"}}";
    for cut in [5, 20, 50, whole.len() - 1] {
        fs::write(&json, &whole[..cut]).unwrap();
        refused(&import(&json), &["the JSON ends here", "cut off"]);
    }
    fs::write(&json, "plain text").unwrap();
    refused(&import(&json), &["no MUD file", "`ietf-mud:mud`"]);
    assert!(!profile.exists());
}

#[test]
fn explain_offers_the_near_miss() {
    refused(&say("explain weak-ciper"), &["`weak-ciper`", "did you mean `weak-cipher`?"]);
    let far = say("explain zzzzzzzzzzzzzzzzzzzzzzzz");
    refused(&far, &["zzzz"]);
    assert!(
        !far.err.contains("did you mean") && far.err.contains("`wireclaim explain` lists"),
        "{}",
        far.err
    );
    let list = say("explain");
    assert_eq!(list.status, 0);
    for code in ["undeclared-destination", "waiver-expired", "over-broad"] {
        assert!(list.out.contains(&format!("\n  {code} ")), "{code}: {}", list.out);
    }
    refused(&say("explain --from x.csv"), &["<CODE|ID>"]);
}

#[test]
fn a_reader_that_has_gone_away_changes_no_exit_status() {
    let faults = "fixtures/cases/farmbot-faults/capture.pcap";
    let cases = [("check -p farmbot", 1), ("flows", 0), ("check -p nobody", 2), ("learn", 0), ("diff", 2)];
    for (command, status) in cases {
        // With RUST_BACKTRACE a panic would be told, too.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut program = support::wireclaim();
        program.args(command.split(' ')).arg(faults).env("RUST_BACKTRACE", "1");
        let ended = program.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{command}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_capture_is_refused() {
    refused(&farmbot("nowhere.pcap"), &["nowhere.pcap"]);
    refused(&farmbot("README.md"), &["`README.md`", "not a capture", "looks like text", "pcapng"]);
    refused(&farmbot("fixtures/*.zzz"), &["fixtures/*.zzz"]);
    let folder = folder();
    let path = folder.path().join("table.pcap");
    fs::write(&path, b"PK\x03\x04\x14\0").unwrap();
    refused(&farmbot(&shown(&path)), &["ZIP archive"]);
    fs::write(&path, b"").unwrap();
    refused(&farmbot(&shown(&path)), &["empty"]);
    // One bad name stops the run, whatever else is named.
    refused(&farmbot(&format!("{CLEAN} {}", shown(&path))), &["empty"]);
}

#[test]
fn other_files_in_a_folder_are_counted_and_passed_over() {
    let folder = folder();
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(folder.path().join("deep/a.pcap"), read(FAULTS)).unwrap();
    fs::write(folder.path().join("notes.txt"), "no capture").unwrap();
    fs::write(folder.path().join("table.csv"), "a,b\n").unwrap();
    let answer = farmbot(&shown(folder.path()));
    assert_eq!(answer.status, 1);
    assert_eq!(answer.codes(), farmbot(FAULTS).codes());
    assert!(answer.err.contains("notes.txt") && answer.err.contains("table.csv"), "{}", answer.err);
    fs::remove_dir_all(folder.path().join("deep")).unwrap();
    refused(&farmbot(&shown(folder.path())), &["2"]);
}

/// It may be a capture, so not all of the input was read.
#[test]
fn a_packed_file_in_a_folder_that_does_not_unpack_leaves_the_input_incomplete() {
    let folder = folder();
    fs::write(folder.path().join("a.pcap"), read(CLEAN)).unwrap();
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packer.window_log(24).unwrap();
    packer.write_all(&read(FAULTS).repeat(200)).unwrap();
    fs::write(folder.path().join("b.zst"), packer.finish().unwrap()).unwrap();
    let path = shown(folder.path());
    let answer = farmbot(&format!("{path} --max-memory 64M"));
    assert_eq!(answer.status, 3, "{}", answer.err);
    assert!(answer.err.contains("b.zst, 0 frames; incomplete"), "{}", answer.err);
    assert!(answer.err.contains("raise --max-memory to 128M"), "{}", answer.err);
    let named = farmbot(&format!("{path}/b.zst --max-memory 64M"));
    refused(&named, &["failed to read", "b.zst`: the zstd file takes 16 MiB", "--max-memory to 128M"]);
    assert_eq!(farmbot(&format!("{path} --max-memory 128M")).status, 1);
}

#[test]
fn globs_are_expanded_by_the_program_too() {
    let folder = folder();
    fs::write(folder.path().join("a1.pcap"), read(FAULTS)).unwrap();
    fs::write(folder.path().join("b1.pcap"), "no capture").unwrap();
    let answer = farmbot(&format!("{}/a*.pcap", shown(folder.path())));
    assert_eq!((answer.status, answer.codes()), (1, farmbot(FAULTS).codes()));
}

/// Runs with `input` on standard input.
fn piped(args: &str, input: &[u8]) -> Answer {
    let mut child = support::wireclaim()
        .args(args.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that refuses its input need not read it.
        let _ = stdin.write_all(&input);
    });
    let output: Output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    output.into()
}

#[test]
fn a_capture_may_come_on_standard_input() {
    let args = "check - -p farmbot --format ndjson";
    let answer = piped(args, &read(FAULTS));
    assert_eq!((answer.status, answer.codes()), (1, farmbot(FAULTS).codes()));
    assert!(answer.rows().iter().all(|row| row["evidence"][0]["capture"] == "-"), "{}", answer.out);
    assert_eq!(piped(args, &read(CLEAN)).status, 0);
    refused(&piped(args, b"no capture at all"), &["looks like text"]);
    refused(&piped(args, b""), &["empty"]);
}

#[test]
fn compressed_captures_are_read_whatever_they_are_called() {
    let folder = folder();
    let plain = read(FAULTS);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
    let mut xz = Vec::new();
    liblzma::read::XzEncoder::new(plain.as_slice(), 1).read_to_end(&mut xz).unwrap();
    for (name, bytes) in [("a.pcap", gzip), ("b.txt", zstd), ("c", xz)] {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let answer = farmbot(&shown(&path));
        assert_eq!((answer.status, answer.codes()), (1, farmbot(FAULTS).codes()), "{name}");
        assert_eq!(piped("check - -p farmbot --format ndjson", &bytes).status, 1, "{name}");
    }
}

#[test]
fn a_damaged_capture_gives_what_came_before_the_damage() {
    let folder = folder();
    let path = folder.path().join("cut.pcap");
    let clean = read(CLEAN);
    fs::write(&path, &clean[..clean.len() - 7]).unwrap();
    let answer = farmbot(&shown(&path));
    assert_eq!((answer.status, answer.out.as_str()), (3, ""), "{}", answer.err);
    assert!(answer.err.contains("damaged at byte") && answer.err.contains("ends within"), "{}", answer.err);
    assert_eq!(farmbot(&format!("{} --fail-on never", shown(&path))).status, 3);

    let faults = read(FAULTS);
    fs::write(&path, &faults[..faults.len() - 7]).unwrap();
    let answer = farmbot(&shown(&path));
    assert_eq!((answer.status, answer.codes()), (1, farmbot(FAULTS).codes()), "{}", answer.err);
    assert!(answer.err.contains("damaged at byte"), "{}", answer.err);
    // Nothing reaches the gate then, but the input was not whole.
    assert_eq!(farmbot(&format!("{} --fail-on never", shown(&path))).status, 3);

    // A record whose length makes no sense, in the middle.
    let (header, records) = support::wire::records(&faults);
    let half = records.len() / 2;
    let mut bytes = [header, &records[..half].concat()].concat();
    let at = bytes.len();
    bytes.extend([0xff; 64]);
    fs::write(&path, &bytes).unwrap();
    let answer = farmbot(&shown(&path));
    assert!(matches!(answer.status, 1 | 3), "{}", answer.status);
    assert!(answer.err.contains(&format!("{half} frames")), "{}", answer.err);
    let place: String =
        at.to_string().chars().rev().collect::<Vec<_>>().chunks(3).fold(String::new(), |mut text, digits| {
            if !text.is_empty() {
                text.push(',');
            }
            text.extend(digits);
            text
        });
    let place: String = place.chars().rev().collect();
    assert!(answer.err.contains(&format!("damaged at byte {place}")), "{place}: {}", answer.err);
    let flows = say(&format!("flows --format ndjson {}", shown(&path)));
    assert_eq!(flows.status, 3);
    assert!(!flows.rows().is_empty());
}

#[test]
fn the_gate_is_severity_and_confidence() {
    let lossy = "fixtures/cases/farmbot-lossy/capture.pcap";
    let fallback = "check fixtures/cases/imp-fallback/capture.pcap.gz -p electric-imp --format ndjson";
    let stronger = "check fixtures/cases/imp-stronger/capture.pcap -p electric-imp --format ndjson";
    let midlife = "fixtures/cases/farmbot-midlife/capture.pcap";
    for (args, status) in [
        (fallback.to_owned(), 0),
        (format!("{fallback} --fail-on warning"), 1),
        (format!("{fallback} --fail-on warning --min-confidence proven"), 0),
        (format!("{fallback} --fail-on info"), 1),
        (format!("{stronger} --fail-on warning"), 0),
        (format!("{stronger} --fail-on info"), 1),
        (format!("check -p farmbot --format ndjson {FAULTS} --fail-on never"), 0),
        (format!("check -p farmbot --format ndjson {midlife} --fail-on warning"), 0),
        (format!("check -p farmbot --format ndjson {midlife} --fail-on warning --min-confidence weak"), 1),
        // What is wrong with the evidence says nothing against the device.
        (format!("check -p farmbot --format ndjson {lossy} --fail-on info --min-confidence weak"), 0),
        (format!("check -p farmbot --format ndjson {CLEAN} --fail-on info --min-confidence weak"), 0),
    ] {
        assert_eq!(say(&args).status, status, "{args}");
    }
}

#[test]
fn all_shows_a_row_for_every_statement() {
    let answer = farmbot(&format!("{CLEAN} --all"));
    assert_eq!(answer.status, 0);
    let rows = answer.rows();
    let profile = wireclaim::profile::builtin::open("farmbot").expect("the profile is built in");
    assert_eq!(rows.len(), profile.claims.len() + profile.not_checkable.len());
    for row in &rows {
        assert_eq!((row["code"].as_str(), row["severity"].as_str()), (Some("claim"), None), "{row}");
        let known = ["conforms", "not_exercised", "unobservable", "unbound"];
        assert!(known.contains(&row["status"].as_str().unwrap()), "{row}");
        assert!(!row["message"].as_str().unwrap().is_empty(), "{row}");
    }
    assert!(answer.err.contains("claims: 24 declared"), "{}", answer.err);
}

#[test]
fn formats_are_chosen_by_name_and_by_suffix() {
    refused(&say(&format!("check {CLEAN} -p farmbot --format cvs")), &["`cvs`", "did you mean `csv`?"]);
    refused(&say(&format!("check {CLEAN} -p farmbot --format parquet")), &["parquet", "ndjson"]);
    let folder = folder();
    let path = folder.path().join("out.NDJSON");
    let answer = say(&format!("check {FAULTS} -p farmbot -o {}", shown(&path)));
    assert_eq!((answer.status, answer.out.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(&path).unwrap(), farmbot(FAULTS).out);
    // Shorter than what was there before: nothing of that remains.
    assert_eq!(say(&format!("check {CLEAN} -p farmbot -o {}", shown(&path))).status, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    let table = say(&format!("check {FAULTS} -p farmbot --format table"));
    assert_eq!(table.status, 1);
    assert!(table.out.contains("undeclared-destination") && !table.out.contains('\x1b'), "{}", table.out);
}

#[cfg(not(feature = "table"))]
#[test]
fn a_build_without_tables_says_so() {
    for args in [format!("check {CLEAN} -p farmbot"), format!("check {CLEAN} -p farmbot --format csv")] {
        refused(&say(&args), &["csv", "feature `table`", "ndjson"]);
    }
    refused(&say(&format!("flows {CLEAN} --format parquet")), &["parquet", "feature `table`"]);
}

#[cfg(feature = "table")]
#[test]
fn a_pipe_gets_csv_with_a_header() {
    let answer = say(&format!("check {CLEAN} -p farmbot"));
    assert_eq!(answer.status, 0);
    assert_eq!(answer.out.lines().count(), 1);
    assert!(answer.out.starts_with("finding_id,code,status,severity,confidence,profile,"), "{}", answer.out);
    let faults = support::csv(&say(&format!("check {FAULTS} -p farmbot")).out);
    let codes: Vec<&str> = faults.iter().map(|row| row["code"].as_str()).collect();
    assert_eq!(codes, farmbot(FAULTS).codes());
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_is_read() {
    let answer = farmbot("nowhere.pcap -o no/such/folder/x.ndjson");
    refused(&answer, &["no/such/folder/x.ndjson"]);
    assert!(!answer.err.contains("nowhere.pcap"), "{}", answer.err);
    refused(&farmbot(&format!("{CLEAN} -o src")), &["`src`"]);
}

#[test]
fn captures_that_overlap_in_time_are_one_input() {
    let folder = folder();
    let path = folder.path().join("again.pcap");
    fs::write(&path, read(FAULTS)).unwrap();
    // The same frames twice: as from two span ports.
    let answer = farmbot(&format!("{FAULTS} {}", shown(&path)));
    assert_eq!(answer.status, 1);
    assert!(answer.err.contains("again.pcap"), "{}", answer.err);
    let (mut once, mut twice) = (farmbot(FAULTS).codes(), answer.codes());
    once.sort();
    twice.sort();
    assert_eq!(twice, once);
}

#[test]
fn with_several_profiles_options_say_which_they_mean() {
    let two = format!("check {IMP} --format ndjson -p farmbot -p electric-imp");
    for option in ["--device 192.0.2.1", "--variant proxy", "--set ssh_key=true"] {
        refused(
            &say(&format!("{two} {option}")),
            &["several profiles", "`farmbot`", "`electric-imp`", option],
        );
    }
    let ok = say(&format!(
        "{two} --set farmbot=ssh_key=true --variant electric-imp=direct --device farmbot=192.0.2.250 \
         --device electric-imp=02:1a:69:00:00:07"
    ));
    assert_eq!(ok.status, 1, "{}", ok.err);
    assert!(ok.err.contains("no device for the profile `farmbot`"), "{}", ok.err);
}

#[test]
fn devices_are_selected_by_address_network_mac_vendor_and_host_name() {
    let by_profile = farmbot(FAULTS);
    for selector in [
        "192.0.2.100",
        "192.0.2.100/32",
        "02:fa:b0:00:12:34",
        "02-FA-B0-00-12-34",
        "02:fa:b0",
        "farmbot-1234",
        "FarmBot-*",
        "farmbot=192.0.2.100",
    ] {
        let answer = farmbot(&format!("{FAULTS} --device {selector}"));
        assert_eq!(answer.out, by_profile.out, "{selector}: {}", answer.err);
        assert!(answer.err.contains("selected by --device"), "{}", answer.err);
    }
    for nobody in ["203.0.113.250", "vlan:7", "aa:bb:cc", "robot"] {
        let answer = farmbot(&format!("{FAULTS} --device {nobody}"));
        assert_eq!((answer.status, answer.out.as_str()), (3, ""), "{nobody}");
        assert!(answer.err.contains("no device for the profile `farmbot`"), "{}", answer.err);
    }
}

#[test]
fn names_for_addresses_can_be_given() {
    let midlife = "fixtures/cases/farmbot-midlife/capture.pcap";
    let folder = folder();
    let path = folder.path().join("hosts");
    fs::write(&path, "198.51.100.30 clever-octopus.rmq.cloudamqp.com # broker\n").unwrap();
    let unnamed =
        |answer: &Answer| answer.rows().iter().filter(|row| row["peer_ip"] == "198.51.100.30").count();
    assert_eq!(unnamed(&farmbot(midlife)), 1);
    assert_eq!(unnamed(&farmbot(&format!("{midlife} --names {}", shown(&path)))), 0);
    fs::write(&path, "192.0.2.1 ok\nnot-an-address name\n").unwrap();
    refused(&farmbot(&format!("{midlife} --names {}", shown(&path))), &["hosts:2", "address"]);
    refused(&farmbot(&format!("{midlife} --names nowhere")), &["nowhere"]);
}

#[cfg(feature = "live")]
#[test]
fn a_filter_takes_frames_away() {
    let answer = support::run(&[
        "check",
        FAULTS,
        "-p",
        "farmbot",
        "--format",
        "ndjson",
        "--filter",
        "not port 1883",
        "--device",
        "192.0.2.100",
    ]);
    let answer = Answer::from(answer);
    assert_eq!(answer.status, 1, "{}", answer.err);
    assert!(answer.rows().iter().all(|row| row["port"] != 1883), "{}", answer.out);
    assert!(farmbot(FAULTS).rows().iter().any(|row| row["port"] == 1883));
    refused(&farmbot(&format!("{CLEAN} --filter nonsense")), &["`nonsense`"]);
}

#[cfg(not(feature = "live"))]
#[test]
fn a_build_without_libpcap_refuses_filters() {
    refused(&farmbot(&format!("{CLEAN} --filter tcp")), &["tcp", "live"]);
}

#[test]
fn quiet_is_quiet_and_standard_output_has_the_result_only() {
    for capture in [CLEAN, FAULTS] {
        let quiet = farmbot(&format!("{capture} -q"));
        assert_eq!(quiet.err, "");
        let loud = farmbot(&format!("{capture} -v --progress always"));
        assert_eq!(loud.out, quiet.out);
        assert!(loud.err.contains("frames: "), "{}", loud.err);
    }
    assert_eq!(say(&format!("flows {CLEAN} --format ndjson -q")).err, "");
}

#[test]
fn progress_is_shown_when_asked_for() {
    let never = farmbot(&format!("{CLEAN} -q --progress never"));
    assert_eq!(never.err, "");
    let always = farmbot(&format!("{CLEAN} -q --progress always"));
    assert!(always.err.contains("KiB"), "{:?}", always.err);
    assert_eq!(always.out, never.out);
    // Off a terminal, nothing is drawn of its own accord.
    assert_eq!(farmbot(&format!("{CLEAN} -q --progress auto")).err, "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [
        format!("check {FAULTS} -p farmbot --format ndjson -q"),
        format!("check {FAULTS} -p farmbot --format table -q"),
        format!("flows {FAULTS} --format ndjson -q"),
        String::from("explain weak-cipher"),
        String::from("profile show farmbot"),
        String::from("profile lint farmbot"),
    ] {
        let mut child = support::wireclaim()
            .args(args.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        let expected = i32::from(args.starts_with("check"));
        assert_eq!(output.status.code(), Some(expected), "{args}");
        assert!(output.stderr.is_empty(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
