//! The eBPF programs of netscope. One file per question; every kernel read goes through `read`.
#![no_std]
#![no_main]

mod config;
mod connection;
mod drop;
mod listener;
mod loss;
mod maps;
mod read;
mod sched;
mod setup;
mod syscall;

/// Required for reading typed kernel structs (kernel/bpf/verifier.c, check_ptr_to_btf_access).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the object holds no panicking code, which `cargo xtask object verify` checks.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
