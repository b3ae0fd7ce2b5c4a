//! The kernel fields and enum values that the programs read. The loader resolves each from the running
//! kernel's BTF and hands it over as one read-only global; nothing of a kernel's layout is written in the
//! source.

/// A global that was not found in this kernel: the verifier prunes every branch that needs it.
pub const MISSING: u32 = u32::MAX;

/// A member of a kernel struct whose byte offset a program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name of the global in the object.
    pub global: &'static str,
    /// Kernel struct.
    pub structure: &'static str,
    /// Member path, dots between nested members.
    pub member: &'static str,
    /// Bytes that the program reads there; another size in the kernel makes the field missing.
    pub size: u32,
}

/// A kernel enumerator whose value a program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enumerator {
    /// Name of the global in the object.
    pub global: &'static str,
    /// Name of the enumerator.
    pub name: &'static str,
}

const fn field(global: &'static str, structure: &'static str, member: &'static str, size: u32) -> Field {
    Field { global, structure, member, size }
}

const fn enumerator(global: &'static str, name: &'static str) -> Enumerator {
    Enumerator { global, name }
}

/// Every field, in the order of the programs.
pub const FIELDS: &[Field] = &[
    field("OFF_SKC_STATE", "sock_common", "skc_state", 1),
    field("OFF_SKC_FAMILY", "sock_common", "skc_family", 2),
    field("OFF_SKC_NUM", "sock_common", "skc_num", 2),
    field("OFF_SKC_NET", "sock_common", "skc_net.net", 8),
    field("OFF_SKC_RCV_SADDR", "sock_common", "skc_rcv_saddr", 4),
    field("OFF_SKC_V6_RCV_SADDR", "sock_common", "skc_v6_rcv_saddr", 16),
    field("OFF_SK_PROTOCOL", "sock", "sk_protocol", 2),
    field("OFF_SK_ACK_BACKLOG", "sock", "sk_ack_backlog", 4),
    field("OFF_SRTT_US", "tcp_sock", "srtt_us", 4),
    field("OFF_SYN_QUEUE_LEN", "inet_connection_sock", "icsk_accept_queue.qlen", 4),
    field("OFF_ACCEPT_TAIL", "inet_connection_sock", "icsk_accept_queue.rskq_accept_tail", 8),
    field("OFF_REQUEST_SK", "request_sock", "sk", 8),
    field("OFF_NET_INUM", "net", "ns.inum", 4),
    field("OFF_NET_STATISTICS", "net", "mib.net_statistics", 8),
    field("OFF_NET_SYNCOOKIES", "net", "ipv4.sysctl_tcp_syncookies", 1),
    field("OFF_NET_MAX_SYN_BACKLOG", "net", "ipv4.sysctl_max_syn_backlog", 4),
    field("OFF_MIB", "linux_mib", "mibs", 0),
    field("OFF_ARRAY_PPTRS", "bpf_array", "pptrs", 0),
    field("OFF_SKB_HEAD", "sk_buff", "head", 8),
    field("OFF_SKB_PROTOCOL", "sk_buff", "protocol", 2),
    field("OFF_SKB_TRANSPORT", "sk_buff", "transport_header", 2),
    field("OFF_SKB_NETWORK", "sk_buff", "network_header", 2),
    field("OFF_SKB_REFDST", "sk_buff", "_skb_refdst", 8),
    field("OFF_DST_DEV", "dst_entry", "dev", 8),
    field("OFF_DEV_NET", "net_device", "nd_net.net", 8),
    field("OFF_TASK_PID", "task_struct", "pid", 4),
    field("OFF_TASK_TGID", "task_struct", "tgid", 4),
    field("OFF_TASK_NVCSW", "task_struct", "nvcsw", 8),
    field("OFF_TASK_NIVCSW", "task_struct", "nivcsw", 8),
    field("OFF_TASK_FILES", "task_struct", "files", 8),
    field("OFF_FILES_FDT", "files_struct", "fdt", 8),
    field("OFF_FDT_FD", "fdtable", "fd", 8),
    field("OFF_FDT_MAX_FDS", "fdtable", "max_fds", 4),
    field("OFF_FILE_PRIVATE", "file", "private_data", 8),
    field("OFF_FILE_INODE", "file", "f_inode", 8),
    field("OFF_INODE_MODE", "inode", "i_mode", 2),
    field("OFF_SOCKET_SK", "socket", "sk", 8),
    field("OFF_REGS_NUMBER", "pt_regs", "orig_ax", 8),
];

/// Every enumerator.
pub const ENUMERATORS: &[Enumerator] = &[
    enumerator("MIB_LISTEN_OVERFLOWS", "LINUX_MIB_LISTENOVERFLOWS"),
    enumerator("MIB_LISTEN_DROPS", "LINUX_MIB_LISTENDROPS"),
    enumerator("MIB_REQQ_FULL_DROP", "LINUX_MIB_TCPREQQFULLDROP"),
    enumerator("MIB_REQQ_FULL_DO_COOKIES", "LINUX_MIB_TCPREQQFULLDOCOOKIES"),
    enumerator("MIB_SYNCOOKIES_SENT", "LINUX_MIB_SYNCOOKIESSENT"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globals_are_unique() {
        let mut names: [&str; 64] = [""; 64];
        let all = FIELDS.iter().map(|field| field.global).chain(ENUMERATORS.iter().map(|value| value.global));
        for (index, name) in all.enumerate() {
            assert!(!names.contains(&name), "{name} is listed twice");
            names[index] = name;
        }
    }
}
