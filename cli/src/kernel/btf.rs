//! Reader of the kernel's type information: Documentation/bpf/btf.rst, include/uapi/linux/btf.h.
//!
//! Only what the loader needs: byte offset and size of a member, the value of an enumerator, the number of
//! arguments of a tracepoint.

use std::collections::{HashMap, HashSet};

/// Why type information could not be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BtfError {
    /// Not a BTF file of this machine's byte order.
    #[error("not BTF data (magic {0:#06x})")]
    Magic(u16),
    /// The file ends too early or points outside itself.
    #[error("truncated or damaged BTF data")]
    Truncated,
}

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Bytes from the start of the outermost struct.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

const MAGIC: u16 = 0xeb9f;
const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FWD: u32 = 7;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_FLOAT: u32 = 16;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;
/// Modifiers and typedefs followed before a chain is taken for a loop.
const MAX_CHAIN: usize = 32;
/// Anonymous structs and unions nested in each other before giving up.
const MAX_NESTING: usize = 16;

/// A type record: `struct btf_type`.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    info: u32,
    size_or_type: u32,
    /// Where the kind-specific data starts.
    data: usize,
}

impl Type {
    const fn kind(self) -> u32 {
        (self.info >> 24) & 0x1f
    }

    const fn count(self) -> u32 {
        self.info & 0xffff
    }

    const fn flag(self) -> bool {
        self.info >> 31 == 1
    }
}

/// Parsed type information; borrows nothing, holds the file.
pub struct Btf {
    bytes: Vec<u8>,
    strings: usize,
    /// Start of each type record; index 0 is `void`.
    types: Vec<usize>,
}

