use super::*;
use crate::findings::{Evidence, Finding, Fix, FixKind, Origin, Scope, Severity, Skipped};
use crate::model::{Peaks, ProbeState, Quality, testing};
use crate::sample::{CgroupLimits, Limit, ProbeStatus, Reading, Sample};

const PLAIN: Style = Style { colour: false };

fn between((earlier, later): &(Sample, Sample)) -> Model {
    Model::between(earlier, later, &Peaks::over([earlier, later]))
}

fn evidence(name: &str, value: f64, unit: &'static str, source: &str) -> Evidence {
    Evidence { name: name.to_owned(), value, unit, source: source.to_owned(), quality: Quality::Exact }
}

fn fix(kind: FixKind, scope: Scope, text: &str, verify: &str, restart_needed: bool) -> Fix {
    let risk = if restart_needed { "open connections are closed by the restart" } else { "" };
    Fix {
        scope,
        kind,
        text: text.to_owned(),
        verify: verify.to_owned(),
        restart_needed,
        risk: risk.to_owned(),
    }
}

fn overflow_finding() -> Finding {
    let source = "sock_diag in the network namespace of pid 4242";
    Finding {
        id: "LSN-005",
        severity: Severity::Fail,
        origin: Origin::Measured,
        subject: "127.0.0.1:8080 (demo, pid 4242)".to_owned(),
        title: "1 204 packets of 310 connection attempts dropped at a full accept queue".to_owned(),
        evidence: vec![
            evidence("dropped", 1204.0, "packets", "eBPF, kfree_skb and consume_skb"),
            evidence("waiting", 129.0, "connections", source),
            evidence("limit", 128.0, "connections", source),
            Evidence { quality: Quality::Estimated, ..evidence("rate", 1234.5, "connections/s", "PassiveOpens") },
        ],
        threshold: "no packet is dropped at a listener".to_owned(),
        explanation: "The server does not call accept() as fast as connections arrive, so the queue stays full. \
                      Clients see a connect that hangs for 1 s, 3 s, 7 s, or a reset, while the application's own \
                      latency looks fine."
            .to_owned(),
        fixes: vec![
            fix(
                FixKind::Application,
                Scope::Lasting,
                "listen(fd, 4096): the argument of listen() is 128 and binds, somaxconn is 4096 and does not; \
                 raising the sysctl would do nothing",
                "ss -ltn 'sport = :8080' shows Send-Q 4096",
                true,
            ),
            fix(
                FixKind::Sysctl,
                Scope::Now,
                "sysctl -w net.core.somaxconn=16384",
                "nsenter --net --target 4242 sysctl net.core.somaxconn",
                false,
            ),
            fix(
                FixKind::Systemd,
                Scope::Lasting,
                "[Socket]\nBacklog=4096",
                "systemctl show --property Backlog demo-server-with-a-long-name.socket | grep --fixed 4096",
                true,
            ),
        ],
        see: "netscope explain LSN-005".to_owned(),
    }
}

fn assessment() -> Assessment {
    let passed = Finding {
        id: "FD-001",
        severity: Severity::Pass,
        title:
            "1 021 of 1 024 descriptors would do for the declared 1 000 connections, the pool of 20 included"
                .to_owned(),
        fixes: vec![],
        ..overflow_finding()
    };
    Assessment {
        findings: vec![overflow_finding()],
        passed: vec![passed],
        skipped: vec![Skipped {
            id: "LSN-001",
            reason: "needs the rate of new connections: --rate R".to_owned(),
        }],
        verdict: "127.0.0.1:8080 (demo, pid 4242) refuses 14 % of attempts: accept queue 129/129, the \
                  application asked for 128"
            .to_owned(),
    }
}

fn nothing(verdict: &str) -> Assessment {
    Assessment { findings: vec![], passed: vec![], skipped: vec![], verdict: verdict.to_owned() }
}

#[test]
fn report_of_an_overflow() {
    let text = render(&between(&testing::overflow()), &assessment(), PLAIN);
    insta::assert_snapshot!(text);
}

