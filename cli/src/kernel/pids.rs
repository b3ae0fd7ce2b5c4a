//! Whether the process ids that netscope reads are those that the programs see.
//!
//! Programs compare with `task_struct.tgid`, an id of the initial PID namespace, while a procfs mount shows the
//! ids of the namespace that it was mounted for (pid_namespaces(7)). In a container the two differ, and a
//! program would count nothing, or another process.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Inode number of the initial PID namespace (include/linux/proc_ns.h, PROC_PID_INIT_INO).
const INITIAL: u64 = 0xEFFF_FFFC;

/// Flag of a kernel thread in /proc/PID/stat (include/linux/sched.h, PF_KTHREAD; proc(5), field 9).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The PID namespace whose ids `procfs` shows, when it is known to be another than the initial one.
///
/// Only the initial namespace has kernel threads, and the first of them, which starts all others, is process 2
/// (init/main.c, rest_init). Where that cannot be seen, process 1 of the mount belongs to the namespace; and
/// whoever may not look at process 1 has to take the own namespace. Nothing is concluded from a tree without any.
pub fn foreign_namespace(procfs: &Path) -> Option<u64> {
    if is_kernel_thread(&procfs.join("2/stat")) {
        return None;
    }
    let inode = |process: &str| -> Option<u64> {
        let path: PathBuf = [procfs, Path::new(process), Path::new("ns/pid")].iter().collect();
        Some(std::fs::metadata(path).ok()?.ino())
    };
    inode("1").or_else(|| inode("self")).filter(|&found| found != INITIAL)
}

fn is_kernel_thread(stat: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(stat) else { return false };
    // The name, in parentheses, may hold anything; the flags are the seventh word after it.
    let after_name = text.rsplit_once(") ").map_or("", |(_, words)| words);
    let flags = after_name.split(' ').nth(6).and_then(|word| word.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) -> u64 {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn process_2_decides_before_process_1_and_that_before_the_own_one() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        assert_eq!(foreign_namespace(root), None);
        let own = write(root, "self/ns/pid", "");
        assert_eq!(foreign_namespace(root), Some(own));
        let first = write(root, "1/ns/pid", "");
        assert_eq!(foreign_namespace(root), Some(first));
        // A process of a container that calls itself what the kernel thread is called.
        write(root, "2/stat", "2 (kthreadd) S 1 2 2 0 -1 4194560 0 0\n");
        assert_eq!(foreign_namespace(root), Some(first));
        write(root, "2/stat", "garbage");
        assert_eq!(foreign_namespace(root), Some(first));
        write(root, "2/stat", "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0\n");
        assert_eq!(foreign_namespace(root), None);
    }

    #[test]
    fn the_initial_namespace_is_not_foreign() {
        let own = fs::read_link("/proc/self/ns/pid").unwrap();
        if own.as_os_str() != "pid:[4026531836]" {
            eprintln!("SKIPPED the_initial_namespace_is_not_foreign: this test runs in {}", own.display());
            return;
        }
        assert_eq!(foreign_namespace(Path::new("/proc")), None);
    }
}
