//! Where a report goes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A place to write one report to, tried before the analysis starts so that a bad path fails early.
#[derive(Debug)]
pub struct Output {
    sink: Sink,
    path: PathBuf,
}

#[derive(Debug)]
enum Sink {
    Standard,
    /// A file that was there, a pipe, a device.
    Open(File),
    /// A file that is made when there is something to write.
    New,
}

impl Output {
    /// Opens `path`, or makes sure that the file can be made there; `None` and `-` are standard output. Until
    /// [`Output::write`] a file holds what it held, and one that is new is not there: an analysis that fails does not
    /// cost the previous report and leaves no empty one, however it ends. Named pipes and devices are opened like files
    /// (a named pipe waits for its reader).
    pub fn create(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self { sink: Sink::Standard, path: PathBuf::from("standard output") });
        };
        let sink = match OpenOptions::new().write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => can_be_made(path).map(|()| Sink::New),
            opened => opened.map(Sink::Open),
        };
        match sink {
            Ok(sink) => Ok(Self { sink, path: path.to_owned() }),
            Err(source) => Err(Error::Io { action: "create", path: path.to_owned(), source }),
        }
    }

    /// Writes everything that `fill` writes, in place of what was there. A reader that has gone away (closed
    /// pipe) is no error: it has seen all it wanted.
    pub fn write(self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let Self { sink, path } = self;
        let written = match sink {
            Sink::Standard => fill_sink(io::stdout().lock(), fill),
            Sink::Open(file) => empty(&file).and_then(|()| fill_sink(file, fill)),
            Sink::New => File::create(&path).and_then(|file| fill_sink(file, fill)),
        };
        written.map_err(|source| Error::Io { action: "write", path, source })
    }
}

/// Makes the file and takes it away again.
fn can_be_made(path: &Path) -> io::Result<()> {
    match File::create_new(path) {
        Ok(_) => std::fs::remove_file(path),
        // A link to where no file is, or somebody was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the content of a regular file; pipes and devices have none.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

fn fill_sink(sink: impl Write, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, UntilClosed { sink, closed: false, failed: None });
    let filled = fill(&mut out).and_then(|()| out.flush());
    filled.map_err(|error| out.get_ref().failed.map_or(error, io::Error::from_raw_os_error))
}

/// Swallows what is written after the reader has closed its end.
#[derive(Debug)]
struct UntilClosed<W> {
    sink: W,
    closed: bool,
    /// What the system said, which a library that writes for us tells in words of its own.
    failed: Option<i32>,
}

impl<W: Write> UntilClosed<W> {
    fn attempt<T>(&mut self, done: T, act: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.closed {
            return Ok(done);
        }
        match act(&mut self.sink) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(done)
            }
            Err(error) => {
                self.failed = self.failed.or(error.raw_os_error());
                Err(error)
            }
            done => done,
        }
    }
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |sink| sink.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_path_fails_at_once_and_names_itself() {
        let error = Output::create(Some(Path::new("/nonexistent/folder/x.csv"))).unwrap_err().to_string();
        assert!(error.starts_with("failed to create `/nonexistent/folder/x.csv`: "), "{error}");
    }

    #[test]
    fn the_previous_report_stays_until_the_new_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "a longer previous report").unwrap();
        let output = Output::create(Some(&path)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a longer previous report");
        output.write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_new_file_is_there_once_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let output = Output::create(Some(&path)).unwrap();
        assert!(!path.exists());
        output.write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_where_no_file_is_yet_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let output = Output::create(Some(&path)).unwrap();
        output.write(|out| out.write_all(b"new")).unwrap();
        assert!(path.is_symlink());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn a_device_can_be_written_to() {
        let output = Output::create(Some(Path::new("/dev/null"))).unwrap();
        output.write(|out| out.write_all(b"gone")).unwrap();
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_other_failures_are() {
        struct Failing(ErrorKind);
        impl Write for Failing {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        let much = |out: &mut dyn Write| (0..4_000).try_for_each(|_| out.write_all(&[b'x'; 100]));
        fill_sink(Failing(ErrorKind::BrokenPipe), much).unwrap();
        assert_eq!(
            fill_sink(Failing(ErrorKind::StorageFull), much).unwrap_err().kind(),
            ErrorKind::StorageFull
        );
    }
}
