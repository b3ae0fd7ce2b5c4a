//! The committed eBPF object: how it is built, what it holds, and whether it belongs to the sources.

pub mod build;
pub mod disassembly;
pub mod elf;
pub mod manifest;
pub mod sources;
pub mod toolchain;
pub mod verify;

#[cfg(test)]
mod fixture;

/// The object, relative to the workspace. It lies in the crate that embeds it, so that the crate is complete.
pub const OBJECT: &str = "cli/bpf/netscope.bpf.o";
/// Its manifest, relative to the workspace.
pub const MANIFEST: &str = "cli/bpf/netscope.bpf.manifest.json";
