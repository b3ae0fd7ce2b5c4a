//! Help, wrong usage, and the commands that only print.

use assert_cmd::Command;
use clap::CommandFactory;
use netscope::findings::RULES;

use crate::{free_port, gone_pid, listener, netscope, run, shell, skip};

/// The version changes with every object; the rest of the help does not.
fn visible_commands() -> Vec<String> {
    let command = netscope::args::Cli::command();
    command.get_subcommands().filter(|one| !one.is_hide_set()).map(|one| one.get_name().to_owned()).collect()
}

#[test]
fn help_of_every_command() {
    let whole = run(&["--help"]);
    assert_eq!(whole.code, Some(0));
    insta::assert_snapshot!("help", whole.stdout);
    for command in visible_commands() {
        let help = run(&[&command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command}");
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{}", help.stdout);
        assert_eq!(run(&["help", &command]).stdout, help.stdout, "{command}");
        insta::assert_snapshot!(format!("help_{command}"), help.stdout);
    }
}

#[test]
fn a_call_without_a_command_shows_the_help_and_is_wrong_usage() {
    let ended = run(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert_eq!(ended.stderr, run(&["--help"]).stdout);
}

#[test]
fn the_version_names_the_embedded_object() {
    let manifest: serde_json::Value =
        serde_json::from_str(include_str!("../../bpf/netscope.bpf.manifest.json")).unwrap();
    let hash = &manifest["object_sha256"].as_str().unwrap()[..12];
    let ended = run(&["--version"]);
    let start = format!("netscope {} (eBPF object {hash}, rustc ", env!("CARGO_PKG_VERSION"));
    assert!(ended.stdout.starts_with(&start), "{}", ended.stdout);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_accepted() {
    for (arguments, mentions) in [
        (&["live", "--window", "0"][..], "1s to 60s"),
        (&["live", "--window", "5m"], "1s to 60s"),
        (&["attach", "1", "--window", "0s"], "1s to 60s"),
        (&["attach", "0"], "not in 1.."),
        (&["attach"], "<PID>"),
        (&["live", "--for", "0s"], "longer than zero"),
        (&["live", "--demo=nothing"], "stall, healthy, descriptors"),
        (&["live", "--demo", "--pid", "1"], "cannot be used with '--pid"),
        (&["report", "--for", "0s"], "longer than zero"),
        (&["report", "--for", "99999999999h"], "at most a year"),
        (&["report", "--for", "soon"], "30s, 5m or 1h"),
        (&["report", "--pid", "1", "--port", "80"], "cannot be used with '--port"),
        (&["report", "--port", "0"], "0 is not in 1..=65535"),
        (&["report", "--port", "65536"], "65536 is not in 1..=65535"),
        (&["report", "--fail-on", "sometimes"], "fail, warn, info, never"),
        (&["audit", "--connections", "0"], "at least 1"),
        (&["audit", "--connections", "many"], "10k"),
        (&["audit", "--rate=-1"], "write 500, 2k or 2k/s"),
        (&["serve", "--for", "0s"], "longer than zero"),
        (&["serve", "--workers", "0"], "workers: 0 is not between 1 and 256"),
        (&["serve", "--backlog", "-2"], "backlog: -2 is less than -1"),
        (&["serve", "--stall", "1s/1s"], "shorter than its period"),
        (&["load", "127.0.0.1:0"], "has no port"),
        (&["load", "localhost"], "invalid socket address"),
        (&["load", "127.0.0.1:9", "--for", "0s"], "longer than zero"),
        (&["load", "127.0.0.1:9", "--rate", "2M"], "--rate: 2000000 is not above 0 and at most 1000000"),
        (&["load", "127.0.0.1:9", "--rate", "5", "--users", "5"], "cannot be used with '--users"),
        (&["load", "127.0.0.1:9", "--users", "0"], "at least 1"),
        (&["load", "127.0.0.1:9", "--think", "1s"], "--users <N>"),
        (&["load", "127.0.0.1:9", "--users", "1", "--requests", "5", "--think", "1s"], "cannot be used with"),
        (&["completions", "cmd"], "bash, elvish, fish, powershell, zsh"),
        (&["unknown"], "unrecognized subcommand 'unknown'"),
        (&["reprot"], "'report'"),
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(mentions), "{arguments:?}: {mentions:?} is not in {}", ended.stderr);
    }
}

#[test]
fn what_is_not_there_is_named_with_a_way_out() {
    let pid = gone_pid().to_string();
    let (_listener, port) = listener();
    let nobody = free_port().to_string();
    let taken = format!("127.0.0.1:{port}");
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    let namespace = format!("{empty}/self/ns/net: ENOENT; is this a procfs mount");
    for (arguments, mentions) in [
        (&["report", "--pid", &pid, "--for", "1s"][..], vec![pid.as_str(), "ps -e"]),
        (&["attach", &pid, "--for", "1s"], vec![&pid, "ps -e"]),
        (&["audit", "--pid", &pid], vec![&pid, "ps -e"]),
        (&["report", "--port", &nobody, "--for", "1s"], vec![&nobody, "listened on:", "--pid"]),
        (&["live", "--port", &nobody, "--for", "1s"], vec![&nobody, "listened on:", "--pid"]),
        (&["audit", "--procfs", empty], vec![&namespace]),
        (&["live", "--procfs", empty, "--for", "1s"], vec![&namespace]),
        (&["serve", "--listen", &taken], vec![&taken, "EADDRINUSE", "ss -ltnp"]),
        (&["load", &taken, "--netns-of", &pid, "--for", "1s"], vec![&pid, "is gone"]),
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        let said = ended.stderr.trim_end();
        assert!(said.starts_with("netscope: ") && said.lines().count() == 1, "{arguments:?}: {said}");
        for mention in mentions {
            assert!(said.contains(mention), "{arguments:?}: {mention:?} is not in {said}");
        }
    }
}

#[test]
fn load_is_for_this_host_only() {
    for target in ["192.0.2.1:80", "0.0.0.0:80", "[2001:db8::1]:80", "[::ffff:192.0.2.1]:80"] {
        let own = std::process::id().to_string();
        for more in [&[][..], &["--netns-of", &own]] {
            let ended = run(&[&["load", target, "--for", "1s"], more].concat());
            assert_eq!(ended.code, Some(2), "{target}");
            assert!(ended.stderr.contains("not a loopback address"), "{}", ended.stderr);
        }
    }
}

#[test]
fn explain_takes_ids_in_either_case() {
    let list = run(&["explain"]);
    assert_eq!(list.code, Some(0));
    for rule in RULES {
        assert!(list.stdout.contains(&format!("  {:<8} {}\n", rule.id, rule.title)), "{}", list.stdout);
        let page = run(&["explain", rule.id]);
        assert_eq!(page.code, Some(0));
        assert!(page.stdout.starts_with(&format!("# {}: ", rule.id)), "{}", page.stdout);
        assert_eq!(run(&["explain", &rule.id.to_lowercase()]).stdout, page.stdout);
    }
}

#[test]
fn explain_of_an_unknown_id_suggests_what_is_near() {
    let near = run(&["explain", "LSN2"]);
    assert_eq!((near.code, near.stdout.as_str()), (Some(2), ""));
    assert!(near.stderr.contains("\"LSN2\"; did you mean LSN-002"), "{}", near.stderr);
    let far = run(&["explain", "quite-else"]);
    assert_eq!(far.code, Some(2));
    assert!(!far.stderr.contains("did you mean"), "{}", far.stderr);
    assert!(far.stderr.contains("`netscope explain` lists them all"), "{}", far.stderr);
}

#[test]
fn completions_know_commands_scenarios_and_findings_and_nothing_hidden() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(&["completions", shell]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        for rule in RULES {
            assert!(ended.stdout.contains(rule.id), "{} is not in the completions of {shell}", rule.id);
        }
        for word in visible_commands().iter().map(String::as_str).chain(["descriptors", "fail-on"]) {
            assert!(ended.stdout.contains(word), "{word} is not in the completions of {shell}");
        }
        for hidden in ["guard-terminal", "map-entries", "die-with-parent", "netns-of"] {
            assert!(!ended.stdout.contains(hidden), "{hidden} is in the completions of {shell}");
        }
        check_syntax(shell, &ended.stdout);
    }
}

/// Lets the shell parse its script, where it is installed.
fn check_syntax(shell: &str, script: &str) {
    if std::process::Command::new(shell).arg("--version").output().is_err() {
        return;
    }
    Command::new(shell).arg("-n").arg("/dev/stdin").write_stdin(script).assert().success();
}

#[test]
fn the_manual_page_is_valid_roff_with_the_options_of_every_command() {
    let page = run(&["man"]);
    assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""));
    if std::process::Command::new("groff").arg("--version").output().is_err() {
        skip("the_manual_page_is_valid_roff_with_the_options_of_every_command", "groff is not installed");
        return;
    }
    let mut groff = Command::new("groff");
    // -ww: every warning; -P-cbou: no control sequences.
    let output = groff.args(["-man", "-Tascii", "-ww", "-P-cbou"]).write_stdin(page.stdout).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "SEE ALSO"] {
        assert_eq!(text.lines().filter(|line| *line == heading).count(), 1, "{heading} in\n{text}");
    }
    for command in visible_commands() {
        assert!(text.lines().any(|line| line == format!("   netscope {command}")), "{command} in\n{text}");
    }
    for option in ["--fail-on <SEVERITY>", "--demo[=<SCENARIO>]", "--accept-delay <TIME>", "--think <TIME>"] {
        assert!(text.contains(option), "{option} in\n{text}");
    }
    assert!(text.contains("netscope audit --port 8080 --connections 10k --rate 2k"), "{text}");
}

