//! Netlink messages of sock_diag, decoded in place.
//!
//! The full decoder of netlink-packet-sock-diag builds every attribute of every socket; with ten thousand
//! sockets that costs more than the kernel's own work, and few fields are needed. Layouts: struct nlmsghdr and
//! nlattr of include/uapi/linux/netlink.h, inet_diag_msg of include/uapi/linux/inet_diag.h. Every access is
//! checked; what is too short yields `None`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, INET_DIAG_INFO, INET_DIAG_SKMEMINFO, INET_DIAG_SKV6ONLY,
};

use crate::sample::SocketMemory;

/// Size of struct nlmsghdr.
const HEADER: usize = 16;
/// Size of struct inet_diag_msg.
const FIXED: usize = 72;
/// Offset of tcpi_rtt in struct tcp_info (include/uapi/linux/tcp.h), which only grows at its end.
const TCP_INFO_RTT: usize = 68;
/// The flag bits of an attribute's type (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
const ATTRIBUTE_TYPE: u16 = 0x3fff;

fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    field(bytes, offset).map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], offset: usize) -> Option<u16> {
    field(bytes, offset).map(u16::from_ne_bytes)
}

/// One netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// nlmsg_type.
    pub(super) kind: u16,
    /// nlmsg_seq.
    pub(super) sequence: u32,
    /// What follows the header.
    pub(super) payload: &'a [u8],
}

impl Message<'_> {
    /// The error of an NLMSG_ERROR or NLMSG_DONE message: a positive errno, 0 for none.
    pub(super) fn errno(&self) -> i32 {
        field(self.payload, 0).map_or(0, |bytes| i32::from_ne_bytes(bytes).saturating_neg())
    }
}

/// The messages of one datagram; ends at the first malformed one.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(word(self.0, 0)?).ok()?;
        let message = Message {
            kind: half(self.0, 4)?,
            sequence: word(self.0, 8)?,
            payload: self.0.get(HEADER..length)?,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// One socket of a dump.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiagSocket<'a> {
    fixed: &'a [u8; FIXED],
    attributes: &'a [u8],
}

