//! The only module that talks to the kernel's BPF side. Programs are loaded and attached one by one; whatever
//! fails becomes a status that a user understands, and never stops the rest.

mod attach;
mod btf;
mod catalogue;
mod globals;
mod maps;
mod pids;
mod read;
mod status;

use std::{collections::BTreeMap, os::fd::OwnedFd, path::PathBuf};

use aya::{Ebpf, programs::tp_btf::BtfTracePointLink};
use probe_common::limits;

use crate::sample::{ProbeStatus, Probes};
use catalogue::{PROBES, When};
use status::Outcome;

/// The compiled programs; `cargo xtask object build` makes them from probe-ebpf.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/netscope.bpf.o"));

/// What made the object, and what is in it.
static MANIFEST: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/netscope.bpf.manifest.json"));

/// The embedded object in a few words: the start of its SHA-256 and the compiler that made it.
#[must_use]
pub fn object_version() -> String {
    let manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap_or_default();
    let text = |path: &str| manifest.pointer(path).and_then(|value| value.as_str()).unwrap_or("unknown");
    let hash: String = text("/object_sha256").chars().take(12).collect();
    format!("eBPF object {hash}, rustc {}", text("/toolchain/rustc"))
}

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kernel's type information.
    pub btf: PathBuf,
    /// Where /proc is mounted.
    pub procfs: PathBuf,
    /// Upper bound for the entries of every hash map, for trying out what happens when one is full.
    pub map_entries: Option<u32>,
    /// Whether the whole verifier log of a refused program goes into its status.
    pub verbose: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            btf: PathBuf::from("/sys/kernel/btf/vmlinux"),
            procfs: PathBuf::from("/proc"),
            map_entries: None,
            verbose: false,
        }
    }
}

/// The loaded programs. Dropping it detaches and unloads everything: only descriptor-based links are used,
/// so the kernel does the same when the process is killed.
pub struct Kernel {
    /// `None` when nothing could be loaded at all.
    ebpf: Option<Ebpf>,
    /// State of each probe of the catalogue, in its order.
    outcomes: Vec<Outcome>,
    links: BTreeMap<&'static str, BtfTracePointLink>,
    cpus: usize,
    /// Traced process per slot; slots keep their counters until they are given to another process.
    slots: Vec<Option<i32>>,
    timing: Option<OwnedFd>,
}

impl Kernel {
    /// Loads everything and attaches what always runs. Never fails: [`Kernel::read`] tells what is missing.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let cpus = aya::util::nr_cpus().unwrap_or(1);
        let slots = vec![None; usize::try_from(limits::TARGETS).unwrap_or(0)];
        let mut kernel =
            Self { ebpf: None, outcomes: Vec::new(), links: BTreeMap::new(), cpus, slots, timing: None };
        match attach::load(options, cpus) {
            Ok((ebpf, outcomes)) => {
                kernel.ebpf = Some(ebpf);
                kernel.outcomes = outcomes;
                kernel.attach_all(When::Always);
            }
            Err(outcome) => kernel.outcomes = vec![outcome; PROBES.len()],
        }
        kernel
    }

    /// Watches network namespace `inode`, and registers the sockets that listen in the namespace of the
    /// calling thread: call it inside that namespace.
    ///
    /// # Errors
    /// A sentence that says what failed; the listeners that appear later are still seen.
    pub fn watch_namespace(&mut self, inode: u64) -> Result<(), String> {
        match &mut self.ebpf {
            Some(ebpf) => attach::watch_namespace(ebpf, inode),
            None => Ok(()),
        }
    }

    /// Traces exactly these processes: system calls and switches of each are counted from now on. Processes
    /// beyond the bound are returned.
    pub fn select(&mut self, pids: &[i32]) -> Vec<i32> {
        for slot in 0..self.slots.len() {
            if let Some(Some(pid)) = self.slots.get(slot).copied()
                && !pids.contains(&pid)
            {
                self.set_slot(slot, None);
            }
        }
        let mut refused = Vec::new();
        for &pid in pids.iter().filter(|pid| **pid > 0) {
            if self.slots.contains(&Some(pid)) {
                continue;
            }
            match self.slots.iter().position(Option::is_none) {
                Some(slot) => self.set_slot(slot, Some(pid)),
                None => refused.push(pid),
            }
        }
        if self.slots.iter().any(Option::is_some) {
            self.attach_all(When::Selected);
        } else {
            self.detach_all(When::Selected);
        }
        refused
    }

    /// Says of a listening socket, by its cookie, whether a traced process calls accept() on it. Only then
    /// are the waits in its queue measured.
    pub fn trace_listener(&mut self, cookie: u64, traced: bool) {
        if let Some(ebpf) = &mut self.ebpf {
            attach::trace_listener(ebpf, cookie, traced);
        }
    }

    /// Lets the kernel time the programs' runs (BPF_ENABLE_STATS), or stops it: timing itself costs, so it is
    /// on for a part of the time only.
    pub fn time_runs(&mut self, on: bool) {
        self.timing = (on && self.ebpf.is_some())
            .then(|| aya::sys::enable_stats(aya::sys::Stats::RunTime).ok())
            .flatten();
    }

    /// Everything that the programs have counted so far.
    #[must_use]
    pub fn read(&self) -> Probes {
        read::probes(self)
    }

    /// State of every probe.
    #[must_use]
    pub fn statuses(&self) -> Vec<ProbeStatus> {
        status::statuses(self)
    }

    fn is_active(&self, probe: &str) -> bool {
        PROBES.iter().zip(&self.outcomes).any(|(row, outcome)| {
            row.name == probe
                && row.programs.iter().all(|program| self.links.contains_key(program.name))
                && matches!(outcome, Outcome::Ready)
        })
    }

    fn set_slot(&mut self, slot: usize, pid: Option<i32>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let before = std::mem::replace(entry, pid);
        if let Some(ebpf) = &mut self.ebpf {
            attach::set_slot(ebpf, slot, before, pid, self.cpus);
        }
    }

    fn attach_all(&mut self, when: When) {
        let Some(ebpf) = &mut self.ebpf else { return };
        for (probe, outcome) in PROBES.iter().zip(&mut self.outcomes).filter(|(probe, _)| probe.when == when)
        {
            if matches!(outcome, Outcome::Ready)
                && let Err(failure) = attach::attach(ebpf, probe, &mut self.links)
            {
                *outcome = failure;
            }
        }
    }

    fn detach_all(&mut self, when: When) {
        // System calls first: their programs lean on the scheduler's.
        for program in PROBES.iter().filter(|probe| probe.when == when).rev().flat_map(|probe| probe.programs)
        {
            self.links.remove(program.name);
        }
    }
}
