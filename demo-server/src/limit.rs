//! The process's own limit on descriptors.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Error;

/// A changed soft RLIMIT_NOFILE, put back when this is dropped.
#[derive(Debug)]
pub(crate) struct Changed {
    soft: u64,
}

impl Changed {
    /// Sets the soft limit of this process, up to its hard limit.
    pub(crate) fn to(limit: u64) -> Result<Self, Error> {
        let (soft, hard) = limits()?;
        if limit > hard {
            let reason = format!("{limit} is above the hard limit of this process, {hard}: see `ulimit -Hn`");
            return Err(Error::Option { option: "max_fds", reason });
        }
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).map_err(Error::system("set", "RLIMIT_NOFILE"))?;
        Ok(Self { soft })
    }

    /// Raises the soft limit to this many descriptors, or as far as the hard limit lets; `None` if it is that
    /// high already.
    pub(crate) fn at_least(wanted: u64) -> Result<Option<Self>, Error> {
        let (soft, hard) = limits()?;
        if soft >= wanted.min(hard) { Ok(None) } else { Self::to(wanted.min(hard)).map(Some) }
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        if let Ok((_, hard)) = limits() {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, self.soft, hard);
        }
    }
}

fn limits() -> Result<(u64, u64), Error> {
    getrlimit(Resource::RLIMIT_NOFILE).map_err(Error::system("read", "RLIMIT_NOFILE"))
}
