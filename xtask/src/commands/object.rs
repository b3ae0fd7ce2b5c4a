//! `cargo xtask object`.

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::object::elf::Object;
use crate::object::{OBJECT, build, manifest, verify};
use crate::workspace::Workspace;

/// What to do with the object.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile probe-ebpf and write the object and its manifest
    Build,
    /// Compare the object with its manifest, the manifest with the sources, and the object with a rebuild
    Verify,
    /// Print what the object holds: licence, maps, globals, disassembly
    Show {
        /// Another object than the committed one
        file: Option<std::path::PathBuf>,
    },
}

/// Runs `cargo xtask object`.
pub fn run(workspace: &Workspace, command: &Command) -> Result<()> {
    match command {
        Command::Build => build::run(workspace),
        Command::Verify => {
            verify::semantic(workspace)?;
            if let Some(line) = rebuild(workspace)? {
                println!("{line}");
            }
            Ok(())
        }
        Command::Show { file } => {
            let bytes = match file {
                Some(file) => {
                    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?
                }
                None => verify::read(workspace)?,
            };
            print!("{}", manifest::dump(&Object::parse(&bytes).context(OBJECT)?)?);
            Ok(())
        }
    }
}

/// The rebuild gate; the line that reports a skip, if it was skipped.
pub fn rebuild(workspace: &Workspace) -> Result<Option<String>> {
    Ok(verify::rebuild(workspace)?.map(|reason| format!("SKIPPED object rebuild: {reason}")))
}
