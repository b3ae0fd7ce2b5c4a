//! What the load generator found out, as text.

use demo_server::load::{Failures, Summary};

/// The summary in lines. Zeroes that say nothing are left out; a failure never is.
pub fn render(summary: &Summary) -> String {
    let mut lines = vec![format!(
        "{:.1} s, {} connections attempted, {} connected",
        summary.seconds, summary.attempts, summary.connected
    )];
    if summary.not_started > 0 {
        lines.push(format!("           {} more were due but not started", summary.not_started));
    }
    lines.push(format!("requests   {} sent, {} completed", summary.requests, summary.completed));
    if summary.error_responses > 0 {
        lines.push(format!("           {} answers with a status of 400 or more", summary.error_responses));
    }
    lines.push(format!("failures   connect: {}", causes(&summary.connect_failures)));
    lines.push(format!("           request: {}", causes(&summary.request_failures)));
    if summary.closed_by_server > 0 {
        lines.push(format!("           {} connections closed by the server", summary.closed_by_server));
    }
    let rows = [
        ("connect", &summary.connect_us),
        ("latency", &summary.latency_us),
        ("late start", &summary.start_delay_us),
    ];
    for (name, percentiles) in rows {
        if let Some(found) = percentiles {
            lines.push(format!(
                "{name:<10} p50 {} us, p90 {} us, p99 {} us, p99.9 {} us, max {} us",
                found.p50, found.p90, found.p99, found.p999, found.max
            ));
        }
    }
    if summary.latency_us.is_some() {
        lines.push(
            "Latency counts from the intended start of each request; late start is this generator's own."
                .to_owned(),
        );
    }
    lines.join("\n")
}

fn causes(failures: &Failures) -> String {
    let named = [
        (failures.refused, "refused"),
        (failures.timed_out, "timed out"),
        (failures.reset, "reset"),
        (failures.address_unavailable, "without a free local port"),
        (failures.too_many_files, "without a free descriptor here"),
        (failures.incomplete, "answered in part"),
        (failures.protocol, "answered by something else than HTTP"),
        (failures.unfinished, "unfinished at the end"),
    ];
    let others = failures.other.iter().map(|(errno, count)| (*count, errno.as_str()));
    let parts: Vec<String> = named
        .into_iter()
        .chain(others)
        .filter(|(count, _)| *count > 0)
        .map(|(count, cause)| format!("{count} {cause}"))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use demo_server::load::Percentiles;

    use super::*;

    #[test]
    fn every_failure_is_named() {
        let mut failures =
            Failures { refused: 1, address_unavailable: 3, unfinished: 2, ..Failures::default() };
        failures.other.insert("EHOSTUNREACH".to_owned(), 4);
        assert_eq!(
            causes(&failures),
            "1 refused, 3 without a free local port, 2 unfinished at the end, 4 EHOSTUNREACH"
        );
        assert_eq!(causes(&Failures::default()), "none");
    }

    #[test]
    fn what_was_not_measured_has_no_line() {
        let bare = render(&Summary::default());
        assert!(!bare.contains("latency") && !bare.contains("not started"), "{bare}");
        let some = Some(Percentiles { count: 1, p50: 7, ..Percentiles::default() });
        let full = render(&Summary { latency_us: some, not_started: 5, ..Summary::default() });
        assert!(full.contains("latency    p50 7 us") && full.contains("5 more were due"), "{full}");
    }
}
