//! The instrumented server and its load, as the built binary runs them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use demo_server::load::Summary;
use demo_server::server::{Bound, Truth};

use crate::watch::{netscope, run};

/// Longest wait for one answer of the truth port.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `netscope serve`; it ends with this value, and with the test's process however that ends.
pub struct Server {
    child: Child,
    bound: Bound,
}

impl Server {
    /// Serves on free ports of 127.0.0.1, with a truth port and these options.
    pub fn start(options: &[&str]) -> Self {
        let parent = format!("--die-with-parent={}", std::process::id());
        let fixed = ["serve", &parent, "--listen", "127.0.0.1:0", "--truth", "127.0.0.1:0"];
        Self::start_by(netscope(&[&fixed, options].concat()))
    }

    /// Serves as `command` says, which becomes `netscope serve`.
    pub fn start_by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let bound = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, bound }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.bound.listen
    }

    /// The port that it serves on.
    pub fn port(&self) -> u16 {
        self.bound.listen.port()
    }

    /// What it really did. A thread of the server answers, so ask outside the window that is measured.
    pub fn truth(&self) -> Truth {
        let mut stream = TcpStream::connect(self.bound.truth.unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: truth\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `netscope load` to its end. Its own sums hold.
pub fn load(target: SocketAddr, options: &[&str]) -> Summary {
    let target = target.to_string();
    let ended = run(&[&["load", target.as_str(), "--json", "--quiet"], options].concat());
    assert!(ended.status.success(), "{}", ended.stderr);
    let summary: Summary = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(summary.attempts, summary.connected + summary.connect_failures.total(), "{summary:?}");
    assert_eq!(summary.requests, summary.completed + summary.request_failures.total(), "{summary:?}");
    summary
}
