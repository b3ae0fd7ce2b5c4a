//! A fresh network namespace for each test, and the certainty of being in it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// Tells the inner process the inode of the namespace made for it.
const NAMESPACE: &str = "NETSCOPE_TEST_NAMESPACE";
/// Tells it the inode of the namespace that it must not touch.
const LEFT_NAMESPACE: &str = "NETSCOPE_TEST_LEFT_NAMESPACE";
/// Tells the inner process and its helpers the name of the test.
const NAME: &str = "NETSCOPE_TEST_NAME";
/// Longest life of one test, far above what the slowest needs.
const DEADLINE: Duration = Duration::from_secs(180);

/// Proof of being in a network namespace that a test made. Only it can write sysctls.
pub struct Namespace {
    inode: u64,
}

/// Runs `body` in a process of its own, in a network namespace of its own.
///
/// The test runs itself again, from a thread that left the initial namespace, so that every thread, file
/// under /proc and child of the inner process belongs to the new one. The tests of this file take turns:
/// they measure the kernel, and would take each other's processor time.
pub fn in_namespace<F: FnOnce(&Namespace)>(body: F) {
    if let Ok(expected) = std::env::var(NAMESPACE) {
        return body(&Namespace::verified(&expected));
    }
    let name = test_name::<F>();
    if !nix::unistd::geteuid().is_root() {
        return print_skip(&name, "needs root");
    }
    let _turn = take_turn();
    let inner = std::thread::spawn(move || run_inside(&name));
    if let Err(failure) = inner.join() {
        std::panic::resume_unwind(failure);
    }
}

/// Says on stderr, past the capture of the test harness, why the current test shows nothing or less.
pub fn skip(reason: &str) {
    print_skip(&current_test(), reason);
}

/// Prints a number that the test measured, past the capture of the test harness.
pub fn measured(text: &str) {
    let _ = writeln!(std::io::stderr(), "MEASURED {}: {text}", current_test());
}

/// Name of the test that this process works for.
fn current_test() -> String {
    std::env::var(NAME).unwrap_or_else(|_| "unknown test".to_owned())
}

fn print_skip(name: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {reason}");
}

/// The path of the test function that the closure `F` was written in, as the test harness knows it.
fn test_name<F>() -> String {
    let path = std::any::type_name::<F>();
    let path = path.split("::{{closure}}").next().unwrap();
    path.split_once("::").unwrap().1.to_owned()
}

/// Waits until no other test of this kind runs, in this process or another.
fn take_turn() -> Flock<fs::File> {
    let path = std::env::temp_dir().join("netscope-kernel-tests.lock");
    let file = fs::File::options().create(true).truncate(false).write(true).open(&path).unwrap();
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).unwrap()
}

/// Leaves the namespace with the calling thread and runs the test `name` there in a new process.
fn run_inside(name: &str) {
    let left = own_inode();
    let inode = leave_namespace().inode();
    let mut inner = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(NAMESPACE, inode.to_string())
        .env(LEFT_NAMESPACE, left.to_string())
        .env(NAME, name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = inner.stdout.take().unwrap();
    let output = std::thread::spawn(move || std::io::read_to_string(&mut stdout).unwrap_or_default());
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = inner.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            inner.kill().unwrap();
            inner.wait().unwrap();
            panic!("{name} did not end within {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let output = output.join().unwrap();
    assert!(status.success(), "{name} failed in its namespace, its message stands above\n{output}");
    assert!(output.contains("1 passed"), "the inner process did not run {name}:\n{output}");
}

/// Moves the calling thread into a new network namespace with loopback up and the documentation prefixes
/// (RFC 5737, RFC 3849) routed to it, so that spoofed peers can be answered.
pub fn leave_namespace() -> Namespace {
    let left = own_inode();
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let inode = own_inode();
    assert_ne!(inode, left, "unshare left the thread in its network namespace");
    let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.bind_auto().unwrap();
    request(&socket, &link_up()).unwrap();
    request(&socket, &route(libc_family(libc::AF_INET), 24, &[192, 0, 2, 0])).unwrap();
    if has_ipv6() {
        let prefix = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        request(&socket, &route(libc_family(libc::AF_INET6), 64, &prefix)).unwrap();
    }
    Namespace { inode }
}

/// Whether the kernel has IPv6 and it is not switched off.
pub fn has_ipv6() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/conf/lo/disable_ipv6").is_ok_and(|text| text.trim() == "0")
}

fn own_inode() -> u64 {
    fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
}

impl Namespace {
    fn verified(expected: &str) -> Self {
        let inode = own_inode();
        assert_eq!(expected, inode.to_string(), "not in the namespace made for this test");
        let left = std::env::var(LEFT_NAMESPACE).unwrap();
        assert_ne!(left, inode.to_string(), "still in the namespace of the test harness");
        Self { inode }
    }

    /// Inode number, as in /proc/PID/ns/net.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Sets net.`name` (dots or slashes) in this namespace.
    pub fn sysctl(&self, name: &str, value: u32) {
        assert_eq!(own_inode(), self.inode, "this thread is in another network namespace");
        let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
        fs::write(&path, value.to_string())
            .unwrap_or_else(|error| panic!("write {value} to {path}: {error}"));
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), value.to_string(), "{path}");
    }
}

fn libc_family(family: i32) -> u8 {
    u8::try_from(family).unwrap()
}

/// RTM_NEWLINK that sets IFF_UP on loopback, which has index 1 in every namespace.
fn link_up() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend([0_u8; 4]);
    body.extend(1_i32.to_ne_bytes());
    body.extend(u32::try_from(libc::IFF_UP).unwrap().to_ne_bytes());
    body.extend(u32::try_from(libc::IFF_UP).unwrap().to_ne_bytes());
    message(libc::RTM_NEWLINK, 0, &body)
}

/// RTM_NEWROUTE for `prefix`/`length` through loopback.
fn route(family: u8, length: u8, prefix: &[u8]) -> Vec<u8> {
    let scope = if length == 24 { libc::RT_SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
    let mut body =
        vec![family, length, 0, 0, libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, scope, libc::RTN_UNICAST];
    body.extend(0_u32.to_ne_bytes());
    body.extend(attribute(libc::RTA_DST, prefix));
    body.extend(attribute(libc::RTA_OIF, &1_u32.to_ne_bytes()));
    message(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &body)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    [length.to_ne_bytes().as_slice(), &kind.to_ne_bytes(), value].concat()
}

fn message(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    let flags = u16::try_from(flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK).unwrap();
    let mut message = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    message
}

/// Sends one rtnetlink request and reads the errno of its answer.
fn request(socket: &Socket, message: &[u8]) -> std::io::Result<()> {
    socket.send(message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let code = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
    if code == 0 { Ok(()) } else { Err(std::io::Error::from_raw_os_error(-code)) }
}
