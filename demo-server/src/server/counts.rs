//! The counters of one loop. One thread writes them, any thread may read them; no lock, no system call.

use std::array;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::errno::Errno;

use super::truth::{Thread, Truth};

/// Numbers of errno that are counted apart. The kernel's table ends at 133 (include/uapi/asm-generic/errno.h).
const ERRNOS: usize = 134;

/// Buckets of events per wait: none, then powers of two up to the size of the event array (2^9).
const WAIT_BUCKETS: usize = 11;

/// The system calls that a loop makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Accept4,
    ClockNanosleep,
    Close,
    EpollCtl,
    EpollWait,
    RecvFrom,
    SendTo,
}

impl Call {
    /// In the order of declaration: `call as usize` is the place in here.
    const ALL: [Self; 7] = [
        Self::Accept4,
        Self::ClockNanosleep,
        Self::Close,
        Self::EpollCtl,
        Self::EpollWait,
        Self::RecvFrom,
        Self::SendTo,
    ];

    /// Name in the kernel's table: what strace prints. The C library decides which call is behind a function,
    /// so that recv(3) is `recvfrom`, and epoll_wait(2) is `epoll_pwait` in musl and where the table has no other.
    const fn name(self) -> &'static str {
        match self {
            Self::Accept4 => "accept4",
            Self::ClockNanosleep => "clock_nanosleep",
            Self::Close => "close",
            Self::EpollCtl => "epoll_ctl",
            Self::EpollWait if cfg!(all(target_env = "gnu", target_arch = "x86_64")) => "epoll_wait",
            Self::EpollWait => "epoll_pwait",
            Self::RecvFrom => "recvfrom",
            Self::SendTo => "sendto",
        }
    }
}

#[derive(Debug)]
struct CallCounts {
    calls: AtomicU64,
    errors: [AtomicU64; ERRNOS],
}

impl CallCounts {
    fn new() -> Self {
        Self { calls: AtomicU64::new(0), errors: array::from_fn(|_| AtomicU64::new(0)) }
    }
}

/// The counters of one loop; the meaning of each is documented at [`Truth`].
#[derive(Debug)]
pub(super) struct Counts {
    name: String,
    tid: AtomicU32,
    pub(super) accepted: AtomicU64,
    pub(super) closed: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) refused_requests: AtomicU64,
    pub(super) bytes_read: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    pub(super) stalls: AtomicU64,
    pub(super) emfile: AtomicU64,
    pub(super) accept_eagain: AtomicU64,
    loop_passes: AtomicU64,
    events: AtomicU64,
    events_per_wait: [AtomicU64; WAIT_BUCKETS],
    calls: [CallCounts; Call::ALL.len()],
}

/// Adds to a counter that only the calling thread writes: no locked instruction is needed.
pub(super) fn add(counter: &AtomicU64, amount: usize) {
    let amount = u64::try_from(amount).unwrap_or(u64::MAX);
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counts {
    /// Zero counters of the loop whose thread has this name.
    pub(super) fn new(name: String) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            name,
            tid: AtomicU32::new(0),
            accepted: zero(),
            closed: zero(),
            requests: zero(),
            refused_requests: zero(),
            bytes_read: zero(),
            bytes_written: zero(),
            stalls: zero(),
            emfile: zero(),
            accept_eagain: zero(),
            loop_passes: zero(),
            events: zero(),
            events_per_wait: array::from_fn(|_| zero()),
            calls: array::from_fn(|_| CallCounts::new()),
        }
    }

    /// Name of the loop's thread.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Notes the id of the loop's thread.
    pub(super) fn set_tid(&self, tid: u32) {
        self.tid.store(tid, Ordering::Relaxed);
    }

    /// Counts one system call that has returned, and hands its result on.
    pub(super) fn call<T>(&self, call: Call, result: nix::Result<T>) -> nix::Result<T> {
        if let Some(counts) = self.calls.get(call as usize) {
            add(&counts.calls, 1);
            if let Err(errno) = &result {
                let number = usize::try_from(*errno as i32).unwrap_or(0);
                if let Some(counter) = counts.errors.get(number).or(counts.errors.first()) {
                    add(counter, 1);
                }
            }
        }
        result
    }

    /// Counts one pass of the loop that returned this many events.
    pub(super) fn pass(&self, events: usize) {
        add(&self.loop_passes, 1);
        add(&self.events, events);
        // The number of significant bits: 0 for none, n for 2^(n-1) up to 2^n - 1.
        let bucket = usize::try_from(usize::BITS - events.leading_zeros()).unwrap_or(0);
        if let Some(counter) = self.events_per_wait.get(bucket).or(self.events_per_wait.last()) {
            add(counter, 1);
        }
    }

    /// Adds these counters to a sum over loops.
    pub(super) fn add_to(&self, truth: &mut Truth) {
        // Closed before accepted: a connection that comes and goes in between must not make active negative.
        let closed = read(&self.closed);
        let accepted = read(&self.accepted);
        truth.accepted += accepted;
        truth.closed += closed;
        truth.active += accepted.saturating_sub(closed);
        truth.requests += read(&self.requests);
        truth.refused_requests += read(&self.refused_requests);
        truth.bytes_read += read(&self.bytes_read);
        truth.bytes_written += read(&self.bytes_written);
        truth.loop_passes += read(&self.loop_passes);
        truth.events += read(&self.events);
        truth.stalls += read(&self.stalls);
        truth.emfile += read(&self.emfile);
        truth.accept_eagain += read(&self.accept_eagain);
        self.add_waits(&mut truth.events_per_wait);
        for (call, counts) in Call::ALL.iter().zip(&self.calls) {
            add_call(*call, counts, truth);
        }
        let tid = self.tid.load(Ordering::Relaxed);
        truth.threads.push(Thread {
            name: self.name.clone(),
            tid: (tid != 0).then_some(tid),
            accepted,
            requests: read(&self.requests),
            loop_passes: read(&self.loop_passes),
        });
    }

    fn add_waits(&self, sums: &mut Vec<u64>) {
        let counts: Vec<u64> = self.events_per_wait.iter().map(read).collect();
        let used = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        if sums.len() < used {
            sums.resize(used, 0);
        }
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
}

