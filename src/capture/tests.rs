use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::atomic::Ordering;

use super::*;
use crate::model::stats::SkipReason;

/// A little-endian microsecond savefile of raw IP with frames at these seconds; each frame holds its number.
fn savefile(secs: &[u32]) -> Vec<u8> {
    let mut out = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0, 101].map(u32::to_le_bytes).concat();
    for (i, secs) in secs.iter().enumerate() {
        out.extend([*secs, 0, 8, 8].map(u32::to_le_bytes).concat());
        out.extend((i as u64 + 1).to_le_bytes());
    }
    out
}

/// A big-endian pcapng capture of the same kind.
fn pcapng(secs: &[u32]) -> Vec<u8> {
    let mut out = [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 0x0001_0000, 0, 0, 28].map(u32::to_be_bytes).concat();
    out.extend([1, 20, 101 << 16, 0, 20].map(u32::to_be_bytes).concat());
    for (i, secs) in secs.iter().enumerate() {
        let micros = u64::from(*secs) * 1_000_000;
        let block = [6, 40, 0, (micros >> 32) as u32, micros as u32, 8, 8];
        out.extend(block.map(u32::to_be_bytes).concat());
        out.extend((i as u64 + 1).to_le_bytes());
        out.extend(40_u32.to_be_bytes());
    }
    out
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            fs::write(folder.path(name), bytes).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, names: &[&str], block_len: usize) -> Result<Input> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        Input::open(&paths, Options { block_len, ..Options::default() })
    }
}

/// Capture, frame number and second of each frame, with a check that its bytes are its own.
fn read(mut input: Input) -> (Vec<(u32, u64, i64)>, Summary) {
    let mut frames = Vec::new();
    while let Some(batch) = input.next_batch().unwrap() {
        assert!(!batch.is_empty());
        for frame in batch.frames() {
            assert_eq!(frame.data, frame.at.no().0.to_le_bytes(), "{frame:?}");
            frames.push((frame.at.capture().0, frame.at.no().0, frame.time.secs()));
        }
    }
    (frames, input.finish())
}

#[test]
fn a_reader_thread_may_own_an_input_and_workers_may_share_a_batch() {
    fn send<T: Send>() {}
    fn share<T: Send + Sync>() {}
    send::<Input>();
    share::<Batch>();
}

#[test]
fn blocks_of_any_length_give_the_same_frames() {
    let secs: Vec<u32> = (0..500).collect();
    for bytes in [savefile(&secs), pcapng(&secs)] {
        let folder = Folder::new(&[("a", &bytes)]);
        let expected: Vec<_> = secs.iter().map(|s| (0, u64::from(*s) + 1, i64::from(*s))).collect();
        for block_len in [512, 513, 600, 1000, 4096, 1 << 20] {
            let (frames, summary) = read(folder.open(&["a"], block_len).unwrap());
            assert_eq!(frames, expected, "{block_len}");
            let info = &summary.captures[0];
            assert_eq!((info.frames, info.damage.clone(), info.out_of_order), (500, None, 0));
            assert_eq!((info.first.unwrap().secs(), info.last.unwrap().secs()), (0, 499));
            assert_eq!(info.name, "a");
        }
    }
}

#[test]
fn captures_are_merged_by_time_then_by_the_order_given() {
    let folder = Folder::new(&[
        ("late", &savefile(&[20, 21])),
        ("a", &pcapng(&[1, 3, 5, 4, 9])),
        ("b", &savefile(&[2, 3, 3, 8])),
        ("none", &savefile(&[])),
    ]);
    let (frames, summary) = read(folder.open(&["late", "a", "b", "none"], 1 << 20).unwrap());
    let expected = [
        (1, 1, 1),
        (2, 1, 2),
        (1, 2, 3),
        (2, 2, 3),
        (2, 3, 3),
        (1, 3, 5),
        // The order inside a capture is kept: its clock stepped back.
        (1, 4, 4),
        (2, 4, 8),
        (1, 5, 9),
        (0, 1, 20),
        (0, 2, 21),
    ];
    assert_eq!(frames, expected);
    let infos: Vec<_> = summary.captures.iter().map(|info| (info.id.0, &*info.name, info.frames)).collect();
    assert_eq!(infos, [(0, "late", 2), (1, "a", 5), (2, "b", 4), (3, "none", 0)]);
    assert_eq!(summary.captures[1].out_of_order, 1);
    assert_eq!(summary.captures[3].first, None);
}

