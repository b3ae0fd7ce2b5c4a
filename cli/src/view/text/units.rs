//! Numbers and units for people.

use crate::model::Quality;

/// Keeps the parts of a number together until the line is broken.
pub(super) const TIE: char = '\u{a0}';

/// Shown for what was not measured.
pub(super) const ABSENT: &str = "-";

/// 12345 as "12 345".
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A count, or a dash.
pub(super) fn count_or_dash(value: Option<u64>) -> String {
    value.map_or_else(|| ABSENT.to_owned(), count)
}

/// A number of any kind: integers in full, others with three significant digits.
pub(super) fn quantity(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e18 {
        let digits = format!("{:.0}", value.abs());
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", grouped(&digits));
    }
    if value.abs() >= 1000.0 { quantity(value.round()) } else { significant(value) }
}

/// Microseconds in a unit that leaves one to three digits before the point.
pub(super) fn duration_us(microseconds: f64) -> String {
    let units = [("ns", 1e-3), ("µs", 1.0), ("ms", 1e3)];
    let unit = units.iter().find(|(_, size)| microseconds / size < 999.5);
    let (name, size) = unit.copied().unwrap_or(("s", 1e6));
    format!("{}{TIE}{name}", quantity_or_digits(microseconds / size))
}

/// A duration, or a dash.
pub(super) fn duration_or_dash(microseconds: Option<f64>) -> String {
    microseconds.map_or_else(|| ABSENT.to_owned(), duration_us)
}

/// What is said of numbers that are not exact.
pub(super) const fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Exact => "",
        Quality::Sampled => " (sampled)",
        Quality::Estimated => " (estimated)",
    }
}

/// Bytes in a binary unit.
pub(super) fn bytes(bytes: f64) -> String {
    let units = [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];
    let unit = units.iter().find(|(_, size)| bytes / size < 999.5);
    let (name, size) = unit.copied().unwrap_or(("TiB", 1_099_511_627_776.0));
    format!("{}{TIE}{name}", quantity_or_digits(bytes / size))
}

/// Milliseconds since the epoch as a date and time of day, UTC.
pub(super) fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970_u64;
    // Ends: a year takes 365 days at least, and a date after the year 9999 is not one.
    while year < 10_000 && days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1_u64;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{:02}{TIE}{hour:02}:{minute:02}:{second:02}{TIE}UTC", days + 1)
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(TIE);
        }
        text.push(digit);
    }
    text
}

fn quantity_or_digits(value: f64) -> String {
    if value >= 999.5 { quantity(value.round()) } else { significant(value) }
}

/// Three significant digits, without zeros at the end of a fraction.
fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        small if small < 9.995 => 2,
        medium if medium < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(TIE, " ")
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1000, 12_345, 1_234_567].map(|value| plain(&count(value)));
        assert_eq!(shown, ["0", "999", "1 000", "12 345", "1 234 567"]);
        assert_eq!(count_or_dash(None), "-");
    }

    #[test]
    fn quantities() {
        let shown = [0.0, 14.2857, -2.5, 128.0, 64_500.0, -1234.0, 0.004, -0.001, 1234.56]
            .map(|v| plain(&quantity(v)));
        assert_eq!(shown, ["0", "14.3", "-2.5", "128", "64 500", "-1 234", "0", "0", "1 235"]);
    }

    #[test]
    fn durations_choose_their_unit() {
        let shown =
            [0.0, 0.25, 1.0, 12.34, 999.4, 999.6, 480_000.0, 1e6, 2e9].map(|us| plain(&duration_us(us)));
        let expected = ["0 ns", "250 ns", "1 µs", "12.3 µs", "999 µs", "1 ms", "480 ms", "1 s", "2 000 s"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn bytes_choose_their_unit() {
        let shown =
            [0.0, 512.0, 1024.0, 12_900.0, 10_485_760.0, 8_589_934_592.0, 2e12].map(|b| plain(&bytes(b)));
        assert_eq!(shown, ["0 B", "512 B", "1 KiB", "12.6 KiB", "10 MiB", "8 GiB", "1.82 TiB"]);
    }

    #[test]
    fn dates() {
        let at = |seconds: u64| plain(&utc(seconds * 1000));
        assert_eq!(at(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(at(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(at(1_700_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(at(1_735_689_599), "2024-12-31 23:59:59 UTC");
    }
}
