//! What the kernel says happened.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The TCP counters of a network namespace under the kernel's names (Documentation/networking/snmp_counter.rst).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Counters since the namespace exists, of the namespace of the calling thread.
    pub fn read() -> Self {
        Self::read_from("/proc/thread-self")
    }

    /// The counters of the namespace of the process `pid`.
    pub fn of(pid: u32) -> Self {
        Self::read_from(&format!("/proc/{pid}"))
    }

    fn read_from(task: &str) -> Self {
        let mut counters = BTreeMap::new();
        for (file, section) in [("snmp", "Tcp: "), ("netstat", "TcpExt: ")] {
            let path = format!("{task}/net/{file}");
            let text = fs::read_to_string(&path).unwrap();
            let mut lines = text.lines().filter_map(|line| line.strip_prefix(section));
            let names = lines.next().unwrap().split_whitespace();
            let values = lines.next().unwrap().split_whitespace();
            // MaxConn is -1 by design, and no counter.
            counters.extend(
                names.zip(values).filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))),
            );
        }
        Self(counters)
    }

    /// Reads until nothing moved for a fifth of a second: the traffic is over.
    pub fn settled() -> Self {
        for _ in 0..100 {
            let before = Self::read();
            std::thread::sleep(Duration::from_millis(200));
            if before == Self::read() {
                return before;
            }
        }
        panic!("the TCP counters still move 20 s after the last packet was sent");
    }

    /// What happened between `earlier` and `self`.
    pub fn since(&self, earlier: &Self) -> Self {
        let difference =
            |(name, value): (&String, &u64)| (name.clone(), value - earlier.0.get(name).unwrap());
        Self(self.0.iter().map(difference).collect())
    }

    /// One counter. A name that this kernel lacks is an error of the test.
    pub fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("the kernel has no counter {name}"))
    }

    /// Several counters, for comparison with a row of expected values.
    pub fn row<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        names.map(|name| self.get(name))
    }
}

/// Voluntary and involuntary switches of all threads of a process (/proc/PID/task/*/status).
///
/// The caller makes sure that the threads are blocked; the reading waits until they really are.
pub fn switches(pid: u32) -> (u64, u64) {
    for _ in 0..100 {
        let before = switches_now(pid);
        std::thread::sleep(Duration::from_millis(50));
        if asleep(pid) && before == switches_now(pid) {
            return before;
        }
    }
    panic!("process {pid} does not come to rest");
}

fn tasks(pid: u32) -> impl Iterator<Item = std::path::PathBuf> {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap().path())
}

fn asleep(pid: u32) -> bool {
    tasks(pid).all(|task| {
        let stat = fs::read_to_string(task.join("stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('S')
    })
}

fn switches_now(pid: u32) -> (u64, u64) {
    let field = |text: &str, name: &str| -> u64 {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
    };
    tasks(pid).fold((0, 0), |(voluntary, involuntary), task| {
        let text = fs::read_to_string(task.join("status")).unwrap();
        (
            voluntary + field(&text, "voluntary_ctxt_switches:"),
            involuntary + field(&text, "nonvoluntary_ctxt_switches:"),
        )
    })
}
