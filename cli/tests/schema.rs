//! docs/schema/report.v1.json against what the report really prints.
#![cfg(test)]

use jsonschema::Validator;
use netscope::findings::{Assessment, Evidence, Finding, Fix, FixKind, Origin, Scope, Severity, Skipped};
use netscope::model::{Model, Peaks, Quality};
use netscope::sample::Sample;
use netscope::view::json::to_json;
use serde_json::{Value, json};

const NETNS: u64 = 4_026_531_840;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../docs/schema/report.v1.json")).unwrap()
}

/// The schema with every object closed: a field that it does not describe is an error here.
fn closed(mut schema: Value) -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(close),
            Value::Object(object) => {
                let is_object = object.get("type") == Some(&json!("object"));
                if is_object && object.contains_key("properties") {
                    object.insert("additionalProperties".to_owned(), json!(false));
                }
                object.values_mut().for_each(close);
            }
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

#[track_caller]
fn assert_valid(validator: &Validator, instance: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(instance)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

fn process() -> Value {
    json!({
        "pid": 4242, "start_ticks": 99, "comm": "demo", "exe": "/usr/bin/demo", "cmdline": "demo", "uid": 1000,
        "netns": NETNS, "cap_effective": 0, "threads": 2, "cpu_user_us": 5, "cpu_system_us": 5,
        "rss_bytes": 1 << 20, "pss_bytes": 1 << 19, "maps": 30,
        "fds": { "open": 9, "by_kind": { "socket": 9 }, "tcp_connections": 8 },
        "nofile": { "soft": 1024, "hard": 4096 },
        "nproc": { "soft": null, "hard": null },
        "cgroup": { "path": "/demo", "pids_max": 512, "pids_current": 3, "memory_max": 1 << 30,
                    "memory_current": 1 << 21 },
        "unit": "demo.service",
        "switches": [{ "tid": 4242, "voluntary": 10, "involuntary": 1 }]
    })
}

/// A sample with everything read, after `drops` drops; `probes` as given.
fn sample(monotonic_ns: u64, drops: u64, probes: Value) -> Value {
    let counters = json!({
        "listen_overflows": drops, "listen_drops": drops, "reqq_full_drop": 0, "reqq_full_do_cookies": 0,
        "syncookies_sent": 0, "syncookies_recv": 0, "syncookies_failed": 0, "passive_opens": drops,
        "active_opens": 0, "estab_resets": 0
    });
    json!({
        "unix_ms": 1_700_000_000_000_u64,
        "monotonic_ns": monotonic_ns,
        "host": {
            "kernel": "6.18.0", "cpus": 2, "memory_bytes": 8_589_934_592_u64, "boot_id": "b", "own_netns": NETNS,
            "file_handles": 1500, "file_max": u64::MAX >> 1, "nr_open": 1_048_576, "threads_max": 60_000,
            "pid_max": 4_194_304, "max_map_count": 65_530, "threads": 200
        },
        "namespace": {
            "inode": NETNS,
            "sysctls": {
                "somaxconn": 4096, "tcp_max_syn_backlog": 512, "tcp_syncookies": 1, "tcp_abort_on_overflow": 0,
                "port_range": [32_768, 60_999], "reserved_ports": 0, "tcp_tw_reuse": 2
            },
            "counters": counters, "counters_after": counters,
            "listeners": [{
                "address": "::", "port": 8080, "v6_only": false, "inode": 7, "cookie": 7, "waiting": 5,
                "limit": 4, "drops_hint": drops, "half_open": 1, "uid": 0, "pids": [4242]
            }],
            "established": [{
                "port": 8080, "states": { "ESTAB": 8 },
                "memory": { "sockets": 8, "receive_allocated": 1, "receive_limit": 2, "send_queued": 3,
                            "send_limit": 4, "forward_allocated": 5 },
                "unaccepted": 5, "rtt_sum_us": 1, "rtt_samples": 1
            }],
            "owner_names": {},
            "time_wait": 3
        },
        "processes": [process()],
        "probes": probes
    })
}

fn histogram(scale: Value, counts: Value, sum: u64) -> Value {
    json!({ "scale": scale, "counts": counts, "sum": sum })
}

/// Probes after `events` events of every kind.
fn probes(events: u64) -> Value {
    let linear = |bits: u32| json!({ "linear": bits });
    let counts = |bucket: &str| if events > 0 { json!({ bucket: events }) } else { json!({}) };
    let status = |name: &str, state: Value| {
        let mut status = json!({
            "name": name, "question": "what?", "timed_runs": events, "timed_run_ns": events * 200, "misses": null
        });
        status.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        status
    };
    json!({
        "statuses": [
            status("listener", json!({ "status": "active", "via": "tp_btf" })),
            status("sched", json!({ "status": "unavailable", "reason": "EPERM", "remedy": null })),
            status("drop", json!({ "status": "unavailable", "reason": "EPERM", "remedy": "sudo" })),
        ],
        "lost": { "reasons": { "errors_full": events }, "recursion": 0 },
        "listeners": [{
            "netns": NETNS, "address": "::", "port": 8080,
            "stats": {
                "entered": events, "accepted": events, "dead_before_accept": 0, "never_accepted": 0,
                "accept_queue_full_syn": events, "accept_queue_full_ack": 0, "syn_queue_full": 0,
                "max_syn_backlog": 0, "other": 0, "refused_attempts": events, "listen_overflows": events,
                "listen_drops": events, "reqq_full_drop": 0, "reqq_full_do_cookies": 0, "syncookies_sent": 0
            },
            "depth": histogram(linear(5), counts("5"), events * 5),
            "accept_wait_ns": histogram(linear(5), counts("400"), events * 130_000),
            "handshake_ns": histogram(linear(5), counts("300"), events * 13_000)
        }],
        "processes": [{
            "pid": 4242, "voluntary": events, "involuntary": 0,
            "run_queue_ns": histogram(linear(3), counts("90"), events * 12_000),
            "syscalls": [
                { "number": 0, "calls": events, "errors": { "11": events / 2 },
                  "latency_ns": histogram(json!("syscall"), counts("3"), events * 1500) },
                { "number": 7, "calls": events, "errors": {},
                  "latency_ns": histogram(json!("syscall"), json!({}), 0) }
            ]
        }],
        "drops_attributed": true, "entries_counted": true, "accepts_counted": true
    })
}

fn read(sample: Value) -> Sample {
    serde_json::from_value(sample).unwrap()
}

fn finding(id: &'static str, severity: Severity) -> Finding {
    Finding {
        id,
        severity,
        origin: Origin::Measured,
        subject: "[::]:8080 (demo, pid 4242)".to_owned(),
        title: "45 packets dropped".to_owned(),
        evidence: vec![Evidence {
            name: "dropped".to_owned(),
            value: 45.0,
            unit: "packets",
            source: "eBPF".to_owned(),
            quality: Quality::Exact,
        }],
        threshold: "none".to_owned(),
        explanation: "The queue is full.".to_owned(),
        fixes: vec![Fix {
            scope: Scope::Lasting,
            kind: FixKind::Application,
            text: "listen(fd, 4096)".to_owned(),
            verify: "ss -ltn".to_owned(),
            restart_needed: true,
            risk: String::new(),
        }],
        see: format!("netscope explain {id}"),
    }
}

fn printed(model: &Model) -> Value {
    let assessment = Assessment {
        findings: vec![finding("LSN-005", Severity::Fail)],
        passed: vec![finding("FD-001", Severity::Pass)],
        skipped: vec![Skipped { id: "CLI-001", reason: "no load declared".to_owned() }],
        verdict: "drops".to_owned(),
    };
    serde_json::from_str(&to_json(model, &assessment).unwrap()).unwrap()
}

fn with_probes() -> Value {
    let earlier = read(sample(1, 0, probes(0)));
    let later = read(sample(2_000_000_001, 45, probes(45)));
    printed(&Model::between(&earlier, &later, &Peaks::over([&earlier, &later])))
}

fn without_probes() -> Value {
    let earlier = read(sample(1, 0, Value::Null));
    let later = read(sample(2_000_000_001, 45, Value::Null));
    printed(&Model::between(&earlier, &later, &Peaks::default()))
}

fn audit() -> Value {
    printed(&Model::at(&read(sample(1, 45, Value::Null))))
}

/// One look; every reading that may fail has failed.
fn blind_audit() -> Value {
    let mut sample = sample(1, 0, Value::Null);
    let unread = |object: &mut Value, fields: &str| {
        for field in fields.split(' ') {
            assert!(object.get(field).is_some(), "{field}");
            object[field] = json!({ "unreadable": "EACCES" });
        }
    };
    unread(
        &mut sample["host"],
        "own_netns file_handles file_max nr_open threads_max pid_max max_map_count threads",
    );
    unread(&mut sample["namespace"], "inode counters listeners established time_wait");
    unread(
        &mut sample["namespace"]["sysctls"],
        "somaxconn tcp_max_syn_backlog tcp_syncookies tcp_abort_on_overflow port_range reserved_ports tcp_tw_reuse",
    );
    unread(
        &mut sample["processes"][0],
        "exe cmdline netns cap_effective rss_bytes pss_bytes maps fds nofile nproc cgroup switches",
    );
    sample["namespace"]["counters_after"] = Value::Null;
    sample["processes"][0]["unit"] = Value::Null;
    printed(&Model::at(&read(sample)))
}

#[test]
fn the_schema_is_a_schema() {
    let schema = schema();
    let validator = jsonschema::draft202012::meta::validator();
    let errors: Vec<String> = validator.iter_errors(&schema).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn every_report_is_valid_and_its_fields_are_known() {
    let (open, closed) = (validator(&schema()), validator(&closed(schema())));
    for report in [with_probes(), without_probes(), audit(), blind_audit()] {
        assert_valid(&open, &report);
        assert_valid(&closed, &report);
    }
}

/// Calls `visit` with the path of every property below `schema` and with the values that reports have there.
fn walk<'a>(
    schema: &'a Value,
    root: &'a Value,
    values: &[&'a Value],
    path: &str,
    visit: &mut dyn FnMut(&str, &Value, &[&Value]),
) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let found: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
        let path = format!("{path}/{name}");
        visit(&path, property, &found);
        walk(property, root, &found, &path, visit);
    }
    if let Some(items) = schema.get("items") {
        let found: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        walk(items, root, &found, &format!("{path}/*"), visit);
    }
}

