use std::fs;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::host::tests::{OtherNamespace, Waiting};

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

#[test]
fn a_port_finds_the_process_that_listens() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            eprintln!("SKIPPED a_port_finds_the_process_that_listens: cannot bind {address}");
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let target = resolve(&Roots::default(), &Selector::Port(port)).unwrap();
        assert_eq!(target.ports, Some(vec![port]));
        assert!(target.pids.contains(&own_pid()), "{:?}", target.pids);
        assert!(target.netns.is_own());
        assert!(target.display.starts_with(&format!("port {port}: ")), "{}", target.display);
    }
}

#[test]
fn a_process_brings_those_that_share_its_listeners() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let unrelated = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let worker = Waiting::spawn(&[listener.as_fd()]);
    drop(listener);

    let target = resolve(&Roots::default(), &Selector::Pid(worker.pid())).unwrap();
    assert!(target.pids.contains(&worker.pid()) && !target.pids.contains(&own_pid()), "{:?}", target.pids);
    assert_eq!(target.ports, Some(vec![port]));
    assert!(target.display.starts_with(&format!("cat (pid {}", worker.pid())), "{}", target.display);
    assert!(target.display.ends_with(&format!(", port {port}")), "{}", target.display);
    drop(unrelated);
}

#[test]
fn workers_of_one_listener_are_all_found_from_any_of_them() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let given = [listener.as_fd()];
    let workers = [Waiting::spawn(&given), Waiting::spawn(&given)];

    let by_worker = resolve(&Roots::default(), &Selector::Pid(workers[0].pid())).unwrap();
    let by_port = resolve(&Roots::default(), &Selector::Port(port)).unwrap();
    // Not equality: while another test starts a process, its copy of ours has all our descriptors.
    for pid in workers.iter().map(Waiting::pid).chain([own_pid()]) {
        assert!(by_worker.pids.contains(&pid), "{pid} in {:?}", by_worker.pids);
        assert!(by_port.pids.contains(&pid), "{pid} in {:?}", by_port.pids);
    }
    assert!(by_port.pids.is_sorted());
    assert_eq!(by_port.ports, Some(vec![port]));
    assert!(by_worker.display.contains("more)"), "{}", by_worker.display);
}

#[test]
fn a_thread_id_stands_for_its_process() {
    let (report, ready) = std::sync::mpsc::channel();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        report.send(nix::unistd::gettid().as_raw()).unwrap();
        wait.recv().unwrap();
    });
    let target = resolve(&Roots::default(), &Selector::Pid(ready.recv().unwrap())).unwrap();
    release.send(()).unwrap();
    thread.join().unwrap();
    assert!(target.pids.contains(&own_pid()), "{:?}", target.pids);
}

#[test]
fn a_process_that_listens_on_nothing_is_a_target_too() {
    let child = Waiting::spawn(&[]);
    let target = resolve(&Roots::default(), &Selector::Pid(child.pid())).unwrap();
    assert_eq!(target.pids, vec![child.pid()]);
    assert!(target.display.starts_with(&format!("cat (pid {}", child.pid())), "{}", target.display);
}

#[test]
fn a_process_in_another_namespace_brings_that_namespace() {
    let Some(other) = OtherNamespace::create("a_process_in_another_namespace_brings_that_namespace") else {
        return;
    };
    let target = resolve(&Roots::default(), &Selector::Pid(other.pid())).unwrap();
    assert!(!target.netns.is_own());

    let listener = target.netns.run_inside(|| TcpListener::bind("0.0.0.0:0").unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let ours = listening_sockets(Path::new("/proc/thread-self/net")).unwrap();
    if ours.iter().all(|socket| socket.port != port) {
        let error = resolve(&Roots::default(), &Selector::Port(port)).unwrap_err();
        assert!(matches!(error, TargetError::NobodyListens { .. }), "{error}");
    }
}

#[test]
fn a_dead_process_is_no_target() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    child.wait().unwrap();
    let error = resolve(&Roots::default(), &Selector::Pid(pid)).unwrap_err();
    assert!(matches!(error, TargetError::NoSuchProcess { .. }), "{error}");
    assert!(error.to_string().contains(&pid.to_string()), "{error}");
    for nonsense in [0, -1, i32::MAX] {
        let error = resolve(&Roots::default(), &Selector::Pid(nonsense)).unwrap_err();
        assert!(matches!(error, TargetError::NoSuchProcess { .. }), "{error}");
    }
}

#[test]
fn a_port_without_listener_lists_up_to_eight_others_and_the_namespace() {
    let listeners: Vec<TcpListener> = (0..9).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = resolve(&Roots::default(), &Selector::Port(free)).unwrap_err();
    let TargetError::NobodyListens { port, ports } = &error else { unreachable!("{error}") };
    assert_eq!(*port, free);
    for listener in &listeners {
        assert!(ports.contains(&listener.local_addr().unwrap().port()));
    }
    let message = error.to_string();
    assert!(message.contains("own network namespace"), "{message}");
    assert!(message.contains("--pid"), "{message}");
    assert!(message.contains(&format!("and {} more", ports.len() - 8)), "{message}");
}

#[test]
fn everything_is_a_target_without_names() {
    let target = resolve(&Roots::default(), &Selector::All).unwrap();
    assert!(target.pids.is_empty() && target.ports.is_none() && target.netns.is_own());
}

#[test]
fn a_fixture_tree_without_listeners_and_one_with_garbage() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let roots = Roots { procfs: root.to_owned(), sysfs: root.to_owned() };
    assert!(matches!(resolve(&roots, &Selector::All), Err(TargetError::Unreadable { .. })));

    fs::create_dir_all(root.join("self/ns")).unwrap();
    fs::write(root.join("self/ns/net"), "").unwrap();
    let unreadable = resolve(&roots, &Selector::Port(80)).unwrap_err().to_string();
    assert!(unreadable.contains("ENOENT"), "{unreadable}");

    fs::create_dir_all(root.join("thread-self/net")).unwrap();
    fs::write(root.join("thread-self/net/tcp"), b"\xff\xfe\n\x00").unwrap();
    let nobody = resolve(&roots, &Selector::Port(80)).unwrap_err().to_string();
    assert!(nobody.contains("no TCP listener at all"), "{nobody}");

    fs::create_dir_all(root.join("7")).unwrap();
    fs::write(root.join("7/status"), "Name:\tx\n").unwrap();
    let garbage = resolve(&roots, &Selector::Pid(7)).unwrap_err();
    assert!(matches!(garbage, TargetError::Unreadable { .. }), "{garbage}");
}

#[test]
fn a_process_whose_descriptors_are_hidden_keeps_its_own_id() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let roots = Roots { procfs: root.to_owned(), sysfs: root.to_owned() };
    fs::create_dir_all(root.join("self/ns")).unwrap();
    fs::create_dir_all(root.join("7/ns")).unwrap();
    fs::write(root.join("self/ns/net"), "").unwrap();
    symlink(root.join("self/ns/net"), root.join("7/ns/net")).unwrap();
    fs::write(root.join("7/status"), "Tgid:\t7\n").unwrap();
    fs::write(root.join("7/stat"), fs::read("/proc/self/stat").unwrap()).unwrap();
    fs::write(root.join("7/comm"), "nginx\n").unwrap();
    let target = resolve(&roots, &Selector::Pid(7)).unwrap();
    assert_eq!(target.pids, vec![7]);
    assert!(target.ports.is_none() && target.netns.is_own());
    assert!(target.display.contains("not visible"), "{}", target.display);
}
