use std::collections::HashSet;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use nix::sys::socket::{Backlog, listen};

use super::*;

fn inode_of(socket: &impl AsRawFd) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap().ino()
}

/// A listener with the given limit on the loopback of either family, or `None` without IPv6.
fn listener(address: &str, limit: i32) -> Option<TcpListener> {
    let listener = TcpListener::bind(address).ok()?;
    listen(&listener, Backlog::new(limit).unwrap()).unwrap();
    Some(listener)
}

fn find(inode: u64) -> Listener {
    let listeners = listeners(&mut SockDiag::open().unwrap()).unwrap();
    listeners.into_iter().find(|listener| listener.inode == inode).unwrap()
}

#[test]
fn waiting_limit_address_and_owner_are_the_kernels() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Some(listener) = listener(address, 7) else {
            eprintln!("SKIPPED waiting_limit_address_and_owner_are_the_kernels: cannot bind {address}");
            continue;
        };
        let local = listener.local_addr().unwrap();
        let clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(local).unwrap()).collect();
        let full = find(inode_of(&listener));
        assert_eq!((full.address, full.port), (local.ip(), local.port()));
        assert_eq!((full.waiting, full.limit), (3, 7));
        assert_eq!(full.uid, nix::unistd::getuid().as_raw());
        assert_eq!(full.drops_hint, Some(0));
        assert_ne!(full.cookie, 0);

        let accepted = listener.accept().unwrap();
        let later = find(inode_of(&listener));
        assert_eq!((later.waiting, later.cookie), (2, full.cookie));
        drop((clients, accepted));
    }
}

#[test]
fn a_backlog_above_somaxconn_is_shown_as_the_kernel_cut_it() {
    let listener = listener("127.0.0.1:0", 5).unwrap();
    // -1, which no queue can hold: the kernel takes somaxconn instead.
    listen(&listener, Backlog::MAXALLOWABLE).unwrap();
    let somaxconn: u32 =
        std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    assert_eq!(find(inode_of(&listener)).limit, somaxconn);
}

#[test]
fn a_wildcard_of_both_families_says_so() {
    let Some(dual) = listener("[::]:0", 3) else {
        eprintln!("SKIPPED a_wildcard_of_both_families_says_so: no IPv6");
        return;
    };
    let shown = find(inode_of(&dual));
    assert!(shown.address.is_unspecified() && shown.address.is_ipv6());
    let only: u8 = std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").unwrap().trim().parse().unwrap();
    assert_eq!(shown.v6_only, only == 1);
}

#[test]
fn connections_are_summed_by_port_state_and_memory() {
    let listener = listener("127.0.0.1:0", 16).unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    let accepted: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
    clients[0].write_all(&[0; 1000]).unwrap();
    clients[1].shutdown(Shutdown::Write).unwrap();

    let mut diag = SockDiag::open().unwrap();
    let mut listeners = listeners(&mut diag).unwrap();
    let groups = ConnectionReader::default().read(&mut diag, &mut listeners).unwrap();
    let group = groups.iter().find(|group| group.port == address.port()).unwrap();
    let states = BTreeMap::from([("CLOSE-WAIT".to_owned(), 1), ("ESTAB".to_owned(), 4)]);
    assert_eq!(group.states, states);
    assert_eq!(group.unaccepted, 2);
    let memory = group.memory.unwrap();
    assert_eq!(memory.sockets, 5);
    assert!(memory.receive_allocated >= 1000);
    assert!(memory.receive_limit >= 5 * 4096 && memory.send_limit >= 5 * 4096);
    assert!(group.rtt_samples <= 5 && group.rtt_sum_us >= group.rtt_samples);
    drop((clients, accepted));
}

#[test]
fn inodes_hold_every_end_of_our_connections() {
    let listener = listener("127.0.0.1:0", 16).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    let inodes: HashSet<u64> = inodes(&mut SockDiag::open().unwrap()).unwrap().into_iter().collect();
    for socket in [inode_of(&listener), inode_of(&client), inode_of(&server)] {
        assert!(inodes.contains(&socket));
    }
    assert!(!inodes.contains(&0));
}

