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

/// The PID namespace whose ids `procfs` shows, when it is known to be another than the initial one.
///
/// Process 1 of the mount belongs to it; whoever may not look at process 1 has to take the own namespace, which
/// is the same unless another namespace's procfs is mounted. Nothing is concluded from a tree without either.
pub fn foreign_namespace(procfs: &Path) -> Option<u64> {
    let inode = |process: &str| -> Option<u64> {
        let path: PathBuf = [procfs, Path::new(process), Path::new("ns/pid")].iter().collect();
        Some(std::fs::metadata(path).ok()?.ino())
    };
    inode("1").or_else(|| inode("self")).filter(|&found| found != INITIAL)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn process_1_decides_before_the_own_one() {
        let tree = tempfile::tempdir().unwrap();
        assert_eq!(foreign_namespace(tree.path()), None);

        fs::create_dir_all(tree.path().join("self/ns")).unwrap();
        fs::write(tree.path().join("self/ns/pid"), "").unwrap();
        let own = fs::metadata(tree.path().join("self/ns/pid")).unwrap().ino();
        assert_eq!(foreign_namespace(tree.path()), Some(own));

        fs::create_dir_all(tree.path().join("1/ns")).unwrap();
        fs::write(tree.path().join("1/ns/pid"), "").unwrap();
        let first = fs::metadata(tree.path().join("1/ns/pid")).unwrap().ino();
        assert_eq!(foreign_namespace(tree.path()), Some(first));
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
