//! `wireclaim profile`: what is declared, in words, and whether a profile is well formed.

use super::Exit;
use super::args::ProfileCommand;
use crate::error::{Error, Result};
use crate::profile::{builtin, json_schema, lint};

pub(super) fn run(command: ProfileCommand) -> Result<Exit> {
    match command {
        ProfileCommand::Show { profile } => {
            super::print(&builtin::open(&profile)?.to_string())?;
            Ok(Exit::Clean)
        }
        ProfileCommand::Schema => {
            super::print(&json_schema())?;
            Ok(Exit::Clean)
        }
        ProfileCommand::Lint { profiles } => lint_all(&profiles),
    }
}

/// Every profile is looked at, also after one that is broken.
fn lint_all(names: &[String]) -> Result<Exit> {
    let mut broken = 0;
    let mut out = String::new();
    for name in names {
        match builtin::open(name) {
            Ok(profile) => out.extend(lint::lint(&profile).iter().map(|note| line(&profile.origin, note))),
            Err(error) => {
                broken += 1;
                super::complain(&error);
            }
        }
    }
    super::print(&out)?;
    if broken > 0 {
        return Err(Error::Usage(format!("{broken} of {} profiles have errors", names.len())));
    }
    Ok(Exit::Clean)
}

/// `farmbot.yaml:12: warning: cleartext-port FB-07a: …`
fn line(origin: &str, note: &lint::Lint) -> String {
    let claims = if note.claims.is_empty() { String::new() } else { format!(" {}", note.claims.join(", ")) };
    format!("{origin}:{}: {}: {}{claims}: {}\n", note.line, note.severity, note.code, note.message)
}
