//! The report as a reader of the JSON sees it.

use serde_json::{Value, json};

use crate::netns::skip;
use crate::truth::Counters;

/// Counters that the drop ledger compares, under the kernel's names.
pub const LEDGER: [&str; 5] =
    ["ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies", "SyncookiesSent"];

/// Causes of a drop, in the order of [`Causes`].
const CAUSES: [&str; 5] =
    ["accept_queue_full_syn", "accept_queue_full_ack", "syn_queue_full", "max_syn_backlog", "other"];

/// Drops by cause, in the order accept queue full (SYN), accept queue full (final ACK), SYN queue full,
/// tcp_max_syn_backlog, other.
pub type Causes = [u64; 5];

/// A parsed report.
pub struct Report(Value);

impl Report {
    /// The report `json`.
    pub fn new(json: Value) -> Self {
        assert_eq!(json["schema"], "netscope.report/1");
        Self(json)
    }

    /// The whole object.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// Names of the eBPF probes that run; what sock_diag and /proc stand in for is none.
    pub fn active_probes(&self) -> Vec<&str> {
        let in_kernel = |probe: &&Value| probe["via"] != "sock_diag" && probe["via"] != "procfs";
        self.probes("active").filter(in_kernel).filter_map(|probe| probe["name"].as_str()).collect()
    }

    /// The probes that do not run, each with its reason.
    pub fn why_unavailable(&self) -> String {
        let reasons =
            self.probes("unavailable").map(|probe| format!("{}: {}", probe["name"], probe["reason"]));
        reasons.collect::<Vec<_>>().join("; ")
    }

    fn probes(&self, status: &'static str) -> impl Iterator<Item = &Value> {
        let probes = self.0["probes"].as_array().expect("the report names its probes");
        probes.iter().filter(move |probe| probe["status"] == status)
    }

    /// The listener at `address` and `port`.
    pub fn listener(&self, address: &str, port: u16) -> Part<'_> {
        let listeners = self.0["listeners"].as_array().expect("the report has listeners");
        let found: Vec<_> =
            listeners.iter().filter(|one| one["address"] == address && one["port"] == port).collect();
        assert_eq!(found.len(), 1, "one listener at {address}:{port} among {listeners:#?}");
        Part { report: self, value: found[0] }
    }

    /// The traced process `pid`.
    pub fn process(&self, pid: u32) -> Part<'_> {
        let processes = self.0["processes"].as_array().expect("the report has processes");
        let found = processes.iter().find(|one| one["pid"] == pid);
        Part { report: self, value: found.unwrap_or_else(|| panic!("no process {pid} among {processes:#?}")) }
    }

    /// The drop ledger equals the kernel's counters, and nothing is left over or lost.
    pub fn assert_ledger(&self, truth: &Counters) {
        self.assert_ledger_despite_losses(truth);
        self.assert_nothing_lost();
    }

    /// The drop ledger equals the kernel's counters, and nothing is left over.
    pub fn assert_ledger_despite_losses(&self, truth: &Counters) {
        let Some(ledger) = (Part { report: self, value: &self.0 }).part("ledger") else { return };
        let row = |side: &str| LEDGER.map(|name| ledger.value[side][name].as_u64());
        let expected = truth.row(LEDGER).map(Some);
        assert_eq!(row("attributed"), expected, "attributed to listeners, {LEDGER:?}");
        assert_eq!(row("kernel"), expected, "the kernel's counters as netscope read them, {LEDGER:?}");
        assert_eq!(ledger.value["unattributed"], 0);
    }

    /// Everything that happened was recorded. A program that interrupts itself is skipped by the kernel, which
    /// the report counts as recursion; whether that cost anything is for the comparison of numbers to say.
    pub fn assert_nothing_lost(&self) {
        assert_eq!(self.0["lost"]["reasons"], json!({}), "lost events");
        assert!(self.0["lost"]["recursion"].is_u64(), "{}", self.0["lost"]);
    }
}

/// An object inside a report.
pub struct Part<'a> {
    report: &'a Report,
    /// The object.
    pub value: &'a Value,
}

impl<'a> Part<'a> {
    /// The object `name` in it. Absent, it must be for want of a probe, which is then said as a skip.
    pub fn part(&self, name: &str) -> Option<Part<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null());
        if value.is_none() {
            let why = self.report.why_unavailable();
            assert!(!why.is_empty(), "no {name} although every probe is active:\n{:#}", self.value);
            skip(&format!("{name} is not compared, probes are missing: {why}"));
        }
        value.map(|value| Part { report: self.report, value })
    }

    /// The number `name` in it is `expected`.
    pub fn assert_number(&self, name: &str, expected: u64) {
        if let Some(part) = self.part(name) {
            assert_eq!(part.value.as_u64(), Some(expected), "{name} of {:#}", self.value);
        }
    }

    /// The drops of a listener have these causes, which add up to the total.
    pub fn assert_drops(&self, expected: Causes) {
        let Some(drops) = self.part("drops") else { return };
        let causes = CAUSES.map(|name| drops.value["by_cause"][name].as_u64());
        assert_eq!(causes, expected.map(Some), "{CAUSES:?}");
        assert_eq!(
            drops.value["by_cause"].as_object().unwrap().len(),
            CAUSES.len(),
            "a cause unknown to the test"
        );
        assert_eq!(drops.value["total"].as_u64(), Some(expected.iter().sum()), "total of {CAUSES:?}");
    }

    /// The drops of a listener by cause, when the cause of each is not known beforehand.
    pub fn causes(&self) -> Option<Causes> {
        let drops = self.part("drops")?;
        let causes = CAUSES.map(|name| drops.value["by_cause"][name].as_u64().unwrap());
        self.assert_drops(causes);
        Some(causes)
    }
}
