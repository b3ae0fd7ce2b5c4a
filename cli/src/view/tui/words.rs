//! Numbers and names as text. Nothing here knows of panels.

use crate::model::{Distribution, Listener, Quality};

/// Stands where nothing was measured.
pub(super) const DASH: &str = "-";

/// A whole number with thousands separators.
pub(super) fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A number for a narrow column: one decimal below 10, whole below 10,000, then k, M, G.
pub(super) fn short(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    let magnitude = value.abs();
    if magnitude < 9_999.5 {
        return scaled(value);
    }
    for (limit, divisor, suffix) in [(999.5e3, 1e3, "k"), (999.5e6, 1e6, "M")] {
        if magnitude < limit {
            return format!("{}{suffix}", scaled(value / divisor));
        }
    }
    format!("{}G", scaled(value / 1e9))
}

/// A count for a narrow column: whole below 10,000, then k, M, G.
pub(super) fn short_count(value: u64) -> String {
    if value < 10_000 { count(value) } else { short(value as f64) }
}

/// A number as people write it: whole numbers whole, others with at most two decimals.
pub(super) fn plain(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", group(whole)),
        None => group(text),
    }
}

/// `count` events over `seconds` as events per second; `None` without a window.
pub(super) fn per_second(count: u64, seconds: Option<f64>) -> Option<f64> {
    seconds.filter(|seconds| *seconds > 0.0).map(|seconds| count as f64 / seconds)
}

/// A duration given in microseconds.
pub(super) fn micros(value: f64) -> String {
    let (divisor, unit) = unit_of(value);
    format!("{} {unit}", scaled(value / divisor))
}

/// Two durations given in microseconds, with one unit where both stay readable in it.
pub(super) fn micros_pair(low: f64, high: f64) -> String {
    let (divisor, unit) = unit_of(high);
    if low == 0.0 || low / divisor >= 0.095 {
        return format!("{}/{} {unit}", scaled(low / divisor), scaled(high / divisor));
    }
    format!("{}/{}", micros(low).replace(' ', ""), micros(high))
}

/// Median and 99th percentile in microseconds, or a dash when there is no sample.
pub(super) fn median_and_tail(distribution: Option<&Distribution>) -> String {
    match distribution {
        Some(found) if found.count > 0 => micros_pair(found.p50, found.p99),
        _ => DASH.to_owned(),
    }
}

/// Bytes with a binary unit.
pub(super) fn bytes(value: f64) -> String {
    let (divisor, unit) = binary_unit(value);
    if unit.is_empty() {
        return format!("{} B", scaled(value / divisor));
    }
    format!("{} {unit}iB", scaled(value / divisor))
}

/// Bytes for a narrow column: 12K, 1.2M.
pub(super) fn short_bytes(value: u64) -> String {
    let value = value as f64;
    let (divisor, unit) = binary_unit(value);
    format!("{}{unit}", scaled(value / divisor))
}

/// A share of a whole in per cent; `None` when the whole is zero.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64 * 100.0)
}

/// A percentage.
pub(super) fn percent(value: f64) -> String {
    format!("{} %", scaled(value))
}

/// The word for a quality.
pub(super) const fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Exact => "exact",
        Quality::Sampled => "sampled",
        Quality::Estimated => "estimated",
    }
}

/// One letter for a quality.
pub(super) const fn quality_letter(quality: Quality) -> &'static str {
    match quality {
        Quality::Exact => "e",
        Quality::Sampled => "s",
        Quality::Estimated => "~",
    }
}

/// Address and port, IPv6 in brackets.
pub(super) fn endpoint(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// Address and port in at most `width` columns: the address is cut, the port never.
pub(super) fn short_endpoint(address: &str, port: u16, width: usize) -> String {
    let whole = endpoint(address, port);
    if whole.chars().count() <= width {
        return whole;
    }
    let tail = if address.contains(':') { format!("…]:{port}") } else { format!("…:{port}") };
    let head = width.saturating_sub(tail.chars().count());
    whole.chars().take(head).chain(tail.chars()).collect()
}

/// The owner of a listener: name and first process, and how many more.
pub(super) fn owner(listener: &Listener) -> String {
    if listener.sockets == 0 {
        return "closed".to_owned();
    }
    let name = match listener.comms.as_slice() {
        [] => return listener.pids.first().map_or_else(|| DASH.to_owned(), |pid| format!("pid {pid}")),
        names => clean(&names.join("+")),
    };
    match listener.pids.as_slice() {
        [] => name,
        [pid] => format!("{name} {pid}"),
        [pid, rest @ ..] => format!("{name} {pid} +{}", rest.len()),
    }
}

/// Text from outside without what could move the cursor or turn the reading direction.
pub(super) fn clean(text: &str) -> String {
    let unsafe_character =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if unsafe_character(c) { '?' } else { c }).collect()
}

