//! Bytes to frames: savefiles of either format, plain or packed, one or many, as one stream in order of time.
//!
//! ```text
//! input       arguments → files          compressed  file → bytes        savefile  bytes → records
//! reader      one capture → blocks       merge       captures → batches  batch     blocks lent as frames
//! ```
//!
//! Blocks of [`Options::block_len`] bytes are read into buffers that are used again; a [`Batch`] owns its blocks
//! and frames are ranges in them. Only the part of a record at a block's end is ever copied, to the start of
//! the next block. **Memory does not depend on the size of files**: it is a block for each capture that is open
//! (captures that do not overlap in time are open one at a time) and those of the batches in flight. Captures
//! that do overlap are open together, so their number is limited by what the system lets a process open.
//!
//! The end of a file, damage and a failing disk are three things. Damage keeps every frame before it and is in
//! [`CaptureInfo::damage`] with its offset, and so is a disk that fails on the way, in words of its own; a file
//! that cannot be opened or is no capture at all is an [`Error`].

#![warn(clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")
)]

mod batch;
mod bpf;
mod compressed;
mod input;
mod merge;
mod reader;
mod savefile;
mod sniff;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::model::stats::{CaptureInfo, Stats};
use crate::model::{NameBinding, NameSource, Timestamp};
use batch::Pool;
pub use batch::{Batch, Frames};
use bpf::Filter;
use compressed::Source;
use input::{Kind, Listed, Origin};
use merge::{Merge, Waiting};
use reader::Reader;
use savefile::Names;

/// How an input is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// A filter as of pcap-filter(7); frames that it does not take keep their numbers.
    pub filter: Option<String>,
    /// Advanced by the bytes read from files (packed ones as packed), for a progress bar on another thread.
    pub progress: Arc<AtomicU64>,
    /// Bytes of one block, and so about of one batch. Where captures are many, blocks are smaller.
    pub block_len: usize,
    /// Bytes that unpacking a capture may take; what needs more is not read further.
    pub window: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: None, progress: Arc::default(), block_len: 1 << 18, window: 128 << 20 }
    }
}

/// An open input: all captures that the user named. `Send`, so that a thread of its own can read it.
pub struct Input {
    merge: Merge,
    /// Bytes of frames that make a batch.
    target: usize,
    pool: Pool,
    filter: Option<Filter>,
    not_captures: Vec<PathBuf>,
    total_bytes: Option<u64>,
}

/// What there is to say of the input when it was read.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Each capture, in the order given.
    pub captures: Vec<CaptureInfo>,
    /// Files met in folders that are no captures, in the order met.
    pub not_captures: Vec<PathBuf>,
    /// Names from name resolution blocks, by address and name.
    pub names: Vec<NameBinding>,
    /// Names beyond the number that is kept.
    pub names_dropped: u64,
    /// Frames that were read but are in no batch, with the reason: to be merged into the run's counts.
    pub passed_over: Stats,
}

impl Input {
    /// Finds the captures that `paths` mean (files, folders with all below them, globs, `-` for standard input)
    /// and looks at the first frame of each.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for what cannot be read, [`Error::NotACapture`] for a named file that is none,
    /// [`Error::Usage`] if no capture is left or filters are not built in, [`Error::Filter`].
    pub fn open<P: AsRef<Path>>(paths: &[P], options: Options) -> Result<Self> {
        let filter = options.filter.as_deref().map(Filter::new).transpose()?;
        let listed = input::list(paths)?;
        let files = listed.len();
        // All might overlap, and then each has a block.
        let blocks = usize::try_from(options.window).unwrap_or(usize::MAX);
        let share = blocks.checked_div(files).unwrap_or(blocks).max(PEEK);
        let pool = Pool::new(options.block_len.min(share).max(MIN_BLOCK));
        let target = (options.block_len / 2).max(1);
        let (captures, not_captures) = look_at(listed, &pool, &options.progress, options.window)?;
        if captures.is_empty() {
            let names: Vec<String> =
                paths.iter().map(|path| format!("`{}`", path.as_ref().display())).collect();
            return Err(Error::Usage(format!(
                "failed to find a capture in {} (files looked at: {})",
                names.join(", "),
                files
            )));
        }
        let total_bytes = captures.iter().try_fold(0_u64, |sum, (listed, _)| match listed.kind {
            Kind::Regular(len) => Some(sum.saturating_add(len)),
            Kind::Stream | Kind::Stdin => None,
        });
        let paths: Vec<PathBuf> = captures.iter().map(|(listed, _)| listed.path.clone()).collect();
        let mut merge = Merge::new(input::names(&paths), options.progress, options.window);
        for (place, (_, look)) in captures.into_iter().enumerate() {
            match look {
                Look::Due(first, capture) => merge.add(place, first, capture),
                Look::Empty(reader) => merge.add_finished(place, *reader),
                Look::Unreadable(reason) => merge.add_unreadable(place, reason),
            }
        }
        Ok(Self { merge, target, pool, filter, not_captures, total_bytes })
    }

