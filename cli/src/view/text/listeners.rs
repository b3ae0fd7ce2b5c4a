//! The listeners and the drop ledger.

use super::page::{Page, Paint};
use super::units::{
    ABSENT, TIE, bytes, count, count_or_dash, duration_or_dash, duration_us, quality, quantity,
};
use crate::model::{Causes, KernelDrops, Listener, Model, Quality, number};

/// Columns of the address and of the owner; what is longer has a line of its own.
const ADDRESS: usize = 20;
const OWNER: usize = 14;
/// Pids shown of one listener.
const PIDS: usize = 8;

/// The table, most harmed first, and below each row what there is to say of it.
pub(super) fn section(page: &mut Page, model: &Model) {
    page.heading("Listeners");
    if model.listeners.is_empty() {
        let unread = model.why_unread("listeners").is_some();
        let nothing = if unread { "  - (they could not be read, see below)" } else { "  none" };
        return page.line(nothing, Paint::Plain);
    }
    let head = numbers(["waiting/limit", "drops", "refused", "wait p50", "p99"].map(str::to_owned));
    page.line(&format!("{:ADDRESS$}{:OWNER$}{head}", "address", "owner"), Paint::Plain);
    for listener in &model.listeners {
        row(page, listener);
        details(page, listener);
    }
}

fn row(page: &mut Page, listener: &Listener) {
    let paint = if listener.drops.is_some_and(|drops| drops.total > 0) { Paint::Red } else { Paint::Plain };
    let wait = listener.accept_wait_us.as_ref();
    let numbers = numbers([
        format!("{}/{}", listener.accept_queue.now, listener.limit),
        count_or_dash(listener.drops.map(|drops| drops.total)),
        count_or_dash(listener.refused_attempts),
        duration_or_dash(wait.map(|wait| wait.p50)),
        duration_or_dash(wait.map(|wait| wait.p99)),
    ]);
    let (address, short, long) = (address(listener), short_owner(listener), long_owner(listener));
    if address.chars().count() < ADDRESS && short.chars().count() < OWNER {
        page.line(&format!("{address:ADDRESS$}{short:OWNER$}{numbers}"), paint);
        if short != long {
            page.entry("owner", &long);
        }
    } else {
        page.paragraph(&format!("{address}  "), &long, paint);
        page.line(&format!("{:ADDRESS$}{:OWNER$}{numbers}", "", ""), paint);
    }
}

fn numbers([waiting, drops, refused, p50, p99]: [String; 5]) -> String {
    format!("{waiting:>13}{drops:>8}{refused:>8}{p50:>9}{p99:>8}")
}

fn address(listener: &Listener) -> String {
    let Listener { address, port, .. } = listener;
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// "nginx 812", "nginx 812 +3", "pid 812" or a dash.
fn short_owner(listener: &Listener) -> String {
    let Some(first) = listener.pids.first() else {
        return ABSENT.to_owned();
    };
    let name = listener.comms.first().map_or("pid", String::as_str);
    match listener.pids.len() - 1 {
        0 => format!("{name} {first}"),
        more => format!("{name} {first} +{more}"),
    }
}

/// All names and the first pids.
fn long_owner(listener: &Listener) -> String {
    let shown: Vec<_> = listener.pids.iter().take(PIDS).map(i32::to_string).collect();
    let mut pids = shown.join(", ");
    if let Some(more) = listener.pids.len().checked_sub(PIDS).filter(|&more| more > 0) {
        pids.push_str(&format!(" and {more} more"));
    }
    let names = listener.comms.join(", ");
    match (names.is_empty(), listener.pids.as_slice()) {
        (_, []) => ABSENT.to_owned(),
        (true, _) => format!("pid {pids}"),
        (false, [pid]) => format!("{names} {pid}"),
        (false, _) => format!("{names}: pid {pids}"),
    }
}

fn details(page: &mut Page, listener: &Listener) {
    let entries = [
        ("kind", kind(listener)),
        ("dropped", dropped(listener)),
        ("queues", queues(listener)),
        ("flow", flow(listener)),
        ("open", open(listener)),
    ];
    for (label, parts) in entries {
        if !parts.is_empty() {
            page.entry(label, &parts.join("; "));
        }
    }
}

fn kind(listener: &Listener) -> Vec<String> {
    let mut parts = Vec::new();
    if listener.sockets == 0 {
        parts.push("closed while it was watched".to_owned());
    }
    if listener.reuseport {
        let sockets = count(u64::from(listener.sockets));
        parts.push(format!("{sockets} sockets share the address (SO_REUSEPORT); the fullest is shown"));
    }
    if listener.dual_stack {
        parts.push("takes IPv4 clients as well".to_owned());
    }
    parts
}

fn dropped(listener: &Listener) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(drops) = listener.drops {
        parts.extend(causes(&drops.by_cause));
    } else if let Some(hint) = listener.drops_hint.filter(|&hint| hint > 0) {
        parts.push(format!(
            "sk_drops rose by {}: packets were dropped, this is not their number",
            count(hint)
        ));
    }
    if let Some(cookies) = listener.cookies.filter(|cookies| cookies.sent > 0) {
        parts.push(format!("SYN cookies sent: {}", count(cookies.sent)));
    }
    parts
}

