//! Arguments to a list of files: each may be a file, a folder (with all below it), a glob or `-`.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// As the user would name it.
    pub(super) path: PathBuf,
    pub(super) origin: Origin,
    pub(super) kind: Kind,
}

/// How a file came into the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The user named it, or a glob did: it has to be a capture.
    Named,
    /// It is in a named folder, where other files may be too.
    Folder,
}

/// What can be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Standard input.
    Stdin,
    /// Can be opened again; this many bytes.
    Regular(u64),
    /// A pipe or device, to be opened once.
    Stream,
}

/// Lists the files that `arguments` mean, in order of the arguments, folders and globs by name. A file
/// that is meant twice is listed once.
pub(super) fn list<P: AsRef<Path>>(arguments: &[P]) -> Result<Vec<Listed>> {
    let mut list = List::default();
    for argument in arguments {
        list.argument(argument.as_ref())?;
    }
    Ok(list.files)
}

#[derive(Default)]
struct List {
    files: Vec<Listed>,
    /// Files by their one true path, so that none is read twice.
    known: BTreeSet<PathBuf>,
}

impl List {
    fn argument(&mut self, argument: &Path) -> Result<()> {
        if argument == Path::new("-") {
            if self.known.insert(argument.to_owned()) {
                let path = argument.to_owned();
                self.files.push(Listed { path, origin: Origin::Named, kind: Kind::Stdin });
            }
            return Ok(());
        }
        match (fs::metadata(argument), argument.to_str()) {
            (Ok(metadata), _) => self.named(argument, &metadata),
            // A file of that very name is preferred; only what does not exist can be a pattern.
            (Err(error), Some(pattern))
                if error.kind() == std::io::ErrorKind::NotFound && pattern.contains(['*', '?', '[']) =>
            {
                self.glob(pattern)
            }
            (Err(source), _) => Err(failed(argument, source)),
        }
    }

    fn glob(&mut self, pattern: &str) -> Result<()> {
        let paths = glob::glob(pattern)
            .map_err(|_| {
                Error::Usage(format!(
                    "failed to read `{pattern}`: there is no such file, and it is no pattern (`*` stands for any letters, `**` for \
                     any folders, `?` for one letter, `[a-z]` for one of these)"
                ))
            })?;
        let mut matches = 0_u64;
        for path in paths {
            let path = path.map_err(|error| {
                let path = error.path().to_owned();
                Error::Io { action: "read", path, source: error.into() }
            })?;
            let metadata = fs::metadata(&path).map_err(|source| failed(&path, source))?;
            self.named(&path, &metadata)?;
            matches = matches.saturating_add(1);
        }
        if matches == 0 {
            return Err(Error::Usage(format!("failed to find a file that matches `{pattern}`")));
        }
        Ok(())
    }

    fn named(&mut self, path: &Path, metadata: &Metadata) -> Result<()> {
        if metadata.is_dir() {
            return self.folder(path);
        }
        let kind = if metadata.is_file() { Kind::Regular(metadata.len()) } else { Kind::Stream };
        self.add(path, Origin::Named, kind)
    }

    /// All regular files below `path`. Links to folders are not followed, so it comes to an end; pipes and
    /// devices are left alone, because opening one may wait for ever.
    fn folder(&mut self, path: &Path) -> Result<()> {
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).map_err(|source| failed(&folder, source))?;
            let mut paths = Vec::new();
            for entry in entries {
                paths.push(entry.map_err(|source| failed(&folder, source))?.path());
            }
            paths.sort();
            let mut below = Vec::new();
            for path in paths {
                let link = fs::symlink_metadata(&path).map_err(|source| failed(&path, source))?;
                if link.is_dir() {
                    below.push(path);
                } else if let Ok(metadata) = fs::metadata(&path)
                    && metadata.is_file()
                {
                    self.add(&path, Origin::Folder, Kind::Regular(metadata.len()))?;
                }
            }
            folders.extend(below.into_iter().rev());
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, origin: Origin, kind: Kind) -> Result<()> {
        let one_path = match kind {
            Kind::Regular(_) => fs::canonicalize(path).map_err(|source| failed(path, source))?,
            Kind::Stream | Kind::Stdin => path.to_owned(),
        };
        if self.known.insert(one_path) {
            self.files.push(Listed { path: path.to_owned(), origin, kind });
        } else if origin == Origin::Named
            && let Some(listed) = self.files.iter_mut().find(|listed| listed.path == path)
        {
            // First met in its folder, then named: it has to be a capture.
            listed.origin = origin;
        }
        Ok(())
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Io { action: "read", path: path.to_owned(), source }
}

