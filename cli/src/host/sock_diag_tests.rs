use std::net::{TcpListener, TcpStream};

use netlink_packet_sock_diag::inet::{ExtensionFlags, StateFlags};

use super::*;
use crate::host::diag_request::MOST_PORTS;

fn request(ports: &[u16]) -> Request<'_> {
    let states = StateFlags::ESTABLISHED | StateFlags::LISTEN;
    Request { states, extensions: ExtensionFlags::empty(), ports: Some(ports) }
}

fn dumped(ports: &[u16]) -> Vec<(u16, u64)> {
    let mut sockets = Vec::new();
    let mut diag = SockDiag::open().unwrap();
    diag.dump(&request(ports), |socket| sockets.push((socket.port(), socket.inode()))).unwrap();
    sockets
}

#[test]
fn the_filter_lets_exactly_the_wanted_ports_through() {
    let listeners: Vec<TcpListener> = ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "[::1]:0"]
        .iter()
        .filter_map(|address| TcpListener::bind(address).ok())
        .collect();
    let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    for count in 1..=ports.len() {
        let wanted = &ports[ports.len() - count..];
        let mut found: Vec<u16> = dumped(wanted).into_iter().map(|(port, _)| port).collect();
        found.sort_unstable();
        found.dedup();
        let mut expected = wanted.to_vec();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_long_list_of_ports_is_still_a_valid_filter() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let others = (1..=u16::MAX).filter(|candidate| *candidate < 1024);
    let mut ports: Vec<u16> = others.chain([port]).collect();
    assert!(dumped(&ports).iter().any(|(found, _)| *found == port));
    ports.extend(20_000..21_500);
    assert!(ports.len() > MOST_PORTS);
    assert!(dumped(&ports).iter().any(|(found, _)| *found == port));
}

#[test]
fn a_dump_shows_both_ends_of_a_connection_unless_filtered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let client = client.local_addr().unwrap().port();
    let mut ports = Vec::new();
    let everything = Request { ports: None, ..request(&[]) };
    SockDiag::open().unwrap().dump(&everything, |socket| ports.push(socket.port())).unwrap();
    assert!(ports.contains(&server) && ports.contains(&client));
    assert!(dumped(&[server]).iter().all(|(port, _)| *port == server));
}

#[test]
fn one_socket_serves_many_dumps() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut diag = SockDiag::open().unwrap();
    for _ in 0..5 {
        let mut found = 0;
        let address = Some(listener.local_addr().unwrap().ip());
        diag.dump(&request(&[port]), |socket| found += u32::from(socket.address() == address)).unwrap();
        assert_eq!(found, 1);
    }
}

#[test]
fn errors_of_the_kernel_become_sentences_with_a_remedy() {
    let sentence = |errno: Errno| failure("dump through", &io::Error::from_raw_os_error(errno as i32));
    assert!(sentence(Errno::ENOENT).contains("ENOENT; load the kernel modules"));
    assert!(sentence(Errno::EPERM).contains("EPERM; does a sandbox"));
    assert_eq!(sentence(Errno::ENOMEM), "cannot dump through sock_diag: ENOMEM");
}

#[test]
fn a_request_without_handler_is_an_error_and_not_an_empty_list() {
    let mut diag = SockDiag::open().unwrap();
    // No address family has number 200, so that the kernel has no module for it.
    let asked = diag.ask(|sequence| request(&[]).family(200, sequence), SOCK_DIAG_BY_FAMILY, &mut |_| ());
    let failure = asked.unwrap_err();
    assert!(failure.reason.contains("cannot dump through sock_diag: E"), "{}", failure.reason);
    assert!(!failure.partial);
}

#[test]
fn both_ways_to_ask_show_the_same_sockets() {
    let listeners: Vec<TcpListener> =
        ["127.0.0.1:0", "[::1]:0"].iter().filter_map(|address| TcpListener::bind(address).ok()).collect();
    let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    let _clients: Vec<TcpStream> = listeners
        .iter()
        .map(|listener| TcpStream::connect(listener.local_addr().unwrap()).unwrap())
        .collect();
    let dump = |both_families: bool| {
        let mut sockets = Vec::new();
        let mut diag = SockDiag { both_families, ..SockDiag::open().unwrap() };
        let visit = |socket: DiagSocket<'_>| {
            sockets.push((socket.port(), socket.address(), socket.state(), socket.inode(), socket.cookie()));
        };
        diag.dump(&request(&ports), visit).unwrap();
        assert_eq!(diag.both_families, both_families);
        sockets.sort_unstable();
        sockets
    };
    let together = dump(true);
    assert_eq!(together, dump(false));
    assert_eq!(together.len(), 2 * listeners.len());
}
