//! `wireclaim profile`: what is declared, in words and as rules, and what is wrong with it.

use super::Exit;
use super::args::ProfileCommand;
use crate::error::Result;

pub(super) fn run(command: ProfileCommand) -> Result<Exit> {
    match command {
        ProfileCommand::Show(args) => super::show::run(&args),
        ProfileCommand::Lint(args) => super::lint::run(&args),
        ProfileCommand::Import(args) => super::mud::import(&args),
        ProfileCommand::Export(args) => super::mud::export(&args),
    }
}
