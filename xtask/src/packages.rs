//! What must be installed, and what of it is missing here.

use std::path::{Path, PathBuf};

use crate::object::toolchain;
use crate::workspace::{self, Workspace};

/// Release of bpf-linker that builds the committed object.
pub const BPF_LINKER: &str = "0.13.0";
/// The LLVM that Debian's rustc-web and bpf-linker share.
pub const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// What a group of packages is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Tests run them.
    Tests,
    /// Rebuilding the eBPF object; nothing else needs them, the object is committed.
    Object,
    /// `cargo xtask bench` measures them.
    Bench,
}

/// How to see that a package is installed, whoever installed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// A program in `PATH`.
    Program(&'static str),
    /// A file or folder.
    File(&'static str),
}

/// A Debian package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Name in Debian and Ubuntu.
    pub name: &'static str,
    /// What it is for.
    pub purpose: Purpose,
    /// What it provides that is used.
    sign: Sign,
}

const fn program(purpose: Purpose, name: &'static str, provides: &'static str) -> Package {
    Package { name, purpose, sign: Sign::Program(provides) }
}

const fn file(purpose: Purpose, name: &'static str, provides: &'static str) -> Package {
    Package { name, purpose, sign: Sign::File(provides) }
}

/// Every package. Where two provide the same program, each stands alone: one suffices.
pub const PACKAGES: &[Package] = &[
    program(Purpose::Tests, "iproute2", "ss"),
    program(Purpose::Tests, "strace", "strace"),
    program(Purpose::Tests, "nginx-light", "nginx"),
    program(Purpose::Tests, "redis-server", "redis-server"),
    program(Purpose::Tests, "nodejs", "node"),
    program(Purpose::Tests, "python3", "python3"),
    program(Purpose::Tests, "wrk", "wrk"),
    program(Purpose::Tests, "apache2-utils", "ab"),
    program(Purpose::Tests, "tmux", "tmux"),
    program(Purpose::Tests, "procps", "ps"),
    program(Purpose::Tests, "bpftool", "bpftool"),
    program(Purpose::Tests, "util-linux", "unshare"),
    program(Purpose::Tests, "bsdutils", "script"),
    program(Purpose::Tests, "groff-base", "groff"),
    file(Purpose::Object, "rustc-web", "/usr/bin/rustc"),
    file(Purpose::Object, "cargo-web", "/usr/bin/cargo"),
    file(Purpose::Object, "libstd-rust-web-dev-bpf", "/usr/lib/rustlib/bpfel-unknown-none/lib"),
    file(Purpose::Object, "llvm-22-dev", "/usr/lib/llvm-22/bin/llvm-config"),
    program(Purpose::Bench, "libbpf-tools", "syscount"),
    program(Purpose::Bench, "bpftrace", "bpftrace"),
    program(Purpose::Bench, "linux-perf", "perf"),
    program(Purpose::Bench, "strace", "strace"),
    program(Purpose::Bench, "hyperfine", "hyperfine"),
];

impl Package {
    /// Whether what it provides is here.
    #[must_use]
    pub fn is_present(&self) -> bool {
        match self.sign {
            Sign::Program(name) => workspace::executable(name).is_some(),
            Sign::File(path) => Path::new(path).exists(),
        }
    }
}

/// The packages of the wanted purposes that are missing, each once.
#[must_use]
pub fn missing(bench: bool) -> Vec<Package> {
    wanted(bench).into_iter().filter(|package| !package.is_present()).collect()
}

/// The packages of the wanted purposes, each once.
#[must_use]
pub fn wanted(bench: bool) -> Vec<Package> {
    let mut wanted: Vec<Package> = Vec::new();
    for package in PACKAGES {
        let listed = wanted.iter().any(|other| other.name == package.name);
        if !listed && (bench || package.purpose != Purpose::Bench) {
            wanted.push(*package);
        }
    }
    wanted
}

/// bpf-linker of the pinned release, if it is here.
#[must_use]
pub fn bpf_linker(workspace: &Workspace) -> Option<PathBuf> {
    let linker = toolchain::linker(workspace)?;
    let version = crate::step::output(crate::step::clean(&linker).arg("--version")).ok()?;
    (version.split_whitespace().last() == Some(BPF_LINKER)).then_some(linker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_asked_for_by_bench_only() {
        assert!(wanted(false).iter().all(|package| package.purpose != Purpose::Bench));
        assert!(wanted(true).iter().any(|package| package.name == "bpftrace"));
    }

    #[test]
    fn each_package_is_listed_once() {
        let mut names: Vec<_> = wanted(true).iter().map(|package| package.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn presence_is_what_the_package_provides() {
        assert!(program(Purpose::Tests, "dash", "sh").is_present());
        assert!(file(Purpose::Tests, "base-files", "/etc").is_present());
        assert!(!program(Purpose::Tests, "nothing", "no-such-program-of-netscope").is_present());
    }
}
