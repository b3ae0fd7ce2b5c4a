//! TCP counters of a network namespace: /proc/PID/net/netstat, snmp and sockstat.

use std::path::Path;

use super::files::{text, unexpected};
use crate::sample::{Reading, TcpCounters};

/// Reads the counters below `net`, which is /proc/PID/net of a process in the namespace.
pub(super) fn counters(net: &Path) -> Result<TcpCounters, String> {
    let (netstat_path, snmp_path) = (net.join("netstat"), net.join("snmp"));
    let (netstat, snmp) = (text(&netstat_path)?, text(&snmp_path)?);
    let extended = Table::find(&netstat, "TcpExt").ok_or_else(|| unexpected(&netstat_path, &netstat))?;
    let tcp = Table::find(&snmp, "Tcp").ok_or_else(|| unexpected(&snmp_path, &snmp))?;
    let get = |table: &Table<'_>, path: &Path, name: &str| {
        table.value(name).ok_or_else(|| format!("{}: no value of {name}", path.display()))
    };
    Ok(TcpCounters {
        listen_overflows: get(&extended, &netstat_path, "ListenOverflows")?,
        listen_drops: get(&extended, &netstat_path, "ListenDrops")?,
        reqq_full_drop: get(&extended, &netstat_path, "TCPReqQFullDrop")?,
        reqq_full_do_cookies: get(&extended, &netstat_path, "TCPReqQFullDoCookies")?,
        syncookies_sent: get(&extended, &netstat_path, "SyncookiesSent")?,
        syncookies_recv: get(&extended, &netstat_path, "SyncookiesRecv")?,
        syncookies_failed: get(&extended, &netstat_path, "SyncookiesFailed")?,
        passive_opens: get(&tcp, &snmp_path, "PassiveOpens")?,
        active_opens: get(&tcp, &snmp_path, "ActiveOpens")?,
        estab_resets: get(&tcp, &snmp_path, "EstabResets")?,
    })
}

/// TIME_WAIT sockets: the number behind `tw` in the TCP line of `net`/sockstat.
pub(super) fn time_wait(net: &Path) -> Reading<u64> {
    let path = net.join("sockstat");
    text(&path).and_then(|text| parse_time_wait(&text).ok_or_else(|| unexpected(&path, &text))).into()
}

fn parse_time_wait(sockstat: &str) -> Option<u64> {
    let mut words = sockstat.lines().find_map(|line| line.strip_prefix("TCP: "))?.split_whitespace();
    words.find(|word| *word == "tw")?;
    words.next()?.parse().ok()
}

/// One group of counters: a line of names and a line of values, both behind the group's name.
struct Table<'a> {
    names: &'a str,
    values: &'a str,
}

impl<'a> Table<'a> {
    fn find(text: &'a str, group: &str) -> Option<Self> {
        let mut lines =
            text.lines().filter_map(|line| line.split_once(": ")).filter(|(name, _)| *name == group);
        let ((_, names), (_, values)) = (lines.next()?, lines.next()?);
        Some(Self { names, values })
    }

    fn value(&self, name: &str) -> Option<u64> {
        let column = self.names.split_whitespace().position(|candidate| candidate == name)?;
        self.values.split_whitespace().nth(column)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const NETSTAT: &str = "TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed ListenOverflows ListenDrops \
                           TCPReqQFullDoCookies TCPReqQFullDrop\nTcpExt: 1 2 3 4 5 6 7\nIpExt: InNoRoutes\n\
                           IpExt: 99\n";
    const SNMP: &str =
        "Ip: Forwarding\nIp: 1\nTcp: MaxConn ActiveOpens PassiveOpens EstabResets\nTcp: -1 10 11 12\n";

    fn fixture(netstat: impl AsRef<[u8]>, snmp: impl AsRef<[u8]>) -> Result<TcpCounters, String> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("netstat"), netstat).unwrap();
        fs::write(directory.path().join("snmp"), snmp).unwrap();
        counters(directory.path())
    }

    #[test]
    fn columns_are_found_by_name() {
        let expected = TcpCounters {
            listen_overflows: 4,
            listen_drops: 5,
            reqq_full_drop: 7,
            reqq_full_do_cookies: 6,
            syncookies_sent: 1,
            syncookies_recv: 2,
            syncookies_failed: 3,
            passive_opens: 11,
            active_opens: 10,
            estab_resets: 12,
        };
        assert_eq!(fixture(NETSTAT, SNMP), Ok(expected));
    }

    #[test]
    fn truncated_tables_name_the_missing_counter() {
        assert!(fixture("", SNMP).unwrap_err().ends_with("netstat: empty"));
        assert!(fixture(NETSTAT, b"\xff\xfe").unwrap_err().contains("snmp: unexpected content"));
        let short = NETSTAT.replace("TcpExt: 1 2 3 4 5 6 7", "TcpExt: 1 2 3 4 5 6");
        assert!(fixture(short, SNMP).unwrap_err().ends_with("no value of TCPReqQFullDrop"));
        let names_only = NETSTAT.lines().next().unwrap();
        assert!(fixture(names_only, SNMP).unwrap_err().contains("unexpected content"));
        assert!(counters(Path::new("/nonexistent")).unwrap_err().contains("ENOENT"));
    }

    #[test]
    fn time_wait_is_read_by_its_key() {
        assert_eq!(parse_time_wait("sockets: used 9\nTCP: inuse 5 orphan 0 tw 31 alloc 6 mem 1\n"), Some(31));
        assert_eq!(parse_time_wait("TCP6: inuse 5 tw 31\n"), None);
        assert_eq!(parse_time_wait("TCP: inuse 5 orphan 0 tw\n"), None);
    }

    #[test]
    fn this_kernel_has_every_counter_and_agrees_with_nstat() {
        let net = Path::new("/proc/thread-self/net");
        let before = counters(net).unwrap();
        assert!(time_wait(net).value().is_some());
        let nstat = Command::new("nstat").args(["-a", "-z", "-s", "TcpPassiveOpens"]).output();
        let Ok(output) = nstat else {
            eprintln!("SKIPPED this_kernel_has_every_counter_and_agrees_with_nstat: no nstat");
            return;
        };
        let after = counters(net).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let opens: u64 = text
            .split_whitespace()
            .skip_while(|word| *word != "TcpPassiveOpens")
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        assert!((before.passive_opens..=after.passive_opens).contains(&opens));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(netstat: Vec<u8>, snmp in "(Tcp: [A-Z a-z0-9-]{0,40}\n){0,3}") {
            prop_assert!(fixture(netstat, snmp).is_err());
        }

        #[test]
        fn a_table_gives_back_what_was_written(values in proptest::collection::vec(any::<u64>(), 1..40)) {
            let names: Vec<String> = (0..values.len()).map(|index| format!("Counter{index}")).collect();
            let numbers: Vec<String> = values.iter().map(u64::to_string).collect();
            let text = format!("Other: a\nOther: 1\nGroup: {}\nGroup: {}\n", names.join(" "), numbers.join(" "));
            let table = Table::find(&text, "Group").unwrap();
            for (name, value) in names.iter().zip(values) {
                prop_assert_eq!(table.value(name), Some(value));
            }
            prop_assert_eq!(table.value("Absent"), None);
        }
    }
}
