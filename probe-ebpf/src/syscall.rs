//! System calls of the traced processes: how often, with what outcome, how long.
//!
//! Entry and return meet in a per-CPU slot: most calls do not block, so they return on the CPU they started
//! on. A call that blocks is saved with its thread when the scheduler switches away from it (`sched`).

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use probe_common::{
    histogram::{SYSCALL_BUCKETS, syscall_bucket},
    limits::{SYSCALL_NUMBERS, TARGETS as SLOTS},
    loss::Loss,
    process::ErrorKey,
};

use crate::{
    config, connection,
    loss::lost,
    maps::{ERRORS, RUNNING, SYSCALLS, TARGETS},
    read::{add, direct, value},
};

/// Largest errno that a system call returns (include/linux/err.h, MAX_ERRNO).
const MAX_ERRNO: i64 = 4095;

/// The slot of a traced process.
#[inline(always)]
pub fn slot_of(process: u32) -> Option<u32> {
    let word = value(TARGETS.get_ptr(process >> 3)?);
    let slot = (word >> ((process & 7) * 8)) as u8;
    if slot == 0 { None } else { Some(u32::from(slot) - 1) }
}

/// kernel/entry/syscall-common.c, trace_syscall_enter: notes the time for the traced processes.
#[btf_tracepoint(function = "sys_enter")]
pub fn ns_sys_enter(_ctx: BtfTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    if slot_of((id >> 32) as u32).is_some()
        && let Some(running) = RUNNING.get_ptr_mut(0)
    {
        // SAFETY: a non-null per-CPU map value; no memory is touched by the clock.
        unsafe {
            (*running).thread = id & 0xffff_ffff;
            (*running).since_ns = bpf_ktime_get_ns();
        }
    }
    0
}

/// kernel/entry/syscall-common.c, trace_syscall_exit: counts the call.
#[btf_tracepoint(function = "sys_exit")]
pub fn ns_sys_exit(ctx: BtfTracePointContext) -> i32 {
    let id = bpf_get_current_pid_tgid();
    if let Some(slot) = slot_of((id >> 32) as u32) {
        let registers: *const u8 = ctx.arg(0);
        let result: i64 = ctx.arg(1);
        returned(slot, id & 0xffff_ffff, registers, result);
    }
    0
}

#[inline(always)]
fn returned(slot: u32, thread: u64, registers: *const u8, result: i64) -> Option<()> {
    // SAFETY: no memory is touched.
    let now = unsafe { bpf_ktime_get_ns() };
    let number: u64 = direct(registers, config::OFF_REGS_NUMBER.load())?;
    if number >= u64::from(SYSCALL_NUMBERS) || slot >= SLOTS {
        return None;
    }
    let number = number as u32;
    let stats = SYSCALLS.get_ptr_mut(slot * SYSCALL_NUMBERS + number)?;
    // SAFETY: a non-null per-CPU map value.
    add(unsafe { &raw mut (*stats).calls }, 1);
    let running = RUNNING.get_ptr_mut(0)?;
    let current = value(running);
    // A call that was under way when the probes were attached is counted, but not timed.
    if current.thread == thread {
        let took = now.saturating_sub(current.since_ns);
        let bucket = syscall_bucket(took) & (SYSCALL_BUCKETS - 1);
        // SAFETY: non-null map values and an index inside the array.
        unsafe {
            (*running).thread = 0;
            add(&raw mut (*stats).total_ns, took);
            add((&raw mut (*stats).buckets).cast::<u64>().add(bucket as usize), 1);
        }
    }
    if result < 0 && result >= -MAX_ERRNO {
        failed(slot, number, (-result) as u32);
    } else if number == config::NUMBER_ACCEPT4.load() || number == config::NUMBER_ACCEPT.load() {
        connection::accepted(result as u64);
    }
    Some(())
}

#[inline(never)]
fn failed(slot: u32, number: u32, errno: u32) {
    let key = ErrorKey { slot: slot as u16, number: number as u16, errno };
    if let Some(count) = ERRORS.get_ptr_mut(key) {
        add(count, 1);
    } else if ERRORS.insert(key, 1, 0).is_err() {
        lost(Loss::ErrorsFull);
    }
}

const _: () = assert!(SYSCALL_BUCKETS.is_power_of_two());
