//! The built binary against the kernel's own counters.
//!
//! Every test runs its body in a process of its own inside a fresh network namespace (`netns`), makes
//! traffic whose outcome is known (`traffic`), lets `netscope report` watch it (`watch`), and compares the
//! report with a truth that netscope has no part in: /proc/net/netstat, /proc/PID/task/*/status, the
//! test's own counts (`truth`).
//!
//! Needs root. With `NETSCOPE_TEST_SCENARIO_ONLY` set, the scenarios run and are checked against the
//! kernel's counters alone, without netscope: that tells a wrong scenario from a wrong report.

#[cfg(test)]
mod accept;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod cleanup;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod drops;
#[cfg(test)]
mod helper;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod live;
#[cfg(test)]
mod netns;
#[cfg(test)]
mod process;
#[cfg(test)]
mod report;
#[cfg(test)]
mod segment;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod syscalls;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod truth;
#[cfg(test)]
mod watch;

/// Where processes that a test starts from this very binary begin; does nothing when run as a test.
#[test]
#[ignore = "not a test: the entry point of helper processes"]
fn helper_process() {
    helper::run_role();
}
