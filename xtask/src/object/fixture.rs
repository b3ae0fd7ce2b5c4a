//! A hand-assembled object for the tests: one map, one global, one program that uses both.

/// Section name, type, flags, link, info, bytes.
type Part = (&'static str, u32, u64, u32, u32, Vec<u8>);

/// `Elf64_Sym`.
fn symbol(name: u32, info: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    [&name.to_le_bytes()[..], &[info, 0], &section.to_le_bytes(), &value.to_le_bytes(), &size.to_le_bytes()]
        .concat()
}

/// `Elf64_Rel` of type `R_BPF_64_64`.
fn relocation(offset: u64, symbol: u32) -> Vec<u8> {
    [&offset.to_le_bytes()[..], &1_u32.to_le_bytes(), &symbol.to_le_bytes()].concat()
}

/// The sections: `r6 = r1; r1 = &COUNTS; r0 = LIMIT (8 bytes, from .rodata); exit` would not load, but it has
/// every feature that the reader looks at.
fn parts() -> Vec<Part> {
    let names = b"\0count\0COUNTS\0LIMIT\0LICENSE\0".to_vec();
    let code = [
        [0xbf, 0x16, 0, 0, 0, 0, 0, 0],
        [0x18, 0x01, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0xb7, 0x00, 0, 0, 0, 0, 0, 0],
        [0x95, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let map: Vec<u8> = [6_u32, 4, 8, 16, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    let symbols = [
        symbol(0, 0, 0, 0, 0),
        symbol(1, 0x12, 1, 0, 40),
        symbol(7, 0x11, 2, 0, 28),
        symbol(14, 0x11, 3, 0, 4),
        symbol(20, 0x11, 4, 0, 4),
    ]
    .concat();
    vec![
        ("", 0, 0, 0, 0, Vec::new()),
        ("raw_tp/sys_enter", 1, 6, 0, 0, code),
        ("maps", 1, 3, 0, 0, map),
        (".rodata", 1, 2, 0, 0, vec![0xff; 4]),
        ("license", 1, 2, 0, 0, b"GPL\0".to_vec()),
        (".relraw_tp/sys_enter", 9, 0, 6, 1, relocation(8, 2)),
        (".symtab", 2, 0, 7, 1, symbols),
        (".strtab", 3, 0, 0, 0, names),
        (".shstrtab", 3, 0, 0, 0, Vec::new()),
    ]
}

/// The object as bytes.
pub fn object() -> Vec<u8> {
    let mut parts = parts();
    let mut names = Vec::new();
    let mut offsets = Vec::new();
    for part in &parts {
        offsets.push(u32::try_from(names.len()).unwrap());
        names.extend_from_slice(part.0.as_bytes());
        names.push(0);
    }
    parts.last_mut().unwrap().5 = names;
    let mut bytes = vec![0; 64];
    let mut headers = Vec::new();
    for (part, name) in parts.iter().zip(offsets) {
        let (_, kind, flags, link, info, data) = part;
        let offset = bytes.len() as u64;
        bytes.extend_from_slice(data);
        headers.extend_from_slice(&name.to_le_bytes());
        headers.extend_from_slice(&kind.to_le_bytes());
        for word in [*flags, 0, offset, data.len() as u64] {
            headers.extend_from_slice(&word.to_le_bytes());
        }
        headers.extend_from_slice(&link.to_le_bytes());
        headers.extend_from_slice(&info.to_le_bytes());
        headers.extend_from_slice(&[0; 16]);
    }
    let table = bytes.len() as u64;
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16..20].copy_from_slice(&[1, 0, 247, 0]);
    bytes[40..48].copy_from_slice(&table.to_le_bytes());
    bytes[58..60].copy_from_slice(&64_u16.to_le_bytes());
    bytes[60..62].copy_from_slice(&u16::try_from(parts.len()).unwrap().to_le_bytes());
    bytes[62..64].copy_from_slice(&u16::try_from(parts.len() - 1).unwrap().to_le_bytes());
    bytes.extend_from_slice(&headers);
    bytes
}
