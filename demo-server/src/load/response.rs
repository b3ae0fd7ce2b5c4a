//! Responses as they arrive, in any pieces (RFC 9112). Bodies are counted off and thrown away.

use httparse::{EMPTY_HEADER, Header, Response, Status, parse_chunk_size};

/// Most header fields in one response.
const FIELDS: usize = 128;

/// Longest head or line of a chunk that is waited for, in bytes.
const LINE_BYTES: usize = 64 * 1024;

/// What came of the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// More must come.
    Partial,
    /// The response is complete.
    Complete { status: u16, reusable: bool },
    /// This is no HTTP.
    Broken,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    /// So many bytes of a body of known length are missing.
    Length(u64),
    /// The body lasts as long as the connection.
    UntilClose,
    ChunkSize,
    /// So many bytes of a chunk and the line end after it are missing.
    Chunk(u64),
    Trailer,
}

/// Reads one response after the other.
#[derive(Debug, Default)]
pub(super) struct Reader {
    part: Part,
    status: u16,
    reusable: bool,
    /// Bytes that are not understood yet: at most a head or a line.
    pending: Vec<u8>,
}

enum Step {
    Go(usize, Part),
    Wait(usize),
    Done(usize),
    Broken,
}

impl Reader {
    /// Takes the next bytes of the stream.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Outcome {
        if self.pending.is_empty() {
            return self.read(bytes);
        }
        let mut joined = std::mem::take(&mut self.pending);
        joined.extend_from_slice(bytes);
        self.read(&joined)
    }

    /// The stream has ended: completes a response that lasts until then.
    pub(super) fn end(&mut self) -> Outcome {
        if self.part == Part::UntilClose { self.complete(false) } else { Outcome::Partial }
    }

    fn complete(&mut self, reusable: bool) -> Outcome {
        let outcome = Outcome::Complete { status: self.status, reusable };
        *self = Self::default();
        outcome
    }

    fn read(&mut self, bytes: &[u8]) -> Outcome {
        let mut rest = bytes;
        loop {
            let step = self.step(rest);
            let (Step::Go(used, _) | Step::Wait(used) | Step::Done(used)) = step else {
                return Outcome::Broken;
            };
            rest = rest.get(used..).unwrap_or_default();
            match step {
                Step::Go(_, part) => self.part = part,
                // What follows a response that was asked for alone cannot be trusted.
                Step::Done(_) => return self.complete(self.reusable && rest.is_empty()),
                _ if rest.len() > LINE_BYTES => return Outcome::Broken,
                _ => {
                    self.pending = rest.to_vec();
                    return Outcome::Partial;
                }
            }
        }
    }

    fn step(&mut self, rest: &[u8]) -> Step {
        match self.part {
            Part::Head => self.head(rest),
            Part::Length(missing) | Part::Chunk(missing) => {
                let here = usize::try_from(missing).map_or(rest.len(), |missing| missing.min(rest.len()));
                let left = missing.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                match (self.part, left) {
                    (Part::Length(_), 0) => Step::Done(here),
                    (_, 0) => Step::Go(here, Part::ChunkSize),
                    (Part::Length(_), left) => {
                        self.part = Part::Length(left);
                        Step::Wait(here)
                    }
                    (_, left) => {
                        self.part = Part::Chunk(left);
                        Step::Wait(here)
                    }
                }
            }
            Part::UntilClose => Step::Wait(rest.len()),
            Part::ChunkSize => match parse_chunk_size(rest) {
                Ok(Status::Complete((used, 0))) => Step::Go(used, Part::Trailer),
                Ok(Status::Complete((used, size))) => Step::Go(used, Part::Chunk(size.saturating_add(2))),
                Ok(Status::Partial) => Step::Wait(0),
                Err(_) => Step::Broken,
            },
            Part::Trailer => match rest.windows(2).position(|end| end == b"\r\n") {
                Some(0) => Step::Done(2),
                Some(line) => Step::Go(line + 2, Part::Trailer),
                None => Step::Wait(0),
            },
        }
    }

    fn head(&mut self, rest: &[u8]) -> Step {
        let mut fields = [EMPTY_HEADER; FIELDS];
        let mut response = Response::new(&mut fields);
        let used = match response.parse(rest) {
            Ok(Status::Complete(used)) => used,
            Ok(Status::Partial) => return Step::Wait(0),
            Err(_) => return Step::Broken,
        };
        self.status = response.code.unwrap_or(0);
        if (100..200).contains(&self.status) {
            return Step::Go(used, Part::Head);
        }
        self.reusable = reusable(response.headers, response.version == Some(0));
        match body(self.status, response.headers) {
            Some(Part::Length(0)) => Step::Done(used),
            Some(part) => Step::Go(used, part),
            None => Step::Broken,
        }
    }
}

