//! One process, as /proc shows it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::process::{Stat, Status};

use super::Roots;
use super::cgroup::{Cgroup, cgroup};
use super::fds::FdReader;
use super::files::{refusal, text, unexpected};
use super::limits::limit;
use super::netns::NetnsRef;
use super::pace::Pace;
use super::switches::{switches, vanished};
use crate::sample::{Process, Reading};

/// Why a process could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// It does not exist, has ended, or its id belongs to another process by now.
    #[error("process {pid} does not exist (or /proc hides it: mount option hidepid)")]
    Gone {
        /// Process id.
        pid: i32,
    },
    /// Not even the files that everybody may read are readable.
    #[error("cannot read process {pid}: {reason}")]
    Unreadable {
        /// Process id.
        pid: i32,
        /// Which file, and why.
        reason: String,
    },
}

/// Reads one process again and again, and notices when its id was given to another one.
#[derive(Debug)]
pub struct ProcessReader {
    roots: Roots,
    directory: PathBuf,
    pid: i32,
    start_ticks: u64,
    ticks_per_second: u64,
    fds: FdReader,
    expensive: Option<(Pace, Expensive)>,
}

/// Readings that take the target's memory lock for a long walk; repeated once in a while only ([`Pace`]).
#[derive(Clone, Debug)]
struct Expensive {
    pss_bytes: Reading<u64>,
    maps: Reading<u64>,
}

impl ProcessReader {
    /// Prepares to read process `pid` (a thread group id, see [`thread_group`]).
    ///
    /// # Errors
    /// [`ProcessError::Gone`] when there is no such process or it is a zombie, [`ProcessError::Unreadable`]
    /// when /proc/PID/stat is not.
    pub fn open(roots: &Roots, pid: i32) -> Result<Self, ProcessError> {
        let directory = roots.process(pid);
        let stat = read_stat(&directory, pid)?;
        Ok(Self {
            roots: roots.clone(),
            directory,
            pid,
            start_ticks: stat.starttime,
            ticks_per_second: procfs::ticks_per_second().max(1),
            fds: FdReader::default(),
            expensive: None,
        })
    }

    /// Process id.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Reads the process. PSS, the number of memory maps, and the kinds of more than 5,000 descriptors are
    /// five seconds old or, when reading them takes long, older.
    ///
    /// `tcp_inodes` are the inodes of the TCP sockets of the process's network namespace
    /// ([`super::NamespaceReader::tcp_inodes`]); without them [`crate::sample::Fds::tcp_connections`] is `None`.
    ///
    /// # Errors
    /// [`ProcessError::Gone`] when the process ended or its id was reused since [`ProcessReader::open`],
    /// [`ProcessError::Unreadable`] when /proc/PID/stat or status is not readable.
    pub fn read(&mut self, tcp_inodes: Option<&HashSet<u64>>) -> Result<Process, ProcessError> {
        let stat = self.stat_of_the_same_process()?;
        let status = self.status()?;
        let limits_path = self.directory.join("limits");
        let limits = text(&limits_path);
        let Cgroup { limits: cgroup, unit } = cgroup(&self.roots, self.pid);
        let expensive = self.expensive();
        let process = Process {
            pid: self.pid,
            start_ticks: self.start_ticks,
            uid: status.ruid,
            exe: self.exe(),
            cmdline: self.cmdline(),
            netns: self.netns(),
            cap_effective: Reading::Value(status.capeff),
            threads: status.threads,
            cpu_user_us: self.microseconds(stat.utime),
            cpu_system_us: self.microseconds(stat.stime),
            rss_bytes: kibibytes(status.vmrss)
                .ok_or("a kernel thread has no memory of its own".to_owned())
                .into(),
            pss_bytes: expensive.pss_bytes,
            maps: expensive.maps,
            fds: self.fds.read(&self.directory, tcp_inodes),
            nofile: limit(&limits_path, &limits, "Max open files"),
            nproc: limit(&limits_path, &limits, "Max processes"),
            cgroup,
            unit,
            switches: switches(&self.directory),
            comm: stat.comm,
        };
        // A file that vanished in the middle must not look like a process that hides something.
        self.stat_of_the_same_process()?;
        Ok(process)
    }

    fn stat_of_the_same_process(&self) -> Result<Stat, ProcessError> {
        let stat = read_stat(&self.directory, self.pid)?;
        if stat.starttime == self.start_ticks { Ok(stat) } else { Err(ProcessError::Gone { pid: self.pid }) }
    }

