use super::super::Record;
use super::*;
use crate::model::Timestamp;
use crate::model::stats::SkipReason;

/// Blocks of one section in one byte order.
struct Writer {
    order: Order,
    out: Vec<u8>,
}

impl Writer {
    fn new(order: Order) -> Self {
        let mut writer = Self { order, out: Vec::new() };
        writer.section(1);
        writer
    }

    fn section(&mut self, major: u16) {
        // A section length of -1 means unknown; readers here ignore it anyway.
        let body = [
            &self.four(0x1a2b_3c4d)[..],
            &self.two(major),
            &self.two(0),
            &self.four(0x1234_5678),
            &self.four(0x1234_5678),
        ]
        .concat();
        self.block(SHB_MAGIC, &body);
    }

    fn two(&self, value: u16) -> [u8; 2] {
        if self.order == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn four(&self, value: u32) -> [u8; 4] {
        if self.order == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn eight(&self, value: u64) -> [u8; 8] {
        if self.order == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let total = self.four(padded as u32 + 12);
        self.out.extend(self.four(kind));
        self.out.extend(total);
        self.out.extend(body);
        self.out.extend(vec![0; padded - body.len()]);
        self.out.extend(total);
    }

    fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut out = [self.two(code), self.two(value.len() as u16)].concat();
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn interface(&mut self, link_type: u16, snaplen: u32, options: &[u8]) {
        let body = [&self.two(link_type)[..], &[0, 0], &self.four(snaplen), options].concat();
        self.block(IDB_MAGIC, &body);
    }

    fn enhanced(&mut self, id: u32, stamp: u64, data: &[u8], options: &[u8]) {
        let numbers = [id, (stamp >> 32) as u32, stamp as u32, data.len() as u32, data.len() as u32 + 1];
        let mut body = numbers.map(|number| self.four(number)).concat();
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(options);
        self.block(EPB_MAGIC, &body);
    }
}

const BOTH: [Order; 2] = [Order::Little, Order::Big];

fn read(bytes: &[u8]) -> (PcapNg, Ledger, Split) {
    let mut pcapng = PcapNg::recognise(bytes).unwrap();
    let mut ledger = Ledger::default();
    let split = pcapng.split(bytes, 0, &mut ledger);
    (pcapng, ledger, split)
}

fn frames<'a>(bytes: &'a [u8], ledger: &Ledger) -> Vec<&'a [u8]> {
    ledger.records.iter().map(|record| super::super::super::batch::slice_of(bytes, record)).collect()
}

