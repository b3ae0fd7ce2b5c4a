//! Programs that run once at start: where each CPU's counters lie, and which sockets listen already.

use core::ffi::c_void;

use aya_ebpf::{helpers::bpf_get_smp_processor_id, macros::raw_tracepoint, programs::RawTracePointContext};

use crate::{
    config, listener,
    maps::{CPU_OFFSETS, SELF},
    read::{TCP_LISTEN, direct, probe},
};

/// Writes this CPU's offset into `CPU_OFFSETS`; the loader runs it on every CPU (BPF_PROG_TEST_RUN).
///
/// A per-CPU variable lives at its base plus the CPU's offset. `SELF` is one: its base is
/// `bpf_array.pptrs[0]`, and a lookup gives the address on this CPU, so the difference is the offset.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn ns_cpu_offset(_ctx: RawTracePointContext) -> i32 {
    record_offset();
    0
}

#[inline(always)]
fn record_offset() -> Option<()> {
    let scratch = SELF.get_ptr_mut(0)?;
    // Pointers become numbers by a round trip through the map: the verifier refuses arithmetic on them.
    // SAFETY: `scratch` is a non-null map value of two words.
    let (map, here) = unsafe {
        core::ptr::write_volatile(&raw mut (*scratch)[0], &raw const SELF as u64);
        core::ptr::write_volatile(&raw mut (*scratch)[1], scratch as u64);
        (
            core::ptr::read_volatile(&raw const (*scratch)[0]),
            core::ptr::read_volatile(&raw const (*scratch)[1]),
        )
    };
    let base: u64 = probe(map, config::OFF_ARRAY_PPTRS.load())?;
    // SAFETY: no memory is touched.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let _ = CPU_OFFSETS.set(cpu, here.wrapping_sub(base), 0);
    Some(())
}

/// Registers the TCP sockets that listen already; the loader reads one iterator per network namespace.
/// Context: `struct bpf_iter__tcp` of net/ipv4/tcp_ipv4.c, whose second word is the socket.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub extern "C" fn ns_listening(ctx: *mut c_void) -> i32 {
    // SAFETY: the verifier knows the layout of the context.
    let socket = unsafe { *ctx.cast::<*const u8>().add(1) };
    if socket.is_null() {
        return 0;
    }
    if direct::<u8>(socket, config::OFF_SKC_STATE.load()).is_some_and(|state| i32::from(state) == TCP_LISTEN)
    {
        listener::register(socket);
    }
    0
}
