//! `wireclaim explain CODE`: what a finding means.

use super::Exit;
use crate::checks;
use crate::error::{Error, Result};

pub(super) fn run(id: &str) -> Result<Exit> {
    let Some(code) = checks::codes().find(|code| code.id == id) else {
        let near = checks::codes()
            .map(|code| code.id)
            .min_by_key(|known| strsim::damerau_levenshtein(known, id))
            .filter(|known| strsim::damerau_levenshtein(known, id) <= known.len() / 2);
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        return Err(Error::Usage(format!("failed to explain `{id}`: no such code{hint}")));
    };
    super::print(&format!(
        "# {}\n\n{}. Default severity: {}. Since {}.\n\n{}\n",
        code.id,
        code.title,
        code.severity,
        code.since,
        code.page.trim_end()
    ))?;
    Ok(Exit::Clean)
}
