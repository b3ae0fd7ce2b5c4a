//! What can go wrong, in words that name the attempt, its object, the errno and the way out.

use nix::errno::Errno;

/// A failure that ends the server or the load generator. Failures of single connections are counted, not returned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call was refused.
    #[error("cannot {attempt} {subject}: {errno}{}", advice(*.errno))]
    System {
        /// What was attempted, as a verb: "listen on".
        attempt: &'static str,
        /// What it was attempted on: an address, a limit, a descriptor.
        subject: String,
        /// The reason given by the kernel.
        errno: Errno,
    },
    /// An option has a value that cannot work.
    #[error("option {option}: {reason}")]
    Option {
        /// Name of the option's field.
        option: &'static str,
        /// Which value was given and which would be accepted.
        reason: String,
    },
    /// A thread could not be started.
    #[error(
        "cannot start thread {name}: {source}; raise the limit on processes (ulimit -u) or pids.max of the cgroup"
    )]
    Thread {
        /// Name of the thread.
        name: String,
        /// The reason given by the kernel.
        source: std::io::Error,
    },
    /// A thread ended by a panic: a fault in this crate.
    #[error("thread {name} ended by a panic; please report this")]
    Panicked {
        /// Name of the thread.
        name: String,
    },
}

impl Error {
    /// Makes the conversion for `Result::map_err` on a nix call: "cannot `attempt` `subject`: ERRNO".
    pub(crate) fn system(attempt: &'static str, subject: impl ToString) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System { attempt, subject: subject.to_string(), errno }
    }
}

/// What to do about `errno`, with the leading separator; empty where the errno speaks for itself.
fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EADDRINUSE => "; another socket has this port: `ss -ltnp` names it, or use port 0",
        Errno::EADDRNOTAVAIL => {
            "; this address belongs to no interface of this network namespace: see `ip address`"
        }
        Errno::EACCES => {
            "; ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE: use a higher port"
        }
        Errno::EMFILE => "; the process is at its limit of descriptors: raise `ulimit -n`",
        Errno::ENFILE => "; the host is at fs.file-max: raise it",
        Errno::EPERM => "; a hard limit can only be raised by root (CAP_SYS_RESOURCE): ask for less",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_attempt_subject_errno_and_way_out() {
        let error = Error::system("listen on", "127.0.0.1:80")(Errno::EADDRINUSE);
        let text = error.to_string();
        assert!(text.starts_with("cannot listen on 127.0.0.1:80: EADDRINUSE"), "{text}");
        assert!(text.contains("ss -ltnp"), "{text}");
    }
}