fn add_call(call: Call, counts: &CallCounts, truth: &mut Truth) {
    let calls = read(&counts.calls);
    if calls == 0 {
        return;
    }
    *truth.syscalls.entry(call.name().to_owned()).or_default() += calls;
    for (number, counter) in (0_i32..).zip(&counts.errors) {
        let failed = read(counter);
        if failed > 0 {
            let errno = format!("{:?}", Errno::from_raw(number));
            let errors: &mut BTreeMap<_, _> = truth.syscall_errors.entry(call.name().to_owned()).or_default();
            *errors.entry(errno).or_default() += failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth_of(counts: &Counts) -> Truth {
        let mut truth = Truth::default();
        counts.add_to(&mut truth);
        truth
    }

    #[test]
    fn every_call_stands_at_its_place() {
        for (place, call) in Call::ALL.iter().enumerate() {
            assert_eq!(place, *call as usize, "{call:?}");
        }
    }

    #[test]
    fn calls_and_errors_are_counted_by_name() {
        let counts = Counts::new(String::from("demo-loop-0"));
        counts.call(Call::Accept4, Ok(3)).unwrap();
        counts.call::<i32>(Call::Accept4, Err(Errno::EAGAIN)).unwrap_err();
        counts.call::<i32>(Call::Accept4, Err(Errno::EMFILE)).unwrap_err();
        counts.call::<i32>(Call::Accept4, Err(Errno::EMFILE)).unwrap_err();
        let truth = truth_of(&counts);
        assert_eq!(truth.syscalls, BTreeMap::from([(String::from("accept4"), 4)]));
        let errors = &truth.syscall_errors["accept4"];
        assert_eq!(errors, &BTreeMap::from([(String::from("EAGAIN"), 1), (String::from("EMFILE"), 2)]));
    }

    #[test]
    fn waits_fall_into_power_of_two_buckets() {
        let counts = Counts::new(String::new());
        for events in [0, 1, 1, 2, 3, 4, 7, 512] {
            counts.pass(events);
        }
        let truth = truth_of(&counts);
        assert_eq!(truth.events_per_wait, vec![1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(truth.loop_passes, truth.events_per_wait.iter().sum::<u64>());
        assert_eq!(truth.events, 530);
    }

    #[test]
    fn sums_over_loops_keep_each_share() {
        let (one, two) = (Counts::new(String::from("a")), Counts::new(String::from("b")));
        add(&one.accepted, 5);
        add(&one.closed, 2);
        add(&two.accepted, 1);
        one.pass(1);
        two.pass(9);
        two.set_tid(77);
        let mut truth = Truth::default();
        one.add_to(&mut truth);
        two.add_to(&mut truth);
        assert_eq!((truth.accepted, truth.closed, truth.active), (6, 2, 4));
        assert_eq!(truth.events_per_wait, vec![0, 1, 0, 0, 1]);
        assert_eq!(truth.threads.iter().map(|thread| thread.accepted).collect::<Vec<_>>(), vec![5, 1]);
        assert_eq!((truth.threads[0].tid, truth.threads[1].tid), (None, Some(77)));
    }
}