    /// Bytes of all captures as files, the end of [`Options::progress`]; `None` if there is a pipe among them.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// The next frames, in order of time; `None` when everything is read.
    ///
    /// # Errors
    ///
    /// If a capture has gone, or is no capture any more, since the input was opened.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.merge.next_batch(self.target, &self.pool, self.filter.as_mut())
    }

    /// Closes the input and tells about it, also when it was not read to its end.
    pub fn finish(self) -> Summary {
        let mut summary = Summary { not_captures: self.not_captures, ..Summary::default() };
        let mut names = Names::default();
        for finished in self.merge.finish() {
            summary.passed_over.merge(&finished.passed_over);
            summary.captures.push(finished.info);
            names.merge(finished.names);
        }
        summary.names_dropped = names.dropped;
        summary.names = names.pairs.into_iter().map(|(address, name)| binding(address, name)).collect();
        summary
    }
}

/// Blocks smaller than this cannot hold what recognition looks at.
const MIN_BLOCK: usize = 512;

fn binding(address: std::net::IpAddr, name: Box<str>) -> NameBinding {
    NameBinding {
        name,
        aliases: Vec::new(),
        address,
        source: NameSource::Capture,
        asked_by: None,
        seen: None,
    }
}

/// A capture after the first look at it.
enum Look {
    /// Its first frame is of this time.
    Due(Timestamp, Waiting),
    /// It has no frame.
    Empty(Box<Reader>),
    /// It cannot be read, for this reason.
    Unreadable(String),
}

/// Captures with what was seen of them, and files that are none.
type Looked = (Vec<(Listed, Look)>, Vec<PathBuf>);

/// Looks at the first frame of each file. Files are closed again, but for one that is alone: so many may be
/// listed that they cannot all be open.
fn look_at(listed: Vec<Listed>, pool: &Pool, progress: &Arc<AtomicU64>, window: u64) -> Result<Looked> {
    let peek = Pool::new(PEEK.min(pool.block_len()));
    let alone = listed.len() == 1;
    let mut captures = Vec::new();
    let mut not_captures = Vec::new();
    for listed in listed {
        let keep = alone || !matches!(listed.kind, Kind::Regular(_));
        let (pool, counter) = if keep { (pool, Arc::clone(progress)) } else { (&peek, Arc::default()) };
        let source = match listed.kind {
            Kind::Stdin => Source::new(std::io::stdin(), Arc::clone(&counter), window),
            Kind::Regular(_) | Kind::Stream => Source::open(&listed.path, Arc::clone(&counter), window),
        };
        let path = &listed.path;
        let source = source.map_err(|source| Error::Io { action: "read", path: path.clone(), source })?;
        let mut reader = match Reader::new(path, source, pool) {
            Err(Error::NotACapture { path, .. }) if listed.origin == Origin::Folder => {
                not_captures.push(path);
                continue;
            }
            // It may be one, so the input is not complete.
            Err(Error::Unreadable { reason, .. }) if listed.origin == Origin::Folder => {
                captures.push((listed, Look::Unreadable(reason)));
                continue;
            }
            other => other?,
        };
        let look = match reader.first_time(pool) {
            None => {
                if !keep {
                    progress.fetch_add(counter.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                Look::Empty(Box::new(reader))
            }
            Some(first) if keep => Look::Due(first, Waiting::Open(Box::new(reader))),
            Some(first) => Look::Due(first, Waiting::Closed(path.clone())),
        };
        captures.push((listed, look));
    }
    Ok((captures, not_captures))
}

/// Bytes read to see a first frame.
const PEEK: usize = 64 << 10;

#[cfg(test)]
mod tests;
