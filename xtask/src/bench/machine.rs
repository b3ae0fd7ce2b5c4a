//! The machine that a figure was measured on.

use std::fs;
use std::process::Command;
use std::thread;

/// CPUs that this process may use.
#[must_use]
pub fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Processor, memory and kernel in one line.
#[must_use]
pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor =
        value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = memory_gib(&read("/proc/meminfo"))
        .map_or_else(|| "unknown memory".to_owned(), |size| format!("{size:.1} GiB"));
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{processor}, {} CPUs, {memory}; Linux {}", cpus(), kernel.trim())
}

/// Processes that ran or wanted to run in the last minute, on average; absent if it cannot be read.
#[must_use]
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The first line that `program` prints about its version.
#[must_use]
pub fn version(program: &str, option: &str) -> Option<String> {
    let output = Command::new(program).arg(option).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.contains(|character: char| character.is_ascii_digit()))?;
    Some(line.to_owned())
}

/// The value of `key` in a file of lines `key : value`.
fn value(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

fn memory_gib(meminfo: &str) -> Option<f64> {
    let kib: f64 = value(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_proc() {
        assert_eq!(
            value("processor : 0\nmodel name\t: Some CPU @ 2.5 GHz\n", "model name").unwrap(),
            "Some CPU @ 2.5 GHz"
        );
        assert_eq!(memory_gib("MemTotal:       8388608 kB\n"), Some(8.0));
        assert_eq!(memory_gib("MemTotal: many\n"), None);
    }
}