fn damage(bytes: &[u8]) -> String {
    match read(bytes).2.stop {
        Stop::Damage(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn interfaces_have_link_types_and_clocks_of_their_own() {
    for order in BOTH {
        let mut w = Writer::new(order);
        let nanos = [w.option(9, &[9]), w.option(0, &[])].concat();
        let shifted = [w.option(9, &[0x8a]), w.option(14, &w.eight(-5_i64 as u64))].concat();
        let pico = w.option(9, &[12]);
        w.interface(1, 0, &[]);
        w.interface(101, 0, &nanos);
        w.interface(113, 0, &shifted);
        w.interface(276, 0, &pico);
        w.enhanced(0, 1_700_000_000_000_001, b"micro", &[]);
        w.enhanced(1, 1_700_000_000_000_000_001, b"nano", &[]);
        w.enhanced(2, (1_700_000_000 << 10) + 512, b"binary", &[]);
        w.enhanced(3, 1_700_000_000_000_001, b"pico", &[]);
        let (_, ledger, split) = read(&w.out);
        assert_eq!(split, Split { end: w.out.len(), stop: Stop::More(12) });
        assert_eq!(frames(&w.out, &ledger), [&b"micro"[..], b"nano", b"binary", b"pico"]);
        let expected = [
            (1, LinkType::ETHERNET, Timestamp::new(1_700_000_000, 1_000)),
            (2, LinkType::RAW, Timestamp::new(1_700_000_000, 1)),
            (3, LinkType::LINUX_SLL, Timestamp::new(1_699_999_995, 500_000_000)),
            (4, LinkType::LINUX_SLL2, Timestamp::from_nanos(1_700_000_000_000)),
        ];
        let got: Vec<_> = ledger.records.iter().map(|r: &Record| (r.no, r.link_type, r.time)).collect();
        assert_eq!(got, expected);
        assert_eq!(ledger.records[0].orig_len, 6);
        assert_eq!(ledger.out_of_order, 3);
    }
}

#[test]
fn simple_and_old_packet_blocks_are_frames_too() {
    for order in BOTH {
        let mut w = Writer::new(order);
        w.interface(1, 4, &[]);
        let simple = [&w.four(9)[..], b"cut!"].concat();
        w.block(SPB_MAGIC, &simple);
        let old = |w: &Writer, drops: u16| {
            let numbers = [0, 2_000_000, 3, 3].map(|number| w.four(number)).concat();
            [&w.two(0)[..], &w.two(drops), &numbers, b"old"].concat()
        };
        let (dropping, unknown) = (old(&w, 7), old(&w, u16::MAX));
        w.block(OLD_PACKET, &dropping);
        w.block(SPB_MAGIC, &simple);
        w.block(OLD_PACKET, &unknown);
        let (pcapng, ledger, split) = read(&w.out);
        assert_eq!(split.stop, Stop::More(12));
        assert_eq!(frames(&w.out, &ledger), [&b"cut!"[..], b"old", b"cut!", b"old"]);
        assert_eq!(ledger.records[0].time, Timestamp::default(), "nothing to take a time from");
        assert_eq!(ledger.records[2].time, Timestamp::new(2, 0), "the time of the frame before");
        assert_eq!(ledger.records[0].orig_len, 9);
        assert_eq!(pcapng.dropped(), Some(7));
    }
}

#[test]
fn sections_may_change_byte_order_and_forget_interfaces_but_not_drops() {
    let mut first = Writer::new(Order::Big);
    first.interface(1, 0, &[]);
    let drops = first.option(4, &first.eight(3));
    first.enhanced(0, 1, b"a", &drops);
    first.enhanced(0, 2, b"b", &drops);
    let counts = [first.option(5, &first.eight(10)), first.option(7, &first.eight(1))].concat();
    let stats = [&[0; 12][..], &counts].concat();
    first.block(ISB_MAGIC, &stats);
    let mut second = Writer::new(Order::Little);
    second.interface(101, 0, &[]);
    second.enhanced(0, 3, b"c", &[]);
    let both = [first.out.clone(), second.out].concat();
    let (pcapng, ledger, _) = read(&both);
    assert_eq!(frames(&both, &ledger), [b"a", b"b", b"c"]);
    assert_eq!(ledger.records[2].link_type, LinkType::RAW);
    assert_eq!(pcapng.dropped(), Some(11), "a statistics block includes what packets said");

    let mut third = Writer::new(Order::Little);
    third.enhanced(0, 3, b"c", &[]);
    let reason = damage(&[first.out, third.out].concat());
    assert!(reason.contains("of interface 0, but the section has 0"), "{reason}");
}

#[test]
fn names_are_read_once_each_in_lower_case() {
    for order in BOTH {
        let mut w = Writer::new(order);
        let record = |kind: u16, value: &[u8]| w.option(kind, value);
        let four = record(1, b"\xc0\0\x02\x01Farm.Bot.\0alias\0");
        let again = record(1, b"\xc0\0\x02\x01farm.bot");
        let six = record(2, b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01six\0\0");
        let short = record(2, b"\xc0\0\x02\x01");
        let unknown = record(99, b"zzz\0");
        let body = [&four[..], &again, &short, &unknown, &six, &[0; 4], &four].concat();
        w.block(NRB_MAGIC, &body);
        // Without the end mark, and cut in a record.
        w.block(NRB_MAGIC, &record_cut(&w));
        let (pcapng, _, _) = read(&w.out);
        let names: Vec<String> =
            pcapng.names.pairs.iter().map(|(address, name)| format!("{address} {name}")).collect();
        assert_eq!(names, ["192.0.2.1 alias", "192.0.2.1 farm.bot", "192.0.2.9 last", "2001:db8::1 six"]);
    }
}

fn record_cut(w: &Writer) -> Vec<u8> {
    let mut body = w.option(1, b"\xc0\0\x02\x09last\0");
    body.extend(w.two(1));
    body.extend(w.two(200));
    body
}

#[test]
fn records_without_frames_keep_wiresharks_numbers() {
    let mut w = Writer::new(Order::Little);
    w.interface(1, 0, &[]);
    w.block(CB_MAGIC, b"\0\0\0\x01custom");
    w.enhanced(0, 1, b"a", &[]);
    w.block(DCB_MAGIC, b"\0\0\0\x01custom");
    w.block(SJE_MAGIC, b"__CURSOR=1");
    w.block(0x0a, b"TLSK\0\0\0\0");
    w.block(0x7777_7777, b"unknown");
    w.enhanced(0, 2, b"b", &[]);
    let (_, ledger, split) = read(&w.out);
    assert_eq!(split.stop, Stop::More(12));
    assert_eq!(ledger.records.iter().map(|record| record.no).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(ledger.count, 5);
    assert_eq!(ledger.passed_over.frames, 3);
    assert_eq!(ledger.passed_over.skipped[&SkipReason::NoFrame("pcapng custom block")], 2);
}

#[test]
fn long_blocks_without_use_are_skipped_and_long_blocks_with_use_have_a_limit() {
    let mut w = Writer::new(Order::Little);
    let start = w.out.len();
    w.out.extend(w.four(0x7777_7777));
    w.out.extend(w.four(0x7fff_fffc));
    w.out.extend([0; 4]);
    assert_eq!(read(&w.out).2, Split { end: start, stop: Stop::Skip(0x7fff_fffc) });
    w.out.truncate(start);
    w.out.extend(w.four(NRB_MAGIC));
    w.out.extend(w.four(0x7fff_fffc));
    w.out.extend([0; 4]);
    assert!(damage(&w.out).contains("claims 2147483644 bytes, expected at most 16777216"));
}

#[test]
fn damage_is_named() {
    let good = |order| {
        let mut w = Writer::new(order);
        w.interface(1, 0, &[]);
        w
    };
    for order in BOTH {
        let mut w = good(order);
        w.enhanced(0, 1, b"abcd", &[]);
        let at = w.out.len() - 1 - if order == Order::Big { 0 } else { 3 };
        w.out[at] ^= 1;
        assert!(damage(&w.out).contains("begins with length 36 and ends with 37"));

        let mut w = good(order);
        let numbers = [0, 0, 1, 5, 5].map(|number| w.four(number)).concat();
        w.block(EPB_MAGIC, &[&numbers[..], b"abcd"].concat());
        assert!(damage(&w.out).contains("claims 5 bytes in a block with room for 4"));

        let mut w = good(order);
        let numbers = [0, 0, 1, u32::MAX, 5].map(|number| w.four(number)).concat();
        w.block(EPB_MAGIC, &numbers);
        assert!(damage(&w.out).contains("claims 4294967295 bytes, expected at most 1048576"));

        let mut w = good(order);
        w.section(2);
        assert!(damage(&w.out).contains("version 2.0, expected 1.0"));

        let mut w = good(order);
        w.out.extend([w.four(EPB_MAGIC), w.four(8), w.four(0)].concat());
        assert!(damage(&w.out).contains("claims 8 bytes, expected at least 12"));

        let mut w = Writer::new(order);
        w.block(SPB_MAGIC, &[0; 4]);
        assert!(damage(&w.out).contains("without interface"));

        for kind in [EPB_MAGIC, SPB_MAGIC, OLD_PACKET, IDB_MAGIC, SHB_MAGIC] {
            let mut w = good(order);
            w.block(kind, &[]);
            assert!(matches!(read(&w.out).2.stop, Stop::Damage(_) | Stop::More(_)));
        }
    }
}

#[test]
fn every_cut_gives_the_blocks_before_it() {
    for order in BOTH {
        let mut w = Writer::new(order);
        w.interface(1, 0, &[]);
        let mut ends = Vec::new();
        for i in 0..3 {
            w.enhanced(0, i, b"frame", &[]);
            ends.push(w.out.len());
        }
        for cut in 0..w.out.len() {
            let Some(mut pcapng) = PcapNg::recognise(&w.out[..cut]) else {
                assert!(cut < 4);
                continue;
            };
            let mut ledger = Ledger::default();
            let split = pcapng.split(&w.out[..cut], 0, &mut ledger);
            assert_eq!(ledger.records.len(), ends.iter().filter(|end| **end <= cut).count());
            let Stop::More(needed) = split.stop else { panic!("{cut}: {split:?}") };
            assert!(split.end + needed > cut);
        }
    }
    assert!(PcapNg::recognise(b"\n\r\r\n\0\0\0\0nope").is_none());
}

#[test]
fn secrets_of_tls_are_collected_and_others_passed_over() {
    let (random, secret) = ("ab".repeat(32), "cd".repeat(48));
    let log = format!("CLIENT_RANDOM {random} {secret}\n");
    for order in BOTH {
        let mut w = Writer::new(order);
        w.interface(1, 0, &[]);
        w.enhanced(0, 0, b"before", &[]);
        let secrets = |kind: u32, len: usize, log: &str| {
            [&w.four(kind)[..], &w.four(len as u32), log.as_bytes(), &[0; 3]].concat()
        };
        // WireGuard's; one that claims more than it has; one without a word.
        let bodies = [
            secrets(0x5747_4b4c, log.len(), &log.replace("ab", "ef")),
            secrets(0x544c_534b, usize::MAX, &log),
            secrets(0x544c_534b, 0, &log.replace("ab", "12")),
            w.four(0x544c_534b).to_vec(),
        ];
        bodies.iter().for_each(|body| w.block(DSB_MAGIC, &body[..body.len() / 4 * 4]));
        let (mut pcapng, ledger, split) = read(&w.out);
        assert_eq!(split, Split { end: w.out.len(), stop: Stop::More(12) });
        assert_eq!(frames(&w.out, &ledger), [&b"before"[..]]);
        let found = pcapng.take_secrets().unwrap();
        assert!(found.len() == 1 && found.of(&[0xab; 32]).is_some());
        assert!(pcapng.take_secrets().is_none(), "each is given once");
    }
}

#[test]
fn a_block_of_secrets_beyond_all_reason_is_passed_over_and_told() {
    let mut w = Writer::new(Order::Little);
    w.interface(1, 0, &[]);
    w.out.extend([DSB_MAGIC.to_le_bytes(), (MAX_BLOCK + 4).to_le_bytes()].concat());
    w.out.extend([0; 64]);
    let (mut pcapng, _, split) = read(&w.out);
    assert_eq!(split.stop, Stop::Skip(u64::from(MAX_BLOCK) + 4));
    assert_eq!(pcapng.take_secrets().map(|found| found.dropped()), Some(1));
}
