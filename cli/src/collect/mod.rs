//! Puts one [`Sample`] together from all readers. The only place that reads the clock.

mod scope;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::{
    host::{NamespaceReader, ProcessError, ProcessReader, Roots, host},
    kernel::{Kernel, Options},
    sample::{Listener, Namespace, Probes, Process, Sample},
    target::Target,
};
use scope::Scope;

/// Reads one target again and again.
pub struct Collector {
    roots: Roots,
    scope: Scope,
    display: String,
    namespace: NamespaceReader,
    kernel: Option<Kernel>,
    processes: Vec<ProcessReader>,
    /// What happened that belongs on the screen: namespaces that could not be watched and the like.
    notices: Vec<String>,
}

impl Collector {
    /// Opens the readers of a target. No probes yet.
    ///
    /// # Errors
    /// The network namespace of the target cannot be entered or read.
    pub fn open(roots: &Roots, target: Target) -> anyhow::Result<Self> {
        let Target { pids, ports, netns, display } = target;
        let namespace = NamespaceReader::open(roots, netns, pids.first().copied())?;
        let mut collector = Self {
            roots: roots.clone(),
            scope: Scope::new(&pids, ports),
            display,
            namespace,
            kernel: None,
            processes: Vec::new(),
            notices: Vec::new(),
        };
        collector.open_processes(&pids);
        Ok(collector)
    }

    /// What is looked at, for people.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Sentences for the user that came up, each once.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Loads and attaches the probes; what cannot run is told by their statuses.
    pub fn start_probes(&mut self, options: &Options) {
        let mut kernel = Kernel::start(options);
        let inode = self.namespace.inode();
        match self.namespace.netns().run_inside(|| kernel.watch_namespace(inode)) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => self.notices.push(reason),
            Err(error) => self.notices.push(error.to_string()),
        }
        self.kernel = Some(kernel);
        self.trace_selected();
    }

    /// Traces these processes from now on, instead of those before.
    pub fn select(&mut self, pids: &[i32]) {
        self.scope.keep_processes();
        self.processes.clear();
        self.open_processes(pids);
        self.trace_selected();
    }

    /// Lets the kernel time the probes' runs for a while, see [`Kernel::time_runs`].
    pub fn time_runs(&mut self, on: bool) {
        if let Some(kernel) = &mut self.kernel {
            kernel.time_runs(on);
        }
    }

    /// Reads everything once.
    pub fn sample(&mut self) -> Sample {
        let mut namespace = self.namespace.read();
        self.follow(&namespace);
        self.scope.restrict(&mut namespace);
        self.tell_traced(&namespace);
        let processes = self.read_processes();
        // The counters of the kernel and those of the probes cannot be read in one step; two readings around
        // the probes' say how far apart they can be.
        namespace.counters = self.namespace.counters();
        let probes = self.kernel.as_ref().map(Kernel::read);
        if probes.is_some() {
            namespace.counters_after = self.namespace.counters().value().copied();
        }
        Sample {
            unix_ms: unix_ms(),
            monotonic_ns: monotonic_ns(),
            host: host(&self.roots),
            namespace,
            processes,
            probes: probes.map(|probes| self.restrict_probes(probes)),
        }
    }

    fn open_processes(&mut self, pids: &[i32]) {
        for &pid in pids {
            match ProcessReader::open(&self.roots, pid) {
                Ok(reader) => self.processes.push(reader),
                Err(error) => self.notices.push(error.to_string()),
            }
        }
    }

    fn trace_selected(&mut self) {
        let pids: Vec<i32> = self.processes.iter().map(ProcessReader::pid).collect();
        let refused = self.kernel.as_mut().map(|kernel| kernel.select(&pids)).unwrap_or_default();
        if !refused.is_empty() {
            let bound = probe_common::limits::TARGETS;
            self.notices.push(format!(
                "system calls and switches are counted for {bound} processes at most; not for pids {refused:?}"
            ));
        }
    }

    /// Traces the processes that joined the target: workers that a server forked, or its successor on the port.
    fn follow(&mut self, namespace: &Namespace) {
        let joined = self.scope.follow(namespace.listeners.value().map_or(&[], Vec::as_slice));
        if !joined.is_empty() {
            self.open_processes(&joined);
            self.trace_selected();
        }
    }

    /// Keeps the probes' listeners of the target's network namespace.
    fn restrict_probes(&self, mut probes: Probes) -> Probes {
        let inode = self.namespace.inode();
        probes.listeners.retain(|listener| listener.netns == inode);
        probes
    }

    /// Tells the probes on which listeners a traced process calls accept().
    fn tell_traced(&mut self, namespace: &Namespace) {
        let Some(kernel) = &mut self.kernel else { return };
        let pids: Vec<i32> = self.processes.iter().map(ProcessReader::pid).collect();
        let traced = |listener: &Listener| {
            !listener.pids.is_empty() && listener.pids.iter().all(|pid| pids.contains(pid))
        };
        for listener in namespace.listeners.value().into_iter().flatten() {
            kernel.trace_listener(listener.cookie, traced(listener));
        }
    }

    /// Reads the processes; one that ended is left out from now on, which the model tells by comparison.
    fn read_processes(&mut self) -> Vec<Process> {
        let mut found = Vec::new();
        let mut ended = None;
        let notices = &mut self.notices;
        self.processes.retain_mut(|reader| match reader.read(None) {
            Ok(process) => {
                found.push(process);
                true
            }
            Err(ProcessError::Gone { pid }) => {
                ended = Some(pid);
                false
            }
            Err(error) => {
                notices.push(format!("{error}; it is no longer looked at"));
                false
            }
        });
        // A screen that goes on without its target would say that nothing stands out.
        if let Some(pid) = ended.filter(|_| self.processes.is_empty()) {
            self.notices.push(format!("process {pid} has ended: no process is left to watch"));
        }
        found
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The clock that the programs use as well (bpf_ktime_get_ns).
fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
