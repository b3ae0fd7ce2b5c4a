//! Loading, attaching, and the settings that programs read from maps.

use std::{collections::BTreeMap, io::Read, path::Path};

use aya::{
    Btf as LoaderBtf, Ebpf, EbpfLoader, Endianness,
    maps::{Array, HashMap, MapError, PerCpuArray, PerCpuValues},
    programs::{
        BtfTracePoint, Iter, Program, ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun,
        tp_btf::BtfTracePointLink,
    },
};
use probe_common::limits;

use super::{
    OBJECT, Options,
    btf::Btf,
    catalogue::{self, Hook, PROBES, Probe, When},
    globals::Globals,
    pids,
    status::{Outcome, errno},
};

/// Hash maps whose bound can be lowered with [`Options::map_entries`].
const BOUNDED: &[&str] =
    &["BINDS", "SOCKETS", "LISTENERS", "BUCKETS", "QUEUED", "REFUSED", "THREADS", "ERRORS"];

/// Loads the object and every program of the catalogue that this kernel can run.
pub fn load(options: &Options, cpus: usize) -> Result<(Ebpf, Vec<Outcome>), Outcome> {
    let bytes = std::fs::read(&options.btf).map_err(|error| Outcome::no_btf(&options.btf, &errno(&error)))?;
    let btf = Btf::parse(bytes).map_err(|error| Outcome::no_btf(&options.btf, &error.to_string()))?;
    let possible = u32::try_from(cpus).unwrap_or(limits::CPUS).min(limits::CPUS);
    let globals = Globals::resolve(&btf, &catalogue::tracepoints(), &options.procfs, possible);
    drop(btf);
    let loader_btf = LoaderBtf::parse_file(&options.btf, Endianness::default())
        .map_err(|error| Outcome::no_btf(&options.btf, &error.to_string()))?;
    let mut ebpf = load_object(options, &globals, &loader_btf)?;
    let foreign = pids::foreign_namespace(&options.procfs);
    let outcome = |probe: &Probe| match foreign {
        Some(inode) if probe.when == When::Selected => Outcome::foreign_pids(inode, &options.procfs),
        _ => load_probe(&mut ebpf, probe, &globals, &loader_btf, options),
    };
    let outcomes = PROBES.iter().map(outcome).collect();
    let setup = load_setup(&mut ebpf, &loader_btf).and_then(|()| record_cpu_offsets(&ebpf, cpus));
    match setup {
        Ok(()) => Ok((ebpf, outcomes)),
        Err(error) => Err(Outcome::from_program(&error, options.verbose)),
    }
}

fn load_object(options: &Options, globals: &Globals, btf: &LoaderBtf) -> Result<Ebpf, Outcome> {
    let mut loader = EbpfLoader::new();
    loader.btf(Some(btf));
    for (name, value) in &globals.words {
        loader.override_global(name, value, false);
    }
    for (name, value) in &globals.addresses {
        loader.override_global(name, value, false);
    }
    loader.map_max_entries("TARGETS", target_words(&options.procfs));
    if let Some(entries) = options.map_entries {
        for name in BOUNDED {
            loader.map_max_entries(name, entries.max(1));
        }
    }
    loader.load(OBJECT).map_err(|error| Outcome::from_object(&error))
}

/// Elements of `TARGETS` so that every process id has its byte: pid_max / 8, rounded up.
fn target_words(procfs: &Path) -> u32 {
    /// Largest pid_max of a 64-bit kernel (include/linux/threads.h, PID_MAX_LIMIT).
    const PID_MAX_LIMIT: u32 = 4 << 20;
    let text = std::fs::read_to_string(procfs.join("sys/kernel/pid_max")).unwrap_or_default();
    let maximum = text.trim().parse().unwrap_or(PID_MAX_LIMIT).min(PID_MAX_LIMIT);
    maximum / 8 + 1
}

