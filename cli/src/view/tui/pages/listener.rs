//! Everything known about one listener and its process.

use ratatui::text::Line;

use crate::model::{Distribution, Listener, Process};

use super::super::listeners::causes;
use super::super::numbers::fds_text;
use super::super::view::View;
use super::{dim, field, heading, labelled, strong, words};

/// The page.
pub(super) fn lines(view: &View<'_>, columns: usize) -> Vec<Line<'static>> {
    let Some(listener) = view.listener() else { return Vec::new() };
    let mut lines = identity(listener, columns);
    lines.push(Line::default());
    lines.push(heading("Queues"));
    lines.extend(queues(listener));
    lines.push(Line::default());
    lines.push(heading("In the window"));
    lines.extend(flow(listener));
    lines.push(Line::default());
    lines.push(heading("Times"));
    lines.push(times_heading());
    lines.push(times("established in", listener.handshake_us.as_ref()));
    lines.push(times("accept wait", listener.accept_wait_us.as_ref()));
    lines.push(times(
        "run queue of the process",
        view.process().and_then(|found| found.run_queue_us.as_ref()),
    ));
    lines.push(Line::default());
    lines.push(heading("Connections"));
    lines.extend(connections(listener));
    lines.push(Line::default());
    lines.push(heading("Process"));
    lines.extend(process(view, columns));
    lines
}

fn identity(listener: &Listener, columns: usize) -> Vec<Line<'static>> {
    let mut notes = vec![match listener.sockets {
        0 => "closed during the window".to_owned(),
        1 => "1 socket".to_owned(),
        count => format!("{count} sockets"),
    }];
    if listener.reuseport {
        notes.push("SO_REUSEPORT".to_owned());
    }
    if listener.dual_stack {
        notes.push("IPv4 and IPv6".to_owned());
    }
    if let Some(netns) = listener.netns {
        notes.push(format!("netns {netns}"));
    }
    let name = strong(words::endpoint(&listener.address, listener.port));
    let mut lines = vec![Line::from(vec![name, dim(format!("  {}", notes.join(" · ")))])];
    if !listener.pids.is_empty() {
        let pids: Vec<String> = listener.pids.iter().map(ToString::to_string).collect();
        let text = format!("{} (pid {})", listener.comms.join(", "), pids.join(", "));
        let text = text.trim_start();
        lines.extend(labelled("held by ", text, columns));
    }
    lines
}

fn queues(listener: &Listener) -> Vec<Line<'static>> {
    let queue = &listener.accept_queue;
    let mut lines = vec![
        field(
            "accept queue",
            format!(
                "{} waiting of {} (limit {} + 1), peak {}",
                words::count(queue.now),
                words::count(listener.capacity),
                words::count(u64::from(listener.limit)),
                words::count(queue.max)
            ),
        ),
        field(
            "SYN queue",
            format!(
                "{} half-open, peak {}",
                words::count(listener.syn_queue.now),
                words::count(listener.syn_queue.max)
            ),
        ),
    ];
    if let Some(depth) = queue.depth.as_ref().filter(|depth| depth.count > 0) {
        let text = format!(
            "p50 {} p99 {} max {} ({})",
            words::plain(depth.p50),
            words::plain(depth.p99),
            words::plain(depth.max),
            words::quality(depth.quality)
        );
        lines.push(field("depth at entry", text));
    }
    lines
}

fn flow(listener: &Listener) -> Vec<Line<'static>> {
    let mut lines = vec![
        field("entered", optional(listener.entered)),
        field("accepted", optional(listener.accepted)),
        field("closed before accept()", optional(listener.dead_before_accept)),
        field("destroyed while waiting", optional(listener.never_accepted)),
        field("refused attempts", optional(listener.refused_attempts)),
        field("SYN cookies sent", optional(listener.cookies.map(|cookies| cookies.sent))),
    ];
    match &listener.drops {
        Some(drops) => {
            lines.push(field("drops", words::count(drops.total)));
            let causes = causes(&drops.by_cause).into_iter();
            lines.extend(causes.map(|(cause, count)| field(&format!("  {cause}"), words::count(count))));
        }
        None => lines.push(field("drops", format!("{} not measured", words::DASH))),
    }
    let hint = |value: Option<u64>| {
        value.map_or_else(|| words::DASH.to_owned(), |value| format!("~{}", words::count(value)))
    };
    let text = format!(
        "{} in the window, {} since it listens",
        hint(listener.drops_hint),
        hint(listener.drops_hint_total)
    );
    lines.push(field("sk_drops, a hint", text));
    lines
}

