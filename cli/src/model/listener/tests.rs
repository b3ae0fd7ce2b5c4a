use super::*;
use crate::model::{Causes, Model, Peaks, Quality, testing};
use crate::sample::{Established, Listener as Socket, ListenerCounters, Reading, Sample, SocketMemory};

fn set(sample: &mut Sample, sockets: Vec<Socket>) {
    sample.namespace.listeners = Reading::Value(sockets);
}

fn with_listener() -> (Sample, Sample) {
    let (mut earlier, mut later) = testing::pair_with_probes(1.0);
    set(&mut earlier, vec![testing::listener("127.0.0.1", 80, 128)]);
    set(&mut later, vec![testing::listener("127.0.0.1", 80, 128)]);
    counted(&mut later);
    (earlier, later)
}

fn counted(sample: &mut Sample) -> &mut ListenerCounters {
    let probes = sample.probes.as_mut().unwrap();
    if probes.listeners.is_empty() {
        probes.listeners.push(testing::probed("127.0.0.1", 80));
    }
    &mut probes.listeners[0]
}

fn between((earlier, later): &(Sample, Sample)) -> Vec<Listener> {
    Model::between(earlier, later, &Peaks::over([earlier, later])).listeners
}

fn only(samples: &(Sample, Sample)) -> Listener {
    let mut rows = between(samples);
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

#[test]
fn one_sample_has_queues_and_no_counters() {
    let mut sample = testing::sample();
    let mut socket = testing::listener("0.0.0.0", 80, 511);
    socket.waiting = 7;
    socket.half_open = 2;
    socket.drops_hint = Some(9);
    set(&mut sample, vec![socket]);
    sample.probes = Some(testing::probes());
    let row = Model::at(&sample).listeners.remove(0);
    assert_eq!((row.limit, row.capacity, row.sockets, row.reuseport), (511, 512, 1, false));
    assert_eq!((row.accept_queue.now, row.accept_queue.max), (7, 7));
    assert_eq!((row.syn_queue.now, row.syn_queue.max), (2, 2));
    assert_eq!((row.entered, row.drops, row.refused_attempts), (None, None, None));
    assert_eq!((row.drops_hint, row.drops_hint_total), (None, Some(9)));
    assert_eq!(row.connections, Some(BTreeMap::new()));
}

#[test]
fn counted_but_quiet_is_a_measured_zero() {
    let row = only(&with_listener());
    assert_eq!(row.entered, Some(0));
    assert_eq!(row.drops.map(|drops| drops.total), Some(0));
    assert_eq!(row.refused_attempts, Some(0));
    assert_eq!((row.accepted, row.never_accepted), (None, None), "nobody's accept() is traced");
    assert_eq!(row.cookies.map(|cookies| cookies.sent), Some(0));
    assert_eq!((row.accept_wait_us, row.accept_queue.depth), (None, None));
}

#[test]
fn what_is_not_counted_is_absent() {
    let mut samples = with_listener();
    samples.1.probes.as_mut().unwrap().drops_attributed = false;
    let row = only(&samples);
    assert_eq!((row.drops, row.cookies, row.refused_attempts), (None, None, None));
    assert_eq!(row.entered, Some(0));
    let mut samples = with_listener();
    samples.0.probes.as_mut().unwrap().entries_counted = false;
    let row = only(&samples);
    assert_eq!((row.entered, row.never_accepted), (None, None));
    assert!(row.drops.is_some());
}

#[test]
fn a_first_sample_of_the_probes_never_fires() {
    let mut samples = with_listener();
    counted(&mut samples.1).stats.entered = 1000;
    counted(&mut samples.1).stats.accept_queue_full_syn = 1000;
    samples.0.probes = None;
    let row = only(&samples);
    assert_eq!((row.entered, row.drops), (None, None));
}

#[test]
fn another_namespace_is_no_baseline() {
    let mut samples = with_listener();
    counted(&mut samples.1).stats.entered = 1000;
    samples.0.namespace.inode = Reading::Value(1);
    let row = only(&samples);
    assert_eq!((row.entered, row.drops, row.drops_hint), (None, None, None));
}

#[test]
fn counters_of_another_namespace_are_not_joined() {
    let mut samples = with_listener();
    let counters = counted(&mut samples.1);
    counters.netns = 1;
    counters.stats.entered = 1000;
    assert_eq!(only(&samples).entered, None);
}

#[test]
fn a_listener_that_the_probes_do_not_know_has_no_counters() {
    let mut samples = with_listener();
    samples.1.probes.as_mut().unwrap().listeners.clear();
    let row = only(&samples);
    assert_eq!((row.entered, row.drops, row.cookies, row.refused_attempts), (None, None, None, None));
}

#[test]
fn entries_are_unknown_once_a_listening_socket_did_not_fit() {
    let mut samples = with_listener();
    counted(&mut samples.1).stats.entered = 3;
    for sample in [&mut samples.0, &mut samples.1] {
        sample.probes.as_mut().unwrap().lost.reasons.insert("listeners_full".to_owned(), 1);
    }
    assert_eq!((only(&samples).entered, only(&samples).drops.is_some()), (None, true));
}

#[test]
fn increments_by_cause() {
    let mut samples = with_listener();
    counted(&mut samples.0).stats.accept_queue_full_syn = 10;
    let stats = &mut counted(&mut samples.1).stats;
    stats.accept_queue_full_syn = 15;
    stats.accept_queue_full_ack = 4;
    stats.syn_queue_full = 3;
    stats.max_syn_backlog = 2;
    stats.other = 1;
    stats.refused_attempts = 6;
    stats.syncookies_sent = 8;
    let row = only(&samples);
    let drops = row.drops.unwrap();
    let causes = Causes {
        accept_queue_full_syn: 5,
        accept_queue_full_ack: 4,
        syn_queue_full: 3,
        max_syn_backlog: 2,
        other: 1,
    };
    assert_eq!((drops.total, drops.by_cause), (15, causes));
    assert_eq!((row.refused_attempts, row.cookies.unwrap().sent), (Some(6), 8));
}

#[test]
fn counters_that_went_back_saturate() {
    let mut samples = with_listener();
    counted(&mut samples.0).stats.entered = 10;
    counted(&mut samples.1).stats.entered = 3;
    assert_eq!(only(&samples).entered, Some(0));
}

#[test]
fn accepted_needs_all_owners_traced_at_both_ends() {
    let mut samples = with_listener();
    counted(&mut samples.1).stats.accepted = 5;
    for sample in [&mut samples.0, &mut samples.1] {
        let mut socket = testing::listener("127.0.0.1", 80, 128);
        socket.pids = vec![42];
        set(sample, vec![socket]);
    }
    assert_eq!((only(&samples).accepted, only(&samples).dead_before_accept), (None, None));
    samples.1.probes.as_mut().unwrap().processes = vec![testing::process_counters(42)];
    assert_eq!(only(&samples).accepted, None);
    samples.0.probes.as_mut().unwrap().processes = vec![testing::process_counters(42)];
    assert_eq!((only(&samples).accepted, only(&samples).dead_before_accept), (Some(5), Some(0)));
    samples.1.probes.as_mut().unwrap().accepts_counted = false;
    assert_eq!(only(&samples).accepted, None);
    for sample in [&mut samples.0, &mut samples.1] {
        sample.probes.as_mut().unwrap().accepts_counted = true;
        let mut socket = testing::listener("127.0.0.1", 80, 128);
        socket.pids = vec![42, 43];
        set(sample, vec![socket]);
    }
    assert_eq!(only(&samples).accepted, None, "process 43 may take connections unseen");
}

#[test]
fn sockets_of_one_address_are_one_row() {
    let mut samples = with_listener();
    let socket = |cookie, waiting, limit, pid| {
        let mut socket = testing::listener("127.0.0.1", 80, limit);
        (socket.cookie, socket.waiting, socket.half_open) = (cookie, waiting, 3);
        socket.pids = vec![pid, 40];
        socket
    };
    set(&mut samples.1, vec![socket(1, 5, 128, 42), socket(2, 5, 9, 41), socket(3, 100, 511, 43)]);
    samples.1.processes = vec![testing::process(41), testing::process(42), testing::process(43)];
    samples.1.processes[2].comm = "another".to_owned();
    samples.1.namespace.owner_names.insert(40, "manager".to_owned());
    let row = only(&samples);
    assert_eq!((row.sockets, row.reuseport), (3, true));
    assert_eq!((row.accept_queue.now, row.limit, row.capacity), (5, 9, 10));
    assert_eq!(row.syn_queue.now, 3);
    assert_eq!(row.pids, [40, 41, 42, 43]);
    assert_eq!(row.comms, ["another", "manager", "server"]);
}

#[test]
fn the_smallest_of_equally_empty_queues_is_shown() {
    let mut sample = testing::sample();
    set(&mut sample, vec![testing::listener("0.0.0.0", 80, 511), testing::listener("0.0.0.0", 80, 128)]);
    assert_eq!(Model::at(&sample).listeners[0].limit, 128);
}

#[test]
fn a_wildcard_of_ipv6_takes_ipv4_unless_it_says_otherwise() {
    let mut sample = testing::sample();
    let mut v6_only = testing::listener("::", 81, 128);
    v6_only.v6_only = true;
    let others = ["::1", "0.0.0.0"].map(|address| testing::listener(address, 80, 128));
    let [loopback, any] = others;
    set(&mut sample, vec![testing::listener("::", 80, 128), v6_only, loopback, any]);
    let rows = Model::at(&sample).listeners;
    let dual: Vec<_> =
        rows.iter().filter(|row| row.dual_stack).map(|row| (&*row.address, row.port)).collect();
    assert_eq!((rows.len(), dual), (4, vec![("::", 80)]));
}

#[test]
fn a_wildcard_is_not_joined_with_the_counters_of_the_other_family() {
    let mut samples = testing::pair_with_probes(1.0);
    for sample in [&mut samples.0, &mut samples.1] {
        set(sample, vec![testing::listener("::", 80, 128)]);
    }
    let mut counters = testing::probed("0.0.0.0", 80);
    counters.stats.entered = 5;
    samples.1.probes.as_mut().unwrap().listeners = vec![counters.clone()];
    assert_eq!(only(&samples).entered, None);
    counters.address = "::".parse().unwrap();
    samples.1.probes.as_mut().unwrap().listeners = vec![counters];
    assert_eq!(only(&samples).entered, Some(5));
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    let mut samples = with_listener();
    for sample in [&mut samples.0, &mut samples.1] {
        set(sample, vec![testing::listener("::ffff:127.0.0.1", 80, 128)]);
    }
    counted(&mut samples.1).stats.entered = 5;
    let row = only(&samples);
    assert_eq!((row.address.as_str(), row.entered), ("127.0.0.1", Some(5)));
}

#[test]
fn the_maximum_is_the_highest_of_all_looks() {
    let mut samples = with_listener();
    let mut between = samples.0.clone();
    let mut socket = testing::listener("127.0.0.1", 80, 128);
    (socket.waiting, socket.half_open) = (90, 40);
    set(&mut between, vec![socket]);
    let model = |samples: &(Sample, Sample), peaks: &Peaks| {
        Model::between(&samples.0, &samples.1, peaks).listeners.remove(0)
    };
    let row = model(&samples, &Peaks::over([&samples.0, &between, &samples.1]));
    assert_eq!((row.accept_queue.now, row.accept_queue.max), (0, 90));
    assert_eq!((row.syn_queue.now, row.syn_queue.max), (0, 40));
    set(&mut samples.0, vec![]);
    assert_eq!(model(&samples, &Peaks::default()).accept_queue.max, 0);
}

#[test]
fn the_maximum_counts_what_entries_met() {
    let mut samples = with_listener();
    counted(&mut samples.0).depth = testing::histogram(5, &[50]);
    counted(&mut samples.1).depth = testing::histogram(5, &[50, 1, 2, 33]);
    let row = only(&samples);
    assert_eq!(row.accept_queue.max, 33);
    let depth = row.accept_queue.depth.unwrap();
    assert_eq!((depth.count, depth.sum, depth.p50, depth.max), (3, 36.0, 2.0, 33.0));
}

#[test]
fn depth_is_never_above_the_capacity() {
    let mut samples = with_listener();
    counted(&mut samples.1).depth = testing::histogram(5, &[129; 100]);
    let row = only(&samples);
    let depth = row.accept_queue.depth.unwrap();
    assert_eq!((depth.max, depth.p99), (129.0, 129.0));
    // The bucket holds the lengths 128 to 131: that 128 was reached is certain.
    assert_eq!(row.accept_queue.max, 128);
}

#[test]
fn a_drop_at_a_full_queue_means_that_it_was_full() {
    let mut samples = with_listener();
    counted(&mut samples.1).stats.accept_queue_full_ack = 1;
    assert_eq!(only(&samples).accept_queue.max, 129);
    // listen() was called again: which limit the drop met is not known.
    set(&mut samples.0, vec![testing::listener("127.0.0.1", 80, 5)]);
    assert_eq!(only(&samples).accept_queue.max, 0);
}

#[test]
fn distributions_are_sampled_once_something_was_lost() {
    let mut samples = with_listener();
    counted(&mut samples.1).accept_wait_ns = testing::histogram(5, &[100_000_000; 50]);
    counted(&mut samples.1).handshake_ns = testing::histogram(5, &[30_000; 50]);
    let row = only(&samples);
    let wait = row.accept_wait_us.unwrap();
    assert!((95_000.0..=105_000.0).contains(&wait.p50), "{}", wait.p50);
    assert_eq!((wait.count, wait.quality), (50, Quality::Exact));
    samples.1.probes.as_mut().unwrap().lost.reasons.insert("queued_full".to_owned(), 1);
    let row = only(&samples);
    assert_eq!(row.accept_wait_us.unwrap().quality, Quality::Sampled);
    assert_eq!(row.handshake_us.unwrap().quality, Quality::Estimated);
}

#[test]
fn the_hint_is_summed_over_the_sockets_of_the_window() {
    let socket = |cookie, drops_hint| {
        let mut socket = testing::listener("127.0.0.1", 80, 128);
        (socket.cookie, socket.drops_hint) = (cookie, drops_hint);
        socket
    };
    let mut samples = testing::pair(1.0);
    set(&mut samples.0, vec![socket(1, Some(10)), socket(9, Some(100))]);
    set(&mut samples.1, vec![socket(1, Some(14)), socket(2, Some(3))]);
    let row = only(&samples);
    assert_eq!((row.drops_hint, row.drops_hint_total), (Some(7), Some(17)));
    set(&mut samples.1, vec![socket(1, Some(14)), socket(2, None)]);
    let row = only(&samples);
    assert_eq!((row.drops_hint, row.drops_hint_total), (None, None));
}

#[test]
fn most_harmed_first_then_fullest_then_busiest_then_port() {
    let mut samples = testing::pair_with_probes(1.0);
    let ports = [1, 2, 3, 4, 5, 6];
    let sockets = |ports: [u16; 6]| ports.map(|port| testing::listener("127.0.0.1", port, 99)).to_vec();
    set(&mut samples.0, sockets(ports));
    let mut now = sockets(ports);
    now[1].waiting = 50;
    set(&mut samples.1, now);
    let counters = |port, entered, other| {
        let mut counters = testing::probed("127.0.0.1", port);
        (counters.stats.entered, counters.stats.other) = (entered, other);
        counters
    };
    samples.1.probes.as_mut().unwrap().listeners =
        vec![counters(3, 10, 0), counters(4, 20, 0), counters(5, 0, 1), counters(6, 9, 7)];
    let order: Vec<_> = between(&samples).iter().map(|row| row.port).collect();
    assert_eq!(order, [6, 5, 2, 4, 3, 1]);
}

#[test]
fn a_listener_that_was_closed_keeps_its_row_if_it_was_used() {
    let mut samples = with_listener();
    set(&mut samples.1, vec![]);
    assert!(between(&samples).is_empty());
    counted(&mut samples.1).stats.other = 4;
    let row = only(&samples);
    assert_eq!((row.sockets, row.accept_queue.now, row.limit), (0, 0, 128));
    assert_eq!((row.drops.unwrap().total, row.drops_hint_total), (4, None));
}

#[test]
fn connections_and_buffers_belong_to_the_port() {
    let mut sample = testing::sample();
    set(&mut sample, vec![testing::listener("0.0.0.0", 80, 128), testing::listener("0.0.0.0", 81, 128)]);
    let group = |port, state: &str, sockets| Established {
        port,
        states: [(state.to_owned(), sockets)].into(),
        memory: Some(SocketMemory {
            sockets,
            receive_allocated: 5,
            send_limit: 7,
            ..SocketMemory::default()
        }),
        unaccepted: 0,
        rtt_sum_us: 0,
        rtt_samples: 0,
    };
    let groups = vec![group(80, "ESTAB", 3), group(80, "CLOSE-WAIT", 1), group(9000, "ESTAB", 50)];
    sample.namespace.established = Reading::Value(groups);
    let rows = Model::at(&sample).listeners;
    let states = [("CLOSE-WAIT".to_owned(), 1), ("ESTAB".to_owned(), 3)];
    assert_eq!(rows[0].connections, Some(states.into()));
    let buffers = rows[0].buffers.unwrap();
    assert_eq!((buffers.sockets, buffers.receive_used_bytes, buffers.send_limit_bytes), (4, 10, 14));
    assert_eq!((rows[1].connections.clone(), rows[1].buffers), (Some(BTreeMap::new()), None));
    sample.namespace.established = Reading::unreadable("EPERM");
    let rows = Model::at(&sample).listeners;
    assert_eq!((rows[0].connections.clone(), rows[0].buffers), (None, None));
}
