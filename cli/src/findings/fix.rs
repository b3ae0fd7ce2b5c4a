//! Fixes as commands that work where the target lives.

use super::{Evidence, Fix, FixKind, Scope};
use crate::model::{Listener, Model, Process, Quality};

/// A number read from the kernel as it is.
pub(super) fn exact(name: &str, value: f64, unit: &'static str, source: impl Into<String>) -> Evidence {
    Evidence { name: name.to_owned(), value, unit, source: source.into(), quality: Quality::Exact }
}

/// A number derived from others.
pub(super) fn estimated(name: &str, value: f64, unit: &'static str, source: impl Into<String>) -> Evidence {
    Evidence { quality: Quality::Estimated, ..exact(name, value, unit, source) }
}

/// `command` as it must be typed to act in the target's network namespace: as it is in our own, through
/// nsenter otherwise.
pub(super) fn inside(model: &Model, pid: Option<i32>, command: &str) -> String {
    if model.netns.own != Some(false) {
        return command.to_owned();
    }
    match (pid, model.netns.inode) {
        (Some(pid), _) => format!("nsenter -t {pid} -n {command}"),
        (None, Some(inode)) => {
            format!(
                "nsenter -t \"$(lsns -nt net -o NS,PID | awk '$1 == {inode} {{print $2}}')\" -n {command}"
            )
        }
        (None, None) => format!("{command}  # inside the target's network namespace"),
    }
}

/// The command that shows waiting and limit of a listener (Recv-Q and Send-Q of ss).
pub(super) fn show_listener(model: &Model, listener: &Listener) -> String {
    inside(model, listener.pids.first().copied(), &format!("ss -ltn 'sport = :{}'", listener.port))
}

/// A process through which the target's network namespace can be entered.
pub(super) fn any_pid(model: &Model) -> Option<i32> {
    let of_listener = model.listeners.iter().find_map(|listener| listener.pids.first().copied());
    model.processes.first().map(|process| process.pid).or(of_listener)
}

/// A sysctl to be set.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    /// Key.
    pub key: &'a str,
    /// Value.
    pub value: &'a str,
    /// Whether the target must restart or call listen() again before it matters.
    pub restart_needed: bool,
    /// What can go wrong.
    pub risk: &'a str,
}

impl Setting<'_> {
    fn fix(self, scope: Scope, kind: FixKind, text: String, verify: String) -> Fix {
        Fix { scope, kind, text, verify, restart_needed: self.restart_needed, risk: self.risk.to_owned() }
    }

    fn assignment(self) -> String {
        if self.value.contains(' ') {
            format!("{}=\"{}\"", self.key, self.value)
        } else {
            format!("{}={}", self.key, self.value)
        }
    }

    fn lasting(self, verify: String) -> Fix {
        let Self { key, value, .. } = self;
        let text = format!("echo '{key} = {value}' > /etc/sysctl.d/90-{key}.conf && sysctl --system");
        self.fix(Scope::Lasting, FixKind::Sysctl, text, verify)
    }

    /// Fixes for a sysctl of the whole host.
    pub(super) fn of_host(self) -> Vec<Fix> {
        let verify = format!("sysctl -n {}", self.key);
        let now = format!("sysctl -w {}", self.assignment());
        vec![self.fix(Scope::Now, FixKind::Sysctl, now, verify.clone()), self.lasting(verify)]
    }

    /// Fixes for a sysctl of the target's network namespace: sysctl.d reaches only the host's own.
    pub(super) fn of_netns(self, model: &Model, pid: Option<i32>) -> Vec<Fix> {
        let verify = inside(model, pid, &format!("sysctl -n {}", self.key));
        let now = inside(model, pid, &format!("sysctl -w {}", self.assignment()));
        let mut fixes = vec![self.fix(Scope::Now, FixKind::Sysctl, now, verify.clone())];
        if model.netns.own != Some(false) {
            fixes.push(self.lasting(verify));
            return fixes;
        }
        let docker = format!("docker run --sysctl {} ...", self.assignment());
        let kubernetes = format!(
            "pod: securityContext: {{sysctls: [{{name: {}, value: \"{}\"}}]}}{}",
            self.key,
            self.value,
            if SAFE_IN_PODS.contains(&self.key) { "" } else { "; kubelet: --allowed-unsafe-sysctls='net.*'" }
        );
        // The container is made anew for these, so that nothing else can undo them.
        let anew = Self { restart_needed: true, risk: "", ..self };
        fixes.push(anew.fix(Scope::Lasting, FixKind::Docker, docker, verify.clone()));
        fixes.push(anew.fix(Scope::Lasting, FixKind::Kubernetes, kubernetes, verify));
        fixes
    }
}

/// Sysctls of this catalogue that Kubernetes sets without permission of the node (safe_sysctls.go).
const SAFE_IN_PODS: [&str; 2] = ["net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"];

/// Raises RLIMIT_NOFILE of a process to `soft`, `hard` becoming `hard`.
pub(super) fn raise_nofile(process: &Process, soft: u64, hard: u64) -> Vec<Fix> {
    let pid = process.pid;
    let now = Fix {
        scope: Scope::Now,
        kind: FixKind::Prlimit,
        text: format!("prlimit --pid {pid} --nofile={soft}:{hard}"),
        verify: format!("prlimit --pid {pid} --nofile"),
        restart_needed: false,
        risk: "a server that sized its tables at start (nginx worker_connections, redis maxclients, haproxy \
               maxconn) keeps its own lower limit"
            .to_owned(),
    };
    vec![now, lasting_nofile(process, soft, hard)]
}

fn lasting_nofile(process: &Process, soft: u64, hard: u64) -> Fix {
    let pid = process.pid;
    let by_name = format!("prlimit --pid \"$(pgrep -o -x '{}')\" --nofile", process.comm);
    let (kind, text, verify) = match (&process.unit, in_container(process)) {
        (Some(unit), false) => (
            FixKind::Systemd,
            format!(
                "mkdir -p /etc/systemd/system/{unit}.d && printf \
                 '[Service]\\nLimitNOFILE={soft}:{hard}\\n' > /etc/systemd/system/{unit}.d/nofile.conf && \
                 systemctl daemon-reload && systemctl restart {unit}"
            ),
            format!("systemctl show -p LimitNOFILE,LimitNOFILESoft {unit}"),
        ),
        (_, true) => (FixKind::Docker, format!("docker run --ulimit nofile={soft}:{hard} ..."), by_name),
        (None, false) => (
            FixKind::Application,
            format!("ulimit -n {soft}   # in the script or shell that starts pid {pid} ({})", process.comm),
            by_name,
        ),
    };
    Fix { scope: Scope::Lasting, kind, text, verify, restart_needed: true, risk: String::new() }
}

/// Whether a container runtime made the cgroup of the process.
pub(super) fn in_container(process: &Process) -> bool {
    let runtimes = ["docker", "kubepods", "libpod", "containerd", "crio", "lxc"];
    process.cgroup.as_deref().is_some_and(|cgroup| runtimes.iter().any(|runtime| cgroup.contains(runtime)))
}

/// A change of the application's own setting or code; it starts again for it.
pub(super) fn application(
    text: impl Into<String>,
    verify: impl Into<String>,
    risk: impl Into<String>,
) -> Fix {
    Fix {
        scope: Scope::Lasting,
        kind: FixKind::Application,
        text: text.into(),
        verify: verify.into(),
        restart_needed: true,
        risk: risk.into(),
    }
}
