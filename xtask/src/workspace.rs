//! Where the workspace is, and which files belong to it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The workspace that the current directory belongs to.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Walks up from the current directory to the `Cargo.toml` that has a `[workspace]` table.
    pub fn find() -> Result<Self> {
        let start = env::current_dir().context("cannot read the current directory")?;
        Self::above(&start)
    }

    /// Walks up from `start`. Errors when no directory above holds a workspace.
    pub fn above(start: &Path) -> Result<Self> {
        for directory in start.ancestors() {
            let manifest = directory.join("Cargo.toml");
            if fs::read_to_string(manifest)
                .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
            {
                return Ok(Self { root: directory.to_path_buf() });
            }
        }
        bail!("{} is inside no Cargo workspace: run xtask in the netscope checkout", start.display())
    }

    /// The directory of the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `relative` below the root.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where cargo puts what it builds for the host: `CARGO_TARGET_DIR` or `target`.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), |path| self.root.join(path))
    }

    /// Where `cargo xtask setup` installs the tools that no package manager has.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.path("target/tools")
    }

    /// The files of the project, relative to the root, sorted: tracked by git or not yet added, never ignored.
    /// Without git (a release archive) every file outside `target` and hidden directories of tools.
    pub fn files(&self) -> Result<Vec<String>> {
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(&self.root)
            .output();
        let mut files = match listed {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
                .split('\0')
                .filter(|name| !name.is_empty() && self.path(name).is_file())
                .map(str::to_owned)
                .collect(),
            _ => {
                let mut found = Vec::new();
                walk(&self.root, "", &mut found)?;
                found.retain(|name| !name.starts_with("target/") && !name.starts_with(".git/"));
                found
            }
        };
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Appends every file below `root`/`relative` to `found`, as paths relative to `root`. Symbolic links are not
/// followed.
pub fn walk(root: &Path, relative: &str, found: &mut Vec<String>) -> Result<()> {
    let directory = root.join(relative);
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if relative.is_empty() { name } else { format!("{relative}/{name}") };
        let kind = entry.file_type().with_context(|| format!("cannot stat {path}"))?;
        if kind.is_dir() {
            if relative.is_empty() && (path == "target" || path == ".git") {
                continue;
            }
            walk(root, &path, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// The first directory of `PATH` that holds an executable called `name`, joined with it. The system's
/// administrator directories are searched too: an unprivileged user's `PATH` often lacks them.
#[must_use]
pub fn executable(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

/// Whether `path` is a regular file with an execute bit.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_workspace_above_a_package() {
        let directory = tempfile::tempdir().unwrap();
        let package = directory.path().join("a/src");
        fs::create_dir_all(&package).unwrap();
        fs::write(directory.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
        fs::write(directory.path().join("a/Cargo.toml"), "[package]\n").unwrap();
        assert_eq!(Workspace::above(&package).unwrap().root(), directory.path());
    }

    #[test]
    fn a_directory_outside_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let error = Workspace::above(directory.path()).unwrap_err().to_string();
        assert!(error.contains("run xtask in the netscope checkout"), "{error}");
    }

    #[test]
    fn walking_skips_what_cargo_and_git_own() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["target", ".git", "src/deep"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
            fs::write(directory.path().join(name).join("file"), "").unwrap();
        }
        let mut found = Vec::new();
        walk(directory.path(), "", &mut found).unwrap();
        assert_eq!(found, ["src/deep/file"]);
    }

    #[test]
    fn executables_are_found_by_name() {
        assert!(executable("sh").is_some_and(|path| is_executable(&path)));
        assert_eq!(executable("no-such-program-of-netscope"), None);
    }
}
