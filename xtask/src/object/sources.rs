//! Whether the object belongs to the sources that are here: a digest of everything that decides its bytes,
//! computed without any BPF toolchain.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use crate::sha256;
use crate::workspace::{self, Workspace};

/// Folders whose every file counts.
const FOLDERS: [&str; 2] = ["probe-ebpf/src", "probe-common/src"];
/// Files that count.
const FILES: [&str; 2] = ["probe-ebpf/Cargo.toml", "probe-common/Cargo.toml"];
/// Packages of `Cargo.lock` whose version counts: what is compiled into the object, and its macros.
const PACKAGES: &str = "aya-ebpf";

/// The digest of the probes' sources, their manifests, the build profile and the locked versions of the
/// libraries inside the object. Names and lengths are part of it, so that moving text between files shows.
pub fn hash(workspace: &Workspace) -> Result<String> {
    let mut names: Vec<String> = FILES.map(str::to_owned).to_vec();
    for folder in FOLDERS {
        workspace::walk(workspace.root(), folder, &mut names)?;
    }
    names.sort();
    let mut list = String::new();
    for name in names {
        let text = fs::read(workspace.path(&name)).with_context(|| format!("cannot read {name}"))?;
        let _ = writeln!(list, "{name} {}", sha256::hex(&text));
    }
    let lock = fs::read_to_string(workspace.path("Cargo.lock")).context("cannot read Cargo.lock")?;
    for (name, version) in locked(&lock).filter(|(name, _)| name.starts_with(PACKAGES)) {
        let _ = writeln!(list, "{name} {version}");
    }
    let root = fs::read_to_string(workspace.path("Cargo.toml")).context("cannot read Cargo.toml")?;
    for profile in ["[profile.release]", "[profile.bpf]"] {
        list.push_str(&table(&root, profile));
    }
    Ok(sha256::hex(list.as_bytes()))
}

/// Name and version of every package of a `Cargo.lock`.
fn locked(lock: &str) -> impl Iterator<Item = (&str, &str)> {
    lock.split("[[package]]").filter_map(|block| {
        let value = |key: &str| {
            block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
        };
        Some((value("name")?, value("version")?))
    })
}

/// The settings under `header` of a TOML file, without comments and blank lines.
fn table(text: &str, header: &str) -> String {
    let settings = text.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    let settings = settings.take_while(|line| !line.starts_with('['));
    let settings = settings.filter(|line| !line.is_empty() && !line.starts_with('#'));
    settings.fold(format!("{header}\n"), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::object::manifest::Manifest;

    /// The freshness gate of the committed object: it needs no BPF toolchain and runs with plain `cargo test`.
    /// It fails, rather than being skipped, when the manifest is missing: without the object nothing is traced.
    #[test]
    fn the_committed_object_was_built_from_these_sources() {
        let workspace = Workspace::above(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let manifest = Manifest::read(&workspace).unwrap();
        assert_eq!(
            manifest.sources_sha256,
            hash(&workspace).unwrap(),
            "probe sources changed, run `cargo xtask object build`"
        );
    }

    fn example() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\n[profile.bpf]\n# why\nlto = \"fat\"\n\n[profile.dev]\ndebug = 1\n");
        write(
            "Cargo.lock",
            "[[package]]\nname = \"aya-ebpf\"\nversion = \"0.2.1\"\n\n[[package]]\nname = \"nix\"\nversion = \"0.31.1\"\n",
        );
        write("probe-ebpf/Cargo.toml", "");
        write("probe-common/Cargo.toml", "");
        write("probe-ebpf/src/main.rs", "one");
        write("probe-common/src/lib.rs", "two");
        directory
    }

    fn hash_after(change: impl Fn(&Path)) -> (String, String) {
        let directory = example();
        let workspace = Workspace::above(directory.path()).unwrap();
        let before = hash(&workspace).unwrap();
        change(directory.path());
        (before, hash(&workspace).unwrap())
    }

    fn replace(path: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from} is not in {}", path.display());
        fs::write(path, text.replace(from, to)).unwrap();
    }

    #[test]
    fn whatever_decides_the_bytes_changes_the_hash() {
        let changes: [fn(&Path); 5] = [
            |root| fs::write(root.join("probe-ebpf/src/main.rs"), "three").unwrap(),
            |root| fs::write(root.join("probe-common/src/new.rs"), "").unwrap(),
            |root| {
                fs::rename(root.join("probe-ebpf/src/main.rs"), root.join("probe-ebpf/src/other.rs")).unwrap()
            },
            |root| replace(&root.join("Cargo.lock"), "0.2.1", "0.2.2"),
            |root| replace(&root.join("Cargo.toml"), "fat", "thin"),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let (before, after) = hash_after(change);
            assert_ne!(before, after, "change {index} went unnoticed");
        }
    }

    #[test]
    fn what_does_not_decide_the_bytes_leaves_the_hash() {
        let changes: [fn(&Path); 3] = [
            |root| replace(&root.join("Cargo.lock"), "0.31.1", "0.31.2"),
            |root| replace(&root.join("Cargo.toml"), "debug = 1", "debug = 2"),
            |root| replace(&root.join("Cargo.toml"), "# why", "# because"),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let (before, after) = hash_after(change);
            assert_eq!(before, after, "change {index} asks for a rebuild");
        }
    }
}
