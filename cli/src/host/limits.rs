//! Resource limits of a process: /proc/PID/limits.

use std::path::Path;

use super::files::unexpected;
use crate::sample::{Limit, Reading};

/// The limit called `name` ("Max open files") in the text of /proc/PID/limits.
pub(super) fn limit(path: &Path, text: &Result<String, String>, name: &str) -> Reading<Limit> {
    text.as_ref()
        .map_err(Clone::clone)
        .and_then(|text| {
            let line =
                text.lines().find_map(|line| line.strip_prefix(name)).filter(|rest| rest.starts_with(' '));
            let line = line.ok_or_else(|| format!("{}: no line \"{name}\"", path.display()))?;
            parse(line).ok_or_else(|| unexpected(path, line))
        })
        .into()
}

/// The columns behind the name: soft limit, hard limit, unit.
fn parse(columns: &str) -> Option<Limit> {
    let mut words = columns.split_whitespace();
    let (soft, hard) = (amount(words.next()?)?, amount(words.next()?)?);
    Some(Limit { soft, hard })
}

#[expect(
    clippy::option_option,
    reason = "the outer one is a text that is no limit, the inner one is unlimited"
)]
fn amount(word: &str) -> Option<Option<u64>> {
    if word == "unlimited" { Some(None) } else { word.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::{Resource, getrlimit};
    use proptest::prelude::*;

    use super::*;
    use crate::host::files::text;

    fn read(text: &str, name: &str) -> Reading<Limit> {
        limit(Path::new("limits"), &Ok(text.to_owned()), name)
    }

    const TEXT: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                        Max processes             unlimited            63123                processes \n\
                        Max open files            1024                 524288               files     \n";

    #[test]
    fn soft_and_hard_are_told_apart() {
        assert_eq!(
            read(TEXT, "Max open files"),
            Reading::Value(Limit { soft: Some(1024), hard: Some(524_288) })
        );
        assert_eq!(read(TEXT, "Max processes"), Reading::Value(Limit { soft: None, hard: Some(63_123) }));
    }

    #[test]
    fn truncation_and_garbage_say_why() {
        assert!(read(TEXT, "Max open").reason().unwrap().contains("unexpected content \" files"));
        assert_eq!(read("", "Max open files").reason(), Some("limits: no line \"Max open files\""));
        assert!(read("Max open files   1024", "Max open files").value().is_none());
        assert!(read("Max open files   -1  soon files", "Max open files").value().is_none());
        let unreadable = limit(Path::new("limits"), &Err("EACCES".to_owned()), "Max open files");
        assert_eq!(unreadable.reason(), Some("EACCES"));
    }

    #[test]
    fn our_own_limit_equals_getrlimit() {
        let path = Path::new("/proc/self/limits");
        let limit = limit(path, &text(path), "Max open files");
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(limit, Reading::Value(Limit { soft: Some(soft), hard: Some(hard) }));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text: String) {
            let reading = read(&format!("Max open files {text}"), "Max open files");
            prop_assert_eq!(reading.value().is_some(), parse(&text).is_some());
        }

        #[test]
        fn what_the_kernel_prints_comes_back(soft: Option<u64>, hard: Option<u64>) {
            let print = |value: Option<u64>| value.map_or("unlimited".to_owned(), |value| value.to_string());
            let line = format!("{:<25} {:<20} {:<20} {:<10}\n", "Max open files", print(soft), print(hard), "files");
            prop_assert_eq!(read(&line, "Max open files"), Reading::Value(Limit { soft, hard }));
        }
    }
}
