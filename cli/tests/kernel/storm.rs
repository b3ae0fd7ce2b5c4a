//! Drops on several processors at once, at the highest rate that this machine makes.

use std::time::{Duration, Instant};

use crate::helper::{Helper, processors};
use crate::netns::{in_namespace, measured, skip};
use crate::report::LEDGER;
use crate::traffic::{Listener, PORT, loopback};
use crate::truth::Counters;
use crate::watch::Watch;

/// Drops of a whole storm.
const ENOUGH: u64 = 100_000;
/// A slower machine stops here and compares what it has.
const LIMIT: Duration = Duration::from_secs(30);
/// Client processes, spread over the processors.
const PROCESSES: usize = 3;

/// A slow accept loop in the test process until enough was dropped. Returns the connections taken.
fn accept_slowly(listener: &Listener, before: &Counters) -> u64 {
    listener.socket().set_nonblocking(true).unwrap();
    let start = Instant::now();
    let mut looked = start;
    let mut accepted = 0;
    loop {
        accepted += u64::from(listener.accept_one().is_some());
        if accepted % 8 == 0 {
            std::thread::sleep(Duration::from_micros(50));
        }
        if looked.elapsed() > Duration::from_millis(100) {
            looked = Instant::now();
            let enough = Counters::read().since(before).get("ListenDrops") >= ENOUGH;
            if enough || start.elapsed() > LIMIT {
                return accepted;
            }
        }
    }
}

#[test]
fn storm_on_two_processors() {
    in_namespace(|_| {
        let processors = processors();
        if processors.len() < 2 {
            return skip("needs two processors");
        }
        let listener = Listener::open(loopback(), 8);
        let watch = Watch::port(PORT);
        let before = Counters::settled();
        let start = Instant::now();
        let clients: Vec<_> = (0..PROCESSES)
            .map(|number| {
                let processor = processors[number % processors.len()].to_string();
                Helper::start(&["storm", &loopback().to_string(), &processor])
            })
            .collect();
        let mut accepted = accept_slowly(&listener, &before);
        clients.into_iter().for_each(Helper::stop);
        let seconds = start.elapsed().as_secs_f64();
        Counters::settled();
        accepted += u64::try_from(listener.accept_all().len()).unwrap();
        let truth = Counters::settled().since(&before);
        let report = watch.finish();

        let values = LEDGER.map(|name| format!("{name} {}", truth.get(name))).join(", ");
        let entered = truth.get("PassiveOpens");
        measured(&format!("{values}, PassiveOpens {entered}, accepted {accepted} in {seconds:.1} s"));
        assert_eq!(accepted, entered, "accepted against PassiveOpens");
        if truth.get("ListenDrops") < ENOUGH {
            skip(&format!(
                "this machine makes fewer than {ENOUGH} drops in {LIMIT:?}, compared what it made"
            ));
        }
        let Some(report) = report else { return };
        report.assert_ledger(&truth);
        let listener = report.listener("127.0.0.1", PORT);
        listener.assert_number("entered", entered);
        listener.assert_number("accepted", accepted);
        listener.assert_number("never_accepted", 0);
        let Some([syn, ack, syn_queue, rule, other]) = listener.causes() else { return };
        assert_eq!(syn + ack, truth.get("ListenOverflows"), "accept queue full");
        assert_eq!(syn_queue, truth.get("TCPReqQFullDrop"), "SYN queue full");
        assert_eq!(rule + other, truth.get("ListenDrops") - truth.get("ListenOverflows"), "the rest");
    });
}
