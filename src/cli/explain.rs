//! `wireclaim explain CODE`: what a finding or a lint means.

use super::Exit;
use crate::checks;
use crate::error::{Error, Result};
use crate::profile::lint;

pub(super) fn run(id: &str) -> Result<Exit> {
    let of_checks = checks::codes().map(|code| (code.id, code.title, code.severity, code.since, code.page));
    let of_lints = lint::codes().map(|code| (code.id, code.title, code.severity, code.since, code.page));
    let known: Vec<_> = of_checks.chain(of_lints).collect();
    let Some((id, title, severity, since, page)) = known.iter().find(|(known, ..)| *known == id) else {
        let near = known
            .iter()
            .map(|(known, ..)| *known)
            .min_by_key(|known| strsim::damerau_levenshtein(known, id))
            .filter(|known| strsim::damerau_levenshtein(known, id) <= known.len() / 2);
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        return Err(Error::Usage(format!("failed to explain `{id}`: no such code{hint}")));
    };
    super::print(&format!(
        "# {id}\n\n{title}. Default severity: {severity}. Since {since}.\n\n{}\n",
        page.trim_end()
    ))?;
    Ok(Exit::Clean)
}
