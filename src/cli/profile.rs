//! `wireclaim profile`: what is declared, in words and as rules, and what is wrong with it.

use super::Exit;
use super::args::ProfileCommand;
use crate::error::Result;
use crate::profile::json_schema;

pub(super) fn run(command: ProfileCommand) -> Result<Exit> {
    match command {
        ProfileCommand::Show(args) => super::show::run(&args),
        ProfileCommand::Lint(args) => super::lint::run(&args),
        ProfileCommand::Schema => {
            super::print(&json_schema())?;
            Ok(Exit::Clean)
        }
        ProfileCommand::Import(args) => super::mud::import(&args),
        ProfileCommand::Export(args) => super::mud::export(&args),
    }
}
