//! `wireclaim explain CODE`: what a finding means; `wireclaim explain SUITE` is in `explain_tls`.

use super::{Exit, explain_tls};
use crate::checks;
use crate::error::{Error, Result};

pub(super) fn run(id: &str) -> Result<Exit> {
    let Some(code) = checks::codes().find(|code| code.id == id) else {
        if let Some(text) = explain_tls::page(id) {
            super::print(&text)?;
            return Ok(Exit::Clean);
        }
        let near = checks::codes()
            .map(|code| code.id)
            .chain(explain_tls::names())
            .min_by_key(|known| distance(known, id))
            .filter(|known| distance(known, id) <= known.len() / 2);
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        return Err(Error::Usage(format!(
            "failed to explain `{id}`: no such code, cipher suite, group or TLS version{hint}"
        )));
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

/// How far what was typed is from a name; nobody mistypes more than this, and the comparison is quadratic in length.
fn distance(known: &str, typed: &str) -> usize {
    let typed: String = typed.chars().take(80).collect::<String>().to_lowercase();
    strsim::damerau_levenshtein(&known.to_lowercase(), &typed)
}
