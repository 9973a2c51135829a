//! Operational errors: what keeps a run from starting or from being written.

use std::fmt;
use std::path::PathBuf;

/// Anything that ends a run with exit status 2.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file, folder or stream could not be used.
    Io {
        /// What was attempted: `read`, `create`, …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A named file is no capture.
    NotACapture {
        /// Which.
        path: PathBuf,
        /// What its first bytes look like, as a clause: `it looks like a ZIP archive`.
        looks_like: String,
    },
    /// A named file cannot be read from its first byte on, though it can be opened: it does not unpack.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why, as a clause.
        reason: String,
    },
    /// A profile, or another file that people write, is not valid; the text names file, line, column and key and shows
    /// the line.
    Profile(String),
    /// A discrepancy table that is read back is damaged, or is none.
    Table {
        /// Which.
        path: PathBuf,
        /// Line from 1; zero for the file as a whole.
        line: u64,
        /// The column's name, or empty.
        column: &'static str,
        /// What is wrong and what to do about it, as a clause.
        reason: String,
    },
    /// Options do not fit together or name something unknown.
    Usage(String),
    /// The capture filter could not be compiled.
    Filter {
        /// The filter as given.
        filter: String,
        /// Why not.
        reason: String,
    },
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "failed to {action} `{}`: {source}", path.display())
            }
            Self::NotACapture { path, looks_like } => write!(
                f,
                "failed to read `{}`: not a capture, {looks_like} (expected pcap or pcapng, plain or in gzip, zstd or xz)",
                path.display()
            ),
            Self::Unreadable { path, reason } => write!(f, "failed to read `{}`: {reason}", path.display()),
            Self::Table { path, line, column, reason } => {
                write!(f, "failed to read the table `{}`: ", path.display())?;
                match (line, *column) {
                    (0, _) => f.write_str(reason),
                    (_, "") => write!(f, "line {line}: {reason}"),
                    _ => write!(f, "line {line}, column `{column}`: {reason}"),
                }
            }
            Self::Profile(text) | Self::Usage(text) => f.write_str(text),
            Self::Filter { filter, reason } => {
                write!(f, "failed to compile the filter `{filter}`: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
