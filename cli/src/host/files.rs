//! Small files of /proc and /sys, and sentences about why one could not be read.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use nix::errno::Errno;

use crate::sample::Reading;

/// Name of the errno of `error`, such as "EACCES".
pub(super) fn errno_name(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().to_string(), |code| format!("{:?}", Errno::from_raw(code)))
}

/// Sentence for a path that could not be read, with what would help.
pub(super) fn refusal(path: &Path, error: &io::Error) -> String {
    let name = errno_name(error);
    let path = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{path}: {name}, needs the same user or CAP_SYS_PTRACE")
        }
        io::ErrorKind::NotFound => format!("{path}: {name}, this kernel or this mount does not have it"),
        _ => format!("{path}: {name}"),
    }
}

/// The file as text. Bytes that are not UTF-8 (a process may choose any name) become replacement characters.
pub(super) fn text(path: &Path) -> Result<String, String> {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| refusal(path, &error))
}

/// Word number `index` (from 0) of the file.
pub(super) fn word<T: FromStr>(path: &Path, index: usize) -> Reading<T> {
    text(path).and_then(|text| parse_word(path, &text, index)).into()
}

/// The only word of the file, as a number.
pub(super) fn number(path: &Path) -> Reading<u64> {
    word(path, 0)
}

/// Word number `index` of `text`, which was read from `path`.
pub(super) fn parse_word<T: FromStr>(path: &Path, text: &str, index: usize) -> Result<T, String> {
    text.split_whitespace()
        .nth(index)
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| unexpected(path, text))
}

/// Sentence for a file whose content is not what the kernel writes.
pub(super) fn unexpected(path: &Path, text: &str) -> String {
    let path = path.display();
    if text.trim().is_empty() {
        return format!("{path}: empty");
    }
    let start: String = text.chars().take(40).flat_map(char::escape_default).collect();
    format!("{path}: unexpected content \"{start}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_everything_else_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value");
        fs::write(&path, "4096\n").unwrap();
        assert_eq!(number(&path), Reading::Value(4096));

        fs::write(&path, "").unwrap();
        assert!(number(&path).reason().unwrap().ends_with("value: empty"));

        fs::write(&path, b"\xff\xfe\x00max").unwrap();
        assert!(number(&path).reason().unwrap().contains("unexpected content"));

        fs::write(&path, "18446744073709551616").unwrap();
        assert!(number(&path).reason().unwrap().contains("unexpected content"));

        fs::remove_file(&path).unwrap();
        assert!(number(&path).reason().unwrap().contains("ENOENT"));
        assert!(number(directory.path()).reason().unwrap().contains("EISDIR"));
    }

    #[test]
    fn words_are_counted_from_zero() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file-nr");
        fs::write(&path, "2720\t0\t9223372036854775807\n").unwrap();
        assert_eq!(word(&path, 2), Reading::Value(i64::MAX.unsigned_abs()));
        assert!(word::<u64>(&path, 3).value().is_none());
    }
}