    fn status(&self) -> Result<Status, ProcessError> {
        let path = self.directory.join("status");
        let text = read(&path, self.pid)?;
        // Through text, because a process may choose a name that is not UTF-8, which procfs refuses.
        Status::from_read(text.as_bytes())
            .map_err(|_| ProcessError::Unreadable { pid: self.pid, reason: unexpected(&path, &text) })
    }

    fn exe(&self) -> Reading<String> {
        let path = self.directory.join("exe");
        fs::read_link(&path)
            .map(|target| target.to_string_lossy().into_owned())
            .map_err(|error| refusal(&path, &error))
            .into()
    }

    fn cmdline(&self) -> Reading<String> {
        let path = self.directory.join("cmdline");
        text(&path)
            .and_then(|text| {
                let arguments = text.trim_end_matches('\0').replace('\0', " ");
                if arguments.is_empty() { Err(format!("{}: empty", path.display())) } else { Ok(arguments) }
            })
            .into()
    }

    fn netns(&self) -> Reading<u64> {
        NetnsRef::of_process(&self.roots, self.pid)
            .map(|netns| netns.inode())
            .map_err(|error| error.to_string())
            .into()
    }

    fn microseconds(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(1_000_000) / self.ticks_per_second
    }

    fn expensive(&mut self) -> Expensive {
        if let Some((_, expensive)) = self.expensive.as_ref().filter(|(pace, _)| !pace.due()) {
            return expensive.clone();
        }
        let (expensive, pace) = Pace::time(|| read_expensive(&self.directory));
        self.expensive = Some((pace, expensive.clone()));
        expensive
    }
}

fn read_expensive(directory: &Path) -> Expensive {
    let smaps = directory.join("smaps_rollup");
    let maps = directory.join("maps");
    Expensive {
        pss_bytes: text(&smaps)
            .and_then(|text| proportional_bytes(&text).ok_or_else(|| unexpected(&smaps, &text)))
            .into(),
        maps: count_lines(&maps).map_err(|error| refusal(&maps, &error)).into(),
    }
}

/// The process that thread `tid` belongs to: what users copy from top or htop may be a thread.
///
/// # Errors
/// As [`ProcessReader::open`].
pub fn thread_group(roots: &Roots, tid: i32) -> Result<i32, ProcessError> {
    let path = roots.process(tid).join("status");
    let text = read(&path, tid)?;
    text.lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
        .ok_or_else(|| ProcessError::Unreadable { pid: tid, reason: unexpected(&path, &text) })
}

fn read(path: &Path, pid: i32) -> Result<String, ProcessError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if vanished(&error) => Err(ProcessError::Gone { pid }),
        Err(error) => Err(ProcessError::Unreadable { pid, reason: refusal(path, &error) }),
    }
}

fn read_stat(directory: &Path, pid: i32) -> Result<Stat, ProcessError> {
    let path = directory.join("stat");
    let text = read(&path, pid)?;
    let stat = parse_stat(&text)
        .ok_or_else(|| ProcessError::Unreadable { pid, reason: unexpected(&path, &text) })?;
    // A zombie has given up its memory, descriptors and namespaces.
    if matches!(stat.state, 'Z' | 'X') { Err(ProcessError::Gone { pid }) } else { Ok(stat) }
}

/// Parses /proc/PID/stat. The parser of procfs slices without a check around the name's parentheses, so the
/// places that it slices at are checked first.
fn parse_stat(text: &str) -> Option<Stat> {
    let text = text.trim();
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    text.get(..open.checked_sub(1)?)?;
    text.get(open + 1..close)?;
    text.get(close + 2..)?;
    Stat::from_read(text.as_bytes()).ok()
}

fn kibibytes(amount: Option<u64>) -> Option<u64> {
    amount?.checked_mul(1024)
}

/// The line "Pss: 123 kB" of smaps_rollup.
fn proportional_bytes(smaps_rollup: &str) -> Option<u64> {
    let rest = smaps_rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    kibibytes(rest.split_whitespace().next()?.parse().ok())
}

fn count_lines(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut lines = 0;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(lines);
        }
        lines += chunk.iter().fold(0, |lines, byte| lines + u64::from(*byte == b'\n'));
        let length = chunk.len();
        reader.consume(length);
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
