//! Files that people name beside captures: profiles, inventories, waivers, policies, lists, tables, key logs. Opening one
//! never waits, and reading one comes to an end.
//!
//! What is read is a regular file, or a pipe that the shell hands over: `<(command)`, which is `/dev/fd/N`, and
//! `/dev/stdin`. A pipe of that kind has somebody who writes to it, and ends with him. A named pipe may have nobody, and
//! a device may have no end.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// Opens what is to be read.
///
/// # Errors
/// That of the system, or one that says what `path` is, where that is no file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match refused(std::fs::metadata(path)?.file_type(), path) {
        Some(what) => Err(io::Error::other(what)),
        None => File::open(path),
    }
}

/// Up to `most` bytes and one more, which tells that there are more.
///
/// # Errors
/// As [`open`].
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file of at most `most` bytes; `what` is what messages call it.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Profile`] where it is too long or no UTF-8.
pub(crate) fn text(path: &Path, most: u64, what: &str) -> Result<String> {
    let bytes =
        read(path, most).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })?;
    utf8(bytes, most)
        .map_err(|why| Error::Profile(format!("failed to load the {what} `{}`: {why}", path.display())))
}

/// Bytes as text; the error is a clause.
pub(crate) fn utf8(bytes: Vec<u8>, most: u64) -> std::result::Result<String, String> {
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {} MiB, and no more is read", most >> 20));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = before.filter(|byte| **byte == b'\n').count().saturating_add(1);
        format!("line {line} is not UTF-8 (save it as UTF-8)")
    })
}

/// Why something of this type is not opened; `None` where it is.
fn refused(kind: FileType, path: &Path) -> Option<&'static str> {
    if kind.is_file() {
        return None;
    }
    if kind.is_dir() {
        return Some("it is a folder (name a file in it)");
    }
    special(kind, path)
}

#[cfg(unix)]
fn special(kind: FileType, path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    // What is open already is shown below these, and by this link.
    let open = path.starts_with("/dev/fd") || path.starts_with("/proc") || path == Path::new("/dev/stdin");
    if kind.is_fifo() && open {
        None
    } else if kind.is_fifo() {
        Some(
            "it is a named pipe, and perhaps nobody writes to it (name a file, or use `<(command)` or /dev/stdin)",
        )
    } else if kind.is_socket() {
        Some("it is a socket (name a file)")
    } else {
        Some("it is a device (name a file)")
    }
}

#[cfg(not(unix))]
fn special(_: FileType, _: &Path) -> Option<&'static str> {
    Some("it is no file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_as_one_and_a_long_file_is_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path()).unwrap_err().to_string().starts_with("it is a folder"));
        let path = folder.path().join("x");
        std::fs::write(&path, vec![b'x'; 5 << 20]).unwrap();
        assert_eq!(read(&path, 4 << 20).unwrap().len(), (4 << 20) + 1);
        let error = text(&path, 4 << 20, "waivers").unwrap_err().to_string();
        assert!(error.ends_with("x`: it has more than 4 MiB, and no more is read"), "{error}");
    }

    #[test]
    fn text_that_is_cut_in_a_letter_is_too_long_and_not_of_another_encoding() {
        assert_eq!(utf8("aé".into(), 2), Err("it has more than 0 MiB, and no more is read".into()));
        assert_eq!(utf8(b"a\nb\xff".to_vec(), 9), Err("line 2 is not UTF-8 (save it as UTF-8)".into()));
    }

    #[cfg(unix)]
    #[test]
    fn what_never_ends_or_never_begins_is_not_opened() {
        for device in ["/dev/zero", "/dev/null"] {
            assert!(
                open(Path::new(device)).unwrap_err().to_string().starts_with("it is a device"),
                "{device}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(open(&socket).unwrap_err().to_string().starts_with("it is a socket"));
    }
}
