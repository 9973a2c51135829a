//! Other tools that read captures: what each does, and what it costs. They do different work; none does ours.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Bench;
use super::captures::Kind;
use super::measure::cost;
use super::tables::Table;

/// Seconds after which a tool is stopped.
const PATIENCE: u32 = 300;

/// A tool of Debian.
struct Peer {
    package: &'static str,
    /// `{}` is the capture. Runs in a folder of its own.
    command: &'static [&'static str],
    does: &'static str,
}

const PEERS: &[Peer] = &[
    Peer {
        package: "tcpdump",
        command: &["tcpdump", "-r", "{}", "-w", "/dev/null"],
        does: "copies every packet to nowhere, by libpcap",
    },
    Peer { package: "tcpstat", command: &["tcpstat", "-r", "{}"], does: "counts packets and bytes per 5 s" },
    Peer {
        package: "httpry",
        command: &["httpry", "-q", "-r", "{}"],
        does: "logs the first lines of HTTP on ports 80 and 8080; other packets are filtered out",
    },
    Peer {
        package: "softflowd",
        command: &["softflowd", "-d", "-m", "1000000", "-r", "{}"],
        does: "counts packets and bytes per flow; looks at no payload",
    },
    Peer {
        package: "nfdump",
        command: &["nfpcapd", "-r", "{}", "-w", "."],
        does: "writes NetFlow records of flows; looks at no payload",
    },
    Peer {
        package: "argus-server",
        command: &["argus", "-X", "-r", "{}", "-w", "argus.out"],
        does: "writes records of flows with TCP states and losses; looks at no payload",
    },
    Peer {
        package: "p0f",
        command: &["p0f", "-r", "{}", "-o", "p0f.log"],
        does: "tells systems by SYN and HTTP headers, logs them; TCP only",
    },
    Peer {
        package: "tcptrace",
        command: &["tcptrace", "-n", "{}"],
        does: "statistics of TCP connections, one line for each; no payload, UDP not read",
    },
    Peer {
        package: "tcpflow",
        command: &["tcpflow", "-r", "{}", "-C", "-S", "enable_report=NO"],
        does: "puts TCP streams together and prints them; understands no protocol",
    },
    Peer {
        package: "libndpi-bin",
        command: &["ndpiReader", "-q", "-i", "{}"],
        does: "tells each flow's protocol by its first packets, with TLS names; no checks",
    },
    Peer {
        package: "tshark",
        command: &["tshark", "-q", "-z", "conv,tcp", "-r", "{}"],
        does: "dissects every packet for its table of TCP connections",
    },
    Peer {
        package: "suricata",
        command: &["suricata", "-k", "none", "-l", ".", "-r", "{}"],
        does: "flows, reassembly, protocols, logs in JSON; no rules",
    },
    Peer {
        package: "zeek",
        command: &["zeek", "-C", "-r", "{}"],
        does: "flows, reassembly, protocols, certificates, logs; default scripts",
    },
];

/// Prints one row for each tool and capture, wireclaim first; installs what is missing if it may.
pub(crate) fn compare(bench: &Bench, kinds: &[Kind], install: bool) {
    let present: Vec<&Peer> = PEERS.iter().filter(|peer| is_there(peer, install)).collect();
    let mut table = Table::new(&["tool", "what it does", "capture", "wall s", "CPU s", "peak MB"]);
    for &kind in kinds {
        let made = bench.made(kind);
        // So that no tool pays for the disk.
        super::hop::hop(&made.path, super::hop::BLOCK).expect("the capture can be read");
        for jobs in [1, 2] {
            let does = "flows, reassembly, protocols, certificates; checks 40 devices against a profile";
            let name = format!("wireclaim check -j{jobs}");
            row(&mut table, &name, does, kind, &bench.check(&made.path, jobs), &bench.folder);
        }
        for peer in &present {
            let scratch = bench.folder.join("peers");
            let _ = fs::remove_dir_all(&scratch);
            fs::create_dir_all(&scratch).expect("a folder for what tools write");
            let path = made.path.display().to_string();
            let command: Vec<String> = ["timeout".into(), PATIENCE.to_string()]
                .into_iter()
                .chain(peer.command.iter().map(|part| part.replace("{}", &path)))
                .collect();
            row(&mut table, peer.command[0], peer.does, kind, &command, &scratch);
            let _ = fs::remove_dir_all(&scratch);
        }
    }
    println!("One round each, page cache warm, stopped after {PATIENCE} s.\n");
    table.print();
}

fn row(table: &mut Table, name: &str, does: &str, kind: Kind, command: &[String], folder: &Path) {
    eprintln!("{} on {}", name, kind.name());
    let cost = cost(command, folder);
    let mut wall = format!("{:.2}", cost.wall.as_secs_f64());
    match cost.status {
        0 => {}
        124 => wall = format!("> {PATIENCE}"),
        status => wall = format!("{wall} (failed: {status})"),
    }
    let cpu = format!("{:.2}", cost.cpu.as_secs_f64());
    let peak = format!("{:.0}", cost.peak as f64 * 1.024e-3);
    table.row(&[&name, &does, &kind.name(), &wall, &cpu, &peak]);
}

fn is_there(peer: &Peer, install: bool) -> bool {
    let program = peer.command[0];
    if !on_path(program) && install {
        eprintln!("installing {}", peer.package);
        let apt = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", peer.package];
        let command =
            if nix::unistd::geteuid().is_root() { &apt[..] } else { &[&["sudo"], &apt[..]].concat() };
        let _ = Command::new(command[0])
            .args(&command[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    let there = on_path(program);
    if !there {
        println!("{program}: left out, its package {} is not here", peer.package);
    }
    there
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
