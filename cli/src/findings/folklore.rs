//! Settings that are popular and harmful.

use super::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use super::subject::why;
use super::text::number;
use super::{DeclaredLoad, Origin, Severity, Subject, fix};
use crate::model::Model;

/// What undoes a sysctl.
pub(super) const OTHER_FILES: &str = "a file in /etc/sysctl.d with a later name that sets it wins";

/// SYN cookies off, or forced.
pub(super) const BAD_005: Rule = Rule {
    id: "BAD-005",
    title: "SYN cookies are switched off or forced (tcp_syncookies)",
    group: Group::Folklore,
    rank: 20,
    origin: Origin::Configured,
    reads: &["netns.tcp_syncookies", "netns.tcp_max_syn_backlog"],
    applies: "tcp_syncookies is readable.",
    formula: "warn: tcp_syncookies = 0 or 2; pass: 1",
    explanation: "With 1, the default, cookies are sent only while the SYN queue is full and cost nothing \
                  otherwise. With 0 a SYN is dropped instead, and its client waits at least 1 s; with 2, a \
                  test mode, every connection uses a cookie and loses TCP options unless it has \
                  timestamps.",
    mechanism: "tcp_conn_request() (net/ipv4/tcp_input.c): 2 always enters the cookie branch; 0 drops when \
                the SYN queue is full (TCPReqQFullDrop), and also when less than a quarter of \
                tcp_max_syn_backlog is left and the client is unknown (only ListenDrops rises). This is \
                the only place that reads tcp_max_syn_backlog.",
    by_hand: &[ByHand {
        command: "nsenter -t PID -n sysctl -n net.ipv4.tcp_syncookies",
        shows: "1 is the default and almost always right",
    }],
    not_when: "0 may be meant behind a scrubbing proxy that absorbs floods itself.",
    sources: &[
        Source { reference: "net/ipv4/tcp_input.c tcp_conn_request()", verified: Verified::Source },
        Source {
            reference: "cookies 0 and tcp_max_syn_backlog 64: 49 half-open fit, 51 of 100 dropped",
            verified: Verified::Experiment,
        },
        Source {
            reference: "Documentation/networking/ip-sysctl.rst, tcp_syncookies",
            verified: Verified::Documentation,
        },
    ],
    caused_by: &[],
    assess,
};

fn assess(model: &Model, _load: &DeclaredLoad) -> Vec<Outcome> {
    let Some(value) = model.netns.tcp_syncookies else {
        return vec![Outcome::Skip(why(model, "netns", "tcp_syncookies", "not read"))];
    };
    let (title, detail) = match value {
        1 => return vec![Outcome::pass(Subject::Netns, "tcp_syncookies = 1")],
        0 => {
            let open = model.netns.tcp_max_syn_backlog.map_or_else(String::new, |backlog| {
                let most = backlog - backlog / 4;
                format!(", and unknown clients get at most {most} of the {backlog} of tcp_max_syn_backlog")
            });
            let detail = format!("SYN cookies are off{open}.");
            ("tcp_syncookies = 0: a full SYN queue drops clients".to_owned(), detail)
        }
        _ => (
            format!("tcp_syncookies = {value}: every connection goes through a cookie"),
            "Cookies are forced for every connection, full queue or not.".to_owned(),
        ),
    };
    let setting =
        fix::Setting { key: "net.ipv4.tcp_syncookies", value: "1", restart_needed: false, risk: OTHER_FILES };
    let found = Found {
        severity: Severity::Warn,
        origin: Origin::Configured,
        subject: Subject::Netns,
        title,
        evidence: vec![fix::exact(
            "tcp_syncookies",
            number(value),
            "",
            "/proc/sys/net/ipv4/tcp_syncookies of the target's namespace",
        )],
        threshold: format!("{value} != 1"),
        detail,
        fixes: setting.of_netns(model, fix::any_pid(model)),
    };
    vec![found.into()]
}
