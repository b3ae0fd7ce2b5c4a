//! Context switches of every thread of a process: /proc/PID/task/TID/status.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::files::{refusal, unexpected};
use crate::sample::{Reading, ThreadSwitches};

/// Reads the switches of all threads below `process` (/proc/PID). Threads that end meanwhile are left out.
pub(super) fn switches(process: &Path) -> Reading<Vec<ThreadSwitches>> {
    let read = || {
        let path = process.join("task");
        let entries = fs::read_dir(&path).map_err(|error| refusal(&path, &error))?;
        let mut threads = Vec::new();
        for entry in entries.flatten() {
            let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let path = entry.path().join("status");
            let text = match fs::read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if vanished(&error) => continue,
                Err(error) => return Err(refusal(&path, &error)),
            };
            let switches = parse(&text).ok_or_else(|| unexpected(&path, &text))?;
            threads.push(ThreadSwitches { tid, voluntary: switches.0, involuntary: switches.1 });
        }
        if threads.is_empty() { Err(format!("{}: no thread left", path.display())) } else { Ok(threads) }
    };
    read().into()
}

/// Whether the error means that the task is gone: no directory any more, or a file of it still open.
pub(super) fn vanished(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::ESRCH))
}

fn parse(status: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
    };
    Some((field("voluntary_ctxt_switches")?, field("nonvoluntary_ctxt_switches")?))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use nix::sys::resource::{UsageWho, getrusage};
    use nix::unistd::gettid;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_thread_of_ours_is_listed_with_its_own_counts() {
        let (report, ready) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            report.send(gettid().as_raw()).unwrap();
            wait.recv().unwrap();
        });
        let other_tid = ready.recv().unwrap();

        let before = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        let readings = switches(Path::new("/proc/self"));
        let after = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        release.send(()).unwrap();
        other.join().unwrap();

        let threads = readings.value().unwrap();
        assert!(threads.iter().any(|thread| thread.tid == other_tid));
        let own = threads.iter().find(|thread| thread.tid == gettid().as_raw()).unwrap();
        let bracket = before.voluntary_context_switches()..=after.voluntary_context_switches();
        assert!(bracket.contains(&i64::try_from(own.voluntary).unwrap()));
        let bracket = before.involuntary_context_switches()..=after.involuntary_context_switches();
        assert!(bracket.contains(&i64::try_from(own.involuntary).unwrap()));
    }

    #[test]
    fn vanished_threads_are_skipped_and_garbage_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let task = directory.path().join("task");
        assert!(switches(directory.path()).reason().unwrap().contains("ENOENT"));

        fs::create_dir_all(task.join("7")).unwrap();
        assert!(switches(directory.path()).reason().unwrap().ends_with("task: no thread left"));

        fs::create_dir_all(task.join("8")).unwrap();
        fs::create_dir_all(task.join("not-a-thread")).unwrap();
        fs::write(task.join("8/status"), "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t2\n")
            .unwrap();
        let expected = vec![ThreadSwitches { tid: 8, voluntary: 5, involuntary: 2 }];
        assert_eq!(switches(directory.path()), Reading::Value(expected));

        fs::write(task.join("8/status"), b"\xff\x00voluntary").unwrap();
        assert!(switches(directory.path()).reason().unwrap().contains("unexpected content"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text: String) {
            prop_assert_eq!(parse(&text), None);
        }
    }
}
