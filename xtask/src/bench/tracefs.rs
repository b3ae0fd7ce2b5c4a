//! The file system that older tools find tracepoints in. Many machines do not mount it until something asks.

use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount, umount};

/// Where the kernel offers a mount point for it (Documentation/trace/ftrace.rst).
const MOUNT_POINT: &str = "/sys/kernel/tracing";

/// tracefs, mounted for as long as this lives, unless it was mounted before.
#[derive(Debug)]
pub struct Tracefs {
    ours: bool,
}

impl Tracefs {
    /// Mounts tracefs if it is not there. Errors without the privilege to mount.
    pub fn mount() -> Result<Self> {
        if Path::new(MOUNT_POINT).join("events").is_dir() {
            return Ok(Self { ours: false });
        }
        mount(Some("tracefs"), MOUNT_POINT, Some("tracefs"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount tracefs on {MOUNT_POINT}: run as root"))?;
        Ok(Self { ours: true })
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = umount(MOUNT_POINT)
        {
            println!("  warning: cannot unmount {MOUNT_POINT}: {error}");
        }
    }
}
