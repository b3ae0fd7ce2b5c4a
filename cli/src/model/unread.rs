//! What could not be read, and why.

use crate::sample::{Host, Namespace, Process, Reading, Sample};

use super::Unread;

/// Every unreadable value of `sample` under its dotted name.
pub(super) fn collect(sample: &Sample) -> Vec<Unread> {
    let mut list = List(Vec::new());
    list.host(&sample.host);
    list.namespace(&sample.namespace);
    for process in &sample.processes {
        list.process(process);
    }
    list.0
}

struct List(Vec<Unread>);

impl List {
    fn add<T>(&mut self, what: &str, reading: &Reading<T>) {
        if let Some(reason) = reading.reason() {
            self.0.push(Unread { what: what.to_owned(), reason: reason.to_owned() });
        }
    }

    fn host(&mut self, host: &Host) {
        self.add("host.own_netns", &host.own_netns);
        self.add("host.file_handles", &host.file_handles);
        self.add("host.file_max", &host.file_max);
        self.add("host.nr_open", &host.nr_open);
        self.add("host.threads_max", &host.threads_max);
        self.add("host.pid_max", &host.pid_max);
        self.add("host.max_map_count", &host.max_map_count);
        self.add("host.threads", &host.threads);
    }

    fn namespace(&mut self, namespace: &Namespace) {
        let sysctls = &namespace.sysctls;
        self.add("netns.inode", &namespace.inode);
        self.add("netns.somaxconn", &sysctls.somaxconn);
        self.add("netns.tcp_max_syn_backlog", &sysctls.tcp_max_syn_backlog);
        self.add("netns.tcp_syncookies", &sysctls.tcp_syncookies);
        self.add("netns.tcp_abort_on_overflow", &sysctls.tcp_abort_on_overflow);
        self.add("netns.port_range", &sysctls.port_range);
        self.add("netns.reserved_ports", &sysctls.reserved_ports);
        self.add("netns.tcp_tw_reuse", &sysctls.tcp_tw_reuse);
        self.add("netns.time_wait", &namespace.time_wait);
        self.add("netns.counters", &namespace.counters);
        self.add("listeners", &namespace.listeners);
        self.add("connections", &namespace.established);
        if let Some(reason) = &namespace.hidden_owners {
            self.0.push(Unread { what: "listeners.owners".to_owned(), reason: reason.clone() });
        }
    }

    fn process(&mut self, process: &Process) {
        let name = |field: &str| format!("process.{}.{field}", process.pid);
        self.add(&name("exe"), &process.exe);
        self.add(&name("cmdline"), &process.cmdline);
        self.add(&name("netns"), &process.netns);
        self.add(&name("cap_effective"), &process.cap_effective);
        self.add(&name("rss"), &process.rss_bytes);
        self.add(&name("pss"), &process.pss_bytes);
        self.add(&name("maps"), &process.maps);
        self.add(&name("fds"), &process.fds);
        self.add(&name("nofile"), &process.nofile);
        self.add(&name("nproc"), &process.nproc);
        self.add(&name("cgroup"), &process.cgroup);
        self.add(&name("switches"), &process.switches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, testing};
    use serde_json::{Value, json};

    /// Every value of the sample that holds a [`Reading`] replaced by an unreadable one.
    fn all_unreadable() -> Sample {
        let mut sample = testing::sample();
        sample.processes = vec![testing::process(42)];
        let mut value = serde_json::to_value(&sample).unwrap();
        let readings = [
            ("/host", "own_netns file_handles file_max nr_open threads_max pid_max max_map_count threads"),
            ("/namespace", "inode counters listeners established time_wait"),
            (
                "/namespace/sysctls",
                "somaxconn tcp_max_syn_backlog tcp_syncookies tcp_abort_on_overflow port_range reserved_ports \
                 tcp_tw_reuse",
            ),
            (
                "/processes/0",
                "exe cmdline netns cap_effective rss_bytes pss_bytes maps fds nofile nproc cgroup switches",
            ),
        ];
        for (at, fields) in readings {
            let object = value.pointer_mut(at).and_then(Value::as_object_mut).unwrap();
            for field in fields.split_whitespace() {
                let old = object.insert(field.to_owned(), json!({ "unreadable": format!("no {field}") }));
                assert!(old.is_some(), "{at}/{field}");
            }
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_reading_has_its_name_and_reason() {
        let unread = collect(&all_unreadable());
        let names: Vec<_> = unread.iter().map(|entry| entry.what.as_str()).collect();
        let expected = [
            "host.own_netns host.file_handles host.file_max host.nr_open host.threads_max host.pid_max",
            "host.max_map_count host.threads",
            "netns.inode netns.somaxconn netns.tcp_max_syn_backlog netns.tcp_syncookies",
            "netns.tcp_abort_on_overflow netns.port_range netns.reserved_ports netns.tcp_tw_reuse",
            "netns.time_wait netns.counters listeners connections",
            "process.42.exe process.42.cmdline process.42.netns process.42.cap_effective process.42.rss",
            "process.42.pss process.42.maps process.42.fds process.42.nofile process.42.nproc",
            "process.42.cgroup process.42.switches",
        ];
        assert_eq!(names, expected.join(" ").split(' ').collect::<Vec<_>>());
        assert!(unread.iter().all(|entry| entry.reason.starts_with("no ")));
    }

    #[test]
    fn a_model_without_readings_shows_no_zeros() {
        let model = Model::at(&all_unreadable());
        assert_eq!(model.why_unread("process.42.fds"), Some("no fds"));
        assert_eq!(model.why_unread("process.43.fds"), None);
        let process = &model.processes[0];
        assert_eq!(
            (process.fds.as_ref(), process.memory.rss_bytes, process.limits.nofile),
            (None, None, None)
        );
        assert_eq!((process.limits.cap_sys_admin, process.limits.pids_max), (None, None));
        assert_eq!((model.host.threads, model.netns.time_wait, model.netns.totals), (None, None, None));
        assert!(model.listeners.is_empty());
    }

    #[test]
    fn what_was_read_is_not_listed() {
        let mut sample = testing::sample();
        sample.processes = vec![testing::process(42)];
        assert_eq!(collect(&sample), []);
    }
}
