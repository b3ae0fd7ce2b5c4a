//! The host and the network namespace, as they are.

use crate::sample;

use super::window::Ends;
use super::{Host, KernelDrops, Netns, ledger};

/// Facts and limits of the host.
pub(super) fn host(host: &sample::Host) -> Host {
    Host {
        kernel: host.kernel.clone(),
        cpus: host.cpus,
        memory_bytes: host.memory_bytes,
        boot_id: host.boot_id.clone(),
        file_handles: host.file_handles.value().copied(),
        file_max: host.file_max.value().copied(),
        nr_open: host.nr_open.value().copied(),
        threads_max: host.threads_max.value().copied(),
        pid_max: host.pid_max.value().copied(),
        max_map_count: host.max_map_count.value().copied(),
        threads: host.threads.value().copied(),
    }
}

/// The target's network namespace: its sysctls, its counters since it exists, its passive opens in the window.
pub(super) fn netns(ends: &Ends<'_>) -> Netns {
    let namespace = &ends.later.namespace;
    let sysctls = &namespace.sysctls;
    let inode = namespace.inode.value().copied();
    let own = ends.later.host.own_netns.value().copied();
    let totals = namespace.counters_after.as_ref().or_else(|| namespace.counters.value());
    Netns {
        inode,
        own: inode.zip(own).map(|(inode, own)| inode == own),
        somaxconn: sysctls.somaxconn.value().copied(),
        tcp_max_syn_backlog: sysctls.tcp_max_syn_backlog.value().copied(),
        tcp_syncookies: sysctls.tcp_syncookies.value().copied(),
        tcp_abort_on_overflow: sysctls.tcp_abort_on_overflow.value().copied(),
        port_range: sysctls.port_range.value().copied(),
        reserved_ports: sysctls.reserved_ports.value().copied(),
        tcp_tw_reuse: sysctls.tcp_tw_reuse.value().copied(),
        time_wait: namespace.time_wait.value().copied(),
        totals: totals.map(KernelDrops::from),
        passive_opens: ledger::passive_opens(ends),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Model, testing};
    use crate::sample::Reading;

    #[test]
    fn values_are_passed_on_and_unreadable_ones_are_absent() {
        let mut sample = testing::sample();
        sample.host.file_max = Reading::unreadable("EACCES");
        sample.namespace.sysctls.tcp_syncookies = Reading::unreadable("EACCES");
        let model = Model::at(&sample);
        assert_eq!((model.host.file_max, model.host.nr_open), (None, Some(1_048_576)));
        assert_eq!((model.netns.tcp_syncookies, model.netns.somaxconn), (None, Some(4096)));
    }

    #[test]
    fn own_namespace_is_known_only_when_both_inodes_are() {
        let mut sample = testing::sample();
        assert_eq!(Model::at(&sample).netns.own, Some(true));
        sample.host.own_netns = Reading::Value(1);
        assert_eq!(Model::at(&sample).netns.own, Some(false));
        sample.host.own_netns = Reading::unreadable("EACCES");
        assert_eq!(Model::at(&sample).netns.own, None);
    }

    #[test]
    fn totals_are_the_latest_reading() {
        let mut sample = testing::sample();
        sample.namespace.counters = Reading::Value(testing::counters(5, 5));
        assert_eq!(Model::at(&sample).netns.totals.unwrap().ListenDrops, 5);
        sample.namespace.counters_after = Some(testing::counters(6, 7));
        let totals = Model::at(&sample).netns.totals.unwrap();
        assert_eq!((totals.ListenOverflows, totals.ListenDrops), (6, 7));
        assert_eq!(Model::at(&sample).netns.passive_opens, None);
    }
}
