//! Savefiles: classic pcap written page by page, and the same capture in other forms.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// Length of a file header and of a record header.
const HEADER: usize = 24;
const RECORD: usize = 16;
const SNAP_LEN: u32 = 262_144;

/// Writes a capture of Ethernet frames with microseconds.
pub(super) struct Writer {
    file: BufWriter<File>,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    last: u64,
}

impl Writer {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAP_LEN, 1] {
            file.write_all(&u32::to_le_bytes(word))?;
        }
        Ok(Self { file, frames: 0, bytes: HEADER as u64, last: 0 })
    }

    pub(super) fn frame(&mut self, at: u64, frame: &[u8]) -> io::Result<()> {
        assert!(at >= self.last, "frames come in order of time");
        self.last = at;
        let len = frame.len() as u32;
        for word in [(at / 1_000_000) as u32, (at % 1_000_000) as u32, len, len] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(frame)?;
        self.frames += 1;
        self.bytes += (RECORD + frame.len()) as u64;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A form of a capture other than plain pcap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Next generation.
    PcapNg,
    /// Packed as gzip does by default.
    Gzip,
    /// Packed as zstd does by default.
    Zstd,
}

impl Form {
    /// What is appended to the name, and names it.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::PcapNg => "pcapng",
            Self::Gzip => "pcap.gz",
            Self::Zstd => "pcap.zst",
        }
    }

    /// Writes the capture `from` in this form.
    pub(super) fn write(self, from: &Path, to: &Path) -> io::Result<()> {
        let mut from = BufReader::with_capacity(1 << 20, File::open(from)?);
        let mut to = BufWriter::with_capacity(1 << 20, File::create(to)?);
        match self {
            Self::PcapNg => pcapng(&mut from, &mut to)?,
            Self::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(&mut to, flate2::Compression::new(6));
                io::copy(&mut from, &mut packer)?;
                packer.finish()?;
            }
            Self::Zstd => zstd::stream::copy_encode(&mut from, &mut to, 3)?,
        }
        to.flush()
    }
}

/// One section, one interface, one enhanced packet block for each frame, and no options.
fn pcapng(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header)?;
    let words = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, SNAP_LEN, 20];
    for word in words {
        to.write_all(&u32::to_le_bytes(word))?;
    }
    let (mut record, mut data) = ([0; RECORD], Vec::new());
    loop {
        match from.read_exact(&mut record) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let word =
            |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        let time = u64::from(word(0)) * 1_000_000 + u64::from(word(4));
        let len = word(8);
        data.clear();
        data.resize(len.next_multiple_of(4) as usize, 0);
        from.read_exact(&mut data[..len as usize])?;
        let whole = 32 + data.len() as u32;
        for word in [6, whole, 0, (time >> 32) as u32, time as u32, len, word(12)] {
            to.write_all(&u32::to_le_bytes(word))?;
        }
        to.write_all(&data)?;
        to.write_all(&whole.to_le_bytes())?;
    }
}
