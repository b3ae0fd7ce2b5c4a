//! The probes: one row per question, with the programs that answer it.

/// How a program is hooked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// tp_btf program on this tracepoint.
    BtfTracepoint(&'static str),
}

/// One program of the object.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its symbol.
    pub name: &'static str,
    /// Its hook.
    pub hook: Hook,
    /// Globals without which it would count nothing.
    pub needs: &'static [&'static str],
}

/// When a probe runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// From the start: its cost does not grow with the work of unrelated processes.
    Always,
    /// While a process is selected: it slows every system call or switch of the host a little.
    Selected,
}

/// One question and the programs that answer it, in the order in which they are attached.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Name in `netscope doctor` and in reports.
    pub name: &'static str,
    /// The question.
    pub question: &'static str,
    /// When it runs.
    pub when: When,
    /// The programs; the probe is active when all are attached.
    pub programs: &'static [Program],
}

const fn program(name: &'static str, tracepoint: &'static str, needs: &'static [&'static str]) -> Program {
    Program { name, hook: Hook::BtfTracepoint(tracepoint), needs }
}

const NAMESPACE: &[&str] = &["OFF_SKC_NET", "OFF_NET_INUM"];
const SNMP: &[&str] = &[
    "OFF_SKC_NET",
    "OFF_NET_INUM",
    "OFF_NET_STATISTICS",
    "OFF_MIB",
    "OFF_ARRAY_PPTRS",
    "OFF_SKC_STATE",
    "OFF_SKB_HEAD",
    "OFF_SKB_PROTOCOL",
    "OFF_SKB_TRANSPORT",
    "OFF_SKB_NETWORK",
    "OFF_SKB_REFDST",
    "OFF_DST_DEV",
    "OFF_DEV_NET",
    "MIB_LISTEN_OVERFLOWS",
    "MIB_LISTEN_DROPS",
    "MIB_REQQ_FULL_DROP",
    "MIB_REQQ_FULL_DO_COOKIES",
    "MIB_SYNCOOKIES_SENT",
];
const SCHED: &[&str] =
    &["OFF_TASK_TGID", "OFF_TASK_PID", "OFF_TASK_NVCSW", "OFF_TASK_NIVCSW", "HAS_PREV_STATE"];

/// Names of the probes, for those who ask for one.
pub mod name {
    /// Which sockets listen.
    pub const LISTENERS: &str = "listeners";
    /// What enters the accept queues.
    pub const ACCEPT_QUEUE: &str = "accept-queue";
    /// What is destroyed while waiting.
    pub const NEVER_ACCEPTED: &str = "never-accepted";
    /// Dropped SYNs.
    pub const SYN_DROPS: &str = "syn-drops";
    /// Dropped final ACKs.
    pub const ACK_DROPS: &str = "ack-drops";
    /// Context switches and run-queue latency.
    pub const SWITCHES: &str = "switches";
    /// System calls.
    pub const SYSCALLS: &str = "syscalls";
}

/// Every probe.
pub const PROBES: &[Probe] = &[
    Probe {
        name: name::SYN_DROPS,
        question: "which SYNs does a listener refuse, and why",
        when: When::Always,
        programs: &[program("ns_consume_skb", "consume_skb", SNMP)],
    },
    Probe {
        name: name::ACK_DROPS,
        question: "which final ACKs of a handshake does a listener refuse",
        when: When::Always,
        programs: &[program("ns_kfree_skb", "kfree_skb", SNMP)],
    },
    Probe {
        name: name::LISTENERS,
        question: "which sockets listen",
        when: When::Always,
        programs: &[program("ns_set_state", "inet_sock_set_state", NAMESPACE)],
    },
    Probe {
        name: name::NEVER_ACCEPTED,
        question: "which connections end while they wait for accept()",
        when: When::Always,
        programs: &[program("ns_destroy_sock", "tcp_destroy_sock", &[])],
    },
    Probe {
        name: name::ACCEPT_QUEUE,
        question: "what enters the accept queues, and how long are they then",
        when: When::Always,
        programs: &[program("ns_data_ready", "sk_data_ready", &["OFF_SKC_STATE", "OFF_SK_ACK_BACKLOG"])],
    },
    Probe {
        name: name::SWITCHES,
        question: "how often is the process switched away, and how long does it wait for a CPU",
        when: When::Selected,
        programs: &[
            program("ns_sched_switch", "sched_switch", SCHED),
            program("ns_sched_wakeup", "sched_wakeup", SCHED),
            program("ns_wakeup_new", "sched_wakeup_new", SCHED),
        ],
    },
    Probe {
        name: name::SYSCALLS,
        question: "which system calls, how long, with what outcome; how long did accept() let wait",
        when: When::Selected,
        programs: &[
            program("ns_sys_enter", "sys_enter", &[]),
            program("ns_sys_exit", "sys_exit", &["OFF_REGS_NUMBER"]),
        ],
    },
];

/// Tracepoints of all programs.
#[must_use]
pub fn tracepoints() -> Vec<&'static str> {
    let programs = PROBES.iter().flat_map(|probe| probe.programs);
    programs
        .map(|program| match program.hook {
            Hook::BtfTracepoint(tracepoint) => tracepoint,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_names_survive_the_kernel() {
        for program in PROBES.iter().flat_map(|probe| probe.programs) {
            assert!(program.name.len() <= 15, "{} is cut to 15 characters (BPF_OBJ_NAME_LEN)", program.name);
        }
    }
}
