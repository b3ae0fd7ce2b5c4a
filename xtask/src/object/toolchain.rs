//! The compilers that can make the object: Debian's `rustc-web` with its prebuilt `core` for BPF, or rustup's
//! nightly that builds `core` itself; bpf-linker; llvm-strip.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::step;
use crate::workspace::{self, Workspace};

/// The target triple of little-endian BPF.
pub const TARGET: &str = "bpfel-unknown-none";
/// Where a distribution's rustc and cargo lie. Absolute, so that rustup's shims of the same name are not run.
const DISTRIBUTION: [&str; 2] = ["/usr/bin/rustc", "/usr/bin/cargo"];

/// The versions that decide the object's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Release of rustc.
    pub rustc: String,
    /// The LLVM inside rustc.
    pub llvm: String,
    /// Release of bpf-linker.
    pub bpf_linker: String,
}

impl std::fmt::Display for Versions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "rustc {}, LLVM {}, bpf-linker {}", self.rustc, self.llvm, self.bpf_linker)
    }
}

/// Everything that a build needs.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Whether cargo must build `core` itself (rustup's nightly).
    build_core: bool,
    linker: PathBuf,
    /// llvm-strip.
    pub strip: PathBuf,
    /// What the tools call themselves.
    pub versions: Versions,
}

impl Toolchain {
    /// Looks for the tools. The error says which is missing and how to get it.
    pub fn find(workspace: &Workspace) -> Result<Self> {
        let (build_core, verbose) = compiler()?;
        let linker = linker(workspace)
            .context("bpf-linker is neither in target/tools/bin nor in PATH: run `cargo xtask setup`")?;
        let linker_version = step::output(step::clean(&linker).arg("--version"))?;
        let versions = Versions {
            rustc: field(&verbose, "release:")?,
            llvm: field(&verbose, "LLVM version:")?,
            bpf_linker: linker_version.split_whitespace().last().unwrap_or_default().to_owned(),
        };
        let strip = strip(&versions.llvm)
            .context("llvm-strip is neither in /usr/lib/llvm-*/bin nor in PATH: run `cargo xtask setup`")?;
        Ok(Self { build_core, linker, strip, versions })
    }

    /// `cargo build --profile bpf` for the target, with this compiler; the linker's folder is first in `PATH`.
    pub fn cargo_build(&self) -> Result<Command> {
        let mut command = if self.build_core {
            let mut command = step::clean("rustup");
            command.args(["run", "nightly", "cargo", "build", "-Z", "build-std=core"]);
            command
        } else {
            let [rustc, cargo] = DISTRIBUTION;
            let mut command = step::clean(cargo);
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").arg("build");
            command
        };
        command.args(["--profile", "bpf", "--target", TARGET]).env("PATH", path_with(&self.linker)?);
        Ok(command)
    }
}

/// Whether `core` must be built, and the output of `rustc -vV`.
fn compiler() -> Result<(bool, String)> {
    let [rustc, cargo] = DISTRIBUTION.map(Path::new);
    if workspace::is_executable(rustc) && workspace::is_executable(cargo) {
        let sysroot = step::output(step::clean(rustc).args(["--print", "sysroot"]))?;
        if Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir() {
            return Ok((false, step::output(step::clean(rustc).arg("-vV"))?));
        }
    }
    let nightly = |arguments: &[&str]| {
        step::output(step::clean("rustup").args(["run", "nightly", "rustc"]).args(arguments))
    };
    let Ok(sysroot) = nightly(&["--print", "sysroot"]) else {
        bail!(
            "no compiler for {TARGET}: install Debian's rustc-web, cargo-web and libstd-rust-web-dev-bpf, or rustup's nightly with rust-src"
        );
    };
    if !Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir() {
        bail!("rustup's nightly has no rust-src: run `rustup component add rust-src --toolchain nightly`");
    }
    Ok((true, nightly(&["-vV"])?))
}

/// bpf-linker: the one that `cargo xtask setup` installed, or one of `PATH`.
#[must_use]
pub fn linker(workspace: &Workspace) -> Option<PathBuf> {
    let own = workspace.tools().join("bin/bpf-linker");
    if workspace::is_executable(&own) { Some(own) } else { workspace::executable("bpf-linker") }
}

/// llvm-strip of the compiler's own LLVM, or any.
fn strip(llvm: &str) -> Option<PathBuf> {
    let major = llvm.split('.').next().unwrap_or_default();
    let own = PathBuf::from(format!("/usr/lib/llvm-{major}/bin/llvm-strip"));
    if workspace::is_executable(&own) {
        return Some(own);
    }
    workspace::executable(&format!("llvm-strip-{major}")).or_else(|| workspace::executable("llvm-strip"))
}

/// `PATH` with the folder of `program` in front.
fn path_with(program: &Path) -> Result<OsString> {
    let folder = program.parent().unwrap_or(Path::new("/")).to_path_buf();
    let rest = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(env::split_paths(&rest));
    env::join_paths(folders).context("a folder of PATH holds a colon")
}

/// The value after `key` in the output of `rustc -vV`.
fn field(verbose: &str, key: &str) -> Result<String> {
    let value = verbose.lines().find_map(|line| line.strip_prefix(key));
    Ok(value.with_context(|| format!("rustc -vV prints no line \"{key}\""))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_verbose_output() {
        let verbose = "rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(field(verbose, "release:").unwrap(), "1.96.0");
        assert_eq!(field(verbose, "LLVM version:").unwrap(), "22.1.8");
        assert!(field(verbose, "host:").unwrap_err().to_string().contains("host:"));
    }

    #[test]
    fn the_linker_is_found_before_any_other() {
        let path = path_with(Path::new("/opt/tools/bin/bpf-linker")).unwrap();
        assert_eq!(env::split_paths(&path).next(), Some(PathBuf::from("/opt/tools/bin")));
        assert!(path_with(Path::new("/odd:folder/bpf-linker")).is_err());
    }
}
