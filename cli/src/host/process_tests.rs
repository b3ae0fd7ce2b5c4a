use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::resource::{Resource, setrlimit};
use proptest::prelude::*;

use super::*;

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

/// A child that waits for the end of its standard input, and is reaped with this value.
struct Waiting(Child);

impl Waiting {
    fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn our_own_process_equals_what_the_kernel_tells_otherwise() {
    let roots = Roots::default();
    let mut reader = ProcessReader::open(&roots, own_pid()).unwrap();
    let process = reader.read(None).unwrap();
    assert_eq!(process.pid, own_pid());
    assert_eq!(process.uid, nix::unistd::getuid().as_raw());
    assert_eq!(process.comm, fs::read_to_string("/proc/self/comm").unwrap().trim_end());
    assert_eq!(process.exe.value().map(PathBuf::from), std::env::current_exe().ok());
    assert!(process.cmdline.value().unwrap().starts_with(&std::env::args().next().unwrap()));
    assert_eq!(process.netns.value().copied(), fs::metadata("/proc/self/ns/net").ok().map(|file| file.ino()));
    assert!(process.cap_effective.value().is_some());
    assert!(process.threads >= 1);
    let rss = *process.rss_bytes.value().unwrap();
    assert!(rss > 0 && rss % 4096 == 0);
    assert!(*process.pss_bytes.value().unwrap() > 0);
    assert!(*process.maps.value().unwrap() > 0);
    assert!(process.switches.value().unwrap().iter().any(|thread| thread.tid == own_pid()));
    assert_eq!(process.fds.value().unwrap().tcp_connections, None);
}

#[test]
fn descriptors_by_kind_equal_what_the_child_was_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    let event = EventFd::from_flags(nix::sys::eventfd::EfdFlags::empty()).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let inode = |descriptor: i32| fs::metadata(format!("/proc/self/fd/{descriptor}")).unwrap().ino();
    let tcp = HashSet::from([inode(listener.as_raw_fd()), inode(client.as_raw_fd())]);
    // The shell copies our descriptors to its own 10, 11 and so on, and closes the originals.
    let given = [epoll.0.as_raw_fd(), event.as_raw_fd(), listener.as_raw_fd(), client.as_raw_fd()];
    let redirects: String = given
        .iter()
        .enumerate()
        .map(|(index, descriptor)| format!(" {}</proc/{}/fd/{descriptor}", index + 3, own_pid()))
        .collect();
    drop(redirects);
    for descriptor in given {
        let flags = nix::fcntl::FdFlag::empty();
        let borrowed = match descriptor {
            _ if descriptor == epoll.0.as_raw_fd() => nix::fcntl::fcntl(&epoll.0, nix::fcntl::F_SETFD(flags)),
            _ if descriptor == event.as_raw_fd() => nix::fcntl::fcntl(&event, nix::fcntl::F_SETFD(flags)),
            _ if descriptor == listener.as_raw_fd() => {
                nix::fcntl::fcntl(&listener, nix::fcntl::F_SETFD(flags))
            }
            _ => nix::fcntl::fcntl(&client, nix::fcntl::F_SETFD(flags)),
        };
        borrowed.unwrap();
    }
    let child = Waiting::spawn(Command::new("cat").stderr(Stdio::null()));
    let process = ProcessReader::open(&Roots::default(), child.pid()).unwrap().read(Some(&tcp)).unwrap();
    let fds = process.fds.value().unwrap();
    let expected = BTreeMap::from([
        ("eventfd".to_owned(), 1),
        ("eventpoll".to_owned(), 1),
        ("file".to_owned(), 2),
        ("pipe".to_owned(), 1),
        ("socket".to_owned(), 2),
    ]);
    assert_eq!(fds.by_kind, expected);
    assert_eq!(fds.open, 7);
    assert_eq!(fds.tcp_connections, Some(2));
}
