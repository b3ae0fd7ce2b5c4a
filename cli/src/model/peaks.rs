//! Maxima between the two ends of a window.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::sample::Sample;

/// The highest queue lengths of each listening address over the samples it observed.
///
/// A report observes every sample it takes. A rolling window is rebuilt from the samples that are still inside:
/// `Peaks::over(&window)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    boot_id: Option<String>,
    listeners: BTreeMap<Key, Peak>,
}

type Key = (Option<u64>, IpAddr, u16);

/// Highest values of one listening address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peak {
    /// Connections in the accept queue of the fullest socket.
    pub waiting: u32,
    /// Half-open requests.
    pub half_open: u32,
}

impl Peaks {
    /// The maxima of `samples`.
    pub fn over<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut peaks = Self::default();
        for sample in samples {
            peaks.observe(sample);
        }
        peaks
    }

    /// Takes one more sample into account. Samples of an earlier boot are forgotten.
    pub fn observe(&mut self, sample: &Sample) {
        if self.boot_id.as_deref() != Some(&sample.host.boot_id) {
            self.boot_id = Some(sample.host.boot_id.clone());
            self.listeners.clear();
        }
        let netns = sample.namespace.inode.value().copied();
        for listener in sample.namespace.listeners.value().into_iter().flatten() {
            let key = (netns, listener.address.to_canonical(), listener.port);
            let peak = self.listeners.entry(key).or_default();
            peak.waiting = peak.waiting.max(listener.waiting);
            peak.half_open = peak.half_open.max(listener.half_open);
        }
    }

    /// The maxima of one address, zero if it was never seen. `address` is canonical: IPv4 as such.
    pub(super) fn of(&self, netns: Option<u64>, address: IpAddr, port: u16) -> Peak {
        self.listeners.get(&(netns, address, port)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;
    use crate::sample::Reading;

    fn look(waiting: u32, half_open: u32) -> Sample {
        let mut sample = testing::sample();
        let mut listener = testing::listener("127.0.0.1", 80, 128);
        listener.waiting = waiting;
        listener.half_open = half_open;
        sample.namespace.listeners = Reading::Value(vec![listener]);
        sample
    }

    fn peak(peaks: &Peaks) -> Peak {
        peaks.of(Some(testing::NETNS), "127.0.0.1".parse().unwrap(), 80)
    }

    #[test]
    fn the_highest_of_each_is_kept() {
        let peaks = Peaks::over(&[look(3, 9), look(7, 1), look(5, 2)]);
        assert_eq!(peak(&peaks), Peak { waiting: 7, half_open: 9 });
    }

    #[test]
    fn a_rolling_window_forgets() {
        let samples = [look(7, 9), look(1, 2)];
        assert_eq!(peak(&Peaks::over(&samples[1..])), Peak { waiting: 1, half_open: 2 });
    }

    #[test]
    fn another_boot_starts_afresh() {
        let mut rebooted = look(1, 1);
        rebooted.host.boot_id = "other".to_owned();
        assert_eq!(peak(&Peaks::over(&[look(7, 9), rebooted])), Peak { waiting: 1, half_open: 1 });
    }

    #[test]
    fn another_namespace_is_kept_apart() {
        let mut other = look(9, 9);
        other.namespace.inode = Reading::Value(1);
        assert_eq!(peak(&Peaks::over(&[look(7, 1), other])), Peak { waiting: 7, half_open: 1 });
    }
}
