//! tcp_abort_on_overflow.

use super::drops;
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::why;
use crate::findings::{DeclaredLoad, Origin, Severity, Subject, fix};
use crate::model::Model;

/// Overflow answered with RST.
pub(in crate::findings) const LSN_011: Rule = Rule {
    id: "LSN-011",
    title: "An overflow of the accept queue resets the connection (tcp_abort_on_overflow)",
    group: Group::Listener,
    rank: 19,
    origin: Origin::Configured,
    reads: &["netns.tcp_abort_on_overflow", "netns.window_drops", "netns.totals"],
    applies: "Always.",
    formula: "warn: tcp_abort_on_overflow = 1\n\
              fail: and accept queue overflows were counted (LSN-004)",
    explanation: "A burst that would have recovered at the client's retry becomes \"connection reset by \
                  peer\" for users. Only the final ACK of a handshake is answered that way: a SYN at a \
                  full accept queue is still dropped in silence.",
    mechanism: "tcp_check_req() (net/ipv4/tcp_minisocks.c): when the child socket cannot be queued, the \
                request is kept and the ACK ignored with 0, or a RST is sent and the request removed with \
                1 (EmbryonicRsts and OutRsts rise). tcp_conn_request() does not look at the sysctl.",
    by_hand: &[ByHand {
        command: "nsenter -t PID -n sysctl -n net.ipv4.tcp_abort_on_overflow",
        shows: "1 resets, 0 drops and lets the client retry",
    }],
    not_when: "A load balancer in front wants to fail over at once instead of waiting for a retry.",
    sources: &[
        Source { reference: "net/ipv4/tcp_minisocks.c tcp_check_req()", verified: Verified::Source },
        Source {
            reference: "45 SYNs at a full accept queue with 1: all dropped in silence, no RST",
            verified: Verified::Experiment,
        },
        Source {
            reference: "Documentation/networking/ip-sysctl.rst, tcp_abort_on_overflow",
            verified: Verified::Documentation,
        },
    ],
    caused_by: &["LSN-002", "LSN-005", "LSN-004"],
    assess,
};

fn assess(model: &Model, _load: &DeclaredLoad) -> Vec<Outcome> {
    let outcome = match model.netns.tcp_abort_on_overflow {
        None => Outcome::Skip(why(model, "netns", "tcp_abort_on_overflow", "not read")),
        Some(0) => {
            Outcome::pass(Subject::Netns, "tcp_abort_on_overflow = 0: an overflow leaves the client a retry")
        }
        Some(value) => judge(model, value),
    };
    vec![outcome]
}

fn judge(model: &Model, value: u64) -> Outcome {
    let overflowed = drops::overflowed(model);
    let (severity, detail) = match (overflowed, model.window) {
        (true, Some(_)) => (Severity::Fail, "Overflows were counted in this window."),
        (true, None) => (Severity::Fail, "Overflows were counted since the namespace exists."),
        (false, _) => (Severity::Warn, "No overflow was counted yet."),
    };
    let setting = fix::Setting {
        key: "net.ipv4.tcp_abort_on_overflow",
        value: "0",
        restart_needed: false,
        risk: crate::findings::folklore::OTHER_FILES,
    };
    Found {
        severity,
        origin: Origin::Configured,
        subject: Subject::Netns,
        title: format!("tcp_abort_on_overflow = {value}: a full accept queue resets clients"),
        evidence: vec![fix::exact(
            "tcp_abort_on_overflow",
            f64::from(u32::try_from(value).unwrap_or(u32::MAX)),
            "",
            "/proc/sys/net/ipv4/tcp_abort_on_overflow of the target's namespace",
        )],
        threshold: "not 0".to_owned(),
        detail: detail.to_owned(),
        fixes: setting.of_netns(model, fix::any_pid(model)),
    }
    .into()
}
