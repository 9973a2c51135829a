//! The flows of every real capture at hand against tshark's conversations. Skipped where the captures are
//! not: `WIRECLAIM_CAPTURES` names their folder, else `../shared/captures` is tried.

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

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use wireclaim::capture::{Input, Options};
use wireclaim::decode::{Decoded, decode, quoted};
use wireclaim::flow::{FlowHead, FlowTable, Handler, KeyHasher, Limits};
use wireclaim::model::evidence::Seen;
use wireclaim::model::{Direction, Endpoint, Flow, Transport};

/// Counts what it is given.
struct Keep;

impl Handler for Keep {
    /// Stream bytes handed out.
    type State = u64;

    fn data(&mut self, out: &mut u64, _: &FlowHead, _: Direction, bytes: &[u8], _: Seen) -> bool {
        *out += bytes.len() as u64;
        true
    }

    fn gap(&mut self, _: &mut u64, _: &FlowHead, _: Direction, _: u64, _: Seen) -> bool {
        true
    }

    fn datagram(&mut self, _: &mut u64, _: &FlowHead, _: Direction, _: &[u8], _: u32, _: Seen) -> bool {
        true
    }

    fn closed(&mut self, _: &mut u64, _: &FlowHead, _: Seen) -> Option<Direction> {
        None
    }
}

/// The flows of a capture, each with how many stream bytes it gave; `ip_bytes` of each are bytes of whole frames,
/// which is what tshark counts. `None` if the file is no capture.
fn flows(path: &Path) -> Option<Vec<(u64, Flow)>> {
    let mut input = Input::open(&[path], Options::default()).ok()?;
    let (mut table, hasher) = (FlowTable::new(Limits::default()), KeyHasher::default());
    while let Ok(Some(batch)) = input.next_batch() {
        for frame in batch.frames() {
            if let Decoded::Packet(mut packet) = decode(&frame) {
                packet.ip_len = frame.orig_len;
                table.packet(&packet, hasher.hash(&packet.key()), &mut Keep);
                if let Some(quoted) = quoted(&packet) {
                    table.icmp_error(&packet, &quoted, hasher.hash(&quoted));
                }
            }
        }
    }
    table.close(&mut Keep);
    let flows = table.outlines().filter_map(|(at, ..)| table.flow(at));
    Some(flows.map(|(flow, out)| (out.copied().unwrap_or(0), flow)).collect())
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("WIRECLAIM_CAPTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    if folder.join("files").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no captures in `{}` (WIRECLAIM_CAPTURES names their folder)", folder.display());
    None
}

/// Cells of a CSV file without quoted line breaks, by column name.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let row = |line: &str| header.iter().map(|name| (*name).to_owned()).zip(cells(line)).collect();
    lines.map(row).collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

/// One conversation: packets and frame bytes of the lower and the higher endpoint.
type Counts = [u64; 4];
/// All conversations of a 5-tuple, in order.
type Conversations = BTreeMap<(Transport, Endpoint, Endpoint), Vec<Counts>>;

fn add(all: &mut Conversations, transport: Transport, a: Endpoint, b: Endpoint, [pa, pb, ba, bb]: Counts) {
    let (key, counts) =
        if a <= b { ((transport, a, b), [pa, pb, ba, bb]) } else { ((transport, b, a), [pb, pa, bb, ba]) };
    all.entry(key).or_default().push(counts);
}

fn of_tshark(path: &Path) -> Conversations {
    let mut all = Conversations::new();
    for row in table(path) {
        let end = |ip: &str, port: &str| {
            Some(Endpoint { ip: row[ip].parse::<IpAddr>().ok()?, port: row[port].parse().ok()? })
        };
        let (Some(a), Some(b)) = (end("a", "a_port"), end("b", "b_port")) else { continue };
        let transport = if row["proto"] == "tcp" { Transport::Tcp } else { Transport::Udp };
        let counts = ["pkts_ab", "pkts_ba", "bytes_ab", "bytes_ba"].map(|name| row[name].parse().unwrap());
        add(&mut all, transport, a, b, counts);
    }
    all
}

