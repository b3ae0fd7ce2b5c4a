//! The drop ledger: the kernel's counters against what was attributed to listeners.
//!
//! The counters of the namespace and those of the probes cannot be read at the same instant. The namespace is
//! therefore read before and after the probes at each end, which brackets what the kernel had counted when the
//! probes were read; the increment over the window lies between the two inner and the two outer readings.

use crate::sample::{ListenerValues, Namespace, TcpCounters};

use super::window::Ends;
use super::{KernelDrops, Ledger, listener};

impl From<&TcpCounters> for KernelDrops {
    fn from(counters: &TcpCounters) -> Self {
        Self {
            ListenOverflows: counters.listen_overflows,
            ListenDrops: counters.listen_drops,
            TCPReqQFullDrop: counters.reqq_full_drop,
            TCPReqQFullDoCookies: counters.reqq_full_do_cookies,
            SyncookiesSent: counters.syncookies_sent,
        }
    }
}

/// The ledger of the target's namespace. `None` unless drops were attributed at both ends and the namespace, its
/// inode and its counters could be read.
pub(super) fn ledger(ends: &Ends<'_>) -> Option<Ledger> {
    let (earlier, later) = ends.namespaces()?;
    let (probes_before, probes_now) = ends.probes()?;
    if !(probes_before.drops_attributed && probes_now.drops_attributed) {
        return None;
    }
    let netns = later.inode.value().copied()?;
    let interval = Interval::between(earlier, later)?;
    let attributed = attributed(&listener::increments_in(ends, netns));
    let kernel = interval.nearest(&attributed);
    let unattributed = difference(kernel.ListenDrops, attributed.ListenDrops);
    Some(Ledger { netns: Some(netns), kernel, attributed, unattributed })
}

/// Passive opens of the namespace in the window; the value inside the bracket that is nearest to the entries
/// that the probes counted, when they did.
pub(super) fn passive_opens(ends: &Ends<'_>) -> Option<u64> {
    let (earlier, later) = ends.namespaces()?;
    let (low, high) = Interval::between(earlier, later)?.of(|counters| counters.passive_opens);
    let counted = ends.probes().is_some_and(|(before, now)| before.entries_counted && now.entries_counted);
    let netns = later.inode.value().copied();
    let Some(netns) = netns.filter(|_| counted) else {
        return Some(low);
    };
    let entered = listener::increments_in(ends, netns)
        .iter()
        .fold(0_u64, |total, values| total.saturating_add(values.entered));
    Some(entered.clamp(low, high))
}

/// What the kernel can have counted between two readings of the probes.
struct Interval {
    before: [TcpCounters; 2],
    now: [TcpCounters; 2],
}

impl Interval {
    fn between(earlier: &Namespace, later: &Namespace) -> Option<Self> {
        Some(Self { before: bracket(earlier)?, now: bracket(later)? })
    }

    /// Least and greatest possible increment of one counter.
    fn of(&self, counter: impl Fn(&TcpCounters) -> u64) -> (u64, u64) {
        let [before_first, before_last] = self.before.each_ref().map(&counter);
        let [now_first, now_last] = self.now.each_ref().map(&counter);
        let low = now_first.saturating_sub(before_last);
        (low, now_last.saturating_sub(before_first).max(low))
    }

    /// For each counter the possible increment that is nearest to `attributed`.
    fn nearest(&self, attributed: &KernelDrops) -> KernelDrops {
        let nearest = |value: u64, counter: fn(&TcpCounters) -> u64| {
            let (low, high) = self.of(counter);
            value.clamp(low, high)
        };
        KernelDrops {
            ListenOverflows: nearest(attributed.ListenOverflows, |counters| counters.listen_overflows),
            ListenDrops: nearest(attributed.ListenDrops, |counters| counters.listen_drops),
            TCPReqQFullDrop: nearest(attributed.TCPReqQFullDrop, |counters| counters.reqq_full_drop),
            TCPReqQFullDoCookies: nearest(attributed.TCPReqQFullDoCookies, |counters| {
                counters.reqq_full_do_cookies
            }),
            SyncookiesSent: nearest(attributed.SyncookiesSent, |counters| counters.syncookies_sent),
        }
    }
}

/// The readings before and after the probes; the same one twice when there is only one.
fn bracket(namespace: &Namespace) -> Option<[TcpCounters; 2]> {
    let first = *namespace.counters.value()?;
    Some([first, namespace.counters_after.unwrap_or(first)])
}

fn attributed(increments: &[ListenerValues]) -> KernelDrops {
    let sum = |counter: fn(&ListenerValues) -> u64| {
        increments.iter().fold(0_u64, |total, values| total.saturating_add(counter(values)))
    };
    KernelDrops {
        ListenOverflows: sum(|values| values.listen_overflows),
        ListenDrops: sum(|values| values.listen_drops),
        TCPReqQFullDrop: sum(|values| values.reqq_full_drop),
        TCPReqQFullDoCookies: sum(|values| values.reqq_full_do_cookies),
        SyncookiesSent: sum(|values| values.syncookies_sent),
    }
}