#[test]
fn a_reader_that_has_seen_enough_changes_nothing() {
    // A failed build step must not be hidden by the pager: the exit code stays.
    let pid = std::process::id();
    for (command, code) in [
        (format!("audit --pid {pid} --fail-on info"), 1),
        (format!("audit --pid {pid} --json --fail-on info"), 1),
        (format!("audit --pid {pid} --fail-on never"), 0),
        ("explain LSN-001".to_owned(), 0),
        ("man".to_owned(), 0),
        ("completions bash".to_owned(), 0),
        ("--help".to_owned(), 0),
    ] {
        // `true` never reads; once it ended, the pipe is closed.
        let ended = shell(&format!("{{ sleep 0.3; $NETSCOPE {command}; echo $? >&2; }} | true"));
        assert_eq!(ended.stderr, format!("{code}\n"), "{command}");
    }
}

#[test]
fn closed_and_full_outputs() {
    let audit = format!("$NETSCOPE audit --pid {} --fail-on never", std::process::id());
    let closed = shell(&format!("{audit} >&-"));
    assert_eq!((closed.code, closed.stdout.as_str(), closed.stderr.as_str()), (Some(0), "", ""));
    let complaints = shell(&format!("{audit} 2>&- | head -c 1"));
    assert_eq!(complaints.stdout.len(), 1);
    let full = shell(&format!("{audit} >/dev/full"));
    assert_eq!(full.code, Some(2));
    assert!(full.stderr.contains("cannot write to standard output: ENOSPC"), "{}", full.stderr);
    let silent = shell(&format!("{audit} <&-"));
    assert_eq!(silent.code, Some(0));
    let nothing = shell("$NETSCOPE live --for 1s --window 1s <&-");
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
}

#[test]
fn exit_codes_follow_the_threshold() {
    let pid = std::process::id().to_string();
    // FD-013 is an inventory, always there for a readable process and never more than information.
    for (more, code) in [
        (&["--fail-on", "info"][..], 1),
        (&["--fail-on", "never"], 0),
        (&["--fail-on", "never", "--connections", "1G"], 0),
        (&["--connections", "1G"], 1),
        (&["--connections", "1G", "--json"], 1),
    ] {
        let ended = run(&[&["audit", "--pid", &pid], more].concat());
        assert_eq!(ended.code, Some(code), "{more:?}: {}", ended.stdout);
    }
    let mut plain = netscope(&["audit", "--pid", &pid, "--fail-on", "never"]);
    let plain = plain.output().unwrap().stdout;
    assert!(!plain.contains(&0x1b), "colours without a terminal");
}
