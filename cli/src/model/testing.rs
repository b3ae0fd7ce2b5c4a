//! Samples for tests: a quiet host with every value read, to be changed where a test looks.

use std::collections::BTreeMap;

use probe_common::histogram::{LISTENER_SUB_BITS, RUN_QUEUE_SUB_BITS, bucket, syscall_bucket};

use crate::sample::{
    CgroupLimits, Established, Fds, Histogram, Host, Limit, Listener, ListenerCounters, ListenerValues,
    Namespace, ProbeState, ProbeStatus, Probes, Process, ProcessCounters, Reading, Sample, Scale,
    SocketMemory, SyscallCounters, Sysctls, TcpCounters, ThreadSwitches, Via,
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
        owner_names: BTreeMap::new(),
        hidden_owners: None,
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
    Probes {
        statuses: vec![active("syn-drops")],
        drops_attributed: true,
        entries_counted: true,
        accepts_counted: true,
        ..Probes::default()
    }
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

/// Ten seconds of a demo server whose accept queue overflows: every probe runs, one process is traced.
pub(crate) fn overflow() -> (Sample, Sample) {
    let (mut earlier, mut later) = pair_with_probes(10.0);
    let mut socket = listener("127.0.0.1", 8080, 128);
    socket.pids = vec![4242];
    let mut idle = listener("::", 22, 4096);
    idle.pids = vec![611];
    earlier.namespace.listeners = Reading::Value(vec![socket.clone(), idle.clone()]);
    (socket.waiting, socket.half_open, socket.drops_hint) = (129, 12, Some(1608));
    later.namespace.listeners = Reading::Value(vec![idle, socket]);
    later.namespace.counters = Reading::Value(counters(1204, 1204));
    later.namespace.established = Reading::Value(vec![established(8080, 1010)]);
    for (sample, open, cpu_us) in [(&mut earlier, 612, 1_000_000), (&mut later, 1021, 8_300_000)] {
        let mut server = process(4242);
        server.comm = "demo".to_owned();
        (server.cpu_user_us, server.cpu_system_us) = (cpu_us / 2, cpu_us / 2);
        server.fds = Reading::Value(fds(open));
        sample.processes = vec![server];
        let probes = sample.probes.as_mut().unwrap();
        probes.statuses = ["listener", "drop", "sched", "syscall"].map(active).to_vec();
        for status in &mut probes.statuses {
            (status.timed_runs, status.timed_run_ns) = (Some(0), Some(0));
        }
        probes.processes = vec![process_counters(4242)];
        let traced = &mut probes.processes[0];
        (traced.voluntary, traced.involuntary) = (Some(0), Some(0));
        traced.run_queue_ns = Some(run_queue(&[]));
        traced.syscalls = Some(vec![]);
    }
    count_overflow(later.probes.as_mut().unwrap());
    (earlier, later)
}

fn count_overflow(probes: &mut Probes) {
    let mut counted = probed("127.0.0.1", 8080);
    counted.stats = ListenerValues {
        entered: 12_345,
        accepted: 12_216,
        accept_queue_full_syn: 800,
        accept_queue_full_ack: 404,
        refused_attempts: 310,
        listen_overflows: 1204,
        listen_drops: 1204,
        ..ListenerValues::default()
    };
    counted.depth = histogram(LISTENER_SUB_BITS, &[[3; 60].as_slice(), &[129; 40]].concat());
    let waits = [[1_200_000; 97].as_slice(), &[480_000_000; 3]].concat();
    counted.accept_wait_ns = histogram(LISTENER_SUB_BITS, &waits);
    counted.handshake_ns = histogram(LISTENER_SUB_BITS, &[31_000; 100]);
    probes.listeners = vec![counted, probed("::", 22)];
    let traced = &mut probes.processes[0];
    (traced.voluntary, traced.involuntary) = (Some(12_400), Some(231));
    traced.run_queue_ns = Some(run_queue(&[[3_000; 98].as_slice(), &[150_000; 2]].concat()));
    let mut accept = syscall(288, 18_000, 3_000);
    accept.errors = BTreeMap::from([(11, 5_784)]);
    let calls = [(232, 9_000, 400_000), (0, 24_000, 1_500), (1, 12_000, 9_000), (3, 12_000, 2_000)];
    let calls = calls.map(|(number, calls, nanoseconds)| syscall(number, calls, nanoseconds));
    traced.syscalls = Some(calls.into_iter().chain([accept]).collect());
    for status in &mut probes.statuses {
        (status.timed_runs, status.timed_run_ns) = (Some(2_000), Some(420_000));
    }
}

/// Connections of a local port, all established.
pub(crate) fn established(port: u16, sockets: u64) -> Established {
    let memory = SocketMemory {
        sockets,
        receive_allocated: sockets * 768,
        receive_limit: sockets * 131_072,
        send_queued: sockets * 128,
        send_limit: sockets * 2_626_560,
        forward_allocated: sockets * 256,
    };
    Established {
        port,
        states: BTreeMap::from([("ESTAB".to_owned(), sockets)]),
        memory: Some(memory),
        unaccepted: 0,
        rtt_sum_us: sockets * 30,
        rtt_samples: sockets,
    }
}
