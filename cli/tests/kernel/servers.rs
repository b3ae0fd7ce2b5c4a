//! Servers that nobody wrote for netscope: nginx, redis, node and Python's http.server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use jsonschema::Validator;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::demo::Server as Demo;
use crate::netns::{has_ipv6, in_namespace, leave_namespace, measured, skip};
use crate::report::Report;
use crate::traffic::{PORT, loopback, start_clients};
use crate::truth::Counters;
use crate::watch::{Running, Watch, netscope, run, scenario_only};

/// Longest wait for a server to listen, and for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The window of a report, and how much of it is under load: what the load began must end inside.
const WINDOW: &str = "3s";
const LOADED: Duration = Duration::from_millis(1500);
const CLIENTS: usize = 3;
/// SYNs that a stopped server's full queue refuses.
const REFUSED: u64 = 44;

/// A kind of server.
struct Kind {
    /// Words of the command line; DIRECTORY stands for a directory of its own.
    command: &'static [&'static str],
    /// nginx.conf in that directory, where there is one.
    configuration: &'static str,
    /// The address it listens on, on port 7777.
    address: &'static str,
    /// Its argument of listen().
    backlog: u64,
    /// Start of its name.
    name: &'static str,
    /// What makes it answer and then close the connection.
    request: &'static str,
    /// Where it takes the backlog from.
    setting: &'static str,
}

const HTTP_REQUEST: &str = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

const NGINX: Kind = Kind {
    command: &["nginx", "-p", "DIRECTORY", "-e", "stderr", "-c", "DIRECTORY/nginx.conf"],
    configuration: "daemon off; master_process on; worker_processes 1; pid nginx.pid; error_log stderr;
        events {} 
        http {
            access_log off;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            server { listen 127.0.0.1:7777; return 200 \"hello\\n\"; }
        }",
    address: "127.0.0.1",
    backlog: 511,
    name: "nginx",
    request: HTTP_REQUEST,
    setting: "listen 7777 backlog=",
};

const REDIS: Kind = Kind {
    command: &[
        "redis-server",
        "--port",
        "7777",
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        "DIRECTORY",
        "--daemonize",
        "no",
    ],
    configuration: "",
    address: "127.0.0.1",
    backlog: 511,
    name: "redis-server",
    request: "PING\r\nQUIT\r\n",
    setting: "tcp-backlog",
};

const NODE: Kind = Kind {
    command: &["node", "-e", "require('http').createServer((_, answer) => answer.end('hello')).listen(7777)"],
    configuration: "",
    address: "::",
    backlog: 511,
    name: "node",
    request: HTTP_REQUEST,
    setting: "server.listen({ port: 7777, backlog:",
};

const PYTHON: Kind = Kind {
    command: &["python3", "-m", "http.server", "7777", "--bind", "127.0.0.1", "--directory", "DIRECTORY"],
    configuration: "",
    address: "127.0.0.1",
    backlog: 5,
    name: "python3",
    request: HTTP_REQUEST,
    setting: "request_queue_size",
};

/// A running server.
struct Server<'a> {
    kind: &'a Kind,
    child: Child,
    _directory: tempfile::TempDir,
}

impl<'a> Server<'a> {
    /// Starts it and waits until it answers. `None`, said on stderr, where the program is not installed.
    fn start(kind: &'a Kind) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        // Workers may run as another user.
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = directory.path().to_str().unwrap();
        fs::write(directory.path().join("nginx.conf"), kind.configuration).unwrap();
        let words: Vec<String> = kind.command.iter().map(|word| word.replace("DIRECTORY", path)).collect();
        if !installed(&words[0]) {
            skip(&format!("{} is not installed", words[0]));
            return None;
        }
        // It ends with the thread that started it, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).args(&words).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Self { kind, child, _directory: directory };
        server.await_answer();
        Some(server)
    }

