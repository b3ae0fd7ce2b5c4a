//! Samples for tests: a quiet host with every value read, to be changed where a test looks.

use std::collections::BTreeMap;

use probe_common::histogram::{LISTENER_SUB_BITS, RUN_QUEUE_SUB_BITS, bucket, syscall_bucket};

use crate::sample::{
    CgroupLimits, Fds, Histogram, Host, Limit, Listener, ListenerCounters, ListenerValues, Namespace,
    ProbeState, ProbeStatus, Probes, Process, ProcessCounters, Reading, Sample, Scale, SyscallCounters,
    Sysctls, TcpCounters, ThreadSwitches, Via,
};

/// Inode of the namespace of [`sample`], which is netscope's own there.
pub(crate) const NETNS: u64 = 4_026_531_840;

/// A quiet host: no listener, no process, no probes.
pub(crate) fn sample() -> Sample {
    Sample {
        unix_ms: 1_700_000_000_000,
        monotonic_ns: 1_000_000_000,
        host: host(),
        namespace: namespace(),
        processes: vec![],
        probes: None,
    }
}

/// Two such samples, `seconds` apart.
pub(crate) fn pair(seconds: f64) -> (Sample, Sample) {
    let (earlier, mut later) = (sample(), sample());
    let milliseconds = number_of(seconds * 1000.0);
    later.unix_ms += milliseconds;
    later.monotonic_ns += milliseconds * 1_000_000;
    (earlier, later)
}

/// The same with all probes running at both ends and nothing counted.
pub(crate) fn pair_with_probes(seconds: f64) -> (Sample, Sample) {
    let (mut earlier, mut later) = pair(seconds);
    earlier.probes = Some(probes());
    later.probes = Some(probes());
    (earlier, later)
}

/// A host with two CPUs.
pub(crate) fn host() -> Host {
    Host {
        kernel: "6.18.0".to_owned(),
        cpus: 2,
        memory_bytes: 8 << 30,
        boot_id: "0b1e2c3d-0000-4000-8000-000000000001".to_owned(),
        own_netns: Reading::Value(NETNS),
        file_handles: Reading::Value(1500),
        file_max: Reading::Value(9_223_372_036_854_775_807),
        nr_open: Reading::Value(1_048_576),
        threads_max: Reading::Value(63_000),
        pid_max: Reading::Value(4_194_304),
        max_map_count: Reading::Value(65_530),
        threads: Reading::Value(210),
    }
}

/// A namespace with the kernel's defaults, no sockets and no drops.
pub(crate) fn namespace() -> Namespace {
    Namespace {
        inode: Reading::Value(NETNS),
        sysctls: Sysctls {
            somaxconn: Reading::Value(4096),
            tcp_max_syn_backlog: Reading::Value(512),
            tcp_syncookies: Reading::Value(1),
            tcp_abort_on_overflow: Reading::Value(0),
            port_range: Reading::Value((32_768, 60_999)),
            reserved_ports: Reading::Value(0),
            tcp_tw_reuse: Reading::Value(2),
        },
        counters: Reading::Value(TcpCounters::default()),
        counters_after: None,
        listeners: Reading::Value(vec![]),
        established: Reading::Value(vec![]),
        time_wait: Reading::Value(0),
    }
}

/// Namespace counters with these ListenOverflows and ListenDrops.
pub(crate) fn counters(overflows: u64, drops: u64) -> TcpCounters {
    TcpCounters { listen_overflows: overflows, listen_drops: drops, ..TcpCounters::default() }
}

/// An empty listening socket, whose cookie is its port.
pub(crate) fn listener(address: &str, port: u16, limit: u32) -> Listener {
    Listener {
        address: address.parse().unwrap(),
        port,
        v6_only: false,
        inode: 10_000 + u64::from(port),
        cookie: u64::from(port),
        waiting: 0,
        limit,
        drops_hint: Some(0),
        half_open: 0,
        uid: 0,
        pids: vec![],
    }
}

