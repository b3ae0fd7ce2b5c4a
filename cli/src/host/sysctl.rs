//! Sysctls of a network namespace.
//!
//! /proc/sys/net shows the namespace of the task that opens it, so the functions here must run inside the
//! namespace ([`super::NetnsRef::run_inside`]); the path of another process does not help.

use std::path::Path;

use super::Roots;
use super::files::{number, parse_word, text, unexpected};
use crate::sample::{Reading, Sysctls};

/// Reads the sysctls of the calling thread's namespace.
pub(super) fn sysctls(roots: &Roots) -> Sysctls {
    let net = roots.procfs.join("sys/net");
    let ipv4 = net.join("ipv4");
    let port_range = port_range(&ipv4.join("ip_local_port_range"));
    Sysctls {
        somaxconn: number(&net.join("core/somaxconn")),
        tcp_max_syn_backlog: number(&ipv4.join("tcp_max_syn_backlog")),
        tcp_syncookies: number(&ipv4.join("tcp_syncookies")),
        tcp_abort_on_overflow: number(&ipv4.join("tcp_abort_on_overflow")),
        reserved_ports: reserved_ports(&ipv4.join("ip_local_reserved_ports"), &port_range),
        port_range,
        tcp_tw_reuse: number(&ipv4.join("tcp_tw_reuse")),
    }
}

fn port_range(path: &Path) -> Reading<(u16, u16)> {
    let read = || {
        let text = text(path)?;
        let (first, last) = (parse_word(path, &text, 0)?, parse_word(path, &text, 1)?);
        if first > last { Err(unexpected(path, &text)) } else { Ok((first, last)) }
    };
    read().into()
}

/// Number of reserved ports that lie inside the port range.
fn reserved_ports(path: &Path, range: &Reading<(u16, u16)>) -> Reading<u64> {
    let read = || {
        let text = text(path)?;
        let range = *range.value().ok_or("the port range itself could not be read")?;
        count_reserved(&text, range).ok_or_else(|| unexpected(path, &text))
    };
    read().into()
}

/// Counts the ports of a list such as "8080,9148-9150" inside `range`; the kernel writes it sorted, without
/// overlaps, and empty when nothing is reserved.
fn count_reserved(list: &str, range: (u16, u16)) -> Option<u64> {
    let mut count = 0;
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first = first.parse::<u16>().ok()?.max(range.0);
        let last = last.parse::<u16>().ok()?.min(range.1);
        if first <= last {
            count += u64::from(last - first) + 1;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reserved_ports_outside_the_range_do_not_count() {
        assert_eq!(count_reserved("", (32768, 60999)), Some(0));
        assert_eq!(count_reserved("\n", (32768, 60999)), Some(0));
        assert_eq!(count_reserved("8080,40000,50000-50009\n", (32768, 60999)), Some(11));
        assert_eq!(count_reserved("30000-32769,60999-65535", (32768, 60999)), Some(3));
        assert_eq!(count_reserved("8080-", (1, 2)), None);
        assert_eq!(count_reserved("eight", (1, 2)), None);
    }

    #[test]
    fn values_that_cannot_be_read_say_why_one_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let ipv4 = directory.path().join("sys/net/ipv4");
        fs::create_dir_all(&ipv4).unwrap();
        fs::write(ipv4.join("ip_local_port_range"), "60999\t32768\n").unwrap();
        fs::write(ipv4.join("ip_local_reserved_ports"), "\n").unwrap();
        fs::write(ipv4.join("tcp_syncookies"), "1\n").unwrap();
        fs::write(ipv4.join("tcp_tw_reuse"), b"\x00\x80").unwrap();
        let roots = Roots { procfs: directory.path().to_owned(), ..Roots::default() };

        let sysctls = sysctls(&roots);
        assert_eq!(sysctls.tcp_syncookies, Reading::Value(1));
        assert!(sysctls.somaxconn.reason().unwrap().contains("ENOENT"));
        assert!(sysctls.port_range.reason().unwrap().contains("unexpected content"));
        assert_eq!(sysctls.reserved_ports.reason(), Some("the port range itself could not be read"));
        assert!(sysctls.tcp_tw_reuse.value().is_none());
    }

    proptest! {
        #[test]
        fn counting_equals_a_bitmap(ports in proptest::collection::btree_set(any::<u16>(), 0..50),
                                    first: u16, last: u16) {
            let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            let inside = ports.iter().filter(|port| (first..=last).contains(*port)).count();
            prop_assert_eq!(count_reserved(&list, (first, last)), Some(inside as u64));
        }

        #[test]
        fn any_text_is_survived(text: String, first: u16, last: u16) {
            if let Some(count) = count_reserved(&text, (first, last)) {
                prop_assert!(count == 0 || !text.trim().is_empty());
            }
        }
    }
}
