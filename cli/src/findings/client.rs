//! The connecting side.

use super::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use super::subject::why;
use super::text::number;
use super::{DeclaredLoad, Fix, Origin, Severity, Subject, fix};
use crate::model::Model;

/// Too few local ports.
pub(super) const CLI_001: Rule = Rule {
    id: "CLI-001",
    title: "Too few local ports for that many connections to one destination",
    group: Group::Client,
    rank: 10,
    origin: Origin::Computed,
    reads: &["netns.port_range", "netns.reserved_ports"],
    applies: "The number of connections is declared and the clients run in the target's network namespace, \
              from one address to one address and port.",
    formula: "ports = high - low + 1 - reserved ports inside the range\n\
              fail: connections > ports\n\
              warn: connections > ports / 2: connect() looks at ports of one parity first and gets slow \
              beyond half",
    explanation: "A client address has one port for each connection to the same destination; when they are \
                  used up, connect() fails with EADDRNOTAVAIL, \"Cannot assign requested address\". The \
                  limit belongs to the pair of addresses, not to the host: another source or destination \
                  address has the range again.",
    mechanism: "__inet_hash_connect() (net/ipv4/inet_hashtables.c) walks ip_local_port_range from a random \
                offset, ports of one parity first and the others after them, and takes the first whose \
                4-tuple is free. A port in TIME_WAIT counts as used towards the same destination unless \
                tcp_tw_reuse allows it.",
    by_hand: &[
        ByHand {
            command: "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports",
            shows: "the range and what is taken out of it, in the client's namespace",
        },
        ByHand {
            command: "ss -tan 'dport = :PORT' | wc -l",
            shows: "connections that hold a port, and one heading",
        },
    ],
    not_when: "The clients run on other machines, or on several addresses: each has its own range.",
    sources: &[
        Source { reference: "net/ipv4/inet_hashtables.c __inet_hash_connect()", verified: Verified::Source },
        Source {
            reference: "range of 1000 ports: 1000 connects succeed, the next gets EADDRNOTAVAIL",
            verified: Verified::Experiment,
        },
        Source {
            reference: "Documentation/networking/ip-sysctl.rst, ip_local_port_range",
            verified: Verified::Documentation,
        },
    ],
    caused_by: &[],
    assess,
};

fn assess(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let Some(connections) = load.connections else {
        return vec![Outcome::Skip("no number of connections declared: add --connections N".to_owned())];
    };
    if !load.local_clients {
        return vec![Outcome::Skip(
            "the clients run elsewhere: their port range is not visible from here".to_owned(),
        )];
    }
    let Some((low, high)) = model.netns.port_range else {
        return vec![Outcome::Skip(why(model, "netns", "port_range", "not read"))];
    };
    let reserved = model.netns.reserved_ports.unwrap_or(0);
    let ports = (u64::from(high.saturating_sub(low)) + 1).saturating_sub(reserved);
    let without = if reserved > 0 { format!(" less {reserved} reserved") } else { String::new() };
    let range = format!("{low} to {high}{without} = {ports} ports");
    let (severity, title) = if connections > ports {
        (Severity::Fail, format!("{connections} connections from one address, {ports} local ports"))
    } else if connections > ports / 2 {
        (Severity::Warn, format!("{connections} connections take more than half of {ports} local ports"))
    } else {
        return vec![Outcome::pass(Subject::Netns, format!("{connections} connections, {range}"))];
    };
    let found = Found {
        severity,
        origin: Origin::Computed,
        subject: Subject::Netns,
        title,
        evidence: vec![
            fix::exact(
                "local ports",
                number(ports),
                "ports",
                "ip_local_port_range less ip_local_reserved_ports",
            ),
            fix::exact("declared connections", number(connections), "connections", "--connections"),
        ],
        threshold: format!("{connections} connections, {ports} ports"),
        detail: format!("{range} from one client address to one destination; {connections} are declared."),
        fixes: fixes(model, connections),
    };
    vec![found.into()]
}

/// What the wider range gives.
const WIDE_PORTS: u64 = 64999 - 15000 + 1;

fn fixes(model: &Model, connections: u64) -> Vec<Fix> {
    let mut fixes = Vec::new();
    if connections <= WIDE_PORTS {
        let setting = fix::Setting {
            key: "net.ipv4.ip_local_port_range",
            value: "15000 64999",
            restart_needed: false,
            risk: "a service that listens between 15000 and 64999 may find its port taken: reserve it in \
                   ip_local_reserved_ports",
        };
        fixes.extend(setting.of_netns(model, fix::any_pid(model)));
    }
    let addresses = connections.div_ceil(WIDE_PORTS / 2).max(2);
    fixes.push(fix::application(
        format!(
            "spread the clients over {addresses} source addresses (127.0.0.2, 127.0.0.3, ... on loopback), \
             bound with IP_BIND_ADDRESS_NO_PORT, or over several destination ports; keep connections alive"
        ),
        fix::inside(
            model,
            fix::any_pid(model),
            "ss -tn state established | awk '{print $3}' | cut -d: -f1 \
                                                 | sort | uniq -c",
        ),
        "",
    ));
    fixes
}
