//! `wireclaim profile`: what is declared, in words and as rules, and what is wrong with it.

use super::Exit;
use super::args::{ProfileCommand, SchemaOf};
use crate::error::Result;
use crate::profile::{inventory_schema, json_schema, tls_policy_schema, waivers_schema};

pub(super) fn run(command: ProfileCommand) -> Result<Exit> {
    match command {
        ProfileCommand::Show(args) => super::show::run(&args),
        ProfileCommand::Lint(args) => super::lint::run(&args),
        ProfileCommand::Schema { of } => {
            super::print(&match of {
                SchemaOf::Profile => json_schema(),
                SchemaOf::Inventory => inventory_schema(),
                SchemaOf::TlsPolicy => tls_policy_schema(),
                SchemaOf::Waivers => waivers_schema(&super::waivers::waivable()),
            })?;
            Ok(Exit::Clean)
        }
        ProfileCommand::Import(args) => super::mud::import(&args),
        ProfileCommand::Export(args) => super::mud::export(&args),
    }
}