fn load_probe(
    ebpf: &mut Ebpf,
    probe: &Probe,
    globals: &Globals,
    btf: &LoaderBtf,
    options: &Options,
) -> Outcome {
    for program in probe.programs {
        let Hook::BtfTracepoint(tracepoint) = program.hook;
        if !globals.tracepoints.contains_key(tracepoint) {
            return Outcome::no_tracepoint(tracepoint);
        }
        if let Some(missing) = globals.first_missing(program.needs) {
            return Outcome::no_field(&missing);
        }
        let loaded = btf_tracepoint(ebpf, program.name).and_then(|found| found.load(tracepoint, btf));
        if let Err(error) = loaded {
            return Outcome::from_program(&error, options.verbose);
        }
    }
    Outcome::Ready
}

fn btf_tracepoint<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut BtfTracePoint, ProgramError> {
    match ebpf.program_mut(name) {
        Some(Program::BtfTracePoint(program)) => Ok(program),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// Attaches the programs of a probe that are not attached yet.
pub fn attach(
    ebpf: &mut Ebpf,
    probe: &Probe,
    links: &mut BTreeMap<&'static str, BtfTracePointLink>,
) -> Result<(), Outcome> {
    for program in
        probe.programs.iter().filter(|program| !links.contains_key(program.name)).collect::<Vec<_>>()
    {
        let link = btf_tracepoint(ebpf, program.name).and_then(|found| {
            let id = found.attach()?;
            found.take_link(id)
        });
        match link {
            Ok(link) => links.insert(program.name, link),
            Err(error) => return Err(Outcome::from_program(&error, false)),
        };
    }
    Ok(())
}

fn load_setup(ebpf: &mut Ebpf, btf: &LoaderBtf) -> Result<(), ProgramError> {
    raw_tracepoint(ebpf)?.load()?;
    iterator(ebpf)?.load("tcp", btf)
}

fn raw_tracepoint(ebpf: &mut Ebpf) -> Result<&mut RawTracePoint, ProgramError> {
    ebpf.program_mut("ns_cpu_offset").ok_or(ProgramError::UnexpectedProgramType)?.try_into()
}

fn iterator(ebpf: &mut Ebpf) -> Result<&mut Iter, ProgramError> {
    ebpf.program_mut("ns_listening").ok_or(ProgramError::UnexpectedProgramType)?.try_into()
}

/// Runs the offset program once on every CPU; an offline one is refused and stays without a value.
fn record_cpu_offsets(ebpf: &Ebpf, cpus: usize) -> Result<(), ProgramError> {
    let program: &RawTracePoint =
        ebpf.program("ns_cpu_offset").ok_or(ProgramError::UnexpectedProgramType)?.try_into()?;
    let mut reached = 0;
    let mut refusal = None;
    for cpu in 0..u32::try_from(cpus).unwrap_or(limits::CPUS) {
        let mut run = RawTracePointRunOptions::new();
        run.cpu = Some(cpu);
        match program.test_run(run) {
            Ok(_) => reached += 1,
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(error) if reached == 0 => Err(error),
        _ => Ok(()),
    }
}

/// Lets the programs record namespace `inode`, and feeds them the sockets that listen in it.
pub fn watch_namespace(ebpf: &mut Ebpf, inode: u64) -> Result<(), String> {
    let number =
        u32::try_from(inode).map_err(|_| format!("network namespace {inode} has no 32-bit number"))?;
    let said =
        |what: &str, error: &dyn std::fmt::Display| format!("{what} of network namespace {inode}: {error}");
    let map = ebpf.map_mut("NAMESPACES").ok_or("the object has no map NAMESPACES")?;
    HashMap::<_, u32, u32>::try_from(map)
        .and_then(|mut map| map.insert(number, 1, 0))
        .map_err(|error| said("watching", &error))?;
    let iterator = iterator(ebpf).map_err(|error| said("listing the listeners", &error))?;
    let link = iterator.attach().and_then(|id| iterator.take_link(id));
    let file = link.map_err(|error| said("listing the listeners", &error))?.into_file();
    let mut sink = Vec::new();
    file.map_err(|error| said("listing the listeners", &error))?
        .read_to_end(&mut sink)
        .map(drop)
        .map_err(|error| said("listing the listeners", &error))
}

/// See [`super::Kernel::trace_listener`].
pub fn trace_listener(ebpf: &mut Ebpf, cookie: u64, traced: bool) {
    let map = ebpf.map_mut("SOCKETS").map(HashMap::<_, u64, [u64; 2]>::try_from);
    // The socket may close at any moment, so a failure only means that it is gone.
    let _: Option<Result<(), MapError>> = map.map(|map| {
        let mut map = map?;
        let [listener, before] = map.get(&cookie, 0)?;
        if before == u64::from(traced) {
            return Ok(());
        }
        const BPF_EXIST: u64 = 2;
        map.insert(cookie, [listener, u64::from(traced)], BPF_EXIST)
    });
}

/// Gives slot number `slot` to process `after`, and takes it from process `before`.
pub fn set_slot(ebpf: &mut Ebpf, slot: usize, before: Option<i32>, after: Option<i32>, cpus: usize) {
    if let Some(pid) = before.and_then(|pid| u32::try_from(pid).ok()) {
        mark(ebpf, pid, 0);
    }
    let (Some(pid), Ok(slot)) = (after.and_then(|pid| u32::try_from(pid).ok()), u32::try_from(slot)) else {
        return;
    };
    clear(ebpf, slot, cpus);
    mark(ebpf, pid, u64::from(slot) + 1);
}

/// Writes the byte of process `pid`.
fn mark(ebpf: &mut Ebpf, pid: u32, value: u64) {
    let map = ebpf.map_mut("TARGETS").map(Array::<_, u64>::try_from);
    let _: Option<Result<(), MapError>> = map.map(|map| {
        let mut map = map?;
        let shift = (pid & 7) * 8;
        let word = map.get(&(pid >> 3), 0)? & !(0xff << shift) | (value << shift);
        map.set(pid >> 3, word, 0)
    });
}

/// Zeroes the counters of a slot that no process has: no program writes them meanwhile.
fn clear(ebpf: &mut Ebpf, slot: u32, cpus: usize) {
    const SCHED_WORDS: usize = size_of::<probe_common::process::SchedStats>() / 8;
    const SYSCALL_WORDS: usize = size_of::<probe_common::process::SyscallStats>() / 8;
    if let Some(Ok(mut map)) = ebpf.map_mut("SCHED").map(PerCpuArray::<_, [u64; SCHED_WORDS]>::try_from)
        && let Ok(zeroes) = PerCpuValues::try_from(vec![[0; SCHED_WORDS]; cpus])
    {
        let _ = map.set(slot, zeroes, 0);
    }
    if let Some(Ok(mut map)) = ebpf.map_mut("SYSCALLS").map(PerCpuArray::<_, [u64; SYSCALL_WORDS]>::try_from)
    {
        for number in slot * limits::SYSCALL_NUMBERS..(slot + 1) * limits::SYSCALL_NUMBERS {
            let used =
                map.get(&number, 0).is_ok_and(|values| values.iter().any(|value| value.first() != Some(&0)));
            if used && let Ok(zeroes) = PerCpuValues::try_from(vec![[0; SYSCALL_WORDS]; cpus]) {
                let _ = map.set(number, zeroes, 0);
            }
        }
    }
    if let Some(Ok(mut map)) = ebpf.map_mut("ERRORS").map(aya::maps::PerCpuHashMap::<_, u64, u64>::try_from) {
        let keys: Vec<u64> = map.keys().flatten().filter(|key| key & 0xffff == u64::from(slot)).collect();
        for key in keys {
            let _ = map.remove(&key);
        }
    }
}