fn at(address: &str, v6_only: bool) -> Listener {
    Listener {
        address: address.parse().unwrap(),
        port: 80,
        v6_only,
        inode: 1,
        cookie: 1,
        waiting: 0,
        limit: 1,
        drops_hint: None,
        half_open: 0,
        uid: 0,
        pids: Vec::new(),
    }
}

fn shares(mut listeners: Vec<Listener>, address: &str) -> Vec<u32> {
    count_half_open(&mut listeners, address.parse().unwrap(), 80, 5);
    listeners.iter().map(|listener| listener.half_open).collect()
}

#[test]
fn half_open_requests_go_to_the_listener_that_the_kernel_would_choose() {
    let all = || vec![at("10.0.0.1", false), at("0.0.0.0", false), at("::", false)];
    assert_eq!(shares(all(), "10.0.0.1"), [5, 0, 0]);
    assert_eq!(shares(all(), "10.0.0.2"), [0, 5, 0]);
    assert_eq!(shares(all(), "2001:db8::1"), [0, 0, 5]);
    assert_eq!(shares(vec![at("::", false)], "10.0.0.1"), [5]);
    assert_eq!(shares(vec![at("::", true)], "10.0.0.1"), [0]);
    assert_eq!(shares(vec![at("0.0.0.0", false)], "2001:db8::1"), [0]);
    assert_eq!(shares(vec![at("::ffff:10.0.0.1", false), at("::", false)], "10.0.0.1"), [5, 0]);
    assert_eq!(shares(vec![at("0.0.0.0", false), at("0.0.0.0", false)], "10.0.0.1"), [5, 5]);
    let mut elsewhere = vec![at("0.0.0.0", false)];
    count_half_open(&mut elsewhere, "10.0.0.1".parse().unwrap(), 81, 5);
    assert_eq!(elsewhere[0].half_open, 0);
}

#[test]
fn memory_is_unknown_when_a_socket_did_not_tell_it() {
    let mut bytes = vec![0; 72];
    bytes[1] = TCP_ESTABLISHED;
    bytes[68] = 9;
    let mut totals = Totals::default();
    totals.add(&DiagSocket::parse(&bytes).unwrap());
    bytes[1] = 99;
    totals.add(&DiagSocket::parse(&bytes).unwrap());
    let group = totals.finish(80);
    assert_eq!(group.memory, None);
    assert_eq!(group.states, BTreeMap::from([("ESTAB".to_owned(), 1)]));

    let mut stubs = Totals::default();
    bytes[1] = TCP_TIME_WAIT;
    stubs.add(&DiagSocket::parse(&bytes).unwrap());
    assert_eq!(stubs.finish(80).memory, Some(SocketMemory::default()));
}

#[test]
fn round_trip_times_of_many_connections_are_remembered_for_a_while() {
    let listener = listener("127.0.0.1:0", 16).unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let mut diag = SockDiag::open().unwrap();
    let mut listeners = listeners(&mut diag).unwrap();
    let group =
        |groups: &[Established]| groups.iter().find(|group| group.port == address.port()).unwrap().clone();
    let mut many = group(&connections(&mut diag, &mut listeners, ExtensionFlags::empty()).unwrap());
    (many.rtt_sum_us, many.rtt_samples) = (123_456, FEW + 1);
    let mut reader = ConnectionReader { last: Some((Pace::time(|| ()).1, vec![many])) };

    let remembered = group(&reader.read(&mut diag, &mut listeners).unwrap());
    assert_eq!((remembered.rtt_sum_us, remembered.rtt_samples), (123_456, FEW + 1));
    assert_eq!(remembered.states, BTreeMap::from([("ESTAB".to_owned(), 1)]));
    assert_eq!(remembered.memory.unwrap().sockets, 1);

    reader.last.as_mut().unwrap().0 = Pace::overdue();
    let measured = group(&reader.read(&mut diag, &mut listeners).unwrap());
    assert!(measured.rtt_samples <= 1);
    drop(client);
}
