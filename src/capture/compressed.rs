//! A capture's bytes, whatever they are packed in: gzip (also of several members), zstd and xz (also
//! of several frames or streams), found by content. What is packed twice is not unpacked twice.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// What a file is packed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    /// What it is called in messages; `None` for files as they are.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::Xz => Some("xz"),
        }
    }

    fn of(head: &[u8]) -> Self {
        match head {
            // RFC 1952 section 2.3.1: the only method there is is 8.
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            // RFC 8878 sections 3.1.1 and 3.1.2: a frame, or a skippable frame as parallel packers write first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }
}

/// How filling a buffer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fill {
    /// No more room.
    Full,
    /// No more input.
    End,
    /// The input cannot be read further, and why. What was read before counts.
    Broken(String),
}

/// The bytes of one capture in order, unpacked.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    packing: Packing,
    /// What unpacking may take.
    window: u64,
    /// What its first frame says that it takes.
    wanted: Option<u64>,
    /// How it ended. Kept, because a decoder that failed may read on as if nothing was.
    ended: Option<Fill>,
}

impl Source {
    /// Opens a file; `progress` is advanced by its bytes as they are read. Unpacking may take `window` bytes.
    pub(super) fn open(path: &Path, progress: Arc<AtomicU64>, window: u64) -> io::Result<Self> {
        Self::new(File::open(path)?, progress, window)
    }

    /// The same for bytes from anywhere, such as standard input.
    pub(super) fn new(
        input: impl Read + Send + 'static,
        progress: Arc<AtomicU64>,
        window: u64,
    ) -> io::Result<Self> {
        let mut input = Counted { input, progress };
        let mut head = [0; 6];
        let mut filled = 0;
        while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
            match input.read(room) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let head = head.get(..filled).unwrap_or_default();
        let packing = Packing::of(head);
        let wanted = zstd_window(head);
        let input = Cursor::new(head.to_vec()).chain(input);
        let reader: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(input),
            Packing::Gzip => Box::new(MultiGzDecoder::new(input)),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(input)?;
                // RFC 8878 section 3.1.1.1.2: no window is smaller than 1 KiB; libzstd takes none of more than 2 GiB.
                decoder.window_log_max(window.checked_ilog2().unwrap_or(0).clamp(10, 31))?;
                Box::new(decoder)
            }
            Packing::Xz => {
                let memory = window.saturating_add(XZ_BESIDE);
                let stream = Stream::new_stream_decoder(memory, CONCATENATED).map_err(io::Error::other)?;
                Box::new(XzDecoder::new_stream(BufReader::new(input), stream))
            }
        };
        Ok(Self { reader, packing, window, wanted, ended: None })
    }

    /// What the capture is packed in.
    pub(super) fn packing(&self) -> Packing {
        self.packing
    }

    /// Reads until `buffer` is full from `filled` on, or the input ends.
    pub(super) fn fill(&mut self, buffer: &mut [u8], filled: &mut usize) -> Fill {
        // A decoder that finds damage forgets what the same call had given; small calls lose little.
        let call = if self.packing == Packing::Plain { usize::MAX } else { PACKED_CALL };
        while let Some(room) = buffer.get_mut(*filled..).filter(|room| !room.is_empty()) {
            if let Some(ended) = &self.ended {
                return ended.clone();
            }
            let len = room.len().min(call);
            match self.reader.read(room.get_mut(..len).unwrap_or_default()) {
                Ok(0) => self.ended = Some(Fill::End),
                Ok(count) => *filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.ended = Some(Fill::Broken(self.reason(&error))),
            }
        }
        Fill::Full
    }

    fn reason(&self, error: &io::Error) -> String {
        match self.packing.name() {
            // Only the system numbers its errors: the file is fine, reading it is not.
            _ if error.raw_os_error().is_some() => format!("the file cannot be read further: {error}"),
            Some(name) if error.kind() == io::ErrorKind::UnexpectedEof => {
                format!("the {name} file ends before its end mark")
            }
            Some(name) if error.to_string().contains("memory") => {
                let mib = |bytes: u64| bytes.div_ceil(1 << 20);
                let room = mib(self.window);
                match self.wanted {
                    Some(wanted) => format!(
                        "the {name} file takes {} MiB to unpack, and an eighth of the limit of memory is {room} MiB: raise --max-memory to {}M",
                        mib(wanted),
                        mib(wanted).saturating_mul(8)
                    ),
                    None => format!(
                        "the {name} file takes more than {room} MiB to unpack, an eighth of the limit of memory: raise --max-memory"
                    ),
                }
            }
            Some(name) => format!("the {name} file is damaged: {error}"),
            None => format!("the input cannot be read further: {error}"),
        }
    }
}

