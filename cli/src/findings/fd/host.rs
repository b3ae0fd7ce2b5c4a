//! fs.file-max against the declared load.

use super::number;
use crate::findings::rule::{ByHand, Found, Group, Outcome, Rule, Source, Verified};
use crate::findings::subject::why;
use crate::findings::text::ceil;
use crate::findings::{DeclaredLoad, Origin, Severity, Subject, fix};
use crate::model::Model;

/// Above this fs.file-max is no limit: systemd sets the largest long.
const UNLIMITED: u64 = 1 << 62;

/// Too few file handles on the host.
pub(in crate::findings) const FD_004: Rule = Rule {
    id: "FD-004",
    title: "The host runs out of file handles (fs.file-max)",
    group: Group::Descriptors,
    rank: 16,
    origin: Origin::Computed,
    reads: &["host.file_handles", "host.file_max", "processes[].limits.cap_sys_admin"],
    applies: "Always; the declared connections are added when there are any.",
    formula: "use = open file handles of the host + connections (twice when the clients run here)\n\
              fail: use >= fs.file-max and the target lacks CAP_SYS_ADMIN\n\
              warn: use > fs.file-max - one second of new connections, or the target has CAP_SYS_ADMIN",
    explanation: "At fs.file-max every process of the host gets ENFILE, not only the server: logins, cron \
                  and logging fail as well. A process with CAP_SYS_ADMIN is exempt, so a test as root \
                  passes where the service user fails.",
    mechanism: "alloc_empty_file() (fs/file_table.c) refuses with ENFILE when the number of open files \
                reaches files_stat.max_files and the caller lacks CAP_SYS_ADMIN, and logs \"VFS: file-max \
                limit reached\" once per new maximum. files_maxfiles_init() sets the default to a tenth of \
                memory in KiB; systemd raises it to the largest long.",
    by_hand: &[
        ByHand { command: "cat /proc/sys/fs/file-nr", shows: "open handles, 0, and the maximum" },
        ByHand { command: "dmesg | grep file-max", shows: "whether it was ever reached" },
    ],
    not_when: "Old advice to set fs.file-max is mostly void: on systemd hosts it is unlimited. Only these \
               numbers say whether it matters.",
    sources: &[
        Source {
            reference: "fs/file_table.c alloc_empty_file(), files_maxfiles_init()",
            verified: Verified::Source,
        },
        Source {
            reference: "Documentation/admin-guide/sysctl/fs.rst, file-max",
            verified: Verified::Documentation,
        },
    ],
    caused_by: &[],
    assess,
};

fn assess(model: &Model, load: &DeclaredLoad) -> Vec<Outcome> {
    let Some(maximum) = model.host.file_max else {
        return vec![Outcome::Skip(why(model, "host", "file_max", "not read"))];
    };
    if maximum >= UNLIMITED {
        return vec![Outcome::pass(Subject::Host, "fs.file-max is effectively unlimited")];
    }
    let Some(open) = model.host.file_handles else {
        return vec![Outcome::Skip(why(model, "host", "file_handles", "not read"))];
    };
    let sides = if load.local_clients { 2 } else { 1 };
    let added = load.connections.unwrap_or(0).saturating_mul(sides);
    let used = open.saturating_add(added);
    let reserve = load.rate.map_or(0, ceil);
    if used < maximum && used <= maximum.saturating_sub(reserve) {
        let text = format!("{open} file handles open, {added} to come, fs.file-max {maximum}");
        return vec![Outcome::pass(Subject::Host, text)];
    }
    let exempt = !model.processes.is_empty()
        && model.processes.iter().all(|process| process.limits.cap_sys_admin == Some(true));
    let severity = if used >= maximum && !exempt { Severity::Fail } else { Severity::Warn };
    let who = if exempt {
        "The target has CAP_SYS_ADMIN and passes; everything else on the host would not. "
    } else {
        ""
    };
    let setting = fix::Setting {
        key: "fs.file-max",
        value: "9223372036854775807",
        restart_needed: false,
        risk: "memory is the limit then: about 1 KB of kernel memory per open file",
    };
    let found = Found {
        severity,
        origin: Origin::Computed,
        subject: Subject::Host,
        title: format!("{used} file handles needed on a host that allows {maximum}"),
        evidence: vec![
            fix::exact("open file handles", number(open), "files", "/proc/sys/fs/file-nr"),
            fix::estimated("file handles to come", number(added), "files", "declared connections"),
            fix::exact("fs.file-max", number(maximum), "files", "/proc/sys/fs/file-max"),
        ],
        threshold: format!("{open} + {added} = {used}, fs.file-max {maximum}"),
        detail: format!(
            "{open} file handles are open and {added} would be added; the host allows {maximum}. {who}"
        )
        .trim_end()
        .to_owned(),
        fixes: setting.of_host(),
    };
    vec![found.into()]
}
