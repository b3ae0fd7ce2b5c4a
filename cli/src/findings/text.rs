//! How numbers read in a sentence.

/// `value` as a float, for ratios.
pub(super) const fn number(value: u64) -> f64 {
    value as f64
}

/// The next whole number at or above `value`; 0 for negative values and NaN.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates, and negative values are cut off before"
)]
pub(super) fn ceil(value: f64) -> u64 {
    value.max(0.0).ceil() as u64
}

/// "1 packet", "7 packets", "3 processes", "2 switches".
pub(super) fn plural(count: u64, noun: &str) -> String {
    let ending = match (count, noun) {
        (1, _) => "",
        (_, noun) if noun.ends_with('s') || noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{count} {noun}{ending}")
}

/// A float without needless decimals: "2000", "0.5", "12.3".
pub(super) fn short(value: f64) -> String {
    if value >= 100.0 || (value - value.round()).abs() < 0.005 {
        return format!("{value:.0}");
    }
    let decimals = if value >= 1.0 { 1 } else { 2 };
    format!("{value:.decimals$}")
}

/// A duration in the unit in which it reads best: "64 ms", "1.5 s".
pub(super) fn duration(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{} s", short(seconds))
    } else if seconds >= 0.001 {
        let milliseconds = seconds * 1e3;
        if milliseconds >= 10.0 {
            format!("{milliseconds:.0} ms")
        } else {
            format!("{} ms", short(milliseconds))
        }
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

/// A share of 0 to 1 as a percentage that never rounds to all or nothing.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value <= 0.0 {
        "0 %".to_owned()
    } else if value >= 100.0 {
        "100 %".to_owned()
    } else if value < 0.1 {
        "less than 0.1 %".to_owned()
    } else if value > 99.0 {
        "more than 99 %".to_owned()
    } else if value < 10.0 {
        format!("{} %", short((value * 10.0).round() / 10.0))
    } else {
        format!("{value:.0} %")
    }
}

/// "a", "a and b", "a, b and c".
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(short(2000.0), "2000");
        assert_eq!(short(0.5), "0.50");
        assert_eq!(short(12.34), "12.3");
        assert_eq!(duration(0.0645), "64 ms");
        assert_eq!(duration(0.0012), "1.2 ms");
        assert_eq!(duration(2.0), "2 s");
        assert_eq!(plural(1, "packet"), "1 packet");
        assert_eq!(plural(3, "process"), "3 processes");
        assert_eq!(plural(2, "switch"), "2 switches");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }

    #[test]
    fn a_share_is_all_or_nothing_only_when_it_is() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.000_1), "less than 0.1 %");
        assert_eq!(percent(0.0123), "1.2 %");
        assert_eq!(percent(0.14), "14 %");
        assert_eq!(percent(0.999), "more than 99 %");
        assert_eq!(percent(1.0), "100 %");
    }

    #[test]
    fn ceil_saturates() {
        assert_eq!(ceil(1.2), 2);
        assert_eq!(ceil(-3.0), 0);
        assert_eq!(ceil(f64::NAN), 0);
        assert_eq!(ceil(f64::INFINITY), u64::MAX);
    }
}