fn causes(causes: &Causes) -> Vec<String> {
    let texts = [
        (causes.accept_queue_full_syn, "SYN, accept queue full"),
        (causes.accept_queue_full_ack, "final ACK, accept queue full"),
        (causes.syn_queue_full, "SYN, SYN queue full"),
        (causes.max_syn_backlog, "SYN, three quarters of tcp_max_syn_backlog"),
        (causes.other, "other causes (memory, route, security module)"),
    ];
    let seen = texts.into_iter().filter(|(packets, _)| *packets > 0);
    seen.map(|(packets, text)| format!("{}{TIE}{text}", count(packets))).collect()
}

fn queues(listener: &Listener) -> Vec<String> {
    let (accept, syn) = (&listener.accept_queue, listener.syn_queue);
    let mut parts = Vec::new();
    if accept.max > 0 {
        let (max, capacity) = (count(accept.max), count(listener.capacity));
        parts.push(format!("accept queue reached {max}, it holds {capacity} (limit + 1)"));
    }
    if let Some(depth) = &accept.depth {
        let (p50, p99) = (quantity(depth.p50), quantity(depth.p99));
        parts.push(format!("at entry p50 {p50}, p99 {p99}{}", quality(depth.quality)));
    }
    if syn.max > 0 {
        parts.push(format!("SYN queue {}, reached {}", count(syn.now), count(syn.max)));
    }
    parts
}

fn flow(listener: &Listener) -> Vec<String> {
    let mut parts = Vec::new();
    let counts = [
        (listener.entered, "entered the accept queue"),
        (listener.accepted, "accepted"),
        (listener.dead_before_accept, "closed by the client before accept()"),
        (listener.never_accepted, "never accepted"),
    ];
    for (value, text) in counts {
        parts.extend(value.filter(|&value| value > 0).map(|value| format!("{} {text}", count(value))));
    }
    if let Some(handshake) = &listener.handshake_us {
        let (p50, p99) = (duration_us(handshake.p50), duration_us(handshake.p99));
        parts.push(format!("handshake p50 {p50}, p99 {p99}{}", quality(handshake.quality)));
    }
    if listener.accept_wait_us.as_ref().is_some_and(|wait| wait.quality != Quality::Exact) {
        parts.push("not every connection's wait was timed".to_owned());
    }
    parts
}

fn open(listener: &Listener) -> Vec<String> {
    let mut parts = Vec::new();
    for (state, &sockets) in listener.connections.iter().flatten() {
        parts.push(format!("{}{TIE}{state}", count(sockets)));
    }
    if let Some(buffers) = listener.buffers {
        let (unread, unsent) =
            (bytes(number(buffers.receive_used_bytes)), bytes(number(buffers.send_used_bytes)));
        parts.push(format!("{unread} received and not read, {unsent} sent and not acknowledged"));
    }
    parts
}

/// What the kernel counted against what was attributed.
pub(super) fn ledger(page: &mut Page, model: &Model) {
    if model.ledger.is_none() && model.netns.totals.is_none() && model.window.is_none() {
        return;
    }
    page.heading("Drop ledger");
    if let Some(ledger) = &model.ledger {
        let (kernel, attributed) = (&ledger.kernel, &ledger.attributed);
        for ((name, kernel), (_, attributed)) in named(kernel).into_iter().zip(named(attributed)) {
            if kernel > 0 || attributed > 0 || name == "ListenDrops" {
                let (kernel, attributed) = (count(kernel), count(attributed));
                let sums = format!("kernel {kernel}, attributed {attributed}");
                page.paragraph(&format!("  {name:<21} "), &sums, Paint::Plain);
            }
        }
        let rest = count(ledger.unattributed.unsigned_abs());
        let (paint, text) = match ledger.unattributed {
            0 => (Paint::Plain, "Unattributed: 0, every drop has a listener and a cause.".to_owned()),
            1.. => (Paint::Yellow, format!("Unattributed: {rest}, which no listener explains.")),
            _ => (
                Paint::Yellow,
                format!("Unattributed: -{rest}, the kernel counted fewer than were attributed."),
            ),
        };
        page.paragraph("  ", &text, paint);
    } else if model.window.is_some() {
        page.line("  - (drops were not attributed to listeners; see the probes below)", Paint::Plain);
    }
    if let Some(totals) = &model.netns.totals {
        let text: Vec<_> =
            named(totals).into_iter().map(|(name, value)| format!("{name}{TIE}{}", count(value))).collect();
        page.paragraph("  ", &format!("Since the namespace exists: {}.", text.join(", ")), Paint::Plain);
    }
}

fn named(drops: &KernelDrops) -> [(&'static str, u64); 5] {
    [
        ("ListenDrops", drops.ListenDrops),
        ("ListenOverflows", drops.ListenOverflows),
        ("TCPReqQFullDrop", drops.TCPReqQFullDrop),
        ("TCPReqQFullDoCookies", drops.TCPReqQFullDoCookies),
        ("SyncookiesSent", drops.SyncookiesSent),
    ]
}