#[test]
fn every_field_of_the_schema_is_printed_and_described() {
    let (schema, report, blind) = (schema(), with_probes(), blind_audit());
    let (mut fields, mut missing) = (0, vec![]);
    walk(&schema, &schema, &[&report, &blind], "", &mut |path, property, found| {
        fields += 1;
        let described = property["description"].as_str().is_some_and(|text| !text.is_empty());
        if found.is_empty() || !described {
            missing.push(path.to_owned());
        }
    });
    assert_eq!(missing, Vec::<String>::new());
    assert!(fields > 200, "{fields}");
}

#[test]
fn what_was_not_measured_is_absent() {
    let report = with_probes();
    assert_eq!(report["ledger"]["unattributed"], 0);
    assert_eq!(report["listeners"][0]["drops"]["total"], 45);
    let calls = report["processes"][0]["syscalls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls.iter().filter(|call| call.get("total_us").is_some()).count(), 1);
    for report in [without_probes(), audit()] {
        let listener = &report["listeners"][0];
        for field in ["entered", "accepted", "drops", "cookies", "refused_attempts", "accept_wait_us"] {
            assert!(listener.get(field).is_none(), "{field}");
        }
        assert!(report.get("ledger").is_none() && report.get("lost").is_none());
    }
    assert_eq!(blind_audit()["listeners"], json!([]));
}

#[test]
fn broken_reports_are_rejected() {
    let validator = validator(&schema());
    let remove = [
        ("", "schema"),
        ("", "verdict"),
        ("", "listeners"),
        ("/host", "kernel"),
        ("/ledger", "unattributed"),
        ("/listeners/0", "limit"),
        ("/listeners/0/drops/by_cause", "other"),
        ("/probes/0", "via"),
        ("/probes/1", "reason"),
        ("/findings/0/fixes/0", "verify"),
    ];
    for (at, field) in remove {
        let mut report = with_probes();
        let removed = report.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(field);
        assert!(removed.is_some(), "{at}/{field} was there");
        assert!(!validator.is_valid(&report), "without {at}/{field}");
    }
    let replace = [
        ("/schema", json!("netscope.report/2")),
        ("/window/seconds", json!(0)),
        ("/listeners/0/port", json!(65_536)),
        ("/listeners/0/entered", json!(-1)),
        ("/listeners/0/entered", json!(1.5)),
        ("/listeners/0/drops", Value::Null),
        ("/listeners/0/accept_wait_us/count", json!(0)),
        ("/listeners/0/accept_wait_us/quality", json!("good")),
        ("/ledger/kernel/ListenDrops", json!("45")),
        ("/processes/0/switches/source", json!("guess")),
        ("/findings/0/severity", json!("skip")),
        ("/findings/0/id", json!("LSN5")),
        ("/probes/1/status", json!("active")),
    ];
    for (at, value) in replace {
        let mut report = with_probes();
        *report.pointer_mut(at).unwrap() = value.clone();
        assert!(!validator.is_valid(&report), "{at} = {value}");
    }
}

#[test]
fn fields_of_later_versions_are_accepted() {
    let mut report = with_probes();
    report["later"] = json!(1);
    report["listeners"][0]["later"] = json!(1);
    assert_valid(&validator(&schema()), &report);
}