impl<'a> DiagSocket<'a> {
    /// The socket in a SOCK_DIAG_BY_FAMILY message.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        let (fixed, attributes) = payload.split_first_chunk()?;
        Some(Self { fixed, attributes })
    }

    fn fixed_word(&self, offset: usize) -> u32 {
        word(self.fixed, offset).unwrap_or_default()
    }

    /// TCP state (include/net/tcp_states.h).
    pub(super) fn state(&self) -> u8 {
        let [_, state, ..] = *self.fixed;
        state
    }

    /// Local port.
    pub(super) fn port(&self) -> u16 {
        field(self.fixed, 4).map_or(0, u16::from_be_bytes)
    }

    /// Local address; `None` for an unknown family.
    pub(super) fn address(&self) -> Option<IpAddr> {
        let [family, ..] = *self.fixed;
        match family {
            AF_INET => field::<4>(self.fixed, 8).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
            AF_INET6 => field::<16>(self.fixed, 8).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
            _ => None,
        }
    }

    /// Socket cookie.
    pub(super) fn cookie(&self) -> u64 {
        u64::from(self.fixed_word(44)) | u64::from(self.fixed_word(48)) << 32
    }

    /// idiag_rqueue: connections waiting for accept(), of a listener.
    pub(super) fn waiting(&self) -> u32 {
        self.fixed_word(56)
    }

    /// idiag_wqueue: limit of the accept queue, of a listener.
    pub(super) fn limit(&self) -> u32 {
        self.fixed_word(60)
    }

    /// User id of the owner.
    pub(super) fn uid(&self) -> u32 {
        self.fixed_word(64)
    }

    /// Inode; 0 when no descriptor belongs to the socket.
    pub(super) fn inode(&self) -> u64 {
        u64::from(self.fixed_word(68))
    }

    /// Smoothed round-trip time, microseconds; `None` without a measurement or without the attribute.
    pub(super) fn rtt_us(&self) -> Option<u32> {
        word(self.attribute(INET_DIAG_INFO)?, TCP_INFO_RTT).filter(|&rtt| rtt > 0)
    }

    /// Whether IPV6_V6ONLY is set; `None` for IPv4.
    pub(super) fn v6_only(&self) -> Option<bool> {
        self.attribute(INET_DIAG_SKV6ONLY)?.first().map(|&value| value != 0)
    }

    /// `sk_drops` (SK_MEMINFO_DROPS).
    pub(super) fn drops(&self) -> Option<u32> {
        word(self.attribute(INET_DIAG_SKMEMINFO)?, 8 * 4)
    }

    /// Memory of this socket (SK_MEMINFO_*, include/uapi/linux/sock_diag.h).
    pub(super) fn memory(&self) -> Option<SocketMemory> {
        let values = self.attribute(INET_DIAG_SKMEMINFO)?;
        let value = |index: usize| word(values, index * 4).map(u64::from);
        // A signed count in the kernel, which is below zero for moments.
        let forward = i32::from_ne_bytes(field(values, 4 * 4)?);
        Some(SocketMemory {
            sockets: 1,
            receive_allocated: value(0)?,
            receive_limit: value(1)?,
            send_limit: value(3)?,
            forward_allocated: u64::try_from(forward).unwrap_or(0),
            send_queued: value(5)?,
        })
    }

    fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.attributes;
        loop {
            let length = usize::from(half(rest, 0)?);
            let value = rest.get(4..length)?;
            if half(rest, 2)? & ATTRIBUTE_TYPE == wanted {
                return Some(value);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable, Parseable};
    use netlink_packet_sock_diag::inet::{InetResponse, InetResponseHeader, SocketId, nlas::Nla};
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0, 0]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_datagram_of_several_messages_is_taken_apart() {
        let bytes = [message(20, 7, b"abc"), message(3, 7, &(-2_i32).to_ne_bytes())].concat();
        let messages: Vec<Message<'_>> = Messages(&bytes).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0], Message { kind: 20, sequence: 7, payload: b"abc" });
        assert_eq!(messages[1].errno(), 2);
        for end in 0..bytes.len() {
            assert!(Messages(&bytes[..end]).count() < 2, "cut at {end}");
        }
    }

    #[test]
    fn a_length_below_the_header_ends_the_datagram() {
        let mut bytes = message(20, 1, b"");
        bytes[0] = 3;
        assert_eq!(Messages(&bytes).count(), 0);
        bytes[0] = 0;
        assert_eq!(Messages(&bytes).count(), 0);
    }

    #[test]
    fn fields_agree_with_the_full_decoder() {
        let header = InetResponseHeader {
            family: AF_INET6,
            state: 10,
            timer: None,
            socket_id: SocketId {
                source_port: 8080,
                source_address: "2001:db8::1".parse().unwrap(),
                cookie: [1, 2, 3, 4, 5, 6, 7, 8],
                ..SocketId::new_v6()
            },
            recv_queue: 5,
            send_queue: 128,
            uid: 1000,
            inode: 4711,
        };
        let mut bytes = vec![0; header.buffer_len()];
        header.emit(&mut bytes);
        bytes.extend(attribute(INET_DIAG_SKV6ONLY, &[1]));
        let memory: Vec<u8> = (10_u32..19).flat_map(u32::to_ne_bytes).collect();
        bytes.extend(attribute(INET_DIAG_SKMEMINFO, &memory));
        let full = InetResponse::parse(&bytes[..]).unwrap();

        let socket = DiagSocket::parse(&bytes).unwrap();
        assert_eq!(socket.state(), full.header.state);
        assert_eq!(socket.port(), full.header.socket_id.source_port);
        assert_eq!(socket.address(), Some(full.header.socket_id.source_address));
        assert_eq!(socket.cookie(), u64::from_ne_bytes(full.header.socket_id.cookie));
        assert_eq!((socket.waiting(), socket.limit()), (full.header.recv_queue, full.header.send_queue));
        assert_eq!((socket.uid(), socket.inode()), (full.header.uid, u64::from(full.header.inode)));
        assert_eq!(socket.v6_only(), Some(true));
        let decoded = full.nlas.iter().find_map(|nla| match nla {
            Nla::MemInfo(memory) => Some(memory),
            _ => None,
        });
        let decoded = decoded.unwrap();
        assert_eq!(socket.drops(), Some(decoded.drops));
        let expected = SocketMemory {
            sockets: 1,
            receive_allocated: u64::from(decoded.receive_queue),
            receive_limit: u64::from(decoded.receive_queue_max),
            send_queued: u64::from(decoded.send_queue),
            send_limit: u64::from(decoded.send_queue_max),
            forward_allocated: u64::from(decoded.cache),
        };
        assert_eq!(socket.memory(), Some(expected));
        assert_eq!(socket.rtt_us(), None);
    }

    #[test]
    fn a_round_trip_time_of_zero_is_no_measurement() {
        let mut bytes = vec![0; FIXED];
        let mut info = vec![0; TCP_INFO_RTT];
        bytes.extend(attribute(INET_DIAG_INFO, &info));
        assert_eq!(DiagSocket::parse(&bytes).unwrap().rtt_us(), None);
        info.extend(0_u32.to_ne_bytes());
        bytes.truncate(FIXED);
        bytes.extend(attribute(INET_DIAG_INFO, &info));
        assert_eq!(DiagSocket::parse(&bytes).unwrap().rtt_us(), None);
        info[TCP_INFO_RTT..].copy_from_slice(&250_u32.to_ne_bytes());
        bytes.truncate(FIXED);
        bytes.extend(attribute(INET_DIAG_INFO, &info));
        assert_eq!(DiagSocket::parse(&bytes).unwrap().rtt_us(), Some(250));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, header in any::<[u8; 4]>()) {
            for message in Messages(&bytes).chain(Messages(&[&header[..], &bytes].concat()[..])) {
                let _ = message.errno();
            }
            let padded = [&[0; FIXED][..], &bytes].concat();
            let socket = DiagSocket::parse(&padded).unwrap();
            prop_assert_eq!(socket.address(), None);
            let _ = (socket.rtt_us(), socket.v6_only(), socket.drops(), socket.memory());
            prop_assert!(DiagSocket::parse(&padded[1..FIXED]).is_none());
        }
    }
}
