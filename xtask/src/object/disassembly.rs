//! BPF instructions as text, in the notation of the kernel's verifier log (kernel/bpf/disasm.c), with the
//! names of symbols in place of what the loader patches. Encoding: RFC 9669.

use std::fmt::Write;

use super::elf::{Kind, Object, Symbol};

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u8,
    destination: u8,
    source: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    fn decode(bytes: [u8; 8]) -> Self {
        let [code, registers, offset @ .., i0, i1, i2, i3] = bytes;
        Self {
            code,
            destination: registers & 0xf,
            source: registers >> 4,
            offset: i16::from_le_bytes(offset),
            immediate: i32::from_le_bytes([i0, i1, i2, i3]),
        }
    }

    fn class(self) -> u8 {
        self.code & 7
    }
}

/// The text of function `symbol` of section `index`: one line for each instruction, and their number
/// (a 64-bit load counts as two, like everywhere in the kernel).
#[must_use]
pub fn function(object: &Object, index: usize, symbol: &Symbol) -> (String, usize) {
    let bounds = usize::try_from(symbol.offset).ok().zip(usize::try_from(symbol.size).ok());
    let code = bounds
        .and_then(|(start, size)| object.sections.get(index)?.data.get(start..start.checked_add(size)?))
        .unwrap_or_default();
    let instructions: Vec<_> =
        code.as_chunks::<8>().0.iter().map(|bytes| Instruction::decode(*bytes)).collect();
    let mut text = String::new();
    let mut position = 0;
    while let Some(instruction) = instructions.get(position) {
        let patched =
            u64::try_from(position).ok().and_then(|slot| object.relocation(index, symbol.offset + 8 * slot));
        let wide = instruction.code == 0x18;
        let line = if wide {
            let high = instructions.get(position + 1).map_or(0, |next| next.immediate);
            wide_load(object, *instruction, high, patched)
        } else if instruction.code == 0x85 && instruction.source == 1 {
            local_call(object, *instruction, index, symbol, position, patched)
        } else {
            plain(*instruction, position)
        };
        let _ = writeln!(text, "{position:5}: {line}");
        position += if wide { 2 } else { 1 };
    }
    (text, instructions.len())
}

/// `BPF_LD | BPF_IMM | BPF_DW`: a constant, or the address of a map or global.
fn wide_load(object: &Object, instruction: Instruction, high: i32, patched: Option<&Symbol>) -> String {
    let destination = instruction.destination;
    let Some(symbol) = patched else {
        let value = (i64::from(high) << 32) | i64::from(instruction.immediate.cast_unsigned());
        return format!("r{destination} = {value:#x} ll{}", kind_of_load(instruction.source));
    };
    let addend = u64::from(instruction.immediate.cast_unsigned());
    if symbol.kind != Kind::Section {
        return format!("r{destination} = &{}+{addend} ll", symbol.name);
    }
    let section = symbol.section.unwrap_or_default();
    let inside = object
        .symbols_in(section, Kind::Object)
        .into_iter()
        .find(|candidate| (candidate.offset..candidate.offset + candidate.size.max(1)).contains(&addend));
    match inside {
        Some(global) => format!("r{destination} = &{}+{} ll", global.name, addend - global.offset),
        None => format!("r{destination} = &{}+{addend} ll", section_name(object, section)),
    }
}

/// The pseudo source register of an unpatched 64-bit load (`BPF_PSEUDO_*`).
fn kind_of_load(source: u8) -> String {
    if source == 0 { String::new() } else { format!(" (pseudo {source})") }
}

/// `BPF_CALL` with `BPF_PSEUDO_CALL`: another function of this object, named.
fn local_call(
    object: &Object,
    instruction: Instruction,
    index: usize,
    caller: &Symbol,
    position: usize,
    patched: Option<&Symbol>,
) -> String {
    if let Some(symbol) = patched.filter(|symbol| symbol.kind != Kind::Section) {
        return format!("call {}", symbol.name);
    }
    // The immediate counts instructions from the one after the call; with a section symbol, from its start.
    let section = patched.and_then(|symbol| symbol.section).unwrap_or(index);
    let origin = match patched {
        Some(_) => 0,
        None => {
            i64::try_from(caller.offset / 8).unwrap_or(i64::MAX) + i64::try_from(position).unwrap_or(i64::MAX)
        }
    };
    let target = (origin + i64::from(instruction.immediate) + 1) * 8;
    let callee = object
        .symbols_in(section, Kind::Function)
        .into_iter()
        .find(|candidate| i64::try_from(candidate.offset).is_ok_and(|offset| offset == target));
    match callee {
        Some(symbol) => format!("call {}", symbol.name),
        None => format!("call {}+{target}", section_name(object, section)),
    }
}

