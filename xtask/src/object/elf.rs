//! A reader of relocatable little-endian ELF64 files for the BPF machine: sections, symbols, relocations.
//! Layout: elf(5) and include/uapi/linux/elf.h.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// `EM_BPF`.
const MACHINE_BPF: u16 = 247;
/// `SHT_SYMTAB`.
const SYMBOL_TABLE: u32 = 2;
/// `SHT_NOBITS`: the section has a size but no bytes in the file.
const NO_BITS: u32 = 8;
/// `SHT_REL`.
const RELOCATIONS: u32 = 9;
/// `SHF_EXECINSTR`.
const EXECUTABLE: u64 = 4;

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, for programs the attach point.
    pub name: String,
    /// Its bytes; zeros for a section without bytes in the file.
    pub data: Vec<u8>,
    /// Whether it holds instructions.
    pub executable: bool,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `STT_OBJECT`: data.
    Object,
    /// `STT_FUNC`: instructions.
    Function,
    /// `STT_SECTION`.
    Section,
    /// Anything else.
    Other,
}

/// One symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name; empty for a section symbol.
    pub name: String,
    /// What it names.
    pub kind: Kind,
    /// Index into [`Object::sections`]; `None` when it is undefined, absolute or common.
    pub section: Option<usize>,
    /// Offset inside its section, bytes.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// `SHN_UNDEF` and named: something the object expects from elsewhere.
    pub undefined: bool,
}

/// A parsed object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// In file order; index 0 is the empty one.
    pub sections: Vec<Section>,
    /// In file order; index 0 is the empty one.
    pub symbols: Vec<Symbol>,
    /// Section index, then offset of the patched instruction in bytes, to index into [`Object::symbols`].
    pub relocations: BTreeMap<usize, BTreeMap<u64, usize>>,
}

/// `Elf64_Shdr`, the fields in use.
struct Header {
    name: u32,
    kind: u32,
    flags: u64,
    offset: usize,
    size: usize,
    link: usize,
    info: usize,
}

impl Object {
    /// Parses `bytes`. Errors when it is no relocatable BPF object or a table points outside the file.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if slice(bytes, 0, 7)? != b"\x7fELF\x02\x01\x01" {
            bail!("not a little-endian ELF64 file");
        }
        let machine = u16_at(bytes, 18)?;
        if machine != MACHINE_BPF {
            bail!("machine {machine} is not BPF ({MACHINE_BPF})");
        }
        let headers = headers(bytes)?;
        let name_table = headers.get(usize::from(u16_at(bytes, 62)?)).context("no section name table")?;
        let names = slice(bytes, name_table.offset, name_table.size)?;
        let mut object = Self::default();
        for header in &headers {
            let data = match header.kind {
                0 => Vec::new(),
                NO_BITS => vec![0; header.size],
                _ => slice(bytes, header.offset, header.size)?.to_vec(),
            };
            let executable = header.flags & EXECUTABLE != 0;
            object.sections.push(Section { name: string(names, header.name)?, data, executable });
        }
        for (index, header) in headers.iter().enumerate() {
            match header.kind {
                SYMBOL_TABLE => object.read_symbols(index, header)?,
                RELOCATIONS => object.read_relocations(index, header)?,
                _ => {}
            }
        }
        Ok(object)
    }

    /// The first section called `name`.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<(usize, &Section)> {
        self.sections.iter().enumerate().find(|(_, section)| section.name == name)
    }

    /// The symbols of `kind` that lie in section `index`, by offset.
    #[must_use]
    pub fn symbols_in(&self, index: usize, kind: Kind) -> Vec<&Symbol> {
        let mut found: Vec<_> = self
            .symbols
            .iter()
            .filter(|symbol| symbol.section == Some(index) && symbol.kind == kind)
            .collect();
        found.sort_by(|a, b| (a.offset, &a.name).cmp(&(b.offset, &b.name)));
        found
    }

    /// The symbol that the instruction at `offset` of section `index` is patched with.
    #[must_use]
    pub fn relocation(&self, index: usize, offset: u64) -> Option<&Symbol> {
        self.symbols.get(*self.relocations.get(&index)?.get(&offset)?)
    }

    /// `Elf64_Sym`, 24 bytes: name, info, other, section index, value, size.
    fn read_symbols(&mut self, index: usize, header: &Header) -> Result<()> {
        let strings = self.sections.get(header.link).context("symbol table without names")?.data.clone();
        let table = self.sections.get(index).context("symbol table")?.data.clone();
        for entry in table.chunks_exact(24) {
            let section = u16_at(entry, 6)?;
            let kind = match entry.get(4).copied().unwrap_or_default() & 0xf {
                1 => Kind::Object,
                2 => Kind::Function,
                3 => Kind::Section,
                _ => Kind::Other,
            };
            let name = string(&strings, u32_at(entry, 0)?)?;
            self.symbols.push(Symbol {
                undefined: section == 0 && !name.is_empty(),
                name,
                kind,
                // SHN_LORESERVE and above are not sections.
                section: (1..0xff00).contains(&section).then_some(usize::from(section)),
                offset: u64_at(entry, 8)?,
                size: u64_at(entry, 16)?,
            });
        }
        Ok(())
    }

    /// `Elf64_Rel`, 16 bytes: offset, info (symbol in the high half).
    fn read_relocations(&mut self, index: usize, header: &Header) -> Result<()> {
        let table = self.sections.get(index).context("relocation table")?.data.clone();
        let target = self.relocations.entry(header.info).or_default();
        for entry in table.chunks_exact(16) {
            target.insert(u64_at(entry, 0)?, usize::try_from(u32_at(entry, 12)?)?);
        }
        Ok(())
    }
}

