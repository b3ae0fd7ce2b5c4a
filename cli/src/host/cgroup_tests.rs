use std::fs;

use proptest::prelude::*;

use super::*;

const HYBRID: &str = "9:name=systemd:/system.slice/nginx.service\n8:pids:/system.slice/nginx.service\n\
                      4:memory:/system.slice/nginx.service\n1:cpu,cpuacct:/\n0::/\n";

struct Fixture {
    directory: tempfile::TempDir,
    roots: Roots,
}

impl Fixture {
    fn new(membership: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots { procfs: directory.path().join("proc"), sysfs: directory.path().join("sys") };
        let fixture = Self { directory, roots };
        fixture.write("proc/42/cgroup", membership);
        fixture
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn limits(&self) -> CgroupLimits {
        cgroup(&self.roots, 42).limits.value().unwrap().clone()
    }

    fn reason(&self) -> String {
        cgroup(&self.roots, 42).limits.reason().unwrap().to_owned()
    }
}

#[test]
fn v2_takes_the_tightest_ancestor_and_its_usage() {
    let fixture = Fixture::new(b"0::/system.slice/app.service/payload\n");
    let root = "sys/fs/cgroup/system.slice";
    fixture.write(&format!("{root}/pids.max"), "200\n");
    fixture.write(&format!("{root}/pids.current"), "150\n");
    fixture.write(&format!("{root}/memory.max"), "max\n");
    fixture.write(&format!("{root}/app.service/pids.max"), "1000\n");
    fixture.write(&format!("{root}/app.service/pids.current"), "5\n");
    fixture.write(&format!("{root}/app.service/memory.max"), "1048576\n");
    fixture.write(&format!("{root}/app.service/memory.current"), "4096\n");
    fixture.write(&format!("{root}/app.service/payload/pids.max"), "max\n");

    let expected = CgroupLimits {
        path: "/system.slice/app.service/payload".to_owned(),
        pids_max: Some(200),
        pids_current: Some(150),
        memory_max: Some(1_048_576),
        memory_current: Some(4096),
    };
    assert_eq!(fixture.limits(), expected);
    assert_eq!(cgroup(&fixture.roots, 42).unit.as_deref(), Some("app.service"));
}

#[test]
fn of_equal_limits_the_fuller_one_binds() {
    let fixture = Fixture::new(b"0::/a/b\n");
    for (path, current) in [("a", "90"), ("a/b", "10")] {
        fixture.write(&format!("sys/fs/cgroup/{path}/pids.max"), "100\n");
        fixture.write(&format!("sys/fs/cgroup/{path}/pids.current"), current);
    }
    assert_eq!(fixture.limits().pids_current, Some(90));
}

#[test]
fn hybrid_reads_each_controller_from_its_own_v1_tree() {
    let fixture = Fixture::new(HYBRID.as_bytes());
    fixture.write("sys/fs/cgroup/unified/cgroup.controllers", "");
    let unit = "system.slice/nginx.service";
    fixture.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    fixture.write(&format!("sys/fs/cgroup/memory/{unit}/memory.limit_in_bytes"), "536870912\n");
    fixture.write(&format!("sys/fs/cgroup/memory/{unit}/memory.usage_in_bytes"), "1000\n");
    fixture.write(&format!("sys/fs/cgroup/pids/{unit}/pids.max"), "max\n");

    let expected = CgroupLimits {
        path: "/system.slice/nginx.service".to_owned(),
        pids_max: None,
        pids_current: None,
        memory_max: Some(536_870_912),
        memory_current: Some(1000),
    };
    assert_eq!(fixture.limits(), expected);
    assert_eq!(cgroup(&fixture.roots, 42).unit.as_deref(), Some("nginx.service"));
}

#[test]
fn hybrid_without_a_v1_controller_falls_back_to_the_unified_tree() {
    let fixture = Fixture::new(b"1:name=systemd:/a.service\n0::/a.service\n");
    fixture.write("sys/fs/cgroup/unified/a.service/pids.max", "7\n");
    fixture.write("sys/fs/cgroup/unified/a.service/pids.current", "1\n");
    assert_eq!(fixture.limits().pids_max, Some(7));
}

#[test]
fn a_container_that_mounts_only_its_own_cgroup_shows_its_limit_at_the_mount() {
    let fixture = Fixture::new(b"4:memory:/docker/0123abcd\n3:pids:/docker/0123abcd\n");
    fixture.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
    fixture.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
    fixture.write("sys/fs/cgroup/pids/pids.max", "100\n");
    let limits = fixture.limits();
    assert_eq!((limits.memory_max, limits.pids_max), (Some(268_435_456), Some(100)));
    assert_eq!(limits.pids_current, None);
}

#[test]
fn what_cannot_be_read_says_why() {
    assert!(Fixture::new(b"").reason().ends_with("cgroup: empty"));
    assert!(Fixture::new(b"\xff\x00garbage").reason().contains("unexpected content"));
    assert!(Fixture::new(b"0::relative\n").reason().contains("unexpected content"));
    assert!(Fixture::new(b"0::/a\n").reason().contains("is the cgroup filesystem mounted?"));

    let outside = Fixture::new(b"0::/../../b\n");
    outside.write("sys/fs/cgroup/cgroup.controllers", "pids memory\n");
    assert!(outside.reason().contains("outside of netscope's cgroup namespace"));

    let garbage = Fixture::new(b"0::/a\n");
    garbage.write("sys/fs/cgroup/a/pids.max", "many\n");
    assert!(garbage.reason().contains("pids.max: unexpected content"));

    let gone = cgroup(&garbage.roots, 43);
    assert!(gone.limits.reason().unwrap().contains("ENOENT"));
    assert_eq!(gone.unit, None);
}

#[test]
fn units_are_the_innermost_service_or_scope() {
    let unit = |path: &str| Membership::parse(&format!("0::{path}\n")).unwrap().unit();
    assert_eq!(
        unit("/user.slice/user-0.slice/user@0.service/app.slice/web.service").as_deref(),
        Some("web.service")
    );
    assert_eq!(unit("/system.slice/docker-0a1b.scope/init").as_deref(), Some("docker-0a1b.scope"));
    assert_eq!(unit("/system.slice/_cgroup.service").as_deref(), Some("cgroup.service"));
    assert_eq!(unit("/kubepods.slice/besteffort"), None);
    assert_eq!(unit("/.service"), None);
    assert_eq!(unit("/"), None);
}

#[test]
fn our_own_cgroup_is_readable_on_this_machine() {
    let own = cgroup(&Roots::default(), std::process::id().cast_signed());
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap();
    match own.limits {
        Reading::Value(limits) => assert!(membership.contains(&limits.path), "{limits:?}"),
        Reading::Unreadable { unreadable } => {
            eprintln!("SKIPPED our_own_cgroup_is_readable_on_this_machine: {unreadable}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(text: String) {
        if let Some(membership) = Membership::parse(&text) {
            prop_assert!(membership.display().starts_with('/'));
        }
    }

    #[test]
    fn paths_come_back_as_written(path in "(/[a-z0-9:@._-]{1,12}){1,5}", controller in "memory|pids") {
        let membership = Membership::parse(&format!("5:cpuset,{controller}:{path}\n0::/\n")).unwrap();
        let found = if controller == "memory" { &membership.memory } else { &membership.pids };
        prop_assert_eq!(found.as_deref(), Some(path.as_str()));
        prop_assert_eq!(membership.display(), path.as_str());
    }

    #[test]
    fn the_smallest_limit_of_any_depth_wins(limits in proptest::collection::vec(1_u64..1_000_000, 1..6)) {
        let names: Vec<String> = (0..limits.len()).map(|depth| format!("level{depth}")).collect();
        let fixture = Fixture::new(format!("0::/{}\n", names.join("/")).as_bytes());
        for (depth, limit) in limits.iter().enumerate() {
            fixture.write(&format!("sys/fs/cgroup/{}/pids.max", names[..=depth].join("/")), limit.to_string());
        }
        prop_assert_eq!(fixture.limits().pids_max, limits.iter().min().copied());
    }
}