fn values<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a str> {
    let fields = fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
    fields.flat_map(|field| std::str::from_utf8(field.value).unwrap_or_default().split(',')).map(str::trim)
}

fn reusable(fields: &[Header<'_>], old: bool) -> bool {
    let has = |token: &str| values(fields, "connection").any(|value| value.eq_ignore_ascii_case(token));
    !has("close") && (!old || has("keep-alive"))
}

/// How the body ends (RFC 9112, 6.3); `None` if the head contradicts itself.
fn body(status: u16, fields: &[Header<'_>]) -> Option<Part> {
    if matches!(status, 204 | 304) {
        return Some(Part::Length(0));
    }
    if let Some(last) = values(fields, "transfer-encoding").last() {
        return Some(if last.eq_ignore_ascii_case("chunked") { Part::ChunkSize } else { Part::UntilClose });
    }
    let mut lengths = values(fields, "content-length").map(|value| value.parse::<u64>().ok());
    match lengths.next() {
        Some(first) if lengths.all(|other| other == first) => first.map(Part::Length),
        Some(_) => None,
        None => Some(Part::UntilClose),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OK: Outcome = Outcome::Complete { status: 200, reusable: true };
    const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n";
    const CONTINUED: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn whole(text: &str) -> Outcome {
        Reader::default().feed(text.as_bytes())
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        for text in [LENGTH, CHUNKED, CONTINUED, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
            assert_eq!(whole(text), OK, "{text}");
        }
        assert_eq!(whole("HTTP/1.1 304 X\r\n\r\n"), Outcome::Complete { status: 304, reusable: true });
    }

    #[test]
    fn connections_are_reused_only_where_the_server_lets() {
        let reusable = |head: &str| whole(&format!("{head}\r\nContent-Length: 0\r\n\r\n"));
        let no = Outcome::Complete { status: 200, reusable: false };
        assert_eq!(reusable("HTTP/1.1 200 OK\r\nConnection: close"), no);
        assert_eq!(reusable("HTTP/1.0 200 OK"), no);
        assert_eq!(reusable("HTTP/1.0 200 OK\r\nConnection: keep-alive"), OK);
        assert_eq!(whole(&format!("{LENGTH}x")), no);
    }

    #[test]
    fn body_without_framing_ends_with_the_stream() {
        let mut reader = Reader::default();
        assert_eq!(reader.feed(b"HTTP/1.0 200 OK\r\n\r\nsome"), Outcome::Partial);
        assert_eq!(reader.feed(b"thing"), Outcome::Partial);
        assert_eq!(reader.end(), Outcome::Complete { status: 200, reusable: false });
        assert_eq!(reader.end(), Outcome::Partial);
    }

    #[test]
    fn nonsense_is_broken() {
        assert_eq!(whole("SSH-2.0-OpenSSH_9.2\r\n"), Outcome::Broken);
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), Outcome::Broken);
        assert_eq!(
            whole("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            Outcome::Broken
        );
        assert_eq!(whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Outcome::Broken);
        assert_eq!(whole(&format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(LINE_BYTES))), Outcome::Broken);
    }

    proptest! {
        #[test]
        fn any_cut_of_a_response_gives_the_same_outcome(
            cuts in prop::collection::vec(0_usize..120, 0..8),
            which in 0_usize..3,
        ) {
            let text = [LENGTH, CHUNKED, CONTINUED][which].as_bytes();
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let mut reader = Reader::default();
            let mut start = 0;
            for end in ends {
                let outcome = reader.feed(&text[start..end]);
                if end < text.len() {
                    prop_assert_eq!(outcome, Outcome::Partial);
                } else if start < end {
                    prop_assert_eq!(outcome, OK);
                }
                start = end;
            }
        }
    }
}
