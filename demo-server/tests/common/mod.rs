//! Servers to test against: in this process, and in one of their own.

#![expect(dead_code, reason = "each test file is a crate of its own and uses its part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demo_server::load::{self, Mode, Summary};
use demo_server::server::{Bound, Observer, Options, Server, Truth};
use demo_server::{Error, Stop};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest that anything here is waited for: only a failing test takes it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server in a thread of this process.
pub struct Running {
    pub bound: Bound,
    pub observer: Observer,
    stop: Stop,
    thread: Option<JoinHandle<Result<Truth, Error>>>,
}

impl Running {
    pub fn start(options: &Options) -> Self {
        let stop = Stop::new().unwrap();
        let server = Server::bind(options).unwrap();
        let (bound, observer) = (server.bound(), server.observer());
        let own_stop = stop.clone();
        let thread = Some(thread::spawn(move || server.run(&own_stop)));
        Self { bound, observer, stop, thread }
    }

    /// A client connection that cannot wait forever.
    pub fn connect(&self) -> TcpStream {
        connect(self.bound.listen)
    }

    /// Ends the server and returns its final truth.
    pub fn end(mut self) -> Truth {
        self.stop.request();
        self.thread.take().unwrap().join().unwrap().unwrap()
    }

    /// Waits until the truth is like this, and returns it.
    pub fn wait_for(&self, what: impl Fn(&Truth) -> bool) -> Truth {
        wait_for(|| Some(self.observer.truth()).filter(&what))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.request();
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Tries until something is there.
pub fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not happen within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A server in a process of its own, started directly or behind another command.
pub struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub bound: Bound,
}

impl Process {
    pub fn start(before: &[&str], options: &Options) -> Self {
        let json = serde_json::to_string(options).unwrap();
        let words = [before, &[env!("CARGO_BIN_EXE_demo-server"), "serve", &json]].concat();
        let mut child = Command::new(words[0]).args(&words[1..]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let bound = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, stdout, bound }
    }

    /// Process id of what was started: of the server only if no command stands before it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM to this process, waits for the end of what was started, and returns the final truth.
    pub fn end(mut self, server_pid: u32) -> Truth {
        kill(Pid::from_raw(i32::try_from(server_pid).unwrap()), Signal::SIGTERM).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&line).unwrap()
    }

    /// The truth as its port tells it.
    pub fn truth(&self) -> Truth {
        read_truth(self.bound.truth.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a truth port.
pub fn read_truth(address: SocketAddr) -> Truth {
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: truth\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    serde_json::from_str(body).unwrap()
}

/// A load of exactly so many requests.
pub fn exact(target: SocketAddr, connections: u32, requests: u64, parallel: u32) -> load::Options {
    let mode = Mode::Exact { connections, requests, parallel };
    load::Options { target, mode, duration: PATIENCE, ..load::Options::default() }
}

/// Runs a load to its end and checks that its sums hold.
pub fn produce(options: &load::Options) -> Summary {
    let summary = load::run(options, &Stop::new().unwrap(), |_| {}).unwrap();
    check_sums(&summary);
    summary
}

pub fn check_sums(summary: &Summary) {
    assert_eq!(summary.scheduled, summary.attempts + summary.not_started, "{summary:?}");
    assert_eq!(summary.attempts, summary.connected + summary.connect_failures.total(), "{summary:?}");
    assert_eq!(summary.requests, summary.completed + summary.request_failures.total(), "{summary:?}");
}

/// Says that a test did not run, where everybody sees it.
pub fn skipped(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
}
