use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::host::tests::{OtherNamespace, Waiting};

fn own_reader() -> NamespaceReader {
    let roots = Roots::default();
    NamespaceReader::open(&roots, NetnsRef::own(&roots).unwrap(), None).unwrap()
}

#[test]
fn our_own_namespace_is_read_with_holders() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    let mut reader = own_reader();
    let namespace = reader.read();
    assert_eq!(namespace.inode, Reading::Value(reader.inode()));
    let listeners = namespace.listeners.value().unwrap();
    let found = listeners.iter().find(|found| (found.address, found.port) == (local.ip(), local.port()));
    assert!(found.unwrap().pids.contains(&std::process::id().cast_signed()));
    let somaxconn = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    assert_eq!(namespace.sysctls.somaxconn, Reading::Value(somaxconn.trim().parse().unwrap()));
    assert!(namespace.sysctls.port_range.value().is_some());
    assert!(namespace.time_wait.value().is_some());
    assert!(namespace.established.value().unwrap().iter().any(|group| group.port == local.port()));
    assert!(reader.tcp_inodes().value().unwrap().contains(&found.unwrap().inode));
}

#[test]
fn counters_move_by_what_happened() {
    let Some(other) = OtherNamespace::create("counters_move_by_what_happened") else { return };
    let roots = Roots::default();
    let netns = NetnsRef::of_process(&roots, other.pid()).unwrap();
    if !ip(&netns, "link set lo up") {
        eprintln!("SKIPPED counters_move_by_what_happened: ip link set lo up failed");
        return;
    }
    let listener = netns.run_inside(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || {
        let connected = || (0..4).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<_>>();
        netns.run_inside(connected).unwrap()
    };
    for pid in [Some(other.pid()), None] {
        let netns = NetnsRef::of_process(&roots, other.pid()).unwrap();
        let reader = NamespaceReader::open(&roots, netns, pid).unwrap();
        let before = *reader.counters().value().unwrap();
        let clients = connect();
        let after = *reader.counters().value().unwrap();
        assert_eq!(after.passive_opens - before.passive_opens, 4);
        assert_eq!(after.active_opens - before.active_opens, 4);
        assert_eq!(after.listen_drops, before.listen_drops);
        drop(clients);
    }
}

/// Runs `ip` inside a namespace; whether it worked.
fn ip(netns: &NetnsRef, arguments: &str) -> bool {
    let run = || Command::new("ip").args(arguments.split_whitespace()).stderr(Stdio::null()).status();
    netns.run_inside(run).unwrap().is_ok_and(|status| status.success())
}

/// Connects two namespaces so that the server's answers get lost: its neighbour entry of the client is wrong.
fn deaf_link(server: &NetnsRef, client: &NetnsRef, client_pid: i32) -> bool {
    ip(server, &format!("link add towards type veth peer name back netns {client_pid}"))
        && ip(server, "addr add 10.111.0.1/24 dev towards")
        && ip(server, "link set towards up")
        && ip(client, "addr add 10.111.0.2/24 dev back")
        && ip(client, "link set back up")
        && ip(server, "neigh replace 10.111.0.2 lladdr 02:00:00:00:00:99 dev towards nud permanent")
}

#[test]
fn half_open_requests_are_counted_at_their_listener() {
    const NAME: &str = "half_open_requests_are_counted_at_their_listener";
    let (Some(server), Some(client)) = (OtherNamespace::create(NAME), OtherNamespace::create(NAME)) else {
        return;
    };
    let roots = Roots::default();
    let netns = NetnsRef::of_process(&roots, server.pid()).unwrap();
    let outside = NetnsRef::of_process(&roots, client.pid()).unwrap();
    if !deaf_link(&netns, &outside, client.pid()) {
        eprintln!("SKIPPED {NAME}: cannot make a veth pair with ip");
        return;
    }
    let listen = |address: &'static str| netns.run_inside(|| TcpListener::bind(address).unwrap()).unwrap();
    let (plain, dual) = (listen("0.0.0.0:0"), listen("[::]:0"));
    for (listener, attempts) in [(&plain, 3), (&dual, 2)] {
        let address = SocketAddr::from(([10, 111, 0, 1], listener.local_addr().unwrap().port()));
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(20)).is_err();
        assert!((0..attempts).all(|_| outside.run_inside(connect).unwrap()));
    }

    let namespace = NamespaceReader::open(&roots, netns, Some(server.pid())).unwrap().read();
    let listeners = namespace.listeners.value().unwrap();
    for (listener, attempts) in [(&plain, 3), (&dual, 2)] {
        let port = listener.local_addr().unwrap().port();
        let shown = listeners.iter().find(|shown| shown.port == port).unwrap();
        assert_eq!((shown.half_open, shown.waiting), (attempts, 0));
        let groups = namespace.established.value().unwrap();
        let group = groups.iter().find(|group| group.port == port).unwrap();
        assert_eq!(group.states.get("SYN-RECV"), Some(&u64::from(attempts)));
        assert_eq!((group.unaccepted, group.rtt_samples), (0, 0));
    }
}