fn section_name(object: &Object, index: usize) -> &str {
    object.sections.get(index).map_or("?", |section| section.name.as_str())
}

/// Every instruction that needs no symbol.
fn plain(instruction: Instruction, position: usize) -> String {
    let text = match instruction.class() {
        1..=3 => memory(instruction),
        4 | 7 => arithmetic(instruction),
        5 | 6 => jump(instruction, position),
        _ => None,
    };
    text.unwrap_or_else(|| {
        let Instruction { code, destination, source, offset, immediate } = instruction;
        format!("code {code:#04x} dst {destination} src {source} off {offset} imm {immediate}")
    })
}

/// Classes `BPF_LDX`, `BPF_ST`, `BPF_STX`.
fn memory(instruction: Instruction) -> Option<String> {
    let Instruction { code, destination, source, offset, immediate } = instruction;
    let size = match code & 0x18 {
        0x00 => "32",
        0x08 => "16",
        0x10 => "8",
        _ => "64",
    };
    let text = match (instruction.class(), code & 0xe0) {
        (1, 0x60) => format!("r{destination} = *(u{size} *)(r{source} {offset:+})"),
        (1, 0x80) => format!("r{destination} = *(s{size} *)(r{source} {offset:+})"),
        (2, 0x60) => format!("*(u{size} *)(r{destination} {offset:+}) = {immediate}"),
        (3, 0x60) => format!("*(u{size} *)(r{destination} {offset:+}) = r{source}"),
        (3, 0xc0) => format!("atomic {immediate:#x} *(u{size} *)(r{destination} {offset:+}) r{source}"),
        _ => return None,
    };
    Some(text)
}

/// Classes `BPF_ALU` (32-bit registers `w`) and `BPF_ALU64` (`r`).
fn arithmetic(instruction: Instruction) -> Option<String> {
    let Instruction { code, destination, source, offset, immediate } = instruction;
    let register = if instruction.class() == 4 { 'w' } else { 'r' };
    let from_register = code & 8 != 0;
    let operand = if from_register { format!("{register}{source}") } else { immediate.to_string() };
    let signed = if offset == 0 { "" } else { "s" };
    let operator = match code & 0xf0 {
        0x00 => "+=",
        0x10 => "-=",
        0x20 => "*=",
        0x30 => "/=",
        0x40 => "|=",
        0x50 => "&=",
        0x60 => "<<=",
        0x70 => ">>=",
        0x80 => return Some(format!("{register}{destination} = -{register}{destination}")),
        0x90 => "%=",
        0xa0 => "^=",
        0xb0 if offset == 0 => "=",
        0xb0 => return Some(format!("{register}{destination} = (s{offset}){operand}")),
        0xc0 => "s>>=",
        0xd0 => {
            let order = match (instruction.class(), from_register) {
                (4, false) => "le",
                (4, true) => "be",
                _ => "bswap",
            };
            return Some(format!("r{destination} = {order}{immediate} r{destination}"));
        }
        _ => return None,
    };
    Some(format!("{register}{destination} {signed}{operator} {operand}"))
}

