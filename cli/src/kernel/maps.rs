//! Reads maps in few system calls, and turns their bytes into types in one checked place.

use std::{io, os::fd::AsRawFd};

use aya::maps::MapData;
use probe_common::{
    listener::{Bind, BindKey, Bucket, BucketKey, ListenerStats},
    process::{ErrorKey, SchedStats, SyscallStats},
};

/// A type that is valid for every pattern of bytes and shared with the programs.
///
/// # Safety
/// Implementors are `repr(C)`, hold integers and arrays of integers only, and have no implicit padding.
unsafe trait Flat: Copy {}

// SAFETY: integers.
unsafe impl Flat for u32 {}
// SAFETY: integers.
unsafe impl Flat for u64 {}
// SAFETY: flat by the rules of probe-common, sizes asserted there.
unsafe impl Flat for BindKey {}
// SAFETY: as above.
unsafe impl Flat for Bind {}
// SAFETY: as above.
unsafe impl Flat for ListenerStats {}
// SAFETY: as above.
unsafe impl Flat for BucketKey {}
// SAFETY: as above.
unsafe impl Flat for Bucket {}
// SAFETY: as above.
unsafe impl Flat for SchedStats {}
// SAFETY: as above.
unsafe impl Flat for SyscallStats {}
// SAFETY: as above.
unsafe impl Flat for ErrorKey {}

/// Types that may be read out of a map.
#[expect(private_bounds, reason = "sealed: only this file says what is flat")]
pub trait Shared: Flat {}
impl<T: Flat> Shared for T {}

fn from_bytes<T: Shared>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: the slice is long enough, and every pattern is a valid `T`.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Commands of bpf(2).
const BPF_MAP_LOOKUP_ELEM: nix::libc::c_long = 1;
const BPF_MAP_LOOKUP_BATCH: nix::libc::c_long = 24;
/// Elements asked for at once.
const BATCH: u32 = 1024;

/// The `batch` member of `union bpf_attr` (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct BatchAttributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// The element member of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct ElementAttributes {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Bytes of a map value as user space sees it: per-CPU values are rounded up and repeated.
fn stride<V>(copies: usize) -> usize {
    if copies == 1 { size_of::<V>() } else { size_of::<V>().next_multiple_of(8) }
}

/// Splits one element's bytes into the copies of each CPU.
fn copies<V: Shared>(bytes: &[u8], copies: usize) -> Vec<V> {
    bytes.chunks_exact(stride::<V>(copies)).filter_map(from_bytes).collect()
}

/// All elements of a hash map; `cpus` copies of each value for a per-CPU map, 1 otherwise.
///
/// # Errors
/// What bpf(2) returns.
pub fn entries<K: Shared, V: Shared>(map: &MapData, cpus: usize) -> io::Result<Vec<(K, Vec<V>)>> {
    let value_bytes = stride::<V>(cpus) * cpus;
    let mut found = Vec::new();
    let mut cursor: Option<[u8; 64]> = None;
    let mut wanted = BATCH;
    loop {
        let room = usize::try_from(wanted).unwrap_or(0);
        let mut keys = vec![0_u8; room * size_of::<K>()];
        let mut values = vec![0_u8; room * value_bytes];
        let mut next = [0_u8; 64];
        let mut attributes = BatchAttributes {
            in_batch: cursor.as_ref().map_or(0, |cursor| cursor.as_ptr() as u64),
            out_batch: next.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: wanted,
            map_fd: descriptor(map),
            ..BatchAttributes::default()
        };
        let outcome = bpf(BPF_MAP_LOOKUP_BATCH, &mut attributes);
        if let Err(error) = &outcome {
            match error.raw_os_error() {
                // A bucket holds more elements than were asked for.
                Some(nix::libc::ENOSPC) if wanted < 1 << 20 => {
                    wanted *= 2;
                    continue;
                }
                Some(nix::libc::ENOENT) => {}
                _ => return outcome.map(|()| found),
            }
        }
        let count = usize::try_from(attributes.count).unwrap_or(0).min(room);
        let pairs = keys.chunks_exact(size_of::<K>()).zip(values.chunks_exact(value_bytes)).take(count);
        found.extend(pairs.filter_map(|(key, value)| Some((from_bytes(key)?, copies(value, cpus)))));
        if outcome.is_err() {
            return Ok(found);
        }
        cursor = Some(next);
    }
}

/// Element `index` of an array map.
///
/// # Errors
/// What bpf(2) returns.
pub fn element<V: Shared>(map: &MapData, index: u32, cpus: usize) -> io::Result<Vec<V>> {
    let mut value = vec![0_u8; stride::<V>(cpus) * cpus];
    let mut attributes = ElementAttributes {
        map_fd: descriptor(map),
        key: &raw const index as u64,
        value: value.as_mut_ptr() as u64,
        ..ElementAttributes::default()
    };
    bpf(BPF_MAP_LOOKUP_ELEM, &mut attributes)?;
    Ok(copies(&value, cpus))
}

/// Elements `start..start + count` of an array map.
///
/// # Errors
/// What bpf(2) returns.
pub fn range<V: Shared>(
    map: &MapData,
    start: u32,
    count: u32,
    cpus: usize,
) -> io::Result<Vec<(u32, Vec<V>)>> {
    let room = usize::try_from(count).unwrap_or(0);
    let value_bytes = stride::<V>(cpus) * cpus;
    let mut keys = vec![0_u8; room * size_of::<u32>()];
    let mut values = vec![0_u8; room * value_bytes];
    // The cursor of an array map is the key before the next one.
    let before = start.wrapping_sub(1);
    let mut next = 0_u32;
    let mut attributes = BatchAttributes {
        in_batch: if start == 0 { 0 } else { &raw const before as u64 },
        out_batch: &raw mut next as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count,
        map_fd: descriptor(map),
        ..BatchAttributes::default()
    };
    match bpf(BPF_MAP_LOOKUP_BATCH, &mut attributes) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => {}
        // Per-CPU arrays have no batch command before Linux 5.13.
        Err(_) => {
            return (start..start + count).map(|index| Ok((index, element(map, index, cpus)?))).collect();
        }
    }
    let count = usize::try_from(attributes.count).unwrap_or(0).min(room);
    let pairs = keys.chunks_exact(size_of::<u32>()).zip(values.chunks_exact(value_bytes)).take(count);
    Ok(pairs.filter_map(|(key, value)| Some((from_bytes(key)?, copies(value, cpus)))).collect())
}

fn descriptor(map: &MapData) -> u32 {
    use std::os::fd::AsFd;
    u32::try_from(map.fd().as_fd().as_raw_fd()).unwrap_or(u32::MAX)
}

fn bpf<A>(command: nix::libc::c_long, attributes: &mut A) -> io::Result<()> {
    // SAFETY: `attributes` is laid out as the command expects, and its pointers outlive the call.
    let result =
        unsafe { nix::libc::syscall(nix::libc::SYS_bpf, command, &raw mut *attributes, size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
