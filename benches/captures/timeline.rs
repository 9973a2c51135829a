//! All that happens, in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use super::savefile::Writer;

/// Something that sends frames, one after the other.
pub(super) trait Source {
    /// What it is counted as.
    fn flow(&self) -> Option<Flow>;
    /// Time of its next frame in microseconds of the epoch; never goes back.
    fn at(&self) -> u64;
    /// Writes that frame into `out`; `false` if it was the last one.
    fn emit(&mut self, out: &mut Vec<u8>) -> bool;
}

/// A conversation with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Tcp,
    Udp,
}

/// Something that starts sources as time goes by.
pub(super) trait Cause {
    /// When it next does; `None` if no more.
    fn at(&self) -> Option<u64>;
    /// Starts sources that begin then or later.
    fn start(&mut self, timeline: &mut Timeline);
}

/// What is open: sources by the time of their next frame.
pub(super) struct Timeline {
    /// Nothing is sent later.
    end: u64,
    /// Conversations that began, by transport.
    pub(super) tcp: u64,
    pub(super) udp: u64,
    next: BinaryHeap<Reverse<(u64, u64, usize)>>,
    sources: Vec<Option<Box<dyn Source>>>,
    free: Vec<usize>,
    serial: u64,
}

impl Timeline {
    /// Ends at `end`, in microseconds of the epoch.
    pub(super) fn until(end: u64) -> Self {
        Self {
            end,
            tcp: 0,
            udp: 0,
            next: BinaryHeap::new(),
            sources: Vec::new(),
            free: Vec::new(),
            serial: 0,
        }
    }

    pub(super) fn add(&mut self, source: impl Source + 'static) {
        self.serial += 1;
        let at = source.at();
        if at > self.end {
            return;
        }
        match source.flow() {
            Some(Flow::Tcp) => self.tcp += 1,
            Some(Flow::Udp) => self.udp += 1,
            None => {}
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sources.push(None);
            self.sources.len() - 1
        });
        self.sources[slot] = Some(Box::new(source));
        self.next.push(Reverse((at, self.serial, slot)));
    }

    /// Writes everything that is there and that `cause` starts.
    pub(super) fn run(&mut self, cause: &mut dyn Cause, writer: &mut Writer) -> io::Result<()> {
        let mut frame = Vec::with_capacity(2_048);
        loop {
            let now = self.next.peek().map(|Reverse((at, ..))| *at);
            if let Some(at) = cause.at().filter(|at| *at <= self.end)
                && now.is_none_or(|now| at <= now)
            {
                cause.start(self);
                continue;
            }
            let Some(Reverse((at, serial, slot))) = self.next.pop() else { return Ok(()) };
            let Some(source) = self.sources[slot].as_mut().filter(|_| at <= self.end) else { continue };
            let more = source.emit(&mut frame);
            writer.frame(at, &frame)?;
            if more {
                self.next.push(Reverse((source.at().max(at), serial, slot)));
            } else {
                self.sources[slot] = None;
                self.free.push(slot);
            }
        }
    }
}