/// Headings of the columns of [`times`].
fn times_heading() -> Line<'static> {
    let columns = ["p50", "p90", "p99", "p99.9", "max"].map(|name| format!("{name:>9}")).concat();
    Line::from(dim(format!("  {:<26}{columns}  samples", "")))
}

fn times(name: &str, found: Option<&Distribution>) -> Line<'static> {
    let Some(found) = found.filter(|found| found.count > 0) else { return field(name, words::DASH) };
    let values = [found.p50, found.p90, found.p99, found.p999, found.max];
    let columns = values.map(|value| format!("{:>9}", words::micros(value))).concat();
    let count = words::short_count(found.count);
    Line::from(vec![
        dim(format!("  {name:<26}")),
        strong(columns),
        dim(format!("  {count} {}", words::quality(found.quality))),
    ])
}

fn connections(listener: &Listener) -> Vec<Line<'static>> {
    let mut lines = match &listener.connections {
        Some(states) if states.is_empty() => vec![field("all states", "0")],
        Some(states) => states.iter().map(|(state, count)| field(state, words::count(*count))).collect(),
        None => vec![field("all states", words::DASH)],
    };
    let buffer =
        |used: u64, limit: u64| format!("{} of {}", words::bytes(used as f64), words::bytes(limit as f64));
    let buffers = listener.buffers;
    let receive = buffers.map(|found| buffer(found.receive_used_bytes, found.receive_limit_bytes));
    let send = buffers.map(|found| buffer(found.send_used_bytes, found.send_limit_bytes));
    lines.push(field("receive buffers", receive.unwrap_or_else(|| words::DASH.to_owned())));
    lines.push(field("send buffers", send.unwrap_or_else(|| words::DASH.to_owned())));
    lines
}

fn process(view: &View<'_>, columns: usize) -> Vec<Line<'static>> {
    let Some(name) = view.process_name() else {
        return labelled("  ", "no visible process holds this listener", columns);
    };
    let mut lines = vec![field("name", name)];
    let Some(process) = view.process() else {
        lines.extend(labelled("  ", "not traced yet", columns));
        return lines;
    };
    lines.extend(facts(process));
    let prefix = format!("process.{}.", process.pid);
    let unread = view.model().unread.iter().filter(|entry| entry.what.starts_with(&prefix));
    lines.extend(
        unread.flat_map(|entry| {
            labelled("  not read: ", &format!("{}: {}", entry.what, entry.reason), columns)
        }),
    );
    lines
}

fn facts(process: &Process) -> Vec<Line<'static>> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| words::DASH.to_owned());
    let size =
        |value: Option<u64>| value.map_or_else(|| words::DASH.to_owned(), |value| words::bytes(value as f64));
    let per_connection = process.memory.bytes_per_connection;
    let mut lines = vec![
        field("executable", text(&process.exe)),
        field("unit", text(&process.unit)),
        field("threads", words::count(process.threads)),
        field("fds", fds_text(process)),
        field("resident memory", size(process.memory.rss_bytes)),
        field("proportional memory", size(process.memory.pss_bytes)),
        field("kernel socket memory", size(process.memory.kernel_socket_bytes)),
        field(
            "memory per connection",
            per_connection.map_or_else(
                || words::DASH.to_owned(),
                |value| format!("≤ {} (estimated)", words::bytes(value)),
            ),
        ),
    ];
    if let Some(max) = process.limits.pids_max {
        lines.push(field(
            "pids of its cgroup",
            format!("{} of {}", optional(process.limits.pids_current), words::count(max)),
        ));
    }
    if let Some(max) = process.limits.memory_max_bytes {
        lines.push(field(
            "memory of its cgroup",
            format!("{} of {}", size(process.limits.memory_current_bytes), size(Some(max))),
        ));
    }
    lines
}

fn optional(value: Option<u64>) -> String {
    value.map_or_else(|| words::DASH.to_owned(), words::count)
}