/// The window that a zstd frame says it needs (RFC 8878 section 3.1.1.1.2), a power of two as the decoder's limit is;
/// `None` if its header says it otherwise.
fn zstd_window(head: &[u8]) -> Option<u64> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, window] = head else { return None };
    if descriptor & 0x20 != 0 {
        return None;
    }
    let base = 1_u64.checked_shl(u32::from(window >> 3).saturating_add(10))?;
    let window = base.saturating_add((base / 8).saturating_mul(u64::from(window & 7)));
    window.checked_next_power_of_two()
}

/// What unpacking xz takes beside the window: less than a mebibyte.
const XZ_BESIDE: u64 = 1 << 20;

/// Bytes asked of a decoder at a time.
const PACKED_CALL: usize = 16 << 10;

struct Counted<R> {
    input: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.progress.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(bytes, 1).unwrap()
    }

    fn unpack(bytes: Vec<u8>) -> (Vec<u8>, Fill) {
        let mut source = Source::new(Cursor::new(bytes), Arc::default(), 8 << 20).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut filled = 0;
        let end = source.fill(&mut buffer, &mut filled);
        let again = source.fill(&mut buffer, &mut filled);
        assert_eq!(end, again, "an end is not forgotten");
        buffer.truncate(filled);
        (buffer, end)
    }

    /// Text that packs badly enough to fill several calls and blocks.
    fn plain() -> Vec<u8> {
        (0_u32..60_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
    }

    #[test]
    fn each_packing_is_found_by_content_and_concatenated_files_are_one() {
        let plain = plain();
        let (left, right) = plain.split_at(100_000);
        for pack in [gzip, zstd, xz, <[u8]>::to_vec] {
            let packed = [pack(left), pack(right)].concat();
            let (unpacked, end) = unpack(packed);
            assert_eq!(end, Fill::End);
            assert!(unpacked == plain);
        }
        assert_eq!(unpack(Vec::new()), (Vec::new(), Fill::End));
    }

    #[test]
    fn a_cut_packed_file_gives_what_comes_before_the_cut() {
        let plain = plain();
        for (pack, name) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd"), (xz, "xz")] {
            let packed = pack(&plain);
            let mut longest = 0;
            for cut in (7..packed.len()).step_by(packed.len() / 20) {
                let (unpacked, end) = unpack(packed[..cut].to_vec());
                assert_eq!(end, Fill::Broken(format!("the {name} file ends before its end mark")), "{cut}");
                assert!(plain.starts_with(&unpacked));
                longest = longest.max(unpacked.len());
            }
            assert!(longest > plain.len() / 4, "{name}: {longest}");
        }
    }

    #[test]
    fn a_flipped_byte_in_a_packed_file_is_damage_not_a_panic() {
        let plain = plain();
        for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd, xz] {
            let packed = pack(&plain);
            for at in (8..packed.len()).step_by(packed.len() / 40) {
                let mut flipped = packed.clone();
                flipped[at] ^= 0x55;
                let (_, end) = unpack(flipped);
                assert_ne!(end, Fill::Full);
            }
        }
    }

    /// `zstd --long=24` and `xz -9` want 16 and 64 MiB; there are eight.
    #[test]
    fn a_window_beyond_the_limit_says_what_to_do() {
        let plain = plain().repeat(5);
        let mut packer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        packer.window_log(24).unwrap();
        packer.write_all(&plain).unwrap();
        let long = packer.finish().unwrap();
        let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 9);
        packer.write_all(&plain).unwrap();
        for (packed, name) in [(long, "zstd"), (packer.finish().unwrap(), "xz")] {
            let (unpacked, end) = unpack(packed.clone());
            let said = String::from(match name {
                "zstd" => {
                    "the zstd file takes 16 MiB to unpack, and an eighth of the limit of memory is 8 MiB: raise --max-memory to 128M"
                }
                _ => {
                    "the xz file takes more than 8 MiB to unpack, an eighth of the limit of memory: raise --max-memory"
                }
            });
            assert_eq!((unpacked.len(), end), (0, Fill::Broken(said)));
            let mut source = Source::new(Cursor::new(packed), Arc::default(), 128 << 20).unwrap();
            let mut buffer = vec![0; plain.len() + 1];
            let mut filled = 0;
            assert_eq!(source.fill(&mut buffer, &mut filled), Fill::End);
            assert!(buffer[..filled] == plain);
        }
    }

    #[test]
    fn progress_counts_bytes_of_the_file_not_of_its_content() {
        let packed = zstd(&vec![0; 1 << 20]);
        let progress = Arc::new(AtomicU64::new(0));
        let mut source = Source::new(Cursor::new(packed.clone()), Arc::clone(&progress), 8 << 20).unwrap();
        let mut buffer = vec![0; 2 << 20];
        assert_eq!(source.fill(&mut buffer, &mut 0), Fill::End);
        assert_eq!(progress.load(Ordering::Relaxed), packed.len() as u64);
    }
}
