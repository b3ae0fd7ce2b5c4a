//! Processes that a test starts from its own binary.
//!
//! A helper ends when its standard input does, so none outlives the test that started it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::netns::{Namespace, leave_namespace};
use crate::{isolation, process, traffic};

const ROLE: &str = "NETSCOPE_TEST_ROLE";
/// Marks the lines of a helper among those of the test harness.
const MARK: &str = "@@";
/// A storm ends by itself after this time, whatever happens to its parent.
const STORM_LIMIT: Duration = Duration::from_secs(60);

/// A running helper.
pub struct Helper {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Helper {
    /// Starts the helper `role` with its arguments.
    pub fn start(role: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["helper_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let said = line.split_once(MARK).map(|(_, said)| said.to_owned());
                if said.is_some_and(|said| sender.send(said).is_err()) {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines }
    }

    /// Starts the helper `role` in a network namespace of its own, which `prepare` may set up.
    pub fn start_elsewhere(role: &[&str], prepare: fn(&Namespace)) -> (Self, Namespace) {
        let start = || {
            let namespace = leave_namespace();
            prepare(&namespace);
            (Self::start(role), namespace)
        };
        std::thread::scope(|scope| scope.spawn(start).join()).unwrap()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line of the helper.
    pub fn hear(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("the helper says nothing")
    }

    /// Lets the helper take its next step.
    pub fn go(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"g").unwrap();
    }

    /// Ends the helper and waits until it is gone.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says a line to the parent with a single write().
pub fn say(text: &str) {
    let line = format!("{MARK}{text}\n");
    assert_eq!(nix::unistd::write(std::io::stdout().as_fd(), line.as_bytes()), Ok(line.len()));
}

/// Waits for [`Helper::go`] with a single read().
pub fn await_go() {
    let mut byte = [0];
    let read = nix::unistd::read(std::io::stdin().as_fd(), &mut byte);
    if read != Ok(1) {
        std::process::exit(0);
    }
}

/// Keeps the calling thread, and those it starts, on one processor.
pub fn stay_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// Processors that the calling thread may use.
pub fn processors() -> Vec<usize> {
    let set = nix::sched::sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap()).collect()
}

/// Ends the process when its parent is gone.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Becomes the helper that the environment asks for.
pub fn run_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    match words.as_slice() {
        ["storm", address, cpu] => {
            end_with_parent();
            stay_on(cpu.parse().unwrap());
            let address: SocketAddr = address.parse().unwrap();
            let end = Instant::now() + STORM_LIMIT;
            traffic::storm(address, || Instant::now() > end);
        }
        ["neighbour"] => isolation::neighbour(),
        ["calls"] => process::make_calls(),
        ["switches"] => process::make_switches(),
        ["ending-threads"] => process::end_threads(),
        ["idle"] => {
            say("ready");
            await_go();
        }
        _ => panic!("no helper {role}"),
    }
}
