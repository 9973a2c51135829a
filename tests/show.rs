//! `wireclaim profile show` by the real program, and its rules by the programs that they are for.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails says so, and each test binary uses its own part of `support`"
)]

mod support;

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use support::{Answer, say};
use wireclaim::profile::builtin;

/// What a shell or nft would take for more than text.
const EVIL: &str =
    "x'; touch pwned; ' \\\" } table inet evil { } # $(touch pwned) `touch pwned` \\n\\r\\u2028\\u202e \\\\";

/// Ways of binding that change the rules.
const BINDINGS: &[&str] = &[
    "farmbot",
    "farmbot --set fbos=14.1 --set ssh_key=false",
    "electric-imp",
    "electric-imp --variant proxy",
    "electric-imp --variant single-ip --set external_ip=192.0.2.9,2001:db8::9",
    "smartserver",
    "smartserver --variant standard --variant https-moved --set bacnet=false",
    "fortrabbit",
    "fortrabbit --set standard_ports=80,443,8000-8010",
];

fn shown(args: &str) -> String {
    let answer = say(&format!("profile show {args}"));
    assert_eq!((answer.status, answer.err.as_str()), (0, ""), "{args}");
    answer.out
}

/// A profile whose every text means harm, and what else rules are made of.
fn hostile(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("evil.yaml");
    let text = format!(
        "version: 1\nprofile: evil\ntitle: \"{EVIL}\"\ndocument: {{title: \"{EVIL}\"}}\n\
         parameters: {{ports_of_it: {{kind: ports, help: \"{EVIL}\"}}, peer_of_it: {{kind: peers, help: x}}}}\n\
         baseline: [arp, ndp, dhcp, dns, icmp, igmp, mdns, llmnr, ssdp, netbios]\nclaims:\n  \
         - {{id: A-1, title: \"{EVIL}\", quote: \"{EVIL}\", source: \"{EVIL}\", allowed: {{out: _a.example.com, tcp: 443}}}}\n  \
         - {{id: A-2, title: \"{EVIL}\", silent: true, allowed: {{out: \"*.example.com\", udp: {{except: 53}}}}}}\n  \
         - {{id: A-3, title: \"{EVIL}\", silent: true, forbidden: {{in: [192.0.2.0/24, \"2001:db8::/32\", .example.com]}}}}\n  \
         - {{id: A-4, title: \"{EVIL}\", silent: true, allowed: {{either: local-network, icmp: true}}}}\n  \
         - {{id: A-5, title: \"{EVIL}\", silent: true, allowed: {{local: \"list:public-resolvers\", tcp: 853, udp: 853}}}}\n  \
         - {{id: A-6, title: \"{EVIL}\", silent: true, allowed: {{out: $peer_of_it, tcp: $ports_of_it}}}}\n  \
         - {{id: A-7, title: \"{EVIL}\", silent: true, informational: {{out: anyone}}}}\n"
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Gives `text` to the standard input of a program; `None` where there is no such program.
fn give(command: &mut Command, text: &str) -> Option<Output> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn nft_accepts_the_rules_of_every_profile() {
    let folder = tempfile::tempdir().unwrap();
    let evil = hostile(&folder);
    for args in BINDINGS.iter().copied().chain([evil.as_str()]) {
        let rules = shown(&format!("{args} --format nftables"));
        let nft = ["nft", "/usr/sbin/nft"].iter().find_map(|nft| {
            give(Command::new(nft).args(["-c", "-f", "-"]).current_dir(folder.path()), &rules)
        });
        let Some(output) = nft else {
            eprintln!("skipped: nft is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("Operation not permitted") || said.contains("not supported") {
            eprintln!("skipped: nft may not ask the kernel here");
            return;
        }
        assert!(output.status.success(), "{args}: {said}\n{rules}");
    }
}

/// What each command of the script is called with, one line each; the variables are filled first.
fn commands(script: &str, folder: &tempfile::TempDir) -> Vec<Vec<String>> {
    let filled: String = script
        .lines()
        .map(|line| match line.split_once("=''  #") {
            Some((name, rest)) => format!("{name}='192.0.2.77 2001:db8::77'  #{rest}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let stub = "ufw() { for word do printf '%s\\037' \"$word\"; done; echo; }\n";
    let output = give(Command::new("sh").current_dir(folder.path()), &format!("{stub}{filled}")).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{script}");
    let out = String::from_utf8(output.stdout).unwrap();
    out.lines()
        .map(|line| line.trim_end_matches('\u{1f}').split('\u{1f}').map(str::to_owned).collect())
        .collect()
}

#[test]
fn a_shell_runs_ufw_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let evil = hostile(&folder);
    for args in BINDINGS.iter().copied().chain([evil.as_str()]) {
        let script = shown(&format!("{args} --format ufw"));
        let commands = commands(&script, &folder);
        assert_eq!(commands[0], ["default", "deny", "incoming"]);
        assert_eq!(commands[1], ["default", "deny", "outgoing"]);
        assert!(commands.len() > 4, "{args}");
        for command in &commands[2..] {
            assert!(["allow", "deny"].contains(&command[0].as_str()), "{args}: {command:?}");
            assert!(["in", "out"].contains(&command[1].as_str()), "{args}: {command:?}");
            let words = ["proto", "from", "to", "port", "comment"];
            for pair in command[2..].chunks(2) {
                assert!(words.contains(&pair[0].as_str()) && pair.len() == 2, "{args}: {command:?}");
            }
        }
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["evil.yaml"], "nothing else was made");
    let imp = shown("electric-imp --variant single-ip --set external_ip=192.0.2.9 --format ufw");
    let wanted = [
        "allow",
        "out",
        "proto",
        "tcp",
        "to",
        "192.0.2.9",
        "port",
        "443,993,31314",
        "comment",
        "EI-11a, EI-11b",
    ];
    assert!(commands(&imp, &folder).iter().any(|command| *command == wanted), "{imp}");
}

#[cfg(feature = "table")]
#[test]
fn openings_go_into_a_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openings.csv");
    let answer: Answer = say(&format!("profile show {} -o {}", hostile(&folder), path.display()));
    assert_eq!((answer.status, answer.out.as_str(), answer.err.as_str()), (0, "", ""));
    let text = fs::read_to_string(&path).unwrap();
    let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
    assert!(
        text.starts_with("claim,source,destination,transport,port,protocol,required,condition,note,reason,"),
        "{text}"
    );
    assert!(!text.chars().any(|c| c.is_control() && c != '\n') && !text.contains('\u{202e}'), "{text:?}");
    let farmbot = shown("farmbot --format csv");
    assert!(
        farmbot.lines().any(|line| line.starts_with("FB-11,FarmBot,0.pool.ntp.org,udp,123,ntp,yes,,")),
        "{farmbot}"
    );
}

#[test]
fn what_is_shown_is_what_is_bound() {
    let text = shown("farmbot --set fbos=13.0.2");
    assert!(
        text.contains("fbos (version, set to 13.0.2)") && text.contains("ssh_key (flag, not set)"),
        "{text}"
    );
    let (applies, not) = text.split_once("\nDoes not apply as it is bound").unwrap();
    assert!(applies.contains("  FB-08 ") && not.contains("  FB-07a "), "{text}");
    for (args, part) in
        [("--variant nope", "nope"), ("--set nope=1", "nope"), ("--set ssh_key=maybe", "ssh_key")]
    {
        let answer = say(&format!("profile show farmbot {args}"));
        assert_eq!(answer.status, 2, "{args}");
        assert!(answer.err.contains(part), "{}", answer.err);
    }
}

#[test]
fn every_form_shows_every_shipped_profile() {
    for name in builtin::names() {
        for form in ["text", "table", "nftables", "ufw"] {
            let text = shown(&format!("{name} --format {form}"));
            let profile = builtin::open(name).unwrap();
            for claim in &profile.claims {
                assert!(text.contains(&claim.id), "{name} as {form}: {}", claim.id);
            }
        }
    }
}

#[test]
fn a_subject_is_shown_as_check_judges_it() {
    let browser = say("profile show farmbot --subject browser");
    assert_eq!(browser.status, 0, "{}", browser.err);
    assert!(
        browser.out.contains("Outbound: the browser opens the connection (9)\n\n  FB-01 "),
        "{}",
        browser.out
    );
    assert!(browser.out.contains("Binds somebody other than the browser (9)"), "{}", browser.out);
    // What binds every subject says so, of the one who is judged.
    let told = "The browser must be able to reach my.farm.bot or my.farmbot.io (one of them is enough) on TCP port 443 \
                (TLS). All of it is encrypted. This binds every subject.";
    let flowing = browser.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flowing.contains(told), "{flowing}");
    let csv = say("profile show farmbot --subject farmbot=browser --format csv").out;
    // One opening for all claims that ask for it.
    assert!(csv.contains("\n\"FB-06, FB-09, FB-10, FB-17a\",browser,clever-octopus"), "{csv}");
    let rules = say("profile show farmbot --subject browser --format nftables").out;
    assert!(rules.contains("binds the device, not the browser"), "{rules}");
    let near = say("profile show farmbot --subject brwser");
    assert!(near.status == 2 && near.err.contains("did you mean `browser`?"), "{}", near.err);
    let device = say("profile show farmbot --subject device");
    assert_eq!(device.out, say("profile show farmbot").out);
}
