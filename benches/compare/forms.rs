//! The same capture in other forms, and one of double length.

use std::path::Path;

use super::Bench;
use super::captures::{Form, Kind};
use super::measure::rounds;
use super::tables::{Table, against};

/// A packed capture may cost this much more than its decompressor or the plain capture, whichever is slower.
const OVERHEAD: f64 = 1.1;

/// Prints how other forms of `kinds` stand to pcap and to their decompressors.
pub(crate) fn compare(bench: &Bench, kinds: &[Kind]) {
    let mut table = Table::new(&["capture", "form", "plain pcap s", "decompressor s", "wall s", "against"]);
    for &kind in kinds {
        let plain = bench.made(kind).path;
        for form in [Form::PcapNg, Form::Gzip, Form::Zstd] {
            let path = kind.made_in(form, &bench.folder).expect("the capture can be written");
            let decompressor = match form {
                Form::PcapNg => bench.check(&plain, 2),
                Form::Gzip => decompressor("gzip", &path),
                Form::Zstd => decompressor("zstd", &path),
            };
            let commands = [bench.check(&plain, 2), decompressor, bench.check(&path, 2)];
            let [plain, unpacked, packed] =
                rounds(&commands, bench.rounds, &bench.folder).map(|costs| costs.wall());
            let (unpacking, verdict) = match form {
                Form::PcapNg => (String::from("-"), against(packed / plain, 1.3, true)),
                _ => (format!("{unpacked:.3}"), against(packed / plain.max(unpacked), OVERHEAD, true)),
            };
            let [plain, packed] = [plain, packed].map(|wall| format!("{wall:.3}"));
            table.row(&[&kind.name(), &form.suffix(), &plain, &unpacking, &packed, &verdict]);
        }
    }
    table.print();
}

fn decompressor(program: &str, path: &Path) -> Vec<String> {
    [program, "-dc", &path.display().to_string()].map(String::from).to_vec()
}

/// Prints what twice as much on the same connections costs.
pub(crate) fn double(bench: &Bench) {
    let [single, double] = [Kind::Mixed, Kind::Double].map(|kind| bench.made(kind));
    assert_eq!((single.tcp, single.udp), (double.tcp, double.udp), "the connections are the same");
    let commands = [&single, &double].map(|made| bench.check(&made.path, 2));
    let [once, twice] = rounds(&commands, bench.rounds, &bench.folder);
    let ratio = |one: u64, two: u64| format!("{:.3}", two as f64 / one as f64);
    let mut table = Table::new(&["mixed, twice", "bytes", "frames", "wall", "CPU", "peak memory"]);
    table.row(&[
        &"ratio",
        &ratio(single.bytes, double.bytes),
        &ratio(single.frames, double.frames),
        &against(twice.wall() / once.wall(), 2.2, true),
        &format!("{:.2}", twice.cpu() / once.cpu()),
        &against(twice.peak() / once.peak(), 1.1, true),
    ]);
    table.print();
}