impl Btf {
    /// Indexes a BTF file.
    ///
    /// # Errors
    /// [`BtfError`] when it is not BTF of this byte order, or damaged.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let magic = u16_at(&bytes, 0).ok_or(BtfError::Truncated)?;
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let header = |at: usize| u32_at(&bytes, at).map(to_usize).ok_or(BtfError::Truncated);
        let start = header(4)?;
        let types_at = start + header(8)?;
        let types_end = types_at + header(12)?;
        let strings = start + header(16)?;
        if types_end > bytes.len() || strings + header(20)? > bytes.len() {
            return Err(BtfError::Truncated);
        }
        let mut btf = Self { bytes, strings, types: vec![0] };
        let mut at = types_at;
        while at < types_end {
            let length = btf.record_length(at).ok_or(BtfError::Truncated)?;
            btf.types.push(at);
            at += length;
        }
        Ok(btf)
    }

    /// Member `path` (dots between nested members) of the first struct or union named `structure` that has
    /// it. Anonymous members are looked into. `None` when there is none, or when it is a bit field.
    #[must_use]
    pub fn member(&self, structs: &HashMap<&str, Vec<u32>>, structure: &str, path: &str) -> Option<Member> {
        structs.get(structure)?.iter().find_map(|&id| self.member_of(id, path))
    }

    /// Ids of the structs and unions with one of `names`, found in one pass.
    #[must_use]
    pub fn structs<'a>(&self, names: &HashSet<&'a str>) -> HashMap<&'a str, Vec<u32>> {
        let mut found: HashMap<&str, Vec<u32>> = HashMap::new();
        for (id, kind) in self.all().filter(|(_, kind)| matches!(kind.kind(), KIND_STRUCT | KIND_UNION)) {
            if let Some(name) = self.name(kind.name).and_then(|name| names.get(name)) {
                found.entry(name).or_default().push(id);
            }
        }
        found
    }

    /// Values of the enumerators with one of `names`, found in one pass.
    #[must_use]
    pub fn enumerators<'a>(&self, names: &HashSet<&'a str>) -> HashMap<&'a str, u32> {
        let mut found = HashMap::new();
        for (_, kind) in self.all() {
            let width = match kind.kind() {
                KIND_ENUM => 8,
                KIND_ENUM64 => 12,
                _ => continue,
            };
            for index in 0..to_usize(kind.count()) {
                let at = kind.data + index * width;
                let name = u32_at(&self.bytes, at).and_then(|name| self.name(name));
                if let (Some(name), Some(value)) =
                    (name.and_then(|name| names.get(name)), u32_at(&self.bytes, at + 4))
                {
                    found.insert(*name, value);
                }
            }
        }
        found
    }

    /// Arguments of tracepoint `name` as BPF programs see them; `None` when the kernel has no such tracepoint.
    #[must_use]
    pub fn tracepoint_arguments(&self, name: &str) -> Option<u32> {
        let typedef = format!("btf_trace_{name}");
        let (_, found) = self.all().find(|(_, kind)| {
            kind.kind() == KIND_TYPEDEF && self.name(kind.name) == Some(typedef.as_str())
        })?;
        let pointer = self.resolve(found.size_or_type)?;
        let prototype = self.resolve(pointer.size_or_type)?;
        // The first parameter is the tracepoint's private data.
        (prototype.kind() == KIND_FUNC_PROTO).then(|| prototype.count().saturating_sub(1))
    }

    fn all(&self) -> impl Iterator<Item = (u32, Type)> {
        (1_u32..).zip(self.types.iter().skip(1)).filter_map(|(id, &at)| Some((id, self.record(at)?)))
    }

    fn record(&self, at: usize) -> Option<Type> {
        Some(Type {
            name: u32_at(&self.bytes, at)?,
            info: u32_at(&self.bytes, at + 4)?,
            size_or_type: u32_at(&self.bytes, at + 8)?,
            data: at + 12,
        })
    }

    fn record_length(&self, at: usize) -> Option<usize> {
        let record = self.record(at)?;
        let count = to_usize(record.count());
        let data = match record.kind() {
            KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
            KIND_ARRAY => 12,
            KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * count,
            KIND_ENUM | KIND_FUNC_PROTO => 8 * count,
            KIND_PTR | KIND_FWD | KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_FUNC
            | KIND_FLOAT | KIND_TYPE_TAG => 0,
            _ => return None,
        };
        Some(12 + data)
    }

    fn get(&self, id: u32) -> Option<Type> {
        self.record(*self.types.get(to_usize(id)).filter(|&&at| at > 0)?)
    }

    /// Follows modifiers and typedefs.
    fn resolve(&self, id: u32) -> Option<Type> {
        let mut found = self.get(id)?;
        for _ in 0..MAX_CHAIN {
            match found.kind() {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    found = self.get(found.size_or_type)?;
                }
                _ => return Some(found),
            }
        }
        None
    }

    fn size(&self, id: u32) -> Option<u32> {
        let found = self.resolve(id)?;
        match found.kind() {
            KIND_INT | KIND_STRUCT | KIND_UNION | KIND_ENUM | KIND_ENUM64 | KIND_FLOAT => {
                Some(found.size_or_type)
            }
            KIND_PTR => Some(8),
            KIND_ARRAY => {
                let element = self.size(u32_at(&self.bytes, found.data)?)?;
                element.checked_mul(u32_at(&self.bytes, found.data + 8)?)
            }
            _ => None,
        }
    }

    fn member_of(&self, id: u32, path: &str) -> Option<Member> {
        let mut offset = 0;
        let mut container = id;
        for component in path.split('.') {
            let (bits, member) = self.find_member(self.resolve(container)?, component, 0)?;
            offset += bits;
            container = member;
        }
        if offset % 8 != 0 {
            return None;
        }
        Some(Member { offset: offset / 8, size: self.size(container)? })
    }

    /// Bit offset and type of member `name`, anonymous members included.
    fn find_member(&self, container: Type, name: &str, nesting: usize) -> Option<(u32, u32)> {
        if !matches!(container.kind(), KIND_STRUCT | KIND_UNION) || nesting > MAX_NESTING {
            return None;
        }
        for index in 0..to_usize(container.count()) {
            let at = container.data + 12 * index;
            let member_name = self.name(u32_at(&self.bytes, at)?)?;
            let member_type = u32_at(&self.bytes, at + 4)?;
            let raw = u32_at(&self.bytes, at + 8)?;
            // With the flag set the upper byte is the width of a bit field, 0 for an ordinary member.
            let (offset, bit_field) =
                if container.flag() { (raw & 0x00ff_ffff, raw >> 24 != 0) } else { (raw, false) };
            if member_name == name {
                return (!bit_field).then_some((offset, member_type));
            }
            if member_name.is_empty()
                && let Some(inner) = self.resolve(member_type)
                && let Some((deeper, found)) = self.find_member(inner, name, nesting + 1)
            {
                return Some((offset + deeper, found));
            }
        }
        None
    }

    fn name(&self, offset: u32) -> Option<&str> {
        let bytes = self.bytes.get(self.strings + to_usize(offset)..)?;
        let end = bytes.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(bytes.get(..end)?).ok()
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// Offsets of BTF are 32 bits wide, and so is every address space that netscope runs in at least.
fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap()
    }

    /// A hand-assembled BTF file: `struct pair { int first; union { int a; char *b; }; int bits:3 }`,
    /// an enum and a tracepoint with two arguments.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0pair\0first\0a\0b\0bits\0colour\0RED\0GREEN\0btf_trace_blink\0";
        let offset = |name: &str| {
            let bytes = [b"\0", name.as_bytes(), b"\0"].concat();
            length(strings.windows(bytes.len()).position(|window| window == bytes).unwrap()) + 1
        };
        let mut types: Vec<u32> = Vec::new();
        let mut push = |words: &[u32]| types.extend_from_slice(words);
        push(&[offset("int"), KIND_INT << 24, 4, 32]); // 1
        push(&[0, KIND_PTR << 24, 1]); // 2
        push(&[0, KIND_UNION << 24 | 2, 8, offset("a"), 1, 0, offset("b"), 2, 0]); // 3
        push(&[offset("pair"), 1 << 31 | KIND_STRUCT << 24 | 3, 24]); // 4
        push(&[offset("first"), 1, 0, 0, 3, 64, offset("bits"), 1, 3 << 24 | 128]);
        push(&[offset("colour"), KIND_ENUM << 24 | 2, 4, offset("RED"), 7, offset("GREEN"), 9]); // 5
        push(&[0, KIND_FUNC_PROTO << 24 | 3, 0, 0, 2, 0, 1, 0, 1]); // 6
        push(&[0, KIND_PTR << 24, 6]); // 7
        push(&[offset("btf_trace_blink"), KIND_TYPEDEF << 24, 7]); // 8
        let types: Vec<u8> = types.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut file = Vec::new();
        file.extend_from_slice(&MAGIC.to_ne_bytes());
        file.extend_from_slice(&[1, 0]);
        for word in [24, 0, length(types.len()), length(types.len()), length(strings.len())] {
            file.extend_from_slice(&word.to_ne_bytes());
        }
        file.extend_from_slice(&types);
        file.extend_from_slice(strings);
        file
    }

    fn member(btf: &Btf, path: &str) -> Option<Member> {
        btf.member(&btf.structs(&HashSet::from(["pair"])), "pair", path)
    }

    #[test]
    fn finds_members_through_anonymous_unions() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(member(&btf, "first"), Some(Member { offset: 0, size: 4 }));
        assert_eq!(member(&btf, "b"), Some(Member { offset: 8, size: 8 }));
        assert_eq!(member(&btf, "bits"), None, "a bit field has no byte offset");
        assert_eq!(member(&btf, "absent"), None);
    }

    #[test]
    fn finds_enumerators_and_tracepoints() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.enumerators(&HashSet::from(["GREEN"])), HashMap::from([("GREEN", 9)]));
        assert_eq!(btf.tracepoint_arguments("blink"), Some(2));
        assert_eq!(btf.tracepoint_arguments("absent"), None);
    }

    #[test]
    fn damaged_files_are_refused() {
        assert_eq!(Btf::parse(Vec::new()).err(), Some(BtfError::Truncated));
        assert_eq!(Btf::parse(vec![0; 64]).err(), Some(BtfError::Magic(0)));
        let whole = sample();
        for length in 2..whole.len() - 1 {
            assert_eq!(
                Btf::parse(whole[..length].to_vec()).err(),
                Some(BtfError::Truncated),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn reads_the_running_kernel() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            eprintln!("SKIPPED reads_the_running_kernel: this kernel offers no BTF");
            return;
        };
        let btf = Btf::parse(bytes).unwrap();
        let structs = btf.structs(&HashSet::from(["sock_common", "socket"]));
        // Asserted by the kernel's own layout notes: skc_num follows the two 32-bit addresses, hash and port.
        assert_eq!(
            btf.member(&structs, "sock_common", "skc_num"),
            Some(Member { offset: 14, size: 2 }),
            "include/net/sock.h"
        );
        assert_eq!(btf.tracepoint_arguments("sched_wakeup"), Some(1));
    }
}
