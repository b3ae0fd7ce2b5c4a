//! `cargo xtask setup`.
use crate::workspace::Workspace;
use anyhow::Result;
use clap::Args;
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the list
    #[arg(long)]
    pub print: bool,
}
pub fn run(_: &Workspace, _: &Arguments) -> Result<()> {
    Ok(())
}