fn of_flows(flows: &[(u64, Flow)]) -> Conversations {
    let mut all = Conversations::new();
    let mut flows: Vec<&Flow> = flows.iter().map(|(_, flow)| flow).collect();
    flows.sort_by_key(|flow| flow.id);
    for flow in flows {
        if matches!(flow.key.transport, Transport::Tcp | Transport::Udp) {
            let counts = [flow.packets.orig, flow.packets.resp, flow.ip_bytes.orig, flow.ip_bytes.resp];
            add(&mut all, flow.key.transport, flow.key.orig, flow.key.resp, counts);
        }
    }
    all
}

/// Layers that are not followed yet, and captures of which tshark itself reads less.
const LATER: &[&str] = &[
    "4in6", "6in4", "ah", "capwap", "dsb-wg", "erspan", "etag", "geneve", "gre", "gtp", "ip6frag", "ipcomp",
    "ipfrag", "l2tp", "lisp", "macsec", "mpls", "netlink", "nsh", "pbb", "ppp", "pppoe", "teredo", "vntag",
    "vxlan", "wlan",
];

/// Link types likewise, by tag.
const LINK_TYPES_LATER: &[&str] = &["lt-netlink", "lt-nflog", "lt-pktap", "lt-ppi", "lt-token-ring"];

/// Conversations that differ for good, by the end of the capture's path and a port, and who is right.
const WE_ARE_RIGHT: &[(&str, u16, &str)] = &[
    ("BT_USB_LinCooked_Eth_80211_RT.ntar.gz", 0, "tshark stops at a block that it takes for damaged"),
    ("dof-small-device.pcapng", 161, "a dissector's own conversation splits one 5-tuple"),
    ("hart_ip.pcap", 5095, "a dissector's own conversation splits one 5-tuple"),
    ("Sample_File_MMS_and_GOOSE.pcap", 161, "a dissector's own conversation splits one 5-tuple"),
];

#[test]
fn conversations_equal_those_of_tshark() {
    let Some(folder) = folder() else { return };
    let (mut captures, mut conversations, mut equal, mut wrong) = (0, 0, 0, Vec::new());
    for case in table(&folder.join("catalog.csv")) {
        let (path, mut tags) = (&case["path"], case["tags"].split(' '));
        if tags.any(|tag| LATER.contains(&tag) || LINK_TYPES_LATER.contains(&tag)) {
            continue;
        }
        let Some(flows) = flows(&folder.join("files").join(path)) else { continue };
        let theirs = of_tshark(&folder.join("truth").join(path).join("flows.csv"));
        let ours = of_flows(&flows);
        captures += 1;
        for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let (our, their) = (ours.get(key), theirs.get(key));
            conversations += their.map_or(0, Vec::len);
            if our == their {
                equal += their.map_or(0, Vec::len);
            } else if !WE_ARE_RIGHT
                .iter()
                .any(|(end, port, _)| path.ends_with(end) && [0, key.1.port, key.2.port].contains(port))
            {
                wrong.push(format!("{path}: {key:?}\n  ours   {our:?}\n  tshark {their:?}"));
            }
        }
    }
    println!("captures {captures}, conversations {conversations}, equal {equal}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(captures > 200 && equal > 2000);
}

#[test]
fn no_stream_gives_more_bytes_than_were_sent() {
    let Some(folder) = folder() else { return };
    for case in table(&folder.join("catalog.csv")) {
        for (handed_out, flow) in flows(&folder.join("files").join(&case["path"])).unwrap_or_default() {
            let sent = flow.bytes.orig + flow.bytes.resp;
            assert!(handed_out <= sent, "{}: {} of {sent} bytes", case["path"], handed_out);
        }
    }
}
