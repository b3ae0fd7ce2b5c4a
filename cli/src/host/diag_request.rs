//! Requests for dumps of TCP sockets, as bytes.

use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader};
use netlink_packet_sock_diag::constants::{AF_INET6, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};

/// TCPDIAG_GETSOCK of include/uapi/linux/inet_diag.h: the older request, and the only one that walks the
/// kernel's table of sockets once for both families.
pub(super) const BOTH_FAMILIES: u16 = 18;

/// Offsets in struct inet_diag_req, the body of a TCPDIAG_GETSOCK request, and its size.
const BOTH_EXTENSIONS: usize = 3;
const BOTH_STATES: usize = 52;
const BOTH_SIZE: usize = 60;

/// INET_DIAG_REQ_BYTECODE of include/uapi/linux/inet_diag.h: the attribute with a filter program.
const REQUEST_BYTECODE: u16 = 1;
/// INET_DIAG_BC_JMP.
const JUMP: u8 = 1;
/// INET_DIAG_BC_S_EQ: the local port equals the `no` field of the operation behind.
const LOCAL_PORT_IS: u8 = 11;
/// Bytes that the test of one port takes in the filter program.
const PORT_TEST: u16 = 12;
/// Ports beyond which no filter is sent: its length and its jumps are 16 bits wide.
pub(super) const MOST_PORTS: usize = 2_000;

/// What to dump.
pub(super) struct Request<'a> {
    /// States to include.
    pub(super) states: StateFlags,
    /// Attributes to add to each socket.
    pub(super) extensions: ExtensionFlags,
    /// Local ports to include, unless there are too many to filter by; `None` for all.
    pub(super) ports: Option<&'a [u16]>,
}

impl Request<'_> {
    /// The netlink message for both families in one dump; the kernel answers with messages of the type
    /// [`BOTH_FAMILIES`].
    pub(super) fn both_families(&self, sequence: u32) -> Vec<u8> {
        let mut body = [0; BOTH_SIZE];
        if let Some(target) = body.get_mut(BOTH_EXTENSIONS) {
            *target = self.extensions.bits();
        }
        let states = self.states.bits().to_ne_bytes();
        body.iter_mut().skip(BOTH_STATES).zip(states).for_each(|(target, byte)| *target = byte);
        self.message(BOTH_FAMILIES, &body, sequence)
    }

    /// The netlink message for one family; the kernel answers with messages of the type SOCK_DIAG_BY_FAMILY.
    pub(super) fn family(&self, family: u8, sequence: u32) -> Vec<u8> {
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: self.extensions.clone(),
            states: self.states.clone(),
            socket_id: if family == AF_INET6 { SocketId::new_v6() } else { SocketId::new_v4() },
        };
        let mut body = vec![0; request.buffer_len()];
        request.emit(&mut body);
        self.message(SOCK_DIAG_BY_FAMILY, &body, sequence)
    }

    fn message(&self, kind: u16, body: &[u8], sequence: u32) -> Vec<u8> {
        let attribute = self.attribute();
        let mut header = NetlinkHeader::default();
        let length = header.buffer_len() + body.len() + attribute.len();
        header.length = u32::try_from(length).unwrap_or(u32::MAX);
        header.message_type = kind;
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = sequence;
        let mut bytes = vec![0; header.buffer_len()];
        header.emit(&mut bytes);
        bytes.extend(body);
        bytes.extend(attribute);
        bytes
    }

    /// The filter as an attribute; nothing when every port is wanted or there are too many.
    fn attribute(&self) -> Vec<u8> {
        let ports = self.ports.unwrap_or_default();
        let program = filter(ports);
        match u16::try_from(4 + program.len()) {
            Ok(length) if !ports.is_empty() && ports.len() <= MOST_PORTS => {
                let mut attribute = Vec::from(length.to_ne_bytes());
                attribute.extend(REQUEST_BYTECODE.to_ne_bytes());
                attribute.extend(program);
                attribute
            }
            _ => Vec::new(),
        }
    }
}

