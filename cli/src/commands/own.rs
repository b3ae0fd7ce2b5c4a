//! What netscope itself costs.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::view::tui::Own;

/// Remembers the last look, for the rate.
#[derive(Debug, Default)]
pub struct OwnUsage {
    last: Option<(Instant, Duration)>,
    shown: Own,
}

impl OwnUsage {
    /// Processor time since the last look as per cent of one CPU, and resident memory. Looks less than half
    /// a second apart give the same answer.
    pub fn measure(&mut self) -> Own {
        let now = Instant::now();
        if self.last.is_some_and(|(then, _)| now.duration_since(then) < Duration::from_millis(500)) {
            return self.shown;
        }
        let used = getrusage(UsageWho::RUSAGE_SELF).ok().map(|usage| {
            let micros = |time: nix::sys::time::TimeVal| {
                let total = time.tv_sec() * 1_000_000 + time.tv_usec();
                Duration::from_micros(u64::try_from(total).unwrap_or(0))
            };
            micros(usage.user_time()) + micros(usage.system_time())
        });
        self.shown.cpu_percent = self.last.zip(used).map(|((then, before), used)| {
            100.0 * used.saturating_sub(before).as_secs_f64() / now.duration_since(then).as_secs_f64()
        });
        self.last = used.map(|used| (now, used));
        let page = procfs::page_size();
        self.shown.rss_bytes = procfs::process::Process::myself()
            .and_then(|myself| myself.statm())
            .ok()
            .map(|memory| memory.resident * page);
        self.shown
    }
}
