//! Limits of the cgroup of a process, in the layouts that exist: v2 alone, v1 alone, and v1 controllers beside
//! a v2 tree ("hybrid").
//!
//! A limit of any ancestor binds as well, so the walk goes up to the mount itself: inside a container the
//! mount is the container's own cgroup and has limits, on a host it is the root and has none.

use std::path::{Component, Path, PathBuf};

use super::Roots;
use super::files::{self, text, unexpected};
use crate::sample::{CgroupLimits, Reading};

/// v1 shows "no limit" as the highest page counter times the page size (mm/page_counter.c), a little below
/// 2^63 for every page size; no machine has a quarter of that.
const V1_UNLIMITED: u64 = 1 << 61;

/// The limits in force and the systemd unit.
pub(super) struct Cgroup {
    /// Limits.
    pub(super) limits: Reading<CgroupLimits>,
    /// Unit, when the path names one.
    pub(super) unit: Option<String>,
}

/// Reads the cgroup of process `pid`.
pub(super) fn cgroup(roots: &Roots, pid: i32) -> Cgroup {
    let path = roots.process(pid).join("cgroup");
    let membership =
        text(&path).and_then(|text| Membership::parse(&text).ok_or_else(|| unexpected(&path, &text)));
    match membership {
        Ok(membership) => Cgroup { limits: limits(roots, &membership).into(), unit: membership.unit() },
        Err(reason) => Cgroup { limits: Reading::unreadable(reason), unit: None },
    }
}

/// Where a process sits: the path of each hierarchy.
#[derive(Debug, Default, PartialEq, Eq)]
struct Membership {
    unified: Option<String>,
    systemd: Option<String>,
    memory: Option<String>,
    pids: Option<String>,
}

impl Membership {
    /// Parses /proc/PID/cgroup: lines of "hierarchy:controllers:path" (cgroups(7)).
    fn parse(text: &str) -> Option<Self> {
        let mut membership = Self::default();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
            else {
                return None;
            };
            if !path.starts_with('/') {
                return None;
            }
            if controllers.is_empty() {
                membership.unified = Some(path.to_owned());
            }
            for controller in controllers.split(',') {
                match controller {
                    "memory" => membership.memory = Some(path.to_owned()),
                    "pids" => membership.pids = Some(path.to_owned()),
                    "name=systemd" => membership.systemd = Some(path.to_owned()),
                    _ => {}
                }
            }
        }
        (membership != Self::default()).then_some(membership)
    }

    /// The path to show: the most telling one, since hierarchies without a manager leave everything in "/".
    fn display(&self) -> &str {
        let paths = [&self.unified, &self.systemd, &self.memory, &self.pids];
        let mut known = paths.into_iter().flatten().map(String::as_str);
        known.find(|path| *path != "/").unwrap_or("/")
    }

    /// The innermost service or scope of the path. systemd escapes names that would collide with files of
    /// cgroupfs by a leading underscore.
    fn unit(&self) -> Option<String> {
        let kinds = [".service", ".scope", ".socket", ".mount", ".swap"];
        let paths = [&self.unified, &self.systemd, &self.memory, &self.pids];
        paths.into_iter().flatten().find_map(|path| {
            let mut parts = path.split('/').rev();
            let unit = parts
                .find(|part| kinds.iter().any(|kind| part.len() > kind.len() && part.ends_with(kind)))?;
            Some(unit.strip_prefix('_').unwrap_or(unit).to_owned())
        })
    }
}

/// A controller's files in one hierarchy.
struct Controller<'a> {
    mount: PathBuf,
    path: &'a str,
    limit_file: &'static str,
    usage_file: &'static str,
}

fn limits(roots: &Roots, membership: &Membership) -> Result<CgroupLimits, String> {
    let mount = roots.sysfs.join("fs/cgroup");
    let unified_mount = if mount.join("unified").is_dir() { mount.join("unified") } else { mount.clone() };
    let unified = |limit_file, usage_file| {
        let path = membership.unified.as_deref()?;
        Some(Controller { mount: unified_mount.clone(), path, limit_file, usage_file })
    };
    let pids = match &membership.pids {
        Some(path) => {
            let mount = mount.join("pids");
            Some(Controller { mount, path, limit_file: "pids.max", usage_file: "pids.current" })
        }
        None => unified("pids.max", "pids.current"),
    };
    let memory = match &membership.memory {
        Some(path) => Some(Controller {
            mount: mount.join("memory"),
            path,
            limit_file: "memory.limit_in_bytes",
            usage_file: "memory.usage_in_bytes",
        }),
        None => unified("memory.max", "memory.current"),
    };
    let pids = pids.map(|controller| tightest(&controller)).transpose()?.flatten();
    let memory = memory.map(|controller| tightest(&controller)).transpose()?.flatten();
    Ok(CgroupLimits {
        path: membership.display().to_owned(),
        pids_max: pids.as_ref().map(|bound| bound.limit),
        pids_current: pids.and_then(|bound| bound.usage),
        memory_max: memory.as_ref().map(|bound| bound.limit),
        memory_current: memory.and_then(|bound| bound.usage),
    })
}

/// A limit and how much of it is used.
#[derive(Debug, PartialEq, Eq)]
struct Bound {
    limit: u64,
    usage: Option<u64>,
}

/// The smallest limit of the cgroup and its ancestors; of equal ones the fullest. `None` is unlimited.
fn tightest(controller: &Controller<'_>) -> Result<Option<Bound>, String> {
    if !controller.mount.is_dir() {
        return Err(format!("{}: ENOENT, is the cgroup filesystem mounted?", controller.mount.display()));
    }
    let mut directory = controller.mount.clone();
    let mut tightest = limit_of(&directory, controller)?;
    for component in Path::new(controller.path).components() {
        match component {
            Component::Normal(name) => directory.push(name),
            Component::ParentDir => {
                return Err(format!("cgroup {}: outside of netscope's cgroup namespace", controller.path));
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
        }
        let Some(bound) = limit_of(&directory, controller)? else { continue };
        let wins = tightest.as_ref().is_none_or(|current| {
            (bound.limit, std::cmp::Reverse(bound.usage)) < (current.limit, std::cmp::Reverse(current.usage))
        });
        if wins {
            tightest = Some(bound);
        }
    }
    Ok(tightest)
}

/// The limit of one cgroup. A directory or file that does not exist limits nothing: the root of a hierarchy has
/// none, a cgroup whose parent does not delegate the controller has none, and the path of a container's
/// process is often shown relative to the host while only the container's own cgroup is mounted.
fn limit_of(directory: &Path, controller: &Controller<'_>) -> Result<Option<Bound>, String> {
    let path = directory.join(controller.limit_file);
    if !path.exists() {
        return Ok(None);
    }
    let text = text(&path)?;
    if text.trim() == "max" {
        return Ok(None);
    }
    let limit: u64 = files::parse_word(&path, &text, 0)?;
    if limit >= V1_UNLIMITED {
        return Ok(None);
    }
    let usage = files::number(&directory.join(controller.usage_file));
    Ok(Some(Bound { limit, usage: usage.value().copied() }))
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
