//! `wireclaim profile`: what is declared, in words, and whether a profile is well formed.

use super::Exit;
use super::args::ProfileCommand;
use crate::error::{Error, Result};
use crate::profile::{builtin, lint};

pub(super) fn run(command: ProfileCommand) -> Result<Exit> {
    match command {
        ProfileCommand::Show { profile } => {
            super::print(&builtin::open(&profile)?.to_string())?;
            Ok(Exit::Clean)
        }
        ProfileCommand::Lint { profiles } => lint_all(&profiles),
    }
}

/// Every profile is looked at, also after one that is broken.
fn lint_all(names: &[String]) -> Result<Exit> {
    let mut broken = 0;
    for name in names {
        match builtin::open(name) {
            Ok(profile) => {
                for note in lint::lint(&profile) {
                    let claims = if note.claims.is_empty() {
                        String::new()
                    } else {
                        format!(" {}", note.claims.join(", "))
                    };
                    super::print(&format!(
                        "{}:{}: {}: {}{claims}: {}\n",
                        profile.origin, note.line, note.severity, note.code, note.message
                    ))?;
                }
            }
            Err(error) => {
                broken += 1;
                super::complain(&error);
            }
        }
    }
    if broken > 0 {
        return Err(Error::Usage(format!("{broken} of {} profiles have errors", names.len())));
    }
    Ok(Exit::Clean)
}
