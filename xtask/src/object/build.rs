//! Compiles probe-ebpf into one object whose bytes depend on sources and toolchain only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::elf::Object;
use super::manifest::{Contents, Manifest};
use super::toolchain::{TARGET, Toolchain};
use super::{MANIFEST, OBJECT, sources, verify};
use crate::sha256;
use crate::step;
use crate::workspace::Workspace;

/// The package of the programs.
const PACKAGE: &str = "probe-ebpf";
/// Its binary.
const BINARY: &str = "probes";

/// Builds the object and its manifest and writes both where they are committed.
pub fn run(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::find(workspace)?;
    println!("  with {}", toolchain.versions);
    // The sources are read before the compiler does: a file saved meanwhile makes the object stale, not wrong.
    let sources_sha256 = sources::hash(workspace)?;
    let bytes = compile(workspace, &toolchain)?;
    let object = Object::parse(&bytes).context("the compiler's output")?;
    let manifest = Manifest {
        toolchain: toolchain.versions,
        sources_sha256,
        object_sha256: sha256::hex(&bytes),
        object_bytes: u64::try_from(bytes.len())?,
        contents: Contents::of(&object)?,
    };
    let complaints = verify::complaints(&bytes, &object, &verify::private_folders(workspace));
    if !complaints.is_empty() {
        bail!("the object is not fit to be committed:\n  {}", complaints.join("\n  "));
    }
    let folder = workspace.path(OBJECT);
    let folder = folder.parent().context("the object has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::write(workspace.path(OBJECT), &bytes).with_context(|| format!("cannot write {OBJECT}"))?;
    manifest.write(workspace)?;
    println!(
        "  {OBJECT}: {} bytes, {} programs and functions, {} maps",
        bytes.len(),
        manifest.contents.programs.len(),
        manifest.contents.maps.len()
    );
    println!("  {MANIFEST}: written");
    Ok(())
}

/// The stripped object as the compiler makes it, in `target/bpf`.
pub fn compile(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let target = workspace.path("target/bpf");
    let mut command = toolchain.cargo_build()?;
    command
        .args(["--package", PACKAGE, "--locked", "--target-dir"])
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace)?.join("\u{1f}"))
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(workspace.root());
    step::run(&mut command)?;
    let built = target.join(TARGET).join("bpf").join(BINARY);
    let stripped = target.join(format!("{BINARY}.o"));
    // Debug information is nine tenths of the object; the BTF that it became stays.
    step::run(step::clean(&toolchain.strip).arg("-g").arg(&built).arg("-o").arg(&stripped))?;
    fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))
}

/// The flags of rustc. Every folder that a file name in the debug information could start with gets a fixed
/// name, so that the bytes are the same in every checkout.
fn flags(workspace: &Workspace) -> Result<Vec<String>> {
    let mut flags: Vec<String> =
        ["--cfg=bpf_target_arch=\"x86_64\"", "-Cdebuginfo=2", "-Clinker=bpf-linker", "-Clink-arg=--btf"]
            .map(str::to_owned)
            .to_vec();
    let metadata = step::output(
        step::cargo().args(["metadata", "--format-version", "1", "--locked"]).current_dir(workspace.root()),
    )?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let mut remaps = dependencies(&metadata)?;
    remaps.push((workspace.root().to_path_buf(), "/netscope".to_owned()));
    flags.extend(remaps.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    Ok(flags)
}

/// Folder and fixed name of every package from elsewhere that the programs depend on. cargo's registry folder
/// is named after the index it came from, which differs between machines.
fn dependencies(metadata: &Value) -> Result<Vec<(PathBuf, String)>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let packages = list(metadata.get("packages").unwrap_or(&Value::Null));
    let packages: BTreeMap<String, &Value> =
        packages.iter().filter_map(|package| Some((text(package, "id")?, package))).collect();
    let nodes = list(metadata.pointer("/resolve/nodes").unwrap_or(&Value::Null));
    let edges: BTreeMap<String, Vec<String>> = nodes
        .iter()
        .filter_map(|node| {
            let names = list(node.get("dependencies")?);
            Some((text(node, "id")?, names.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        })
        .collect();
    let start = packages.iter().find(|(_, package)| text(package, "name").as_deref() == Some(PACKAGE));
    let mut open = vec![start.with_context(|| format!("{PACKAGE} is not in the workspace"))?.0.clone()];
    let mut seen = BTreeSet::new();
    let mut remaps = Vec::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        open.extend(edges.get(&id).into_iter().flatten().cloned());
        let Some(package) = packages.get(&id) else { continue };
        if package.get("source").is_none_or(Value::is_null) {
            continue;
        }
        let manifest = text(package, "manifest_path").context("a package without a manifest")?;
        let folder = Path::new(&manifest).parent().context("a manifest without a folder")?.to_path_buf();
        let name = text(package, "name").unwrap_or_default();
        let version = text(package, "version").unwrap_or_default();
        remaps.push((folder, format!("/registry/{name}-{version}")));
    }
    remaps.sort();
    Ok(remaps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn packages_from_elsewhere_get_a_fixed_name() {
        let metadata = json!({
            "packages": [
                {"id": "a", "name": "probe-ebpf", "version": "0.1.0", "source": null, "manifest_path": "/w/probe-ebpf/Cargo.toml"},
                {"id": "b", "name": "aya-ebpf", "version": "0.2.1", "source": "registry", "manifest_path": "/r/index-1/aya-ebpf-0.2.1/Cargo.toml"},
                {"id": "c", "name": "cty", "version": "0.3.0", "source": "registry", "manifest_path": "/r/index-1/cty-0.3.0/Cargo.toml"},
                {"id": "d", "name": "clap", "version": "4.6.0", "source": "registry", "manifest_path": "/r/index-1/clap-4.6.0/Cargo.toml"},
            ],
            "resolve": {"nodes": [
                {"id": "a", "dependencies": ["b"]},
                {"id": "b", "dependencies": ["c", "b"]},
                {"id": "c", "dependencies": []},
                {"id": "d", "dependencies": []},
            ]},
        });
        let expected = [
            ("/r/index-1/aya-ebpf-0.2.1", "/registry/aya-ebpf-0.2.1"),
            ("/r/index-1/cty-0.3.0", "/registry/cty-0.3.0"),
        ];
        let expected: Vec<_> = expected.map(|(from, to)| (PathBuf::from(from), to.to_owned())).to_vec();
        assert_eq!(dependencies(&metadata).unwrap(), expected);
    }

    #[test]
    fn a_workspace_without_the_programs_is_an_error() {
        assert!(dependencies(&json!({"packages": [], "resolve": {"nodes": []}})).is_err());
    }
}