/// What each capture is called in reports: its file name, with as many folders before it as tell it apart
/// from all others of that name.
pub(super) fn names(paths: &[PathBuf]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths
        .iter()
        .map(|path| path.iter().map(|part| part.to_string_lossy().into_owned()).collect())
        .collect();
    let mut names: Vec<String> = parts.iter().map(|parts| suffix(parts, 1)).collect();
    let longest = parts.iter().map(Vec::len).max().unwrap_or(1);
    for count in 2..=longest {
        let mut known = BTreeSet::new();
        let twice: BTreeSet<String> =
            names.iter().filter(|name| !known.insert(name.as_str())).cloned().collect();
        if twice.is_empty() {
            break;
        }
        for (name, parts) in names.iter_mut().zip(&parts) {
            if twice.contains(name) {
                *name = suffix(parts, count);
            }
        }
    }
    names
}

fn suffix(parts: &[String], count: usize) -> String {
    parts.get(parts.len().saturating_sub(count)..).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn listed(folder: &tempfile::TempDir, arguments: &[&str]) -> Result<Vec<(String, Origin)>> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|argument| folder.path().join(argument)).collect();
        let relative = |path: &Path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
        Ok(list(&arguments)?.iter().map(|listed| (relative(&listed.path), listed.origin)).collect())
    }

    #[test]
    fn folders_are_read_with_all_below_them_in_order_of_names() {
        let folder = folder(&["x/b.pcap", "x/a/z", "x/a/y/1", "x/c", "a.pcap"]);
        let found = listed(&folder, &["x", "a.pcap"]).unwrap();
        let names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["x/b.pcap", "x/c", "x/a/z", "x/a/y/1", "a.pcap"]);
        assert_eq!(found[0].1, Origin::Folder);
        assert_eq!(found[4].1, Origin::Named);
    }

    #[test]
    fn globs_name_files_and_a_pattern_without_match_is_an_error() {
        let folder = folder(&["2.pcap", "1.pcap", "1.txt", "[odd].pcap"]);
        let found = listed(&folder, &["[12].pcap"]).unwrap();
        assert_eq!(found, [("1.pcap".into(), Origin::Named), ("2.pcap".into(), Origin::Named)]);
        assert_eq!(listed(&folder, &["[odd].pcap"]).unwrap().len(), 1, "a file of that very name is meant");
        assert!(matches!(listed(&folder, &["*.none"]), Err(Error::Usage(_))));
        assert!(matches!(listed(&folder, &["none.pcap"]), Err(Error::Io { .. })));
    }

    #[test]
    fn a_file_meant_twice_is_read_once_and_counts_as_named() {
        let folder = folder(&["d/a.pcap", "d/b.pcap"]);
        let found = listed(&folder, &["d", "d/b.pcap", "d/../d/a.pcap"]).unwrap();
        assert_eq!(found, [("d/a.pcap".into(), Origin::Folder), ("d/b.pcap".into(), Origin::Named)]);
        assert_eq!(list(&["-", "-"]).unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_do_not_make_it_run_in_circles() {
        let folder = folder(&["d/a.pcap"]);
        std::os::unix::fs::symlink(folder.path().join("d"), folder.path().join("d/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("d/dangling")).unwrap();
        assert_eq!(listed(&folder, &["d"]).unwrap().len(), 1);
    }

    #[test]
    fn names_are_as_short_as_they_can_be_told_apart() {
        let paths = ["a/x.pcap", "b/x.pcap", "y.pcap", "q/b/x.pcap", "-"].map(PathBuf::from);
        assert_eq!(names(&paths), ["a/x.pcap", "b/x.pcap", "y.pcap", "q/b/x.pcap", "-"]);
        assert_eq!(names(&[PathBuf::from("/tmp/a/x.pcap")]), ["x.pcap"]);
    }
}
