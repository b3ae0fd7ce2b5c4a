//! What the object holds, as data that can be committed and as text that can be read and compared.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::elf::{Kind, Object, Section, u32_at};
use super::toolchain::Versions;
use super::{MANIFEST, disassembly};
use crate::sha256;
use crate::workspace::Workspace;

/// The committed description of the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What built the object.
    pub toolchain: Versions,
    /// [`super::sources::hash`] at that moment.
    pub sources_sha256: String,
    /// Digest of the object file.
    pub object_sha256: String,
    /// Size of the object file, bytes.
    pub object_bytes: u64,
    /// What is in it.
    pub contents: Contents,
}

/// What the kernel and the loader see of the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The licence that the kernel checks before it allows GPL-only helpers.
    pub license: String,
    /// Programs, and the functions of `.text` that they call; by section, then name.
    pub programs: Vec<Program>,
    /// Maps by name.
    pub maps: Vec<Map>,
    /// Globals by section, then name.
    pub globals: Vec<Global>,
    /// Sections that hold the globals' initial values.
    pub data: Vec<Data>,
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// ELF section: the attach type and point; `.text` for a function that programs call.
    pub section: String,
    /// Symbol.
    pub name: String,
    /// Instructions, a 64-bit load counting as two.
    pub instructions: usize,
    /// Digest of [`disassembly::function`].
    pub disassembly_sha256: String,
}

/// One map: `struct bpf_map_def` of the section `maps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Map {
    /// Symbol.
    pub name: String,
    /// `enum bpf_map_type` in words, or its number.
    pub kind: String,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
}

/// One global variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// ELF section; everything in a section called `.rodata…` is frozen before the programs are loaded.
    pub section: String,
    /// Symbol.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// One section of globals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// ELF section.
    pub section: String,
    /// Bytes.
    pub size: usize,
    /// Digest of the initial values.
    pub sha256: String,
}

impl Manifest {
    /// Reads the committed manifest. Errors when it is missing or no manifest.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let text = fs::read_to_string(workspace.path(MANIFEST))
            .with_context(|| format!("cannot read {MANIFEST}, run `cargo xtask object build`"))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{MANIFEST} is no manifest of this version of xtask"))
    }

    /// Writes the manifest beside the object.
    pub fn write(&self, workspace: &Workspace) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(workspace.path(MANIFEST), text).with_context(|| format!("cannot write {MANIFEST}"))
    }
}

impl Contents {
    /// Describes `object`. Errors when a map definition is cut short or the licence is missing.
    pub fn of(object: &Object) -> Result<Self> {
        let (_, license) = object.section("license").context("the object has no licence section")?;
        let license = String::from_utf8_lossy(&license.data).trim_end_matches('\0').to_owned();
        let mut contents = Self {
            license,
            programs: Vec::new(),
            maps: maps(object)?,
            globals: Vec::new(),
            data: Vec::new(),
        };
        for (index, section) in object.sections.iter().enumerate() {
            if section.executable {
                contents.programs.extend(programs(object, index, section));
            } else if is_data(&section.name) {
                contents.globals.extend(globals(object, index, section));
                let (size, sha256) = (section.data.len(), sha256::hex(&section.data));
                contents.data.push(Data { section: section.name.clone(), size, sha256 });
            }
        }
        contents.programs.sort_by(|a, b| (&a.section, &a.name).cmp(&(&b.section, &b.name)));
        contents.globals.sort_by(|a, b| (&a.section, &a.name).cmp(&(&b.section, &b.name)));
        contents.data.sort_by(|a, b| a.section.cmp(&b.section));
        Ok(contents)
    }

    /// The contents without the instructions, one line each: what a reviewer reads first.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!("license {}\n", self.license);
        for Map { name, kind, key_size, value_size, max_entries, flags } in &self.maps {
            let sizes = format!("key {key_size} value {value_size} entries {max_entries} flags {flags:#x}");
            let _ = writeln!(text, "map {name} {kind} {sizes}");
        }
        for Data { section, size, sha256 } in &self.data {
            let _ = writeln!(text, "data {section} {size} bytes {sha256}");
        }
        for Global { section, name, size } in &self.globals {
            let _ = writeln!(text, "global {section} {name} {size}");
        }
        for Program { section, name, instructions, disassembly_sha256 } in &self.programs {
            let _ =
                writeln!(text, "program {section} {name} {instructions} instructions {disassembly_sha256}");
        }
        text
    }
}

/// The whole object as text: [`Contents::summary`], then the disassembly of every function. Two objects with
/// the same dump behave the same.
pub fn dump(object: &Object) -> Result<String> {
    let contents = Contents::of(object)?;
    let mut text = contents.summary();
    for program in &contents.programs {
        let function = object
            .sections
            .iter()
            .enumerate()
            .filter(|(_, section)| section.name == program.section)
            .find_map(|(index, _)| {
                let symbols = object.symbols_in(index, Kind::Function);
                symbols.into_iter().find(|symbol| symbol.name == program.name).map(|symbol| (index, symbol))
            });
        let Some((index, symbol)) = function else { bail!("{} is in no section", program.name) };
        let _ = write!(
            text,
            "\n{} {}\n{}",
            program.section,
            program.name,
            disassembly::function(object, index, symbol).0
        );
    }
    Ok(text)
}

