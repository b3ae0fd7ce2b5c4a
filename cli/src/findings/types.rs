//! Findings and what they are made of.

use serde::Serialize;

use crate::model::Quality;

/// How bad it is, mildest first, so that the order of the variants is the order of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Checked and fine.
    Pass,
    /// A fact worth knowing.
    Info,
    /// Works by luck or without pauses.
    Warn,
    /// The declared load cannot work, or damage was measured.
    Fail,
}

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A setting as it is.
    Configured,
    /// A limit against the declared load.
    Computed,
    /// Damage or state that was measured.
    Measured,
}

/// One number behind a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// What it is.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its unit: "connections", "fds", "packets", "ms", ...
    pub unit: &'static str,
    /// Where it was read.
    pub source: String,
    /// How it was obtained.
    pub quality: Quality,
}

/// What kind of change a fix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FixKind {
    /// sysctl or sysctl.d.
    Sysctl,
    /// prlimit on the running process.
    Prlimit,
    /// systemd drop-in or property.
    Systemd,
    /// Kubernetes manifest.
    Kubernetes,
    /// Docker option.
    Docker,
    /// Setting or code of the application.
    Application,
}

/// How long a fix lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// In force at once, gone after a restart.
    Now,
    /// Survives a restart.
    Lasting,
}

/// One change, ready to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// How long it lasts.
    pub scope: Scope,
    /// What kind of change.
    pub kind: FixKind,
    /// The exact command, line or setting.
    pub text: String,
    /// The command that shows that it is in force.
    pub verify: String,
    /// Whether the target must be restarted (or must call listen() again).
    pub restart_needed: bool,
    /// What can go wrong; empty when nothing.
    pub risk: String,
}

/// A verdict with its proof and its remedy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Stable id: `netscope explain ID`.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Where it comes from.
    pub origin: Origin,
    /// What it is about: "127.0.0.1:8080 (nginx, pid 4242)", "pid 4242 (java)", "host", "netns 4026531840".
    pub subject: String,
    /// One line with the decisive number.
    pub title: String,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// The threshold that was crossed, in words and numbers.
    pub threshold: String,
    /// Two or three sentences: what breaks, what the user sees.
    pub explanation: String,
    /// Changes, best first.
    pub fixes: Vec<Fix>,
    /// Page with the mechanism: "netscope explain ID".
    pub see: String,
}

/// A rule that said nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Rule.
    pub id: &'static str,
    /// Reason.
    pub reason: String,
}

/// The load that the target is to carry; what is missing turns rules off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeclaredLoad {
    /// Concurrent client connections.
    pub connections: Option<u64>,
    /// New connections per second.
    pub rate: Option<f64>,
    /// Round-trip time between client and server, seconds.
    pub rtt_seconds: Option<f64>,
    /// Whether the clients run on this host, in this network namespace.
    pub local_clients: bool,
}

/// What all rules said.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Findings above `pass`, worst first; consequences follow their cause.
    pub findings: Vec<Finding>,
    /// Rules that checked and found nothing, with the number they saw.
    pub passed: Vec<Finding>,
    /// Rules that did not apply or could not read what they need.
    pub skipped: Vec<Skipped>,
    /// One sentence: the verdict.
    pub verdict: String,
}