fn difference(kernel: u64, attributed: u64) -> i64 {
    let size = i64::try_from(kernel.abs_diff(attributed)).unwrap_or(i64::MAX);
    if kernel < attributed { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Peaks, testing};
    use crate::sample::{Reading, Sample};

    /// A window in which the probes attributed `drops` and the kernel's ListenDrops read as given.
    fn window(drops: u64, before: [u64; 2], now: [u64; 2]) -> (Sample, Sample) {
        let (mut earlier, mut later) = testing::pair_with_probes(1.0);
        for (sample, [first, last]) in [(&mut earlier, before), (&mut later, now)] {
            sample.namespace.counters = Reading::Value(testing::counters(first, first));
            sample.namespace.counters_after = Some(testing::counters(last, last));
        }
        let mut counted = testing::probed("127.0.0.1", 80);
        counted.stats.listen_drops = 1000;
        counted.stats.listen_overflows = 1000;
        earlier.probes.as_mut().unwrap().listeners = vec![counted.clone()];
        counted.stats.listen_drops += drops;
        counted.stats.listen_overflows += drops;
        later.probes.as_mut().unwrap().listeners = vec![counted];
        (earlier, later)
    }

    fn ledger_of((earlier, later): (Sample, Sample)) -> Option<Ledger> {
        Model::between(&earlier, &later, &Peaks::default()).ledger
    }

    #[test]
    fn a_quiet_bracket_is_exact() {
        let ledger = ledger_of(window(45, [10, 10], [55, 55])).unwrap();
        assert_eq!((ledger.kernel.ListenDrops, ledger.attributed.ListenDrops), (45, 45));
        assert_eq!((ledger.kernel.ListenOverflows, ledger.unattributed), (45, 0));
        assert_eq!(ledger.netns, Some(testing::NETNS));
    }

    #[test]
    fn inside_the_bracket_the_kernel_agrees() {
        for drops in [30, 37, 50] {
            let ledger = ledger_of(window(drops, [10, 20], [50, 60])).unwrap();
            assert_eq!((ledger.kernel.ListenDrops, ledger.unattributed), (drops, 0), "{drops}");
        }
    }

    #[test]
    fn below_the_bracket_the_remainder_is_positive() {
        let ledger = ledger_of(window(29, [10, 20], [50, 60])).unwrap();
        assert_eq!((ledger.kernel.ListenDrops, ledger.unattributed), (30, 1));
    }

    #[test]
    fn above_the_bracket_the_remainder_is_negative() {
        let ledger = ledger_of(window(53, [10, 20], [50, 60])).unwrap();
        assert_eq!((ledger.kernel.ListenDrops, ledger.unattributed), (50, -3));
    }

    #[test]
    fn one_reading_is_a_bracket_of_no_width() {
        let (mut earlier, mut later) = window(41, [10, 20], [50, 60]);
        earlier.namespace.counters_after = None;
        later.namespace.counters_after = None;
        let ledger = ledger_of((earlier, later)).unwrap();
        assert_eq!((ledger.kernel.ListenDrops, ledger.unattributed), (40, -1));
    }

    #[test]
    fn a_listener_that_is_gone_still_counts() {
        let (earlier, mut later) = window(45, [10, 10], [55, 55]);
        later.namespace.listeners = Reading::Value(vec![]);
        assert_eq!(ledger_of((earlier, later)).unwrap().unattributed, 0);
    }

    #[test]
    fn a_listener_of_another_namespace_does_not() {
        let (mut earlier, mut later) = window(45, [10, 10], [10, 10]);
        for sample in [&mut earlier, &mut later] {
            sample.probes.as_mut().unwrap().listeners[0].netns += 1;
        }
        let ledger = ledger_of((earlier, later)).unwrap();
        assert_eq!((ledger.attributed.ListenDrops, ledger.unattributed), (0, 0));
    }

    #[test]
    fn absent_when_either_side_was_not_measured() {
        type Spoil = fn(&mut Sample, &mut Sample);
        let spoils: [Spoil; 7] = [
            |earlier, _| earlier.probes = None,
            |_, later| later.probes = None,
            |earlier, _| earlier.probes.as_mut().unwrap().drops_attributed = false,
            |_, later| later.probes.as_mut().unwrap().drops_attributed = false,
            |_, later| later.namespace.counters = Reading::unreadable("EACCES"),
            |earlier, _| earlier.namespace.inode = Reading::Value(1),
            |earlier, _| earlier.host.boot_id = "other".to_owned(),
        ];
        for (index, spoil) in spoils.into_iter().enumerate() {
            let (mut earlier, mut later) = window(45, [10, 10], [55, 55]);
            spoil(&mut earlier, &mut later);
            assert_eq!(ledger_of((earlier, later)), None, "case {index}");
        }
        assert_eq!(Model::at(&window(45, [10, 10], [55, 55]).1).ledger, None);
    }

    #[test]
    fn passive_opens_agree_with_the_entries_inside_the_bracket() {
        let (mut earlier, mut later) = window(0, [0, 0], [0, 0]);
        let set = |sample: &mut Sample, first: u64, last: u64| {
            let opens = |passive_opens| TcpCounters { passive_opens, ..TcpCounters::default() };
            sample.namespace.counters = Reading::Value(opens(first));
            sample.namespace.counters_after = Some(opens(last));
        };
        set(&mut earlier, 100, 105);
        set(&mut later, 200, 210);
        later.probes.as_mut().unwrap().listeners[0].stats.entered = 98;
        let peaks = Peaks::default();
        assert_eq!(Model::between(&earlier, &later, &peaks).netns.passive_opens, Some(98));
        later.probes = None;
        assert_eq!(Model::between(&earlier, &later, &peaks).netns.passive_opens, Some(95));
        earlier.namespace.inode = Reading::Value(1);
        assert_eq!(Model::between(&earlier, &later, &peaks).netns.passive_opens, None);
    }

    #[test]
    fn a_difference_too_large_saturates() {
        assert_eq!(difference(u64::MAX, 0), i64::MAX);
        assert_eq!(difference(0, u64::MAX), -i64::MAX);
    }
}
