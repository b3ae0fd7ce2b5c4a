//! Values of the programs' globals for the running kernel.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use probe_common::fields::{ENUMERATORS, FIELDS, MISSING};

use super::btf::Btf;

/// Everything that is handed over before loading.
#[derive(Clone, Debug, Default)]
pub struct Globals {
    /// 32-bit globals.
    pub words: HashMap<&'static str, u32>,
    /// 64-bit globals.
    pub addresses: HashMap<&'static str, u64>,
    /// Arguments of the tracepoints that the programs attach to; absent means that the kernel has none.
    pub tracepoints: HashMap<&'static str, u32>,
}

impl Globals {
    /// Resolves every field, enumerator and tracepoint against `btf`. `tracepoints` are those of the
    /// catalogue, `procfs` is where kallsyms lies.
    #[must_use]
    pub fn resolve(btf: &Btf, tracepoints: &[&'static str], procfs: &Path, possible_cpus: u32) -> Self {
        let structs = btf.structs(&FIELDS.iter().map(|field| field.structure).collect::<HashSet<_>>());
        let values = btf.enumerators(&ENUMERATORS.iter().map(|value| value.name).collect());
        let mut words = HashMap::new();
        for field in FIELDS {
            let member = btf
                .member(&structs, field.structure, field.member)
                .filter(|member| field.size == 0 || member.size == field.size);
            words.insert(field.global, member.map_or(MISSING, |member| member.offset));
        }
        for value in ENUMERATORS {
            words.insert(value.global, values.get(value.name).copied().unwrap_or(MISSING));
        }
        let tracepoints: HashMap<_, _> =
            tracepoints.iter().filter_map(|&name| Some((name, btf.tracepoint_arguments(name)?))).collect();
        let arguments = |name: &str| tracepoints.get(name).copied().unwrap_or(0);
        words.insert("HAS_PREV_STATE", u32::from(arguments("sched_switch") >= 4));
        words.insert("HAS_CONSUME_LOCATION", u32::from(arguments("consume_skb") >= 2));
        words.insert("POSSIBLE_CPUS", possible_cpus);
        words.insert("NUMBER_ACCEPT", system_call_number(nix::libc::SYS_accept));
        words.insert("NUMBER_ACCEPT4", system_call_number(nix::libc::SYS_accept4));
        let (start, end) = symbol_range(&procfs.join("kallsyms"), "tcp_rcv_state_process").unwrap_or((0, 0));
        let addresses = HashMap::from([("SYN_CONSUMER_START", start), ("SYN_CONSUMER_END", end)]);
        Self { words, addresses, tracepoints }
    }

    /// The first of `globals` that this kernel lacks, in the kernel's own words.
    #[must_use]
    pub fn first_missing(&self, globals: &[&str]) -> Option<String> {
        let global =
            globals.iter().find(|&&name| self.words.get(name).is_none_or(|&value| value == MISSING))?;
        let field = FIELDS.iter().find(|field| field.global == *global);
        let value = ENUMERATORS.iter().find(|value| value.global == *global);
        Some(match (field, value) {
            (Some(field), _) => format!("{}.{}", field.structure, field.member),
            (_, Some(value)) => value.name.to_owned(),
            _ => (*global).to_owned(),
        })
    }
}

fn system_call_number(number: nix::libc::c_long) -> u32 {
    u32::try_from(number).unwrap_or(MISSING)
}

/// Address range of function `name` in /proc/kallsyms, which is sorted by address; `None` when the kernel
/// hides addresses (kernel.kptr_restrict) or has no such function.
fn symbol_range(kallsyms: &Path, name: &str) -> Option<(u64, u64)> {
    let mut lines = BufReader::with_capacity(1 << 16, File::open(kallsyms).ok()?).lines();
    let mut start = None;
    while let Some(Ok(line)) = lines.next() {
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some(_), Some(symbol)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        match start {
            None if symbol == name => {
                start = u64::from_str_radix(address, 16).ok().filter(|&found| found != 0)
            }
            None => {}
            Some(start) => {
                let end = u64::from_str_radix(address, 16).ok()?;
                if end > start {
                    return Some((start, end));
                }
            }
        }
        if start.is_none() && symbol == name {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn kallsyms(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_symbol_ends_where_the_next_address_begins() {
        let file = kallsyms("ff10 T before\nff20 T wanted\nff20 t alias\nff90 T after\n");
        assert_eq!(symbol_range(file.path(), "wanted"), Some((0xff20, 0xff90)));
    }

    #[test]
    fn hidden_or_absent_symbols_have_no_range() {
        let hidden = kallsyms("0000 T before\n0000 T wanted\n0000 T after\n");
        assert_eq!(symbol_range(hidden.path(), "wanted"), None);
        assert_eq!(symbol_range(kallsyms("ff10 T before\n").path(), "wanted"), None);
        assert_eq!(symbol_range(Path::new("/nonexistent/kallsyms"), "wanted"), None);
    }

    #[test]
    fn every_field_exists_in_the_running_kernel() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            eprintln!("SKIPPED every_field_exists_in_the_running_kernel: this kernel offers no BTF");
            return;
        };
        let globals = Globals::resolve(&Btf::parse(bytes).unwrap(), &["sched_switch"], Path::new("/proc"), 2);
        for field in FIELDS {
            assert_ne!(globals.words[field.global], MISSING, "{}.{}", field.structure, field.member);
        }
        for value in ENUMERATORS {
            assert_ne!(globals.words[value.global], MISSING, "{}", value.name);
        }
    }
}
