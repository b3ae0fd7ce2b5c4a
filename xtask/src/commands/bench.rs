//! `cargo xtask bench`.
use crate::workspace::Workspace;
use anyhow::Result;
use clap::Subcommand;
#[derive(Debug, Subcommand)]
pub enum Command {
    /// x
    Overhead,
}
pub fn run(_: &Workspace, _: &Command) -> Result<()> {
    Ok(())
}
