use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use proptest::prelude::*;

use super::*;
use crate::host::tests::Waiting;
use crate::sample::Limit;

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

fn read(pid: i32, tcp_inodes: Option<&HashSet<u64>>) -> Process {
    ProcessReader::open(&Roots::default(), pid).unwrap().read(tcp_inodes).unwrap()
}

#[test]
fn our_own_process_equals_what_the_kernel_tells_otherwise() {
    let process = read(own_pid(), None);
    assert_eq!(process.pid, own_pid());
    assert_eq!(process.uid, nix::unistd::getuid().as_raw());
    assert_eq!(process.comm, fs::read_to_string("/proc/self/comm").unwrap().trim_end());
    assert_eq!(process.exe.value().map(PathBuf::from), std::env::current_exe().ok());
    assert!(process.cmdline.value().unwrap().starts_with(&std::env::args().next().unwrap()));
    assert_eq!(process.netns.value().copied(), fs::metadata("/proc/self/ns/net").ok().map(|file| file.ino()));
    assert!(process.cap_effective.value().is_some());
    assert!(process.threads >= 1);
    assert_eq!(process.rss_bytes.value().unwrap() % 4096, 0);
    assert!(*process.pss_bytes.value().unwrap() > 0);
    assert!(process.switches.value().unwrap().iter().any(|thread| thread.tid == own_pid()));
    assert_eq!(process.fds.value().unwrap().tcp_connections, None);
}

#[test]
fn limits_memory_maps_and_processor_time_of_a_child_are_its_own() {
    let child = Waiting::spawn(&[]);
    let pid = child.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--nofile=77:88"]).status().unwrap().success());
    let process = read(child.pid(), None);
    assert_eq!(process.nofile, Reading::Value(Limit { soft: Some(77), hard: Some(88) }));
    assert!(process.nproc.value().is_some());
    assert_eq!((process.comm.as_str(), process.threads), ("cat", 1));
    assert_eq!(process.cmdline, Reading::Value("cat".to_owned()));
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    assert_eq!(process.maps, Reading::Value(maps.lines().count() as u64));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ticks: u64 = stat.split_whitespace().nth(13).unwrap().parse().unwrap();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).unwrap().unwrap().unsigned_abs();
    assert_eq!(process.cpu_user_us, ticks * 1_000_000 / per_second);
}

#[test]
fn descriptors_by_kind_equal_what_the_child_was_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap();
    let inode = |descriptor: i32| fs::metadata(format!("/proc/self/fd/{descriptor}")).unwrap().ino();
    let tcp = HashSet::from([inode(listener.as_raw_fd()), inode(client.as_raw_fd())]);

    // What the test runner itself leaves open for children is in both.
    let bare = read(Waiting::spawn(&[]).pid(), Some(&tcp));
    let child = Waiting::spawn(&[epoll.0.as_fd(), event.as_fd(), listener.as_fd(), client.as_fd()]);
    let given = read(child.pid(), Some(&tcp));

    let (bare, given) = (bare.fds.value().unwrap(), given.fds.value().unwrap());
    let mut expected = bare.by_kind.clone();
    for (kind, count) in [("eventfd", 1), ("eventpoll", 1), ("socket", 2)] {
        *expected.entry(kind.to_owned()).or_default() += count;
    }
    assert_eq!(given.by_kind, expected);
    assert_eq!(given.open, bare.open + 4);
    assert_eq!((bare.tcp_connections, given.tcp_connections), (Some(0), Some(2)));
    assert_eq!(given.by_kind.values().sum::<u64>(), given.open);
}

#[test]
fn an_ended_process_is_gone_at_the_next_look() {
    let child = Waiting::spawn(&[]);
    let mut reader = ProcessReader::open(&Roots::default(), child.pid()).unwrap();
    assert!(reader.read(None).is_ok());
    let pid = child.pid();
    drop(child);
    assert_eq!(reader.read(None).unwrap_err(), ProcessError::Gone { pid });
    assert!(matches!(ProcessReader::open(&Roots::default(), pid), Err(ProcessError::Gone { .. })));
}

#[test]
fn a_zombie_is_gone() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let flags = nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT;
    nix::sys::wait::waitid(nix::sys::wait::Id::Pid(nix::unistd::Pid::from_raw(pid)), flags).unwrap();
    let error = ProcessReader::open(&Roots::default(), pid).unwrap_err();
    child.wait().unwrap();
    assert_eq!(error, ProcessError::Gone { pid });
}

#[test]
fn a_thread_belongs_to_its_process() {
    let roots = Roots::default();
    let tid = std::thread::spawn(|| {
        let tid = nix::unistd::gettid().as_raw();
        (tid, thread_group(&Roots::default(), tid))
    });
    let (tid, group) = tid.join().unwrap();
    assert_ne!(tid, own_pid());
    assert_eq!(group, Ok(own_pid()));
    assert_eq!(thread_group(&roots, own_pid()), Ok(own_pid()));
    assert_eq!(thread_group(&roots, i32::MAX), Err(ProcessError::Gone { pid: i32::MAX }));
}

struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    /// A process directory with the files that are always readable.
    fn new() -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(fixture.directory.path().join("42")).unwrap();
        fixture.write("stat", stat("web server", 'S', 5000).as_bytes());
        fixture.write("status", &fs::read("/proc/self/status").unwrap());
        fixture
    }

    fn write(&self, path: &str, content: &[u8]) {
        fs::write(self.directory.path().join("42").join(path), content).unwrap();
    }

    fn roots(&self) -> Roots {
        Roots { procfs: self.directory.path().to_owned(), sysfs: self.directory.path().to_owned() }
    }
}