    fn await_answer(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(loopback()).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "{} ended", self.kind.name);
            assert!(Instant::now() < deadline, "{} does not listen", self.kind.name);
            thread::sleep(Duration::from_millis(20));
        }
        exchange(self.kind.request).unwrap();
    }

    /// The processes that hold the listener, in order: the server and its children.
    fn pids(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let mut pids: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        pids.push(id);
        pids.sort_unstable();
        pids
    }

    fn address(&self) -> &'static str {
        if self.kind.address == "::" && !has_ipv6() { "0.0.0.0" } else { self.kind.address }
    }

    fn signal(&self, signal: Signal) {
        for pid in self.pids() {
            kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
        }
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = kill(id, Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// One connection, from connect() to the server's close. Whether an answer came.
fn exchange(request: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&loopback(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(!answer.is_empty()),
        // A server may close before it has read everything.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(!answer.is_empty()),
        Err(error) => Err(error),
    }
}

/// Connections made by clients that each make one after the other.
fn load(request: &'static str) -> u64 {
    let end = Instant::now() + LOADED;
    let client = move || {
        let mut made = 0;
        while Instant::now() < end {
            assert!(exchange(request).unwrap(), "no answer");
            made += 1;
        }
        made
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(client)).collect();
    clients.into_iter().map(|client| client.join().unwrap()).sum()
}

/// The schema, and the schema with every object closed: a field that it does not describe is an error there.
fn validators() -> [Validator; 2] {
    fn close(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(close),
            Value::Object(object) => {
                if object.get("type") == Some(&json!("object")) && object.contains_key("properties") {
                    object.insert("additionalProperties".to_owned(), json!(false));
                }
                object.values_mut().for_each(close);
            }
            _ => {}
        }
    }
    let schema: Value = serde_json::from_str(include_str!("../../../docs/schema/report.v1.json")).unwrap();
    let mut closed = schema.clone();
    close(&mut closed);
    [schema, closed].map(|schema| jsonschema::draft202012::new(&schema).unwrap())
}

fn assert_valid(report: &Report) {
    for validator in validators() {
        let errors = validator.iter_errors(report.json());
        let errors: Vec<String> =
            errors.map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

/// The listener is that of the server.
fn assert_identity(report: &Report, server: &Server<'_>) {
    let listener = report.listener(server.address(), PORT);
    let pids = server.pids();
    let name = fs::read_to_string(format!("/proc/{}/comm", pids[0])).unwrap();
    let name = name.trim();
    assert!(name.starts_with(server.kind.name), "{name}");
    assert_eq!(listener.value["pids"], json!(pids));
    assert_eq!(listener.value["comms"], json!([name]));
    listener.assert_number("limit", server.kind.backlog);
    listener.assert_number("capacity", server.kind.backlog + 1);
    assert_eq!(listener.value["dual_stack"], server.address() == "::");
    let processes: Vec<_> = pids.iter().map(|pid| report.process(*pid)).collect();
    assert!(processes.iter().all(|process| process.value["comm"] == name), "{:#}", report.json());
    assert_eq!(report.json()["netns"]["own"], true);
}

/// Every connection was seen on its way in and out, and the processes' system calls are counted.
fn assert_flow(report: &Report, server: &Server<'_>, connections: u64) {
    let listener = report.listener(server.address(), PORT);
    listener.assert_number("entered", connections);
    listener.assert_number("accepted", connections);
    assert_eq!(listener.value["accept_queue"]["now"], 0);
    if let Some(wait) = listener.part("accept_wait_us") {
        wait.assert_number("count", connections);
    }
    let mut accepted = 0;
    let mut calls = 0;
    for pid in server.pids() {
        let process = report.process(pid);
        let Some(table) = process.part("syscalls") else { return };
        calls +=
            table.value.as_array().unwrap().iter().map(|call| call["calls"].as_u64().unwrap()).sum::<u64>();
        accepted += process.value["accept"]["ok"].as_u64().unwrap_or(0);
    }
    assert_eq!(accepted, connections, "returns of accept()");
    assert!(calls >= 3 * connections, "{calls} system calls for {connections} connections");
    measured(&format!("{connections} connections entered and were accepted, {calls} system calls"));
}

fn report_under_load(server: &Server<'_>) {
    let command = netscope(&["report", "--port", &PORT.to_string(), "--for", WINDOW, "--json"]);
    let mut running = Running::start(command, true);
    running.await_ready();
    let before = Counters::read();
    let made = load(server.kind.request);
    let truth = Counters::read().since(&before);
    let report = running.ended().report();
    assert_eq!(truth.row(["PassiveOpens", "ListenDrops"]), [made, 0]);
    assert_valid(&report);
    assert_identity(&report, server);
    if report.active_probes().is_empty() {
        return skip(&format!("flow is not compared, no probe is active here: {}", report.why_unavailable()));
    }
    report.assert_nothing_lost();
    assert_flow(&report, server, made);
}

/// A stopped server's queue overflows: the fix names the setting of this server.
fn report_of_an_overflow(server: &Server<'_>) {
    let fitting = server.kind.backlog + 1;
    let watch = Watch::port(PORT);
    let before = Counters::settled();
    server.signal(Signal::SIGSTOP);
    let clients = start_clients(loopback(), usize::try_from(fitting + REFUSED).unwrap());
    thread::sleep(Duration::from_millis(100));
    drop(clients);
    server.signal(Signal::SIGCONT);
    let truth = Counters::settled().since(&before);
    let report = watch.finish();
    let [entered, drops] = truth.row(["PassiveOpens", "ListenDrops"]);
    assert_eq!(entered, fitting);
    assert!(drops >= REFUSED, "{drops} drops");
    let Some(report) = report else { return };
    assert_valid(&report);
    report.assert_ledger(&truth);
    let listener = report.listener(server.address(), PORT);
    listener.assert_drops([drops, 0, 0, 0, 0]);
    listener.assert_number("refused_attempts", REFUSED);
    listener.assert_number("entered", entered);
    assert_names_the_setting(&report, server.kind);
}

fn assert_names_the_setting(report: &Report, kind: &Kind) {
    let findings = report.json()["findings"].as_array().unwrap();
    let found = |id: &str| {
        let found = findings.iter().find(|finding| finding["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {findings:#?}"))
    };
    found("LSN-005");
    let binding = found("LSN-002");
    let title = binding["title"].as_str().unwrap();
    assert!(title.contains(&format!("the application asked for a backlog of {}", kind.backlog)), "{title}");
    let fixes = binding["fixes"].as_array().unwrap();
    let fix = fixes.iter().find(|fix| fix["kind"] == "application").unwrap_or_else(|| panic!("{fixes:#?}"));
    assert!(fix["text"].as_str().unwrap().contains(kind.setting), "{fix:#}");
    assert!(!fixes.iter().any(|fix| fix["kind"] == "sysctl"), "a sysctl that does nothing here: {fixes:#?}");
    measured(&format!("{title}: {}", fix["text"]));
}

/// `attach` without a terminal prints the server's listener and name.
fn attached(server: &Server<'_>) {
    let pid = server.child.id().to_string();
    let mut running = Running::start(netscope(&["attach", &pid, "--window", "2s", "--for", "2s"]), true);
    running.await_line("netscope: no terminal");
    assert!(exchange(server.kind.request).unwrap());
    let ended = running.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let address = if server.address() == "::" { "[::]" } else { server.address() };
    for text in [
        format!("{address}:{PORT}"),
        format!("0/{}", server.kind.backlog),
        format!("pid {pid} {}", server.kind.name),
        "1 entered the accept queue; 1 accepted".to_owned(),
    ] {
        assert!(ended.stdout.contains(&text), "{text:?} is not in:\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\u{1b}'), "control sequences in plain text:\n{}", ended.stdout);
}

fn watched(kind: &Kind) {
    if scenario_only() {
        return skip("needs netscope, NETSCOPE_TEST_SCENARIO_ONLY is set");
    }
    let Some(server) = Server::start(kind) else { return };
    report_under_load(&server);
    report_of_an_overflow(&server);
    attached(&server);
}

#[test]
fn nginx() {
    in_namespace(|_| watched(&NGINX));
}

#[test]
fn redis() {
    in_namespace(|_| watched(&REDIS));
}

#[test]
fn node() {
    in_namespace(|_| watched(&NODE));
}

#[test]
fn python() {
    in_namespace(|_| watched(&PYTHON));
}

/// Limit of backlogs in the namespace of the server, unlike the default.
const SOMAXCONN: u64 = 77;
const OTHERS: u64 = 30;

/// Runs `work` in a thread in the network namespace of `pid`.
fn inside<T: Send>(pid: u32, work: impl FnOnce() -> T + Send) -> T {
    let enter = || {
        setns(fs::File::open(format!("/proc/{pid}/ns/net")).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(enter).join()).unwrap()
}

/// The demo server in a network namespace of its own, where somaxconn cuts its backlog.
fn start_elsewhere() -> (Demo, u64) {
    let start = || {
        let namespace = leave_namespace();
        namespace.sysctl("core.somaxconn", u32::try_from(SOMAXCONN).unwrap());
        namespace.sysctl("ipv4.tcp_max_syn_backlog", 333);
        let listen = format!("127.0.0.1:{PORT}");
        (Demo::start_by(netscope(&["serve", "--listen", &listen, "--backlog", "511"])), namespace.inode())
    };
    thread::scope(|scope| scope.spawn(start).join()).unwrap()
}

#[test]
fn the_limit_of_another_namespace_binds_and_is_changed_there() {
    in_namespace(|_| {
        if scenario_only() {
            return skip("needs netscope, NETSCOPE_TEST_SCENARIO_ONLY is set");
        }
        let (server, inode) = start_elsewhere();
        let pid = server.pid();
        let audit = run(&["audit", "--pid", &pid.to_string(), "--json"]).report();
        assert_eq!(audit.listener("127.0.0.1", PORT).value["limit"], SOMAXCONN);
        let here = Counters::settled();
        let there = Counters::of(pid);
        let watch = Watch::pid(pid);
        let process = Pid::from_raw(i32::try_from(pid).unwrap());
        kill(process, Signal::SIGSTOP).unwrap();
        let clients = usize::try_from(SOMAXCONN + 1 + OTHERS).unwrap();
        drop(inside(pid, || start_clients(loopback(), clients)));
        kill(process, Signal::SIGCONT).unwrap();
        let there = inside(pid, Counters::settled).since(&there);
        let report = watch.finish();
        // Two processors may each find the last place free, so the queue can take one more than it holds.
        let [opened, dropped] = there.row(["PassiveOpens", "ListenDrops"]);
        assert_eq!((opened + dropped, opened > SOMAXCONN), (SOMAXCONN + 1 + OTHERS, true), "{opened} opened");
        assert_eq!(Counters::settled().since(&here).row(["PassiveOpens", "ListenDrops"]), [0, 0]);
        let Some(report) = report else { return };
        for report in [&audit, &report] {
            assert_valid(report);
            let netns = &report.json()["netns"];
            assert_eq!((&netns["inode"], &netns["own"]), (&json!(inode), &json!(false)));
            assert_eq!(
                (&netns["somaxconn"], &netns["tcp_max_syn_backlog"]),
                (&json!(SOMAXCONN), &json!(333))
            );
        }
        report.assert_ledger(&there);
        report.listener("127.0.0.1", PORT).assert_drops([dropped, 0, 0, 0, 0]);
        let findings = report.json()["findings"].as_array().unwrap();
        let binding = findings.iter().find(|finding| finding["id"] == "LSN-002").unwrap();
        let command = format!("nsenter -t {pid} -n sysctl -w net.core.somaxconn=");
        let fixes = binding["fixes"].as_array().unwrap();
        assert!(fixes.iter().any(|fix| fix["text"].as_str().unwrap().starts_with(&command)), "{fixes:#?}");
        measured(&format!("{}: {}", binding["title"], fixes[0]["text"]));
    });
}