#[test]
fn report_without_privileges() {
    let mut samples = testing::overflow();
    let unavailable = |name: &str, reason: &str, remedy: Option<&str>| ProbeStatus {
        state: ProbeState::Unavailable { reason: reason.to_owned(), remedy: remedy.map(str::to_owned) },
        ..testing::active(name)
    };
    for sample in [&mut samples.0, &mut samples.1] {
        let probes = sample.probes.as_mut().unwrap();
        probes.statuses = vec![
            unavailable(
                "drop",
                "the kernel refused to load the program: EPERM, needs CAP_BPF and CAP_PERFMON",
                Some("sudo netscope report, or setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep on the binary"),
            ),
            unavailable("sched", "not tried after the first EPERM", None),
        ];
        (probes.drops_attributed, probes.entries_counted, probes.accepts_counted) = (false, false, false);
        probes.processes.clear();
        probes.listeners.clear();
        let process = &mut sample.processes[0];
        process.fds = Reading::unreadable("/proc/4242/fd: EACCES, needs the same user or CAP_SYS_PTRACE");
        process.exe = Reading::unreadable("/proc/4242/exe: EACCES, needs the same user or CAP_SYS_PTRACE");
    }
    let model = between(&samples);
    let text = render(&model, &nothing("127.0.0.1:8080 (demo, pid 4242) drops packets"), PLAIN);
    insta::assert_snapshot!(text);
}

#[test]
fn audit_of_one_sample() {
    let (_, mut sample) = testing::overflow();
    sample.probes = None;
    sample.host.own_netns = Reading::Value(1);
    let process = &mut sample.processes[0];
    process.nofile = Reading::Value(Limit { soft: Some(1024), hard: None });
    process.cgroup = Reading::Value(CgroupLimits {
        path: "/demo".to_owned(),
        pids_max: Some(512),
        pids_current: Some(40),
        memory_max: Some(1 << 30),
        memory_current: Some(300 << 20),
    });
    let text = render(&Model::at(&sample), &assessment(), PLAIN);
    insta::assert_snapshot!(text);
}

#[test]
fn listeners_of_every_kind() {
    let mut samples = testing::overflow();
    let mut list = vec![];
    for (cookie, waiting) in [(1, 3), (2, 90)] {
        let mut socket = testing::listener("0.0.0.0", 443, 511);
        (socket.cookie, socket.waiting, socket.pids) = (cookie, waiting, vec![812, 813, 814]);
        list.push(socket);
    }
    let mut long = testing::listener("2001:db8:1234:5678:9abc:def0:1234:5678", 65_535, 65_535);
    long.pids = (100..130).collect();
    list.push(long);
    list.push(testing::listener("::1", 5432, 200));
    let Reading::Value(before) = &mut samples.0.namespace.listeners else { panic!() };
    before.truncate(1);
    let counted = list.iter().map(|socket| testing::probed(&socket.address.to_string(), socket.port));
    samples.1.probes.as_mut().unwrap().listeners.extend(counted.skip(1));
    samples.1.namespace.listeners = Reading::Value(list);
    for pid in [812, 813, 814] {
        let mut worker = testing::process(pid);
        worker.comm = "worker\u{1b}[2Jmaster".to_owned();
        samples.1.processes.push(worker);
    }
    samples.1.namespace.counters = Reading::Value(testing::counters(1204, 1211));
    let text = render(&between(&samples), &nothing("one listener was closed"), PLAIN);
    insta::assert_snapshot!(text);
}

#[test]
fn lines_fit_unless_they_hold_a_command() {
    let text = render(&between(&testing::overflow()), &assessment(), PLAIN);
    for line in text.lines().filter(|line| !line.contains("verify: ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(text.contains("demo-server-with-a-long-name.socket | grep --fixed 4096\n"));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let model = between(&testing::overflow());
    let coloured = render(&model, &assessment(), Style { colour: true });
    assert!(coloured.contains("\u{1b}[1;31mFAIL LSN-005"));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, render(&model, &assessment(), PLAIN));
}

#[test]
fn what_was_not_measured_is_a_dash() {
    let text = render(&Model::at(&testing::overflow().1), &nothing("fine"), PLAIN);
    let row = text.lines().find(|line| line.starts_with("127.0.0.1:8080")).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells, ["127.0.0.1:8080", "demo", "4242", "129/128", "-", "-", "-", "-"]);
}