fn programs(object: &Object, index: usize, section: &Section) -> Vec<Program> {
    let describe = |symbol| {
        let (text, instructions) = disassembly::function(object, index, symbol);
        Program {
            section: section.name.clone(),
            name: symbol.name.clone(),
            instructions,
            disassembly_sha256: sha256::hex(text.as_bytes()),
        }
    };
    object.symbols_in(index, Kind::Function).into_iter().map(describe).collect()
}

fn globals(object: &Object, index: usize, section: &Section) -> Vec<Global> {
    object
        .symbols_in(index, Kind::Object)
        .into_iter()
        .map(|symbol| Global { section: section.name.clone(), name: symbol.name.clone(), size: symbol.size })
        .collect()
}

/// Whether the loader turns the section called `name` into a map of globals (aya-obj, `BpfSectionKind`).
fn is_data(name: &str) -> bool {
    [".rodata", ".data", ".bss"].iter().any(|prefix| name.starts_with(prefix))
}

fn maps(object: &Object) -> Result<Vec<Map>> {
    let Some((index, section)) = object.section("maps") else { return Ok(Vec::new()) };
    let mut maps = Vec::new();
    for symbol in object.symbols_in(index, Kind::Object) {
        let start = usize::try_from(symbol.offset)?;
        let field = |position: usize| {
            u32_at(&section.data, start.saturating_add(4 * position))
                .with_context(|| format!("the definition of map {} is cut short", symbol.name))
        };
        maps.push(Map {
            name: symbol.name.clone(),
            kind: map_kind(field(0)?),
            key_size: field(1)?,
            value_size: field(2)?,
            max_entries: field(3)?,
            flags: field(4)?,
        });
    }
    maps.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(maps)
}

/// `enum bpf_map_type` (include/uapi/linux/bpf.h): the kinds that aya can create.
fn map_kind(number: u32) -> String {
    let name = match number {
        1 => "hash",
        2 => "array",
        3 => "prog_array",
        4 => "perf_event_array",
        5 => "percpu_hash",
        6 => "percpu_array",
        7 => "stack_trace",
        8 => "cgroup_array",
        9 => "lru_hash",
        10 => "lru_percpu_hash",
        11 => "lpm_trie",
        12 => "array_of_maps",
        13 => "hash_of_maps",
        16 => "cpumap",
        22 => "queue",
        23 => "stack",
        24 => "sk_storage",
        27 => "ringbuf",
        30 => "bloom_filter",
        _ => return format!("type {number}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::fixture;

    #[test]
    fn contents_of_an_object() {
        let contents = Contents::of(&Object::parse(&fixture::object()).unwrap()).unwrap();
        assert_eq!(contents.license, "GPL");
        let map = &contents.maps[0];
        assert_eq!((map.name.as_str(), map.kind.as_str()), ("COUNTS", "percpu_array"));
        assert_eq!((map.key_size, map.value_size, map.max_entries, map.flags), (4, 8, 16, 0));
        assert_eq!(contents.globals, [Global { section: ".rodata".into(), name: "LIMIT".into(), size: 4 }]);
        assert_eq!(contents.programs.len(), 1);
        assert_eq!(contents.programs[0].instructions, 5);
    }

    #[test]
    fn the_dump_has_every_part() {
        let text = dump(&Object::parse(&fixture::object()).unwrap()).unwrap();
        for part in
            ["license GPL", "map COUNTS percpu_array key 4", "global .rodata LIMIT 4", "r1 = &COUNTS+0 ll"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    /// Any changed byte of instructions, maps, globals or licence changes the contents.
    #[test]
    fn every_byte_that_matters_changes_the_contents() {
        let whole = fixture::object();
        let object = Object::parse(&whole).unwrap();
        let contents = Contents::of(&object).unwrap();
        for (index, section) in
            object.sections.iter().enumerate().filter(|(_, s)| s.name.starts_with(".rodata"))
        {
            let mut changed = object.clone();
            changed.sections[index].data[0] ^= 1;
            assert_ne!(Contents::of(&changed).unwrap(), contents, "{}", section.name);
        }
        let (maps, _) = object.section("maps").unwrap();
        for field in 0..5 {
            let mut changed = object.clone();
            changed.sections[maps].data[4 * field] ^= 1;
            assert_ne!(Contents::of(&changed).unwrap(), contents, "field {field}");
        }
        let (program, _) = object.section("raw_tp/sys_enter").unwrap();
        let mut changed = object.clone();
        changed.sections[program].data[1] ^= 1;
        assert_ne!(Contents::of(&changed).unwrap(), contents);
    }

    #[test]
    fn a_cut_map_definition_is_named() {
        let mut object = Object::parse(&fixture::object()).unwrap();
        let (maps, _) = object.section("maps").unwrap();
        object.sections[maps].data.truncate(10);
        assert!(Contents::of(&object).unwrap_err().to_string().contains("COUNTS"));
    }
}
