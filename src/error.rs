//! Operational errors: what keeps a run from starting or from being written.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

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
                write!(f, "failed to {action} `{}`: {}", path.display(), reason(source))?;
                match path.parent().filter(|_| source.kind() == ErrorKind::NotFound) {
                    Some(folder) if *action == "create" && folder != Path::new("") => {
                        write!(f, " (is there a folder `{}`?)", folder.display())
                    }
                    _ => Ok(()),
                }
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

/// What the system says, without its number.
pub(crate) fn reason(source: &std::io::Error) -> String {
    let text = source.to_string();
    let number = source.raw_os_error().map(|number| format!(" (os error {number})")).unwrap_or_default();
    text.strip_suffix(&number).unwrap_or(&text).to_owned()
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_quoted_without_its_numbers_and_a_missing_folder_is_named() {
        let failed = |action, path: &str| {
            let source = std::io::Error::from_raw_os_error(2);
            Error::Io { action, path: path.into(), source }.to_string()
        };
        assert_eq!(failed("read", "a/x"), "failed to read `a/x`: No such file or directory");
        assert_eq!(
            failed("create", "a/x"),
            "failed to create `a/x`: No such file or directory (is there a folder `a`?)"
        );
    }
}