/// The merge against sorting everything, for many captures with many blocks each.
#[test]
fn merging_equals_a_stable_sort_where_clocks_do_not_step_back() {
    let mut seed = 7_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    for round in 0..20 {
        let mut files = Vec::new();
        let mut expected = Vec::new();
        for capture in 0..=random() % 6 {
            let mut second = random() % 300;
            let secs: Vec<u32> = (0..random() % 120)
                .map(|_| {
                    second += random() % 4;
                    second
                })
                .collect();
            expected.extend(secs.iter().enumerate().map(|(i, s)| (capture, i as u64 + 1, i64::from(*s))));
            let bytes = if random() % 2 == 0 { savefile(&secs) } else { pcapng(&secs) };
            files.push((format!("f{capture}"), bytes));
        }
        expected.sort_by_key(|(capture, no, secs)| (*secs, *capture, *no));
        let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        let folder = Folder::new(&borrowed);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let (frames, _) = read(folder.open(&names, 600).unwrap());
        assert_eq!(frames, expected, "round {round}");
    }
}

#[test]
fn captures_one_after_the_other_are_never_open_together() {
    let count = 40;
    let folder = Folder::new(&[]);
    for i in 0..count {
        fs::write(folder.path(&format!("{i:03}")), savefile(&[i * 10, i * 10 + 9])).unwrap();
    }
    let mut input = folder.open(&["."], 1 << 20).unwrap();
    let mut frames = 0;
    while let Some(batch) = input.next_batch().unwrap() {
        assert!(input.merge.open_captures() <= 1);
        frames += batch.len();
    }
    assert_eq!(frames, 80);
    assert_eq!(input.finish().captures.len(), 40);
}

#[test]
fn captures_that_interleave_frame_by_frame_still_make_full_batches() {
    let count = 50_u32;
    let folder = Folder::new(&[]);
    for i in 0..count {
        let secs: Vec<u32> = (0..20).map(|round| round * count + i).collect();
        fs::write(folder.path(&format!("{i:03}")), savefile(&secs)).unwrap();
    }
    let mut input = folder.open(&["."], 1 << 20).unwrap();
    let (mut expected, mut batches) = (0, 0);
    while let Some(batch) = input.next_batch().unwrap() {
        batches += 1;
        for frame in batch.frames() {
            assert_eq!(frame.time.secs(), expected);
            expected += 1;
        }
    }
    assert_eq!(expected, 1_000);
    // The first ends when 16 blocks are used up, which is near the end.
    assert!(batches <= 5, "{batches}");
}

#[test]
fn every_cut_gives_the_frames_before_it_and_says_where() {
    for (bytes, header, record) in [(savefile(&[1, 2, 3]), 24, 24), (pcapng(&[1, 2, 3]), 48, 40)] {
        for cut in 4..=bytes.len() {
            let folder = Folder::new(&[("cut", &bytes[..cut])]);
            let (frames, summary) = read(folder.open(&["cut"], 1 << 20).unwrap());
            let whole = cut.saturating_sub(header) / record;
            assert_eq!(frames.len(), whole, "{cut}");
            let damage = &summary.captures[0].damage;
            let between = cut >= header && (cut - header) % record == 0;
            // Between the two header blocks of pcapng nothing is missing either.
            assert_eq!(damage.is_none(), between || (header == 48 && cut == 28), "{cut}: {damage:?}");
            if let (Some(damage), true) = (damage, cut > header) {
                assert_eq!(damage.offset, (header + whole * record) as u64);
                let missing = damage.reason.rsplit(' ').nth(2).unwrap().parse::<usize>().unwrap();
                assert!((cut - header) % record + missing <= record, "{}", damage.reason);
            }
        }
    }
}

#[test]
fn a_record_longer_than_a_block_is_read_whole() {
    for len in [700_usize, 5_000, 1 << 20] {
        let mut bytes = savefile(&[1]);
        bytes.extend([2, 0, len as u32, len as u32].map(u32::to_le_bytes).concat());
        bytes.extend((0..len).map(|i| i as u8));
        let after = savefile(&[3]);
        bytes.extend(&after[24..]);
        let folder = Folder::new(&[("long", &bytes)]);
        let mut input = folder.open(&["long"], 512).unwrap();
        let mut lens = Vec::new();
        while let Some(batch) = input.next_batch().unwrap() {
            for frame in batch.frames() {
                lens.push(frame.data.len());
                assert!(frame.data.len() == 8 || frame.data.iter().enumerate().all(|(i, b)| *b == i as u8));
            }
        }
        assert_eq!(lens, [8, len, 8]);
        assert_eq!(input.finish().captures[0].damage, None);
    }
}

#[test]
fn a_long_unread_block_is_skipped_without_being_in_memory() {
    let mut bytes = pcapng(&[1]);
    let len = 300_000_u32;
    bytes.extend([0x7777_7777, len].map(u32::to_be_bytes).concat());
    bytes.extend(vec![0xaa; len as usize - 12]);
    bytes.extend(len.to_be_bytes());
    let cut = bytes.len() - 10;
    let after = pcapng(&[5]);
    bytes.extend(&after[28..]);
    let folder = Folder::new(&[("skip", &bytes), ("cut", &bytes[..cut])]);
    let mut input = folder.open(&["skip"], 1024).unwrap();
    let mut frames = 0;
    while let Some(batch) = input.next_batch().unwrap() {
        frames += batch.len();
    }
    assert_eq!(frames, 2);
    assert_eq!(input.finish().captures[0].damage, None);
    let (frames, summary) = read(folder.open(&["cut"], 1024).unwrap());
    assert_eq!(frames.len(), 1);
    let damage = summary.captures[0].damage.as_ref().unwrap();
    assert_eq!(damage.reason, "the file ends within a block that needs 10 more bytes");
}

