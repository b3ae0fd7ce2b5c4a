//! Whether the committed object is what its manifest says, belongs to the sources, and is fit to be loaded.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::elf::Object;
use super::manifest::{Contents, Manifest, dump};
use super::toolchain::Toolchain;
use super::{OBJECT, build, sources};
use crate::lint::text;
use crate::sha256;
use crate::workspace::Workspace;

/// Lines of a difference that are printed.
const SHOWN: usize = 40;

/// The gate that needs no BPF toolchain: object against manifest, manifest against sources.
pub fn semantic(workspace: &Workspace) -> Result<()> {
    let manifest = Manifest::read(workspace)?;
    let bytes = read(workspace)?;
    let object = Object::parse(&bytes).context(OBJECT)?;
    let mut problems = complaints(&bytes, &object, &private_folders(workspace));
    let contents = Contents::of(&object)?;
    if contents != manifest.contents {
        let lines = difference(&manifest.contents.summary(), &contents.summary());
        problems.push(format!("the object is not the one of the manifest (- manifest, + object):\n{lines}"));
    }
    if sha256::hex(&bytes) != manifest.object_sha256 {
        problems.push("the object's digest is not the one of the manifest".to_owned());
    }
    if sources::hash(workspace)? != manifest.sources_sha256 {
        problems.push("probe sources changed, run `cargo xtask object build`".to_owned());
    }
    if !problems.is_empty() {
        bail!("{OBJECT}: {}", problems.join("\n  "));
    }
    let Contents { programs, maps, .. } = manifest.contents;
    println!(
        "  {OBJECT}: {} programs and functions, {} maps, as in the manifest",
        programs.len(),
        maps.len()
    );
    Ok(())
}

/// The gate that needs the manifest's toolchain: the sources, compiled again, give the same object. Without
/// the toolchain it returns the reason for skipping.
pub fn rebuild(workspace: &Workspace) -> Result<Option<String>> {
    let manifest = Manifest::read(workspace)?;
    let toolchain = match Toolchain::find(workspace) {
        Ok(toolchain) => toolchain,
        Err(reason) => return Ok(Some(format!("{reason:#}"))),
    };
    if toolchain.versions != manifest.toolchain {
        return Ok(Some(format!(
            "the object was built by {}, here is {}",
            manifest.toolchain, toolchain.versions
        )));
    }
    let committed = read(workspace)?;
    let rebuilt = build::compile(workspace, &toolchain)?;
    let before = dump(&Object::parse(&committed).context(OBJECT)?)?;
    let after = dump(&Object::parse(&rebuilt).context("the rebuilt object")?)?;
    if before != after {
        bail!(
            "the sources do not give the committed object (- committed, + rebuilt):\n{}",
            difference(&before, &after)
        );
    }
    if committed == rebuilt {
        println!("  rebuilt: the same bytes");
    } else {
        println!(
            "  warning: rebuilt with the same meaning but other bytes (line numbers in .BTF.ext, as a rule)"
        );
    }
    Ok(None)
}

/// The committed object.
pub fn read(workspace: &Workspace) -> Result<Vec<u8>> {
    fs::read(workspace.path(OBJECT))
        .with_context(|| format!("cannot read {OBJECT}, run `cargo xtask object build`"))
}

/// Why the object must not be shipped, whatever its manifest says; empty when it may. `private` are folders of
/// this machine, see [`private_folders`].
#[must_use]
pub fn complaints(bytes: &[u8], object: &Object, private: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    for symbol in &object.symbols {
        // Mangled names spell core::fmt with lengths.
        if ["panic", "core::fmt", "4core3fmt"].iter().any(|word| symbol.name.contains(word)) {
            complaints.push(format!(
                "symbol {} is panicking code: the kernel would refuse its endless loop",
                symbol.name
            ));
        }
        if symbol.undefined {
            complaints.push(format!("symbol {} is undefined: no loader would find it", symbol.name));
        }
    }
    let folders =
        text::PRIVATE.into_iter().chain(["registry/src/"]).chain(private.iter().map(String::as_str));
    for folder in folders {
        if bytes.windows(folder.len()).any(|window| window == folder.as_bytes()) {
            complaints
                .push(format!("a file name holds {folder}: the object depends on the machine that built it"));
        }
    }
    complaints
}

/// Folders of this machine that must not be named in the object.
#[must_use]
pub fn private_folders(workspace: &Workspace) -> Vec<String> {
    let home = ["HOME", "CARGO_HOME", "RUSTUP_HOME"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    home.chain([workspace.root().to_path_buf()])
        .filter(|folder| folder.components().count() > 1)
        .map(|folder| format!("{}/", folder.display()))
        .collect()
}

/// The lines by which two texts differ, without the equal ones around them, at most forty of each.
#[must_use]
pub fn difference(before: &str, after: &str) -> String {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let start = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let rest = before.len().min(after.len()) - start;
    let end = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    for (sign, lines) in [('-', &before), ('+', &after)] {
        let changed = lines.get(start..lines.len() - end).unwrap_or_default();
        for line in changed.iter().take(SHOWN) {
            text.push_str(&format!("    {sign} {line}\n"));
        }
        if changed.len() > SHOWN {
            text.push_str(&format!("    {sign} and {} lines more\n", changed.len() - SHOWN));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::fixture;

    #[test]
    fn a_clean_object_has_no_complaints() {
        let bytes = fixture::object();
        assert_eq!(complaints(&bytes, &Object::parse(&bytes).unwrap(), &["/srv/".to_owned()]), [""; 0]);
    }

    #[test]
    fn panicking_code_undefined_symbols_and_private_folders_are_refused() {
        let mut bytes = fixture::object();
        let mut object = Object::parse(&bytes).unwrap();
        object.symbols[1].name = "_ZN4core9panicking5panic17h0E".to_owned();
        object.symbols[2].name = "_ZN4core3fmt9Formatter3pad17h0E".to_owned();
        object.symbols[3].undefined = true;
        bytes.extend_from_slice(format!("{}somebody/main.rs", text::PRIVATE[0]).as_bytes());
        bytes.extend_from_slice(b"/srv/netscope");
        let complaints = complaints(&bytes, &object, &["/srv/".to_owned()]);
        assert_eq!(complaints.len(), 5, "{complaints:?}");
    }

    #[test]
    fn differences_leave_out_what_is_equal() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "    - b\n    + x\n    + y\n");
        assert_eq!(difference("a\na\n", "a\na\na\n"), "    + a\n");
        assert_eq!(difference("same\n", "same\n"), "");
    }

    #[test]
    fn long_differences_are_cut() {
        let long = "line\n".repeat(SHOWN + 2);
        assert!(difference("", &long).ends_with("    + and 2 lines more\n"));
    }
}