fn headers(bytes: &[u8]) -> Result<Vec<Header>> {
    let table = usize::try_from(u64_at(bytes, 40)?)?;
    let size = usize::from(u16_at(bytes, 58)?);
    (0..usize::from(u16_at(bytes, 60)?))
        .map(|index| {
            let start = table.checked_add(index * size).context("section table beyond the address space")?;
            let entry = slice(bytes, start, size.max(64))?;
            Ok(Header {
                name: u32_at(entry, 0)?,
                kind: u32_at(entry, 4)?,
                flags: u64_at(entry, 8)?,
                offset: usize::try_from(u64_at(entry, 24)?)?,
                size: usize::try_from(u64_at(entry, 32)?)?,
                link: usize::try_from(u32_at(entry, 40)?)?,
                info: usize::try_from(u32_at(entry, 44)?)?,
            })
        })
        .collect()
}

/// `size` bytes at `offset`.
fn slice(bytes: &[u8], offset: usize, size: usize) -> Result<&[u8]> {
    offset.checked_add(size).and_then(|end| bytes.get(offset..end)).with_context(|| {
        format!("{size} bytes at offset {offset} lie outside the {} bytes there are", bytes.len())
    })
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    Ok(slice(bytes, offset, N)?.try_into()?)
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(array(bytes, offset)?))
}

/// The little-endian word at `offset`.
pub fn u32_at(bytes: &[u8], offset: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(array(bytes, offset)?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(array(bytes, offset)?))
}

/// The NUL-terminated string at `offset` of a string table.
fn string(table: &[u8], offset: u32) -> Result<String> {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|start| table.get(start..))
        .context("name outside its table")?;
    let end = rest.iter().position(|byte| *byte == 0).context("name without an end")?;
    Ok(String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::fixture;

    #[test]
    fn sections_symbols_and_relocations() {
        let object = Object::parse(&fixture::object()).unwrap();
        let (program, section) = object.section("raw_tp/sys_enter").unwrap();
        assert!(section.executable);
        let functions = object.symbols_in(program, Kind::Function);
        assert_eq!(functions.len(), 1);
        assert_eq!((functions[0].name.as_str(), functions[0].size), ("count", 40));
        assert_eq!(object.relocation(program, 8).unwrap().name, "COUNTS");
        assert_eq!(object.relocation(program, 0), None);
        let (maps, _) = object.section("maps").unwrap();
        assert_eq!(object.symbols_in(maps, Kind::Object)[0].name, "COUNTS");
        assert!(object.symbols.iter().all(|symbol| !symbol.undefined));
    }

    #[test]
    fn truncation_is_an_error_and_never_a_panic() {
        let whole = fixture::object();
        for length in 0..whole.len() {
            assert!(Object::parse(&whole[..length]).is_err(), "{length} of {} bytes parsed", whole.len());
        }
    }

    #[test]
    fn damage_never_panics() {
        let whole = fixture::object();
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] = 0xff;
            let _ = Object::parse(&damaged);
        }
    }

    #[test]
    fn other_machines_are_refused() {
        let mut object = fixture::object();
        object[18] = 62;
        assert!(Object::parse(&object).unwrap_err().to_string().contains("not BPF"));
        assert!(Object::parse(b"#!/bin/sh").is_err());
    }
}