fn stat(comm: &str, state: char, start: u64) -> String {
    format!(
        "42 ({comm}) {state} 1 42 42 0 -1 4194560 0 0 0 0 300 150 0 0 20 0 3 0 {start} 1000000 250 \
         18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    )
}

#[test]
fn a_bare_fixture_has_values_where_files_are_and_reasons_elsewhere() {
    let fixture = Fixture::new();
    let mut reader = ProcessReader::open(&fixture.roots(), 42).unwrap();
    let process = reader.read(None).unwrap();
    assert_eq!((process.comm.as_str(), process.start_ticks), ("web server", 5000));
    let tick_us = 1_000_000 / procfs::ticks_per_second();
    assert_eq!((process.cpu_user_us, process.cpu_system_us), (300 * tick_us, 150 * tick_us));
    for reason in [
        process.exe.reason(),
        process.cmdline.reason(),
        process.netns.reason(),
        process.pss_bytes.reason(),
        process.maps.reason(),
        process.fds.reason(),
        process.nofile.reason(),
        process.nproc.reason(),
        process.cgroup.reason(),
        process.switches.reason(),
    ] {
        assert!(reason.unwrap().contains("ENOENT"), "{reason:?}");
    }
}

#[test]
fn a_reused_id_and_a_zombie_are_gone() {
    let fixture = Fixture::new();
    let mut reader = ProcessReader::open(&fixture.roots(), 42).unwrap();
    fixture.write("stat", stat("other", 'S', 5001).as_bytes());
    assert_eq!(reader.read(None).unwrap_err(), ProcessError::Gone { pid: 42 });
    fixture.write("stat", stat("web server", 'Z', 5000).as_bytes());
    assert_eq!(reader.read(None).unwrap_err(), ProcessError::Gone { pid: 42 });
    fs::remove_file(fixture.directory.path().join("42/stat")).unwrap();
    assert_eq!(reader.read(None).unwrap_err(), ProcessError::Gone { pid: 42 });
}

#[test]
fn truncated_and_binary_files_are_named() {
    let fixture = Fixture::new();
    let roots = fixture.roots();
    for garbage in [&b""[..], b"42 (web", b"42 (web)", b"42 (web) S", b") (", b"(web) S 1", b"\xff\x00\xfe"] {
        fixture.write("stat", garbage);
        let error = ProcessReader::open(&roots, 42).unwrap_err();
        assert!(error.to_string().contains("42/stat"), "{error}");
    }
    fixture.write("stat", stat("web", 'S', 1).as_bytes());
    for garbage in [&b""[..], b"Name", b"Name:\tx\nTgid:\t", b"\xff\x00"] {
        fixture.write("status", garbage);
        let error = ProcessReader::open(&roots, 42).unwrap().read(None).unwrap_err();
        assert!(error.to_string().contains("42/status"), "{error}");
        assert!(thread_group(&roots, 42).is_err());
    }
}

#[test]
fn optional_files_with_garbage_do_not_spoil_the_rest() {
    let fixture = Fixture::new();
    fixture.write("limits", b"Max open files\nMax processes  1\n");
    fixture.write("cgroup", b"\xff");
    fixture.write("cmdline", b"");
    fixture.write("smaps_rollup", b"Pss: lots\n");
    fixture.write("maps", b"one\ntwo\nno newline");
    symlink("/usr/sbin/web (deleted)", fixture.directory.path().join("42/exe")).unwrap();
    let process = ProcessReader::open(&fixture.roots(), 42).unwrap().read(None).unwrap();
    assert!(process.nofile.value().is_none() && process.nproc.value().is_none());
    assert!(process.cgroup.reason().unwrap().contains("unexpected content"));
    assert!(process.cmdline.reason().unwrap().ends_with("empty"));
    assert!(process.pss_bytes.reason().unwrap().contains("unexpected content"));
    assert_eq!(process.maps, Reading::Value(2));
    assert_eq!(process.exe, Reading::Value("/usr/sbin/web (deleted)".to_owned()));
}

#[test]
fn expensive_readings_are_repeated_only_after_a_while() {
    let fixture = Fixture::new();
    fixture.write("maps", b"one\n");
    let mut reader = ProcessReader::open(&fixture.roots(), 42).unwrap();
    assert_eq!(reader.read(None).unwrap().maps, Reading::Value(1));
    fixture.write("maps", b"one\ntwo\n");
    assert_eq!(reader.read(None).unwrap().maps, Reading::Value(1));
    reader.expensive.as_mut().unwrap().0 = Pace::overdue();
    assert_eq!(reader.read(None).unwrap().maps, Reading::Value(2));
}

#[test]
fn any_name_of_a_process_is_survived() {
    for name in [") S 1 (", "a:b", "", "\u{fffd}", "((("] {
        let parsed = parse_stat(&stat(name, 'R', 7)).unwrap();
        assert_eq!((parsed.comm.as_str(), parsed.starttime), (name, 7));
    }
    let fixture = Fixture::new();
    let status = String::from_utf8_lossy(&fs::read("/proc/self/status").unwrap()).into_owned();
    let (_, rest) = status.split_once('\n').unwrap();
    fixture.write("status", &[b"Name:\t\xff:\xfe\n", rest.as_bytes()].concat());
    assert!(ProcessReader::open(&fixture.roots(), 42).unwrap().read(None).is_ok());
}

proptest! {
    #[test]
    fn any_stat_text_is_survived(text: String, cut in 0_usize..200) {
        let _ = parse_stat(&text);
        let whole = stat("a) (b", 'S', 9);
        let cut = whole.get(..cut.min(whole.len())).unwrap();
        if let Some(parsed) = parse_stat(cut) {
            prop_assert_eq!(parsed.starttime, 9);
        }
    }
}
