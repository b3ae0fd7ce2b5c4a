//! Numbers with units: 10k, 2k/s, 30s.

use std::time::Duration;

/// A count with an optional suffix k, M or G (thousands).
///
/// # Errors
/// A sentence that shows what is accepted.
pub fn count(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no count; write 500, 10k or 1.5M");
    let (digits, factor) = split_suffix(text);
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(wrong);
    }
    let value = digits.parse::<f64>().map_err(|_| wrong())? * (factor as f64);
    if !(0.0..9e15).contains(&value) || value.fract() != 0.0 {
        return Err(wrong());
    }
    format!("{value:.0}").parse().map_err(|_| wrong())
}

/// A rate per second: 2000, 2k or 2k/s.
///
/// # Errors
/// A sentence that shows what is accepted.
pub fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no rate; write 500, 2k or 2k/s");
    let (digits, factor) = split_suffix(text.strip_suffix("/s").unwrap_or(text));
    let value = digits.parse::<f64>().map_err(|_| wrong())? * (factor as f64);
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(wrong()) }
}

/// A count that is not zero, as [`count`] reads it.
///
/// # Errors
/// A sentence that shows what is accepted.
pub fn positive_count(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("it must be at least 1".to_owned()),
        value => Ok(value),
    }
}

/// A count of connections or requests that one process can make, not zero, as [`count`] reads it.
///
/// # Errors
/// A sentence that shows what is accepted.
pub fn positive_u32(text: &str) -> Result<u32, String> {
    u32::try_from(positive_count(text)?).map_err(|_| format!("{text} is more than {}", u32::MAX))
}

/// A duration that is not zero, as [`duration`] reads it.
///
/// # Errors
/// A sentence that shows what is accepted.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    let found = duration(text)?;
    if found.is_zero() { Err("it must be longer than zero".to_owned()) } else { Ok(found) }
}

/// The window of the live screen: from one second, the time between two samples, to a minute.
///
/// # Errors
/// A sentence that shows what is accepted.
pub fn window(text: &str) -> Result<Duration, String> {
    let found = duration(text)?;
    if (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&found) {
        Ok(found)
    } else {
        Err("a window is 1s to 60s long".to_owned())
    }
}

/// A duration: 500ms, 30s, 5m, 1h; a bare number is seconds. A year at most, so that a moment that far from now
/// still exists.
///
/// # Errors
/// A sentence that shows what is accepted.
pub fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
    let wrong = || format!("{text:?} is no duration; write 500ms, 30s, 5m or 1h, at most a year");
    let units = [("ms", 0.001), ("us", 0.000_001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let found = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (digits, factor) = found.unwrap_or((text, 1.0));
    let seconds = digits.parse::<f64>().map_err(|_| wrong())? * factor;
    if seconds < 0.0 {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|found| *found <= LONGEST).ok_or_else(wrong)
}

fn split_suffix(text: &str) -> (&str, u64) {
    let suffixes = [("k", 1_000), ("K", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];
    let found = suffixes.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    found.unwrap_or((text, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(count("10k"), Ok(10_000));
        assert_eq!(count("1.5M"), Ok(1_500_000));
        assert_eq!(count("0"), Ok(0));
        for wrong in ["", "k", "-1", "1.5", "10kk", "99999999999G", "ten"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("2k/s"), Ok(2000.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["", "0", "-3", "inf", "/s", "fast"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("8760h"), Ok(Duration::from_secs(365 * 24 * 3600)));
        for wrong in ["", "s", "-1s", "soon", "1e99s", "nan", "inf", "8761h", "99999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_must_not_be_zero() {
        assert_eq!(positive_duration("1ms"), Ok(Duration::from_millis(1)));
        assert!(positive_duration("0s").is_err() && positive_duration("soon").is_err());
        assert_eq!(positive_count("10k"), Ok(10_000));
        assert!(positive_count("0").is_err() && positive_count("ten").is_err());
        assert_eq!(positive_u32("1M"), Ok(1_000_000));
        assert!(positive_u32("0").is_err() && positive_u32("5G").is_err());
    }

    #[test]
    fn windows() {
        assert_eq!(window("60s"), Ok(Duration::from_secs(60)));
        for wrong in ["0", "999ms", "61s", "1h"] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
