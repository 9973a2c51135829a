//! A bar on standard error: bytes of input, rate, time left.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// Draws until dropped.
pub(super) struct Progress {
    stop: Arc<AtomicBool>,
    drawer: Option<JoinHandle<()>>,
}

/// How often the bar is drawn anew.
const TICK: Duration = Duration::from_millis(100);

impl Progress {
    /// Follows `read` towards `total` bytes; without a total (standard input) it spins.
    pub(super) fn start(read: Arc<AtomicU64>, total: Option<u64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let drawer = std::thread::spawn(move || {
            let bar = ProgressBar::with_draw_target(total, target());
            let template = match total {
                Some(_) => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
                None => "{spinner} {bytes} {bytes_per_sec}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            // Drawn at least once, however soon the end comes.
            loop {
                bar.set_position(read.load(Ordering::Relaxed));
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::park_timeout(TICK);
            }
            bar.finish_and_clear();
        });
        Self { stop, drawer: Some(drawer) }
    }
}

/// Standard error; where it is no terminal, `indicatif` would draw nothing there of its own accord.
fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::term_like(Box::new(Plain))
    }
}

/// A pipe or a file that gets what a terminal would get.
#[derive(Debug)]
struct Plain;

impl Plain {
    fn send(text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }
}

impl TermLike for Plain {
    fn width(&self) -> u16 {
        80
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::send(&format!("\x1b[{n}A")) }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::send(&format!("\x1b[{n}B")) }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::send(&format!("\x1b[{n}C")) }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::send(&format!("\x1b[{n}D")) }
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        Self::send(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Self::send(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        Self::send("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            drawer.thread().unpark();
            // A drawer that panicked has drawn its last; the result does not depend on it.
            let _ = drawer.join();
        }
    }
}