#[test]
fn packed_captures_are_read_and_their_damage_keeps_the_frames_before_it() {
    let secs: Vec<u32> = (0..20_000).collect();
    let plain = savefile(&secs);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::stream::encode_all(&plain[..], 1).unwrap();
    for packed in [&gzip, &zstd] {
        let folder = Folder::new(&[("whole", packed), ("cut", &packed[..packed.len() - 5])]);
        let (frames, summary) = read(folder.open(&["whole"], 1 << 16).unwrap());
        assert_eq!((frames.len(), &summary.captures[0].damage), (20_000, &None));
        let (frames, summary) = read(folder.open(&["cut"], 1 << 16).unwrap());
        assert!(frames.len() > 500, "{}", frames.len());
        let damage = summary.captures[0].damage.as_ref().unwrap();
        assert!(damage.reason.ends_with("file ends before its end mark"), "{}", damage.reason);
        assert_eq!(damage.offset, (24 + 24 * frames.len()) as u64);
    }
}

#[test]
fn a_named_file_that_is_no_capture_is_an_error_and_one_in_a_folder_is_skipped() {
    let folder = Folder::new(&[("a", &savefile(&[1])), ("notes.txt", b"hello"), ("empty", b"")]);
    let error = |names: &[&str]| folder.open(names, 1 << 20).err().unwrap().to_string();
    let text = error(&["a", "notes.txt"]);
    assert!(text.contains("notes.txt`: not a capture, it looks like text"), "{text}");
    assert!(error(&["empty"]).contains("it is empty"));
    assert!(error(&["missing"]).starts_with("failed to read"));
    let (frames, summary) = read(folder.open(&["."], 1 << 20).unwrap());
    assert_eq!(frames.len(), 1);
    let names: Vec<_> = summary.not_captures.iter().map(|path| path.file_name().unwrap().to_str()).collect();
    assert_eq!(names, [Some("empty"), Some("notes.txt")]);
    fs::remove_file(folder.path("a")).unwrap();
    assert!(error(&["."]).starts_with("failed to find a capture in"));
}

#[test]
fn a_packed_file_that_is_no_capture_says_so() {
    let zstd = zstd::stream::encode_all(&b"%PDF-1.4 ..."[..], 1).unwrap();
    let folder = Folder::new(&[("pdf", &zstd), ("broken", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff")]);
    let error = |name: &str| folder.open(&[name], 1 << 20).err().unwrap().to_string();
    assert!(error("pdf").contains("it looks like zstd of PDF"));
    assert!(
        error("broken").ends_with("broken`: the gzip file is damaged: corrupt deflate stream"),
        "{}",
        error("broken")
    );
}

#[test]
fn progress_ends_at_the_total() {
    let folder = Folder::new(&[("a", &savefile(&[1, 5])), ("b", &pcapng(&[2, 9])), ("c", &savefile(&[]))]);
    for names in [&["a"][..], &["a", "b", "c"]] {
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.path(name)).collect();
        let options = Options::default();
        let progress = Arc::clone(&options.progress);
        let input = Input::open(&paths, options).unwrap();
        let total = input.total_bytes().unwrap();
        read(input);
        assert_eq!(progress.load(Ordering::Relaxed), total, "{names:?}");
    }
}

#[test]
fn an_input_that_is_closed_early_tells_what_was_read() {
    let secs: Vec<u32> = (0..1_000).collect();
    let folder = Folder::new(&[("a", &savefile(&secs))]);
    let mut input = folder.open(&["a"], 1024).unwrap();
    let batch = input.next_batch().unwrap().unwrap();
    let summary = input.finish();
    assert_eq!(summary.captures.len(), 1);
    assert!(summary.captures[0].frames >= batch.len() as u64);
    assert_eq!(batch.frames().next().unwrap().at.no().0, 1, "a batch outlives its input");
}

#[test]
fn filters_need_libpcap() {
    let folder = Folder::new(&[("a", &savefile(&[1, 2]))]);
    let options = Options { filter: Some("udp".to_owned()), ..Options::default() };
    let opened = Input::open(&[folder.path("a")], options);
    if cfg!(feature = "live") {
        let (frames, summary) = read(opened.unwrap());
        assert_eq!(frames, []);
        assert_eq!(summary.captures[0].frames, 2);
        let skipped = BTreeMap::from([(SkipReason::Filtered, 2)]);
        assert_eq!((summary.passed_over.frames, summary.passed_over.skipped), (2, skipped));
    } else {
        assert!(matches!(opened, Err(Error::Usage(text)) if text.contains("built without libpcap")));
    }
}
