//! The stages of the tool: each imports only those before it, and the pure ones do no input or output.

use super::Violation;
use super::source::{Path, Source};

/// Every stage with the other stages that it may name; `None` where a composition may name all.
const STAGES: [(&str, Option<&[&str]>); 10] = [
    ("sample", Some(&[])),
    ("host", Some(&["sample"])),
    ("kernel", Some(&["sample"])),
    ("target", Some(&["sample", "host"])),
    ("collect", Some(&["sample", "host", "kernel", "target"])),
    ("model", Some(&["sample"])),
    ("findings", Some(&["sample", "model"])),
    ("view", Some(&["sample", "model", "findings"])),
    ("commands", None),
    ("args", None),
];
/// Stages that are total functions of their input.
const PURE: [&str; 2] = ["model", "findings"];
/// What a pure stage may name of `std::net`.
const ADDRESSES: [&str; 8] = [
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
    "AddrParseError",
    "Ipv6MulticastScope",
];

/// Checks one file of the tool; test code is free.
#[must_use]
pub fn check(source: &Source) -> Vec<Violation> {
    let Some(module) = module(&source.path) else { return Vec::new() };
    let Some((stage, allowed)) =
        module.first().and_then(|name| STAGES.iter().find(|(stage, _)| stage == name))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in source.paths().iter().filter(|path| !path.in_test) {
        if let Some(allowed) = allowed {
            let target = inside_crate(&module, path);
            let wrong = match target.as_deref() {
                Some("*") => true,
                Some(name) => {
                    name != *stage
                        && STAGES.iter().any(|(stage, _)| *stage == name)
                        && !allowed.contains(&name)
                }
                None => false,
            };
            if wrong {
                let target = target.unwrap_or_default();
                let names = if allowed.is_empty() { "no other stage".to_owned() } else { allowed.join(", ") };
                found.push(
                    source
                        .violation(path.line, format!("{stage} must not name {target}: it may use {names}")),
                );
            }
        }
        if PURE.contains(stage)
            && let Some(what) = input_or_output(&path.segments)
        {
            found.push(
                source
                    .violation(path.line, format!("{stage} is pure: {what} belongs to collect or commands")),
            );
        }
    }
    found
}

/// The module path of a file of the tool's library, from the crate's root; `None` for any other file.
fn module(path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix("cli/src/")?.strip_suffix(".rs")?;
    let mut parts: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    Some(parts)
}

/// The first module below the crate's root that `path`, written in `module`, leads to.
fn inside_crate(module: &[String], path: &Path) -> Option<String> {
    let mut segments = path.segments.iter();
    let first = segments.next()?;
    let mut place: Vec<&str> = match first.as_str() {
        "crate" | "netscope" => Vec::new(),
        "super" => module.iter().take(module.len().checked_sub(1)?).map(String::as_str).collect(),
        _ => return None,
    };
    for segment in segments {
        if segment == "super" {
            place.pop()?;
        } else {
            place.push(segment);
        }
    }
    place.first().map(|name| (*name).to_owned())
}

/// What of `segments` reads a clock, a file, the network or the environment.
fn input_or_output(segments: &[String]) -> Option<String> {
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let Some(clock) = names.iter().find(|name| ["SystemTime", "Instant"].contains(name)) {
        return Some((*clock).to_owned());
    }
    match names.as_slice() {
        ["std", room @ ("fs" | "env" | "process" | "thread" | "os"), ..] => Some(format!("std::{room}")),
        ["std", "net", name, ..] if ADDRESSES.contains(name) => None,
        ["std", "net", ..] => Some("std::net".to_owned()),
        [library @ ("procfs" | "sysinfo" | "netlink_sys" | "crossterm"), ..] => Some((*library).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn stages_use_only_those_before() {
        for (path, text, expected) in [
            ("cli/src/sample/host.rs", "use super::Reading;", 0),
            ("cli/src/sample/host.rs", "use crate::model::Model;", 1),
            ("cli/src/host/mod.rs", "use crate::sample::Sample;", 0),
            ("cli/src/host/limits.rs", "use crate::{sample::Sample, kernel::Loader};", 1),
            ("cli/src/kernel/load.rs", "use crate::host::limits;", 1),
            ("cli/src/collect/mod.rs", "use crate::{host, kernel, sample, target};", 0),
            ("cli/src/collect/mod.rs", "use crate::model::Model;", 1),
            ("cli/src/model/mod.rs", "use crate::sample::Sample;", 0),
            ("cli/src/findings/fd.rs", "use crate::model::Model; use super::types::Finding;", 0),
            ("cli/src/findings/fd.rs", "fn f() { crate::collect::now() }", 1),
            ("cli/src/view/tui/keys.rs", "use crate::findings::Finding; use crate::model::Model;", 0),
            ("cli/src/view/tui/keys.rs", "use super::super::super::host::limits;", 1),
            ("cli/src/view/tui/keys.rs", "use super::super::text::number;", 0),
            ("cli/src/view/text.rs", "use crate::*;", 1),
            ("cli/src/commands/live.rs", "use crate::{host, kernel, model, view};", 0),
            ("cli/src/main.rs", "use netscope::commands;", 0),
            ("demo-server/src/host.rs", "use crate::kernel;", 0),
        ] {
            assert_eq!(count(path, text), expected, "{path}: {text}");
        }
    }

    #[test]
    fn pure_stages_do_no_input_or_output() {
        for (text, expected) in [
            ("use std::net::{IpAddr, SocketAddrV6};", 0),
            ("use std::net::{IpAddr, TcpStream};", 1),
            ("use std::net;", 1),
            ("use std::time::Duration;", 0),
            ("use std::time::{Duration, Instant};", 1),
            ("use std::time; fn f() { time::SystemTime::now(); }", 1),
            ("fn f() { std::env::var(\"X\"); }", 1),
            ("use std::{fs, collections::BTreeMap};", 1),
            ("use procfs::process::Process;", 1),
            ("#[cfg(test)]\nmod tests { use std::fs; use crate::collect; }", 0),
        ] {
            assert_eq!(count("cli/src/model/rate.rs", text), expected, "{text}");
        }
        assert_eq!(count("cli/src/host/limits.rs", "use std::fs;"), 0);
    }

    #[test]
    fn the_message_says_what_is_allowed() {
        let found = check(&Source::new("cli/src/view/text.rs", "\nuse crate::kernel::Loader;"));
        assert_eq!(
            found[0].to_string(),
            "cli/src/view/text.rs:2: view must not name kernel: it may use sample, model, findings"
        );
    }
}
