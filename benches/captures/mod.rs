//! Captures to measure on: made up from shipped recordings, the same bytes for the same seed.
//!
//! ```text
//! mixed  small  elephants   what happens           cast          who takes part
//! timeline                  all in order of time   conversation  a recording, played by another device
//! recorded                  shipped recordings     talk records  data beyond the recording
//! packet                    frames and checksums   script        conversations without a recording
//! savefile                  pcap and other forms   random        numbers
//! hostile                                         floods around a recording
//! ```
//!
//! Nothing is held but the conversations that are open. Files are made once, and again when [`VERSION`] changes.

mod cast;
mod conversation;
mod elephants;
pub(crate) mod hostile;
mod mixed;
mod packet;
mod random;
mod recorded;
mod records;
mod savefile;
mod script;
mod small;
mod talk;
mod timeline;

use std::path::{Path, PathBuf};
use std::{fs, io};

use savefile::Writer;
use timeline::{Cause, Timeline};

pub(crate) use savefile::Form;

/// Changes whenever the bytes of a capture do.
const VERSION: u32 = 2;
const SEED: u64 = 0x77_69_72_65_63_6c_61_69;
/// 2026-11-21T02:00:00Z, soon after the recordings: their certificates are valid. Microseconds.
const BASE: u64 = 1_795_226_400 * SECOND;
const SECOND: u64 = 1_000_000;

/// One of the captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Thousands of devices, handshakes with bulk data, long connections: 1 GB.
    Mixed,
    /// The same connections as in `Mixed`, with twice as much to say.
    Double,
    /// 500,000 short conversations of small packets.
    Small,
    /// 1 GB in four connections.
    Elephants,
    /// Ten million SYNs.
    Syns,
    /// A million names.
    Names,
    /// Ten million segments, each behind a hole.
    Holes,
}

/// A capture on disk, with what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    /// TCP connections.
    pub(crate) tcp: u64,
    /// Exchanges over UDP; those of one 5-tuple (DHCP's) count each.
    pub(crate) udp: u64,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Mixed, Self::Double, Self::Small, Self::Elephants];

    /// Those that are made to fill memory.
    pub(crate) const HOSTILE: [Self; 3] = [Self::Syns, Self::Names, Self::Holes];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Double => "double",
            Self::Small => "small",
            Self::Elephants => "elephants",
            Self::Syns => "syns",
            Self::Names => "names",
            Self::Holes => "holes",
        }
    }

    /// The capture, made if it is not there.
    pub(crate) fn made(self, folder: &Path) -> io::Result<Made> {
        let path = folder.join(self.name()).with_extension("pcap");
        let note = folder.join(self.name()).with_extension("made");
        let known = fs::read_to_string(&note).ok().and_then(|note| Made::read(&note, &path));
        if let Some(made) = known
            && fs::metadata(&path).is_ok_and(|file| file.len() == made.bytes)
        {
            return Ok(made);
        }
        fs::create_dir_all(folder)?;
        let _ = fs::remove_file(&note);
        let made = self.make(&path)?;
        fs::write(note, made.note())?;
        Ok(made)
    }

    /// The capture in another form, made if it is not there or older than the capture.
    pub(crate) fn made_in(self, form: Form, folder: &Path) -> io::Result<PathBuf> {
        let made = self.made(folder)?;
        let path = folder.join(self.name()).with_extension(form.suffix());
        let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
        if time(&path).is_ok_and(|there| time(&made.path).is_ok_and(|from| from < there)) {
            return Ok(path);
        }
        let part = path.with_extension("part");
        form.write(&made.path, &part)?;
        fs::rename(part, &path)?;
        Ok(path)
    }

    fn make(self, path: &Path) -> io::Result<Made> {
        let mut writer = Writer::create(path)?;
        let (end, mut cause): (u64, Box<dyn Cause>);
        let mut timeline;
        match self {
            Self::Mixed | Self::Double => {
                let length = if self == Self::Mixed { 1 } else { 2 };
                (end, cause) = (mixed::END, Box::new(mixed::Mixed::new(SEED, length)));
                timeline = Timeline::until(end);
            }
            Self::Small => {
                (end, cause) = (small::END, Box::new(small::Small::new(SEED)));
                timeline = Timeline::until(end);
            }
            Self::Elephants => {
                timeline = Timeline::until(elephants::END);
                cause = Box::new(elephants::open(SEED, &mut timeline));
            }
            Self::Syns => return flood(&hostile::SYNS, writer, path),
            Self::Names => return flood(&hostile::NAMES, writer, path),
            Self::Holes => return flood(&hostile::SEGMENTS_BEHIND_HOLES, writer, path),
        }
        timeline.run(cause.as_mut(), &mut writer)?;
        let (frames, bytes) = (writer.frames, writer.bytes);
        writer.finish()?;
        Ok(Made { path: path.to_owned(), bytes, frames, tcp: timeline.tcp, udp: timeline.udp })
    }
}

fn flood(flood: &hostile::Flood, mut writer: Writer, path: &Path) -> io::Result<Made> {
    flood.write(&mut writer)?;
    let (frames, bytes) = (writer.frames, writer.bytes);
    writer.finish()?;
    Ok(Made { path: path.to_owned(), bytes, frames, tcp: flood.tcp, udp: flood.udp })
}

impl Made {
    fn note(&self) -> String {
        let Self { bytes, frames, tcp, udp, .. } = self;
        format!("version {VERSION} seed {SEED}\nbytes {bytes}\nframes {frames}\ntcp {tcp}\nudp {udp}\n")
    }

    /// Reads a note; `None` if it is of another version.
    fn read(note: &str, path: &Path) -> Option<Self> {
        let number = |name: &str| {
            note.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
        };
        let path = path.to_owned();
        let (bytes, frames) = (number("bytes")?, number("frames")?);
        let made = Self { path, bytes, frames, tcp: number("tcp")?, udp: number("udp")? };
        (made.note() == note).then_some(made)
    }
}
