//! One line on the terminal that tells how far a measurement is.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

/// The line on standard error; nothing when that is no terminal. It goes with this value.
pub struct Progress {
    total: Duration,
    /// Columns that the line occupies now; `None` when nobody looks.
    shown: Option<usize>,
}

impl Progress {
    /// Progress of a measurement that takes `total`.
    #[must_use]
    pub fn of(total: Duration) -> Self {
        Self { total, shown: io::stderr().is_terminal().then_some(0) }
    }

    /// Says that `elapsed` has passed.
    pub fn show(&mut self, elapsed: Duration) {
        if let Some(before) = self.shown {
            let text = line(elapsed, self.total);
            self.write(&format!("\r{text:<before$}"));
            self.shown = Some(text.len());
        }
    }

    fn write(&self, text: &str) {
        let mut output = io::stderr().lock();
        // Nobody reading it is no reason to stop.
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(columns) = self.shown.filter(|columns| *columns > 0) {
            self.write(&format!("\r{:columns$}\r", ""));
        }
    }
}

/// Short enough for a terminal of 20 columns, where a longer line would not be one.
fn line(elapsed: Duration, total: Duration) -> String {
    let seconds = total.as_secs_f64();
    if seconds < 120.0 {
        format!("{} s of {} s", elapsed.as_secs(), (seconds * 10.0).round() / 10.0)
    } else if seconds < 48.0 * 3600.0 {
        format!("{} of {} min", elapsed.as_secs() / 60, total.as_secs().div_ceil(60))
    } else {
        format!("{} of {} h", elapsed.as_secs() / 3600, total.as_secs().div_ceil(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_into_twenty_columns() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(line(seconds(12.9), seconds(60.0)), "12 s of 60 s");
        assert_eq!(line(seconds(0.2), seconds(0.5)), "0 s of 0.5 s");
        assert_eq!(line(seconds(3600.0), seconds(7200.0)), "60 of 120 min");
        let widest = [119.9, 172_799.0, 31_536_000.0].map(seconds).map(|total| line(total, total).len());
        assert!(widest.iter().all(|columns| *columns < 20), "{widest:?}");
    }
}
