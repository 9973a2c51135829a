//! Waivers on the command line: which files, what became of them, and the file that is drafted.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::checks;
use crate::error::{Error, Result};
use crate::model::stats::CaptureInfo;
use crate::model::text::printable;
use crate::model::text::{counted, grouped};
use crate::model::{Date, Finding};
use crate::pipeline::waive::Use;
use crate::profile::waivers::{self, Codes, Waiver};
use crate::report::{View, draft};

/// The codes that a waiver may name.
pub(super) fn waivable() -> Vec<&'static str> {
    checks::codes().map(|code| code.id).filter(|id| checks::is_waivable(id)).collect()
}

/// The waivers of these files, in their order.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Waiver>> {
    let waivable = waivable();
    let never: Vec<_> = checks::codes().map(|code| code.id).filter(|id| !checks::is_waivable(id)).collect();
    let codes = Codes { waivable: &waivable, never: &never };
    let files = paths.iter().map(|path| waivers::from_file(path, codes));
    let waivers = files.collect::<Result<Vec<_>>>()?.concat();
    waivers::refuse_twins(&waivers)?;
    Ok(waivers)
}

/// How many waivers did what, then each that did nothing.
pub(super) fn lines(waivers: &[Waiver], uses: &[Use]) -> Vec<String> {
    if waivers.is_empty() {
        return Vec::new();
    }
    let used = uses.iter().filter(|used| !used.expired && used.rows > 0).count() as u64;
    let rows = uses.iter().filter(|used| !used.expired).map(|used| used.rows).sum();
    let told = |(waiver, used): (&Waiver, &Use)| {
        let Waiver { id, owner, expires, .. } = waiver;
        match (used.expired, used.rows) {
            (true, 0) => {
                Some(format!("{id} (owner {owner}) expired on {expires} and covers nothing: it can go"))
            }
            (true, rows) => Some(format!(
                "{id} (owner {owner}) expired on {expires}: {} not waived any more",
                if rows == 1 {
                    String::from("1 finding is")
                } else {
                    format!("{} findings are", grouped(rows))
                }
            )),
            (false, 0) => Some(format!("{id} (owner {owner}) is unused: nothing in this capture fits it")),
            (false, _) => None,
        }
    };
    let mut told: Vec<String> = waivers.iter().zip(uses).filter_map(told).collect();
    let more = told.len().saturating_sub(MAX_TOLD);
    told.truncate(MAX_TOLD);
    if more > 0 {
        told.push(format!("{} more did nothing or have expired", grouped(more as u64)));
    }
    let all = counted(waivers.len() as u64, "waiver");
    let first = format!("{} waived by {} of {all}", counted(rows, "finding"), grouped(used));
    std::iter::once(first).chain(told).collect()
}

/// Waivers that are named in the summary.
const MAX_TOLD: usize = 20;

/// A file for waivers that are still to be written.
pub(super) struct Draft<'p>(&'p Path);

impl<'p> Draft<'p> {
    /// Refuses a file that is there, and one in a folder that is not, before the analysis: what people
    /// have filled in is not written over.
    pub(super) fn to(path: &'p Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::Usage(format!(
                "failed to write the waivers `{}`: there is no folder `{}`",
                path.display(),
                folder.display()
            )));
        }
        match path.symlink_metadata() {
            Ok(_) => Err(Error::Usage(format!(
                "failed to write the waivers `{}`: the file exists (name a new one, and put together what you want to keep)",
                path.display()
            ))),
            Err(_) => Ok(Self(path)),
        }
    }

    /// Writes one waiver for each of `findings` that can be waived, if there are any; says what it did. `known` are the
    /// waivers that are there already.
    pub(super) fn write(
        &self,
        mut findings: Vec<&Finding>,
        known: &[Waiver],
        today: Option<Date>,
        captures: &[CaptureInfo],
    ) -> Result<String> {
        let path = self.0;
        let name = printable(&path.display().to_string());
        findings.retain(|finding| checks::is_waivable(finding.code));
        let Some(today) = today.filter(|_| !findings.is_empty()) else {
            return Ok(format!("no finding that can be waived reaches the gate: `{name}` is not written"));
        };
        let known = known.iter().map(|waiver| waiver.id.as_str()).collect();
        let view = View { captures, ..View::default() };
        let text = draft::waivers(&findings, &view, today.plus_days(DRAFT_DAYS), &known);
        let io = |action| move |source| Error::Io { action, path: path.to_owned(), source };
        let mut file = File::create_new(path).map_err(io("create"))?;
        file.write_all(text.as_bytes()).map_err(io("write"))?;
        let count = counted(findings.len() as u64, "waiver");
        Ok(format!("{count} drafted in `{name}`: fill in reason and owner before you use it"))
    }
}

/// How long a drafted waiver is valid.
const DRAFT_DAYS: u32 = 90;