/// Classes `BPF_JMP` and `BPF_JMP32`. Targets are instruction numbers inside the function.
fn jump(instruction: Instruction, position: usize) -> Option<String> {
    let Instruction { code, destination, source, offset, immediate } = instruction;
    let narrow = instruction.class() == 6;
    let register = if narrow { 'w' } else { 'r' };
    let target = |distance: i64| i64::try_from(position).unwrap_or(i64::MAX).wrapping_add(1 + distance);
    let comparison = match code & 0xf0 {
        0x00 if narrow => return Some(format!("goto {} (long)", target(i64::from(immediate)))),
        0x00 => return Some(format!("goto {}", target(i64::from(offset)))),
        0x10 => "==",
        0x20 => ">",
        0x30 => ">=",
        0x40 => "&",
        0x50 => "!=",
        0x60 => "s>",
        0x70 => "s>=",
        0x80 if source == 2 => return Some(format!("call kernel function #{immediate}")),
        0x80 => return Some(format!("call helper #{immediate}")),
        0x90 => return Some("exit".to_owned()),
        0xa0 => "<",
        0xb0 => "<=",
        0xc0 => "s<",
        0xd0 => "s<=",
        _ => return None,
    };
    let operand = if code & 8 != 0 { format!("{register}{source}") } else { immediate.to_string() };
    Some(format!("if {register}{destination} {comparison} {operand} goto {}", target(i64::from(offset))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::object::fixture;

    fn text(bytes: [u8; 8], position: usize) -> String {
        plain(Instruction::decode(bytes), position)
    }

    #[test]
    fn each_class() {
        assert_eq!(text([0x61, 0x12, 8, 0, 0, 0, 0, 0], 0), "r2 = *(u32 *)(r1 +8)");
        assert_eq!(text([0x79, 0xa3, 0xf8, 0xff, 0, 0, 0, 0], 0), "r3 = *(u64 *)(r10 -8)");
        assert_eq!(text([0x7a, 0x0a, 0xf0, 0xff, 7, 0, 0, 0], 0), "*(u64 *)(r10 -16) = 7");
        assert_eq!(text([0x6b, 0x21, 0, 0, 0, 0, 0, 0], 0), "*(u16 *)(r1 +0) = r2");
        assert_eq!(text([0xdb, 0x21, 0, 0, 1, 0, 0, 0], 0), "atomic 0x1 *(u64 *)(r1 +0) r2");
        assert_eq!(text([0x07, 0x01, 0, 0, 0xff, 0xff, 0xff, 0xff], 0), "r1 += -1");
        assert_eq!(text([0xbc, 0x21, 0, 0, 0, 0, 0, 0], 0), "w1 = w2");
        assert_eq!(text([0xdc, 0x01, 0, 0, 16, 0, 0, 0], 0), "r1 = be16 r1");
        assert_eq!(text([0x15, 0x01, 3, 0, 0, 0, 0, 0], 4), "if r1 == 0 goto 8");
        assert_eq!(text([0x2e, 0x21, 0xfd, 0xff, 0, 0, 0, 0], 4), "if w1 > w2 goto 2");
        assert_eq!(text([0x05, 0, 0xff, 0xff, 0, 0, 0, 0], 4), "goto 4");
        assert_eq!(text([0x85, 0, 0, 0, 14, 0, 0, 0], 0), "call helper #14");
        assert_eq!(text([0x95, 0, 0, 0, 0, 0, 0, 0], 0), "exit");
        assert_eq!(text([0x30, 0, 0, 0, 9, 0, 0, 0], 0), "code 0x30 dst 0 src 0 off 0 imm 9");
    }

    #[test]
    fn symbols_replace_what_the_loader_patches() {
        let object = Object::parse(&fixture::object()).unwrap();
        let (index, _) = object.section("raw_tp/sys_enter").unwrap();
        let symbols = object.symbols_in(index, Kind::Function);
        let (text, count) = function(&object, index, symbols[0]);
        assert_eq!(count, 5);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(lines, ["0: r6 = r1", "1: r1 = &COUNTS+0 ll", "3: r0 = 0", "4: exit"]);
    }

    /// Two different opcodes must not read the same, or a changed program would go unnoticed. Load, store and
    /// jump opcodes that ignore an operand are compared with that operand set.
    #[test]
    fn opcodes_are_told_apart() {
        let mut seen = BTreeSet::new();
        for code in 0..=u8::MAX {
            assert!(
                seen.insert(text([code, 0x21, 1, 0, 5, 0, 0, 0], 0)) || ignores_an_operand(code),
                "{code:#x}"
            );
        }
    }

    /// Instructions without operands, whose source bit says nothing: neg, byte swap, goto, call and exit.
    fn ignores_an_operand(code: u8) -> bool {
        let operation = code & 0xf0;
        match code & 7 {
            4 | 7 => operation == 0x80 || operation == 0xd0,
            5 | 6 => [0x00, 0x80, 0x90].contains(&operation),
            _ => false,
        }
    }
}
