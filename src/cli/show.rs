//! `wireclaim profile show`: what is declared.

use clap::Args;

use super::Exit;
use super::args::BindArgs;
use super::settings;
use crate::error::Result;

/// Which profile, and in which form.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A built-in name (farmbot, electric-imp, smartserver, fortrabbit) or a file
    #[arg(value_name = "PROFILE")]
    profile: String,
    #[command(flatten)]
    bind: BindArgs,
}

pub(super) fn run(args: &ShowArgs) -> Result<Exit> {
    let declaration = settings::declaration(&args.profile, &args.bind)?;
    super::print(&declaration.profile.to_string())?;
    Ok(Exit::Clean)
}
