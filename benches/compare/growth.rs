//! How the cost of the whole command grows: with packets and connections, devices, claims, threads.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::Bench;
use super::captures::Kind;
use super::measure::{Costs, rounds};
use super::tables::Table;

/// Prints a table for each.
pub(crate) fn compare(bench: &Bench) {
    let whole = bench.made(Kind::Small);
    let parts = [8, 4, 2].map(|part| prefix(&whole.path, whole.frames / part).expect("it can be written"));
    let [eighth, quarter, half] = &parts;
    let captures = [eighth, quarter, half, &whole.path];
    let rows = rounds(&captures.map(|path| bench.check(path, 2)), bench.rounds, &bench.folder);
    let frames = [8, 4, 2, 1].map(|part| whole.frames / part);
    print("frames of `small`", &frames, &frames, &rows);

    let devices = ["10.20.1.101", "10.20.1.0/24", "10.20.0.0/16"];
    let rows = rounds(
        &devices.map(|device| {
            let mut command = bench.check(&whole.path, 2);
            command.extend(["--device", device].map(String::from));
            command
        }),
        bench.rounds,
        &bench.folder,
    );
    print("devices judged (`small`)", &[1, 150, 6_000], &[whole.frames; 3], &rows);

    let claims = [10, 100, 1_000];
    let rows = rounds(
        &claims.map(|claims| {
            let mut command = bench.check(&whole.path, 2);
            let profile = profile(&bench.folder, claims);
            for word in &mut command {
                if word == "farmbot" {
                    *word = profile.display().to_string();
                }
            }
            command.extend(["--device", "10.20.1.0/24"].map(String::from));
            command
        }),
        bench.rounds,
        &bench.folder,
    );
    print("claims on 150 devices (`small`)", &claims, &[whole.frames; 3], &rows);

    let threads = [1, 2, 4];
    let rows = rounds(&threads.map(|jobs| bench.check(&whole.path, jobs)), bench.rounds, &bench.folder);
    print("threads (`small`)", &threads.map(u64::from), &[whole.frames; 3], &rows);
}

fn print(of: &str, sizes: &[u64], frames: &[u64], rows: &[Costs]) {
    let mut table = Table::new(&[of, "wall s", "CPU s", "CPU ns per packet", "peak MB"]);
    for ((size, frames), costs) in sizes.iter().zip(frames).zip(rows) {
        let [wall, cpu] = [costs.wall(), costs.cpu()].map(|seconds| format!("{seconds:.3}"));
        let each = format!("{:.0}", costs.cpu() * 1e9 / *frames as f64);
        table.row(&[size, &wall, &cpu, &each, &format!("{:.0}", costs.peak())]);
    }
    table.print();
}

/// The first `frames` of a classic little-endian capture, beside it.
fn prefix(path: &Path, frames: u64) -> io::Result<PathBuf> {
    let part = path.with_extension(format!("first-{frames}.pcap"));
    let (mut from, mut to) =
        (BufReader::new(fs::File::open(path)?), BufWriter::new(fs::File::create(&part)?));
    io::copy(&mut (&mut from).take(24), &mut to)?;
    for _ in 0..frames {
        let mut header = [0; 16];
        from.read_exact(&mut header)?;
        let [.., a, b, c, d, _, _, _, _] = header;
        to.write_all(&header)?;
        io::copy(&mut (&mut from).take(u32::from_le_bytes([a, b, c, d]).into()), &mut to)?;
    }
    to.flush()?;
    Ok(part)
}

/// A profile of so many claims, each on a name of its own, with what the capture's devices do for some.
fn profile(folder: &Path, claims: u64) -> PathBuf {
    let mut text = String::from(
        "
version: 1
profile: growth
title: Growth
document: {title: What is made up for the benchmark, reviewed: 2024-01-01}
identify: {names: ['*.example.net']}
baseline: [arp, dns, icmp]
tls_policy: default
claims:
",
    );
    for n in 0..claims {
        let _ = writeln!(
            text,
            "  - {{id: 'C-{n:05}', title: One, quote: q, source: s, allowed: {{out: h{n:x}.example.net, tcp: 80}}}}"
        );
    }
    let path = folder.join(format!("claims-{claims}.yaml"));
    fs::write(&path, text).expect("the profile can be written");
    path
}