/// A program that accepts the sockets with one of these local ports (net/ipv4/inet_diag.c,
/// inet_diag_bc_run): a jump to exactly its end accepts, one beyond rejects. For each port: equal goes on with
/// the jump behind the test, to the end; different skips that jump. The last port needs no jump.
fn filter(ports: &[u16]) -> Vec<u8> {
    let mut program = Vec::new();
    let last = ports.len().min(MOST_PORTS);
    for (index, &port) in (1..=last).zip(ports) {
        program.extend([LOCAL_PORT_IS, 8]);
        program.extend(PORT_TEST.to_ne_bytes());
        program.extend([0, 0]);
        program.extend(port.to_ne_bytes());
        if index < last {
            // The jump is as long as the one that the last test lacks: a whole number of tests to the end.
            let distance = u16::try_from(last - index).unwrap_or(0).saturating_mul(PORT_TEST);
            program.extend([JUMP, 4]);
            program.extend(distance.to_ne_bytes());
        }
    }
    program
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Parseable;
    use netlink_packet_sock_diag::constants::AF_INET;

    use super::*;

    fn request<'a>(ports: Option<&'a [u16]>) -> Request<'a> {
        Request { states: StateFlags::LISTEN, extensions: ExtensionFlags::SKMEMINFO, ports }
    }

    #[test]
    fn the_length_covers_the_filter() {
        let plain = request(None).family(AF_INET, 9);
        let filtered = request(Some(&[80, 443])).family(AF_INET, 9);
        assert_eq!(filtered.len(), plain.len() + 4 + 12 + 8);
        let length = u32::from_ne_bytes(filtered[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), filtered.len());
        assert_eq!(filtered[4..plain.len()], plain[4..]);
        assert_eq!(request(Some(&[])).family(AF_INET, 9), plain);
    }

    #[test]
    fn the_body_of_one_family_decodes_to_what_was_asked() {
        let bytes = request(None).family(AF_INET6, 3);
        let decoded = InetRequest::parse(&bytes[16..]).unwrap();
        assert_eq!((decoded.family, decoded.protocol), (AF_INET6, IPPROTO_TCP));
        assert_eq!(decoded.states, StateFlags::LISTEN);
        assert_eq!(decoded.extensions, ExtensionFlags::SKMEMINFO);
    }

    #[test]
    fn the_body_of_both_families_has_the_older_layout() {
        let bytes = request(None).both_families(3);
        assert_eq!(bytes.len(), 16 + 60);
        assert_eq!(bytes[16 + 3], ExtensionFlags::SKMEMINFO.bits());
        assert_eq!(bytes[16 + 52..16 + 56], StateFlags::LISTEN.bits().to_ne_bytes());
    }

    /// Follows the program as the kernel does: `Some(true)` accepts.
    fn run(program: &[u8], port: u16) -> Option<bool> {
        let mut at = 0;
        while at < program.len() {
            let operation = program.get(at..at + 4)?;
            let no = usize::from(u16::from_ne_bytes(operation[2..4].try_into().ok()?));
            let operand = program.get(at + 6..at + 8).and_then(|bytes| bytes.try_into().ok());
            let equal = operation[0] == LOCAL_PORT_IS && operand.map(u16::from_ne_bytes)? == port;
            at += if equal { usize::from(operation[1]) } else { no };
        }
        Some(at == program.len())
    }

    #[test]
    fn the_filter_accepts_its_ports_and_no_other() {
        for count in [1, 2, 3, 50, MOST_PORTS] {
            let ports: Vec<u16> = (1000..).step_by(3).take(count).collect();
            let program = filter(&ports);
            for port in 999..=(1000 + 3 * u16::try_from(count).unwrap()) {
                assert_eq!(run(&program, port), Some(ports.contains(&port)), "{port} of {count}");
            }
        }
    }

    #[test]
    fn too_many_ports_are_not_filtered() {
        let ports: Vec<u16> = (1..=u16::try_from(MOST_PORTS).unwrap() + 1).collect();
        assert_eq!(request(Some(&ports)).family(AF_INET, 1), request(None).family(AF_INET, 1));
    }
}
