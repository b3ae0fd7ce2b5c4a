//! Context switches and run-queue latency of the traced processes.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::btf_tracepoint, programs::BtfTracePointContext};
use probe_common::{
    histogram::{RUN_QUEUE_BUCKETS, RUN_QUEUE_SUB_BITS, bucket},
    loss::Loss,
    process::{SchedStats, Thread},
};

use crate::{
    config,
    loss::lost,
    maps::{RUNNING, SCHED, THREADS},
    read::{add, direct, store, value},
    syscall::slot_of,
};

/// kernel/sched/core.c, __schedule: called for each switch, after the task's own counters were raised.
#[btf_tracepoint(function = "sched_switch")]
pub fn ns_sched_switch(ctx: BtfTracePointContext) -> i32 {
    let previous: *const u8 = ctx.arg(1);
    let next: *const u8 = ctx.arg(2);
    let prev_state: u64 = if config::HAS_PREV_STATE.load() == 1 { ctx.arg(3) } else { 0 };
    if let Some(slot) = target(previous) {
        let preempted: u64 = ctx.arg(0);
        switched_out(previous, slot, preempted & 1 == 0 && prev_state != 0, prev_state);
    }
    if let Some(slot) = target(next) {
        switched_in(next, slot);
    }
    0
}

/// kernel/sched/core.c, ttwu_do_wakeup: a thread became runnable.
#[btf_tracepoint(function = "sched_wakeup")]
pub fn ns_sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    woken(ctx.arg(0));
    0
}

/// kernel/sched/core.c, wake_up_new_task: a thread was created.
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn ns_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    woken(ctx.arg(0));
    0
}

#[inline(always)]
fn target(task: *const u8) -> Option<u32> {
    slot_of(direct(task, config::OFF_TASK_TGID.load())?)
}

#[inline(always)]
fn woken(task: *const u8) -> Option<()> {
    let slot = target(task)?;
    let stats = SCHED.get_ptr_mut(slot)?;
    // SAFETY: a non-null per-CPU map value.
    add(unsafe { &raw mut (*stats).wakeups }, 1);
    let thread = thread_of(task)?;
    // SAFETY: a non-null map value.
    store(unsafe { &raw mut (*thread).runnable_ns }, unsafe { bpf_ktime_get_ns() });
    Some(())
}

/// State of a thread, made on first sight: its switch counters start at what the kernel says now.
#[inline(always)]
fn thread_of(task: *const u8) -> Option<*mut Thread> {
    let id: u32 = direct(task, config::OFF_TASK_PID.load())?;
    if let Some(thread) = THREADS.get_ptr_mut(id) {
        return Some(thread);
    }
    let voluntary = direct(task, config::OFF_TASK_NVCSW.load())?;
    let involuntary = direct(task, config::OFF_TASK_NIVCSW.load())?;
    if THREADS.insert(id, Thread { runnable_ns: 0, syscall_ns: 0, voluntary, involuntary }, 0).is_err() {
        lost(Loss::ThreadsFull);
    }
    THREADS.get_ptr_mut(id)
}

/// Counts the switch. The kernel's own per-task counters decide what kind it was: `prev_state` alone errs
/// when a signal cut the wait short.
#[inline(always)]
fn switched_out(task: *const u8, slot: u32, waits: bool, prev_state: u64) -> Option<()> {
    const TASK_DEAD: u64 = 0x80;
    let stats = SCHED.get_ptr_mut(slot)?;
    let id: u32 = direct(task, config::OFF_TASK_PID.load())?;
    let Some(thread) = THREADS.get_ptr_mut(id) else {
        // Without a predecessor there is nothing to subtract from.
        // SAFETY: a non-null per-CPU map value.
        unsafe {
            add(&raw mut (*stats).voluntary, u64::from(waits));
            add(&raw mut (*stats).involuntary, u64::from(!waits));
        }
        return leave(thread_of(task)?, id, prev_state);
    };
    let voluntary: u64 = direct(task, config::OFF_TASK_NVCSW.load())?;
    let involuntary: u64 = direct(task, config::OFF_TASK_NIVCSW.load())?;
    // SAFETY: non-null map values.
    unsafe {
        add(&raw mut (*stats).voluntary, voluntary.wrapping_sub((*thread).voluntary));
        add(&raw mut (*stats).involuntary, involuntary.wrapping_sub((*thread).involuntary));
        (*thread).voluntary = voluntary;
        (*thread).involuntary = involuntary;
    }
    if prev_state & TASK_DEAD != 0 {
        let _ = THREADS.remove(id);
        return Some(());
    }
    leave(thread, id, prev_state)
}

/// Notes when a preempted thread began to wait for a CPU, and saves the system call it is in.
#[inline(always)]
fn leave(thread: *mut Thread, id: u32, prev_state: u64) -> Option<()> {
    // SAFETY: a non-null map value; no memory is touched by the clock.
    unsafe { (*thread).runnable_ns = if prev_state == 0 { bpf_ktime_get_ns() } else { 0 } };
    let running = RUNNING.get_ptr_mut(0)?;
    let current = value(running);
    if current.thread == u64::from(id) {
        // SAFETY: non-null map values.
        unsafe {
            (*thread).syscall_ns = current.since_ns;
            (*running).thread = 0;
        }
    }
    Some(())
}

#[inline(always)]
fn switched_in(task: *const u8, slot: u32) -> Option<()> {
    let id: u32 = direct(task, config::OFF_TASK_PID.load())?;
    let thread = THREADS.get_ptr_mut(id)?;
    let state = value(thread);
    if state.runnable_ns != 0 {
        // SAFETY: no memory is touched.
        let waited = unsafe { bpf_ktime_get_ns() }.saturating_sub(state.runnable_ns);
        // SAFETY: a non-null map value.
        store(unsafe { &raw mut (*thread).runnable_ns }, 0);
        count_wait(SCHED.get_ptr_mut(slot)?, waited);
    }
    if state.syscall_ns != 0 {
        let running = RUNNING.get_ptr_mut(0)?;
        // SAFETY: non-null map values.
        unsafe {
            (*running).thread = u64::from(id);
            (*running).since_ns = state.syscall_ns;
            (*thread).syscall_ns = 0;
        }
    }
    Some(())
}

#[inline(always)]
fn count_wait(stats: *mut SchedStats, waited: u64) {
    let index = bucket(waited, RUN_QUEUE_SUB_BITS);
    let index = if index < RUN_QUEUE_BUCKETS { index } else { RUN_QUEUE_BUCKETS - 1 };
    // SAFETY: a non-null per-CPU map value and an index inside the array.
    unsafe {
        add(&raw mut (*stats).run_queue_sum, waited);
        add((&raw mut (*stats).run_queue).cast::<u64>().add(index as usize), 1);
    }
}