#[test]
fn another_namespace_shows_its_own_values_and_sockets() {
    let Some(other) = OtherNamespace::create("another_namespace_shows_its_own_values_and_sockets") else {
        return;
    };
    let roots = Roots::default();
    let netns = NetnsRef::of_process(&roots, other.pid()).unwrap();
    let ours: u64 = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    let theirs = ours + 77;
    netns.run_inside(|| fs::write("/proc/sys/net/core/somaxconn", theirs.to_string()).unwrap()).unwrap();
    let listener = netns.run_inside(|| TcpListener::bind("0.0.0.0:0").unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();

    let inode = netns.inode();
    let mut reader = NamespaceReader::open(&roots, netns, Some(other.pid())).unwrap();
    let namespace = reader.read();
    assert_eq!(namespace.inode, Reading::Value(inode));
    assert_eq!(namespace.sysctls.somaxconn, Reading::Value(theirs));
    assert_eq!(namespace.time_wait, Reading::Value(0));
    let listeners = namespace.listeners.value().unwrap();
    assert_eq!(listeners.iter().map(|listener| listener.port).collect::<Vec<_>>(), [port]);
    assert!(listeners[0].pids.contains(&std::process::id().cast_signed()));

    assert_eq!(fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim(), ours.to_string());
    assert_eq!(own_reader().read().sysctls.somaxconn, Reading::Value(ours));
}

#[test]
fn a_process_that_ends_is_replaced_by_a_look_from_inside() {
    let Some(other) = OtherNamespace::create("a_process_that_ends_is_replaced_by_a_look_from_inside") else {
        return;
    };
    let roots = Roots::default();
    let netns = NetnsRef::of_process(&roots, other.pid()).unwrap();
    let reader = NamespaceReader::open(&roots, netns, Some(other.pid())).unwrap();
    let before = reader.counters();
    drop(other);
    assert_eq!(reader.counters(), before);
}

#[test]
fn a_process_of_another_namespace_is_not_believed() {
    let child = Waiting::spawn(&[]);
    let Some(other) = OtherNamespace::create("a_process_of_another_namespace_is_not_believed") else {
        return;
    };
    let roots = Roots::default();
    let netns = NetnsRef::of_process(&roots, other.pid()).unwrap();
    let fresh = NamespaceReader::open(&roots, netns, None).unwrap().counters();
    let netns = NetnsRef::of_process(&roots, other.pid()).unwrap();
    let misled = NamespaceReader::open(&roots, netns, Some(child.pid())).unwrap();
    assert_eq!(misled.counters(), fresh);
}

#[test]
fn without_the_right_to_enter_counters_stay_and_the_rest_says_why() {
    let child = Waiting::spawn(&[]);
    let reason = "cannot enter network namespace 7 with setns(CLONE_NEWNET): EPERM";
    let mut reader = NamespaceReader { diag: Err(reason.to_owned()), pid: Some(child.pid()), ..own_reader() };
    let namespace = reader.read();
    assert!(namespace.counters.value().is_some());
    assert_eq!(namespace.listeners.reason(), Some(reason));
    assert_eq!(namespace.established.reason(), Some(reason));
    assert_eq!(reader.tcp_inodes().reason(), Some(reason));
    assert_eq!(unreadable_sysctls(reason).somaxconn.reason(), Some(reason));
}

#[test]
fn a_fixture_tree_without_files_is_unreadable_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let roots = Roots { procfs: directory.path().to_owned(), sysfs: directory.path().to_owned() };
    fs::create_dir_all(directory.path().join("self/ns")).unwrap();
    fs::write(directory.path().join("self/ns/net"), "").unwrap();
    let mut reader = NamespaceReader::open(&roots, NetnsRef::own(&roots).unwrap(), Some(1)).unwrap();
    let namespace = reader.read();
    assert!(namespace.counters.reason().unwrap().contains("ENOENT"));
    assert!(namespace.time_wait.reason().unwrap().contains("ENOENT"));
    assert!(namespace.sysctls.somaxconn.reason().unwrap().contains("ENOENT"));
}

#[test]
fn holders_are_searched_again_when_a_listener_appears() {
    let mut reader = own_reader();
    reader.read();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let namespace = reader.read();
    let found = namespace.listeners.value().unwrap().iter().find(|found| found.port == port).unwrap().clone();
    assert!(found.pids.contains(&std::process::id().cast_signed()));
}
