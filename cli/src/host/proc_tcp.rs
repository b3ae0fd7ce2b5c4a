//! Listening sockets by /proc/PID/net/tcp and tcp6: no privileges, no netlink, no foreign namespace to enter.
//!
//! These files have no limit of the accept queue, see [`super::NamespaceReader`] for the full listener.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::files::refusal;

/// State column of a listening socket: TCP_LISTEN, in hexadecimal.
const LISTEN: &str = "0A";

/// A listening TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListeningSocket {
    /// Local port.
    pub port: u16,
    /// Local address.
    pub address: IpAddr,
    /// Socket inode.
    pub inode: u64,
}

/// The listening sockets of the namespace whose /proc/PID/net is `net`, by port. A kernel without IPv6 has no
/// tcp6, which is no error.
///
/// # Errors
/// A sentence when tcp cannot be read.
pub fn listening_sockets(net: &Path) -> Result<Vec<ListeningSocket>, String> {
    let mut sockets = BTreeSet::new();
    read(&net.join("tcp"), &mut sockets)?;
    let tcp6 = net.join("tcp6");
    if tcp6.exists() {
        read(&tcp6, &mut sockets)?;
    }
    Ok(sockets.into_iter().collect())
}

/// Reads until the first socket that does not listen: the kernel prints the listening table first
/// (net/ipv4/tcp_ipv4.c, tcp_seq_start), and the rest may be long.
fn read(path: &Path, sockets: &mut BTreeSet<ListeningSocket>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| refusal(path, &error))?;
    for line in BufReader::new(file).split(b'\n').skip(1) {
        let line = line.map_err(|error| refusal(path, &error))?;
        let line = String::from_utf8_lossy(&line);
        let mut words = line.split_whitespace().skip(1);
        let (Some(local), Some(_), Some(state)) = (words.next(), words.next(), words.next()) else { break };
        if state != LISTEN {
            break;
        }
        let socket = endpoint(local).zip(words.nth(5).and_then(|word| word.parse().ok()));
        if let Some(((address, port), inode)) = socket {
            sockets.insert(ListeningSocket { port, address, inode });
        }
    }
    Ok(())
}

/// "0100007F:1F90": the address as words in the byte order of the machine, the port as a number.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| -> Option<[u8; 4]> {
        let digits = address.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, target) in bytes.chunks_exact_mut(4).enumerate() {
                target.copy_from_slice(&word(index)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_listeners_of_both_families_are_found() {
        let net = Path::new("/proc/thread-self/net");
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                eprintln!("SKIPPED our_own_listeners_of_both_families_are_found: cannot bind {address}");
                continue;
            };
            let local = listener.local_addr().unwrap();
            let sockets = listening_sockets(net).unwrap();
            assert!(sockets.iter().any(|socket| (socket.address, socket.port) == (local.ip(), local.port())));
            drop(listener);
            let sockets = listening_sockets(net).unwrap();
            assert!(
                !sockets.iter().any(|socket| (socket.address, socket.port) == (local.ip(), local.port()))
            );
        }
    }

    #[test]
    fn reading_stops_behind_the_listening_table() {
        let directory = tempfile::tempdir().unwrap();
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let row = |port: &str, state: &str, inode: u64| {
            let address = u32::from_ne_bytes([127, 0, 0, 1]);
            format!(
                "   0: {address:08X}:{port} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100 0 0 10 0\n"
            )
        };
        let text = [header, &row("1F90", "0A", 11), &row("1F91", "01", 12), &row("1F92", "0A", 13)].concat();
        fs::write(directory.path().join("tcp"), text).unwrap();
        let expected = ListeningSocket { port: 8080, address: IpAddr::V4(Ipv4Addr::LOCALHOST), inode: 11 };
        assert_eq!(listening_sockets(directory.path()), Ok(vec![expected]));
    }

    #[test]
    fn missing_files_and_garbage_do_not_panic() {
        let directory = tempfile::tempdir().unwrap();
        assert!(listening_sockets(directory.path()).unwrap_err().contains("ENOENT"));
        fs::write(directory.path().join("tcp"), b"\xff\n\xfe \x00 0A 0A 0A\n 0: zz:1 x 0A a b c d e 5\n")
            .unwrap();
        assert_eq!(listening_sockets(directory.path()), Ok(vec![]));
        fs::write(directory.path().join("tcp"), b"").unwrap();
        assert_eq!(listening_sockets(directory.path()), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_endpoint_text_is_survived(text: String) {
            if let Some((address, _)) = endpoint(&text) {
                prop_assert_eq!(text.find(':'), Some(if address.is_ipv4() { 8 } else { 32 }));
            }
        }

        #[test]
        fn what_the_kernel_prints_comes_back(bytes: [u8; 16], port: u16) {
            let mut text = String::new();
            for word in bytes.chunks_exact(4) {
                text += &format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap()));
            }
            text += &format!(":{port:04X}");
            prop_assert_eq!(endpoint(&text), Some((IpAddr::V6(Ipv6Addr::from(bytes)), port)));
        }
    }
}