/// A process with one thread, 10 descriptors and the usual limits.
pub(crate) fn process(pid: i32) -> Process {
    Process {
        pid,
        start_ticks: 5000,
        comm: "server".to_owned(),
        exe: Reading::Value("/usr/bin/server".to_owned()),
        cmdline: Reading::Value("server --port 80".to_owned()),
        uid: 1000,
        netns: Reading::Value(NETNS),
        cap_effective: Reading::Value(0),
        threads: 1,
        cpu_user_us: 0,
        cpu_system_us: 0,
        rss_bytes: Reading::Value(10 << 20),
        pss_bytes: Reading::Value(9 << 20),
        maps: Reading::Value(40),
        fds: Reading::Value(fds(10)),
        nofile: Reading::Value(Limit { soft: Some(1024), hard: Some(4096) }),
        nproc: Reading::Value(Limit { soft: Some(31_000), hard: Some(31_000) }),
        cgroup: Reading::Value(CgroupLimits {
            path: "/system.slice/server.service".to_owned(),
            pids_max: None,
            pids_current: None,
            memory_max: None,
            memory_current: None,
        }),
        unit: Some("server.service".to_owned()),
        switches: Reading::Value(vec![ThreadSwitches { tid: pid, voluntary: 0, involuntary: 0 }]),
    }
}

/// Descriptors, all of them sockets.
pub(crate) fn fds(open: u64) -> Fds {
    Fds { open, by_kind: BTreeMap::from([("socket".to_owned(), open)]), tcp_connections: Some(open) }
}

/// Probes that run and have counted nothing.
pub(crate) fn probes() -> Probes {
    Probes { drops_attributed: true, entries_counted: true, accepts_counted: true, ..Probes::default() }
}

/// An attached probe that was never timed.
pub(crate) fn active(name: &str) -> ProbeStatus {
    ProbeStatus {
        name: name.to_owned(),
        question: format!("what {name} answers"),
        state: ProbeState::Active { via: Via::TpBtf },
        timed_runs: None,
        timed_run_ns: None,
        misses: None,
    }
}

/// Counters of a listening address of [`NETNS`], all zero.
pub(crate) fn probed(address: &str, port: u16) -> ListenerCounters {
    ListenerCounters {
        netns: NETNS,
        address: address.parse().unwrap(),
        port,
        stats: ListenerValues::default(),
        depth: histogram(LISTENER_SUB_BITS, &[]),
        accept_wait_ns: histogram(LISTENER_SUB_BITS, &[]),
        handshake_ns: histogram(LISTENER_SUB_BITS, &[]),
    }
}

/// Counters of a traced process without anything counted.
pub(crate) fn process_counters(pid: i32) -> ProcessCounters {
    ProcessCounters { pid, voluntary: None, involuntary: None, run_queue_ns: None, syscalls: None }
}

/// A system call that succeeded `calls` times, each taking `nanoseconds`.
pub(crate) fn syscall(number: u32, calls: u64, nanoseconds: u64) -> SyscallCounters {
    let counts = BTreeMap::from([(syscall_bucket(nanoseconds), calls)]);
    let latency_ns = Histogram { scale: Scale::Syscall, counts, sum: calls * nanoseconds };
    SyscallCounters { number, calls, errors: BTreeMap::new(), latency_ns }
}

/// A histogram of these values.
pub(crate) fn histogram(sub_bits: u32, values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new(Scale::Linear(sub_bits));
    for &value in values {
        *histogram.counts.entry(bucket(value, sub_bits)).or_default() += 1;
        histogram.sum += value;
    }
    histogram
}

/// A run-queue histogram of these nanoseconds.
pub(crate) fn run_queue(values: &[u64]) -> Histogram {
    histogram(RUN_QUEUE_SUB_BITS, values)
}

fn number_of(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap()
}