/// Divisor and unit in which a duration in microseconds reads best.
fn unit_of(value: f64) -> (f64, &'static str) {
    if value < 999.5 {
        (1.0, "µs")
    } else if value < 999_500.0 {
        (1e3, "ms")
    } else {
        (1e6, "s")
    }
}

/// Divisor and prefix of the binary unit in which `value` bytes read best.
fn binary_unit(value: f64) -> (f64, &'static str) {
    let steps = [(1.0, ""), (1024.0, "K"), (1_048_576.0, "M"), (1_073_741_824.0, "G")];
    let fits = |divisor: f64| value.abs() / divisor < 1023.5;
    steps.into_iter().find(|(divisor, _)| fits(*divisor)).unwrap_or((1_099_511_627_776.0, "T"))
}

/// One decimal below 10, none above; zero is "0".
fn scaled(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.abs() < 0.05 {
        return if value > 0.0 { "<0.1".to_owned() } else { ">-0.1".to_owned() };
    }
    if value.abs() < 9.95 {
        return format!("{value:.1}");
    }
    group(&format!("{value:.0}"))
}

/// Puts separators between groups of three digits.
fn group(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut grouped = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn short_numbers_never_round_to_a_false_zero() {
        assert_eq!(short(0.0), "0");
        assert_eq!(short(0.001), "<0.1");
        assert_eq!(short(0.4), "0.4");
        assert_eq!(short(9_999.0), "9,999");
        assert_eq!(short(9_999.6), "10k");
        assert_eq!(short(999_600.0), "1.0M");
        assert_eq!(short(1.23e12), "1,230G");
        assert_eq!(short(f64::NAN), "-");
        assert_eq!(short(-1_234.0), "-1,234");
        assert_eq!(short_count(3), "3");
        assert_eq!(short_count(12_345), "12k");
    }

    #[test]
    fn durations_choose_their_unit() {
        assert_eq!(micros(0.0), "0 µs");
        assert_eq!(micros(3.2), "3.2 µs");
        assert_eq!(micros(999.6), "1.0 ms");
        assert_eq!(micros(980_000.0), "980 ms");
        assert_eq!(micros(1_200_000.0), "1.2 s");
        assert_eq!(micros_pair(80.0, 410.0), "80/410 µs");
        assert_eq!(micros_pair(800.0, 1_200.0), "0.8/1.2 ms");
        assert_eq!(micros_pair(3.0, 1_200_000.0), "3.0µs/1.2 s");
    }

    #[test]
    fn a_distribution_without_samples_is_not_a_zero() {
        let empty = Distribution {
            count: 0,
            sum: 0.0,
            p50: 0.0,
            p90: 0.0,
            p99: 0.0,
            p999: 0.0,
            max: 0.0,
            quality: Quality::Exact,
        };
        assert_eq!(median_and_tail(Some(&empty)), "-");
        assert_eq!(median_and_tail(None), "-");
    }

    #[test]
    fn bytes_choose_their_unit() {
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(12_595.2), "12 KiB");
        assert_eq!(bytes(1_288_490.0), "1.2 MiB");
        assert_eq!(short_bytes(67_108_864), "64M");
        assert_eq!(short_bytes(u64::MAX), "16,777,216T");
    }

    #[test]
    fn plain_numbers_keep_their_fraction() {
        assert_eq!(plain(129.0), "129");
        assert_eq!(plain(0.14), "0.14");
        assert_eq!(plain(1234.5), "1,234.5");
        assert_eq!(plain(f64::INFINITY), "-");
    }

    #[test]
    fn a_long_address_keeps_its_port() {
        assert_eq!(short_endpoint("127.0.0.1", 8080, 20), "127.0.0.1:8080");
        assert_eq!(short_endpoint("192.168.100.100", 65535, 15), "192.168.…:65535");
        assert_eq!(short_endpoint("2001:db8:85a3::8a2e:370:7334", 443, 16), "[2001:db8:…]:443");
        assert_eq!(short_endpoint("::", 443, 3), "…]:443");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(clean("a\u{1b}[2J\u{202e}b\n"), "a?[2J?b?");
    }
}
