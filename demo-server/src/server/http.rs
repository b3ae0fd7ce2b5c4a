//! Requests as the server reads them and the answers it gives (RFC 9112).

use httparse::{EMPTY_HEADER, Error as ParseError, Header, Request, Status};

/// Most header fields in one request.
const FIELDS: usize = 64;

/// What the bytes at hand begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A head that has not arrived completely.
    Partial,
    /// A complete head, and how long it and the body after it are, in bytes.
    Request { head_bytes: usize, body_bytes: u64, answer: Answer },
    /// Nothing that can be answered otherwise; the connection ends after it.
    Refused(Answer),
}

/// How a request is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Code,
    pub(super) persistence: Persistence,
    /// The request's method was HEAD: the answer has no body.
    pub(super) head_only: bool,
}

impl Answer {
    /// An answer that ends the connection.
    pub(super) const fn refusal(status: Code) -> Self {
        Self { status, persistence: Persistence::Close, head_only: false }
    }
}

/// The status codes that this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Ok,
    BadRequest,
    ExpectationFailed,
    HeadTooLarge,
    NotImplemented,
}

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It stays, as HTTP/1.1 has it without a word.
    Silent,
    /// It stays, and a client of HTTP/1.0 wants to be told.
    Announced,
    /// It is closed.
    Close,
}

/// Reads one request head.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut request = Request::new(&mut fields);
    let head_bytes = match request.parse(bytes) {
        Ok(Status::Complete(head_bytes)) => head_bytes,
        Ok(Status::Partial) => return Parsed::Partial,
        Err(ParseError::TooManyHeaders) => return Parsed::Refused(Answer::refusal(Code::HeadTooLarge)),
        Err(_) => return Parsed::Refused(Answer::refusal(Code::BadRequest)),
    };
    let old = request.version == Some(0);
    let head_only = request.method == Some("HEAD");
    match read_fields(request.headers, old) {
        Ok((body_bytes, persistence)) => Parsed::Request {
            head_bytes,
            body_bytes,
            answer: Answer { status: Code::Ok, persistence, head_only },
        },
        Err(code) => Parsed::Refused(Answer::refusal(code)),
    }
}

/// Length of the body and fate of the connection, as the header fields have it.
fn read_fields(fields: &[Header<'_>], old: bool) -> Result<(u64, Persistence), Code> {
    let mut body_bytes = None;
    let (mut close, mut keep) = (false, false);
    for field in fields {
        if field.name.eq_ignore_ascii_case("connection") {
            close |= has_token(field.value, "close");
            keep |= has_token(field.value, "keep-alive");
        } else if field.name.eq_ignore_ascii_case("content-length") {
            let length = read_length(field.value).ok_or(Code::BadRequest)?;
            if body_bytes.is_some_and(|known| known != length) {
                return Err(Code::BadRequest);
            }
            body_bytes = Some(length);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Code::NotImplemented);
        } else if field.name.eq_ignore_ascii_case("expect") {
            return Err(Code::ExpectationFailed);
        }
    }
    let persistence = match (close, keep, old) {
        (true, _, _) | (false, false, true) => Persistence::Close,
        (false, true, true) => Persistence::Announced,
        (false, _, false) => Persistence::Silent,
    };
    Ok((body_bytes.unwrap_or(0), persistence))
}

fn has_token(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Digits only (RFC 9110, 8.6): a sign or a second number is an attempt to smuggle a request.
fn read_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// The bytes of every answer, made once.
#[derive(Debug)]
pub(super) struct Answers {
    silent: Vec<u8>,
    announced: Vec<u8>,
    close: Vec<u8>,
    body: Vec<u8>,
}

impl Answers {
    /// Answers whose body has this many bytes.
    pub(super) fn new(body_bytes: usize) -> Self {
        let head = |field: &str| {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body_bytes}\r\n{field}\r\n"
            )
            .into_bytes()
        };
        Self {
            silent: head(""),
            announced: head("Connection: keep-alive\r\n"),
            close: head("Connection: close\r\n"),
            body: b"Hello, world\n".iter().copied().cycle().take(body_bytes).collect(),
        }
    }

    /// Length in bytes that no answer exceeds.
    pub(super) fn longest(&self) -> usize {
        self.announced.len() + self.body.len() + 256
    }

    /// Adds one answer to what is to be written.
    pub(super) fn write(&self, answer: Answer, output: &mut Vec<u8>) {
        let refusal = match answer.status {
            Code::Ok => {
                output.extend_from_slice(match answer.persistence {
                    Persistence::Silent => &self.silent,
                    Persistence::Announced => &self.announced,
                    Persistence::Close => &self.close,
                });
                if !answer.head_only {
                    output.extend_from_slice(&self.body);
                }
                return;
            }
            Code::BadRequest => "400 Bad Request",
            Code::ExpectationFailed => "417 Expectation Failed",
            Code::HeadTooLarge => "431 Request Header Fields Too Large",
            Code::NotImplemented => "501 Not Implemented",
        };
        for part in ["HTTP/1.1 ", refusal, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"] {
            output.extend_from_slice(part.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: &str) -> (usize, u64, Answer) {
        match parse(bytes.as_bytes()) {
            Parsed::Request { head_bytes, body_bytes, answer } => (head_bytes, body_bytes, answer),
            other => panic!("{other:?}"),
        }
    }

    fn refused(bytes: &str) -> Code {
        match parse(bytes.as_bytes()) {
            Parsed::Refused(answer) => answer.status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn head_ends_where_the_next_request_begins() {
        let one = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let (head_bytes, body_bytes, answer) = request(&format!("{one}{one}"));
        assert_eq!((head_bytes, body_bytes), (one.len(), 0));
        assert_eq!(answer, Answer { status: Code::Ok, persistence: Persistence::Silent, head_only: false });
    }

    #[test]
    fn every_proper_prefix_is_partial() {
        let whole = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..end]), Parsed::Partial, "{end}");
        }
        assert_eq!(request(whole).1, 3);
    }

    #[test]
    fn persistence_follows_version_and_connection_field() {
        let of = |version: &str, field: &str| {
            request(&format!("GET / HTTP/{version}\r\n{field}\r\n")).2.persistence
        };
        assert_eq!(of("1.1", ""), Persistence::Silent);
        assert_eq!(of("1.1", "Connection: Keep-Alive\r\n"), Persistence::Silent);
        assert_eq!(of("1.1", "connection: upgrade, CLOSE\r\n"), Persistence::Close);
        assert_eq!(of("1.0", ""), Persistence::Close);
        assert_eq!(of("1.0", "Connection: keep-alive\r\n"), Persistence::Announced);
    }

    #[test]
    fn what_cannot_be_answered_is_refused_by_kind() {
        assert_eq!(refused("nonsense\r\n\r\n"), Code::BadRequest);
        assert_eq!(refused("GET / HTTP/1.1\r\nContent-Length: +3\r\n\r\n"), Code::BadRequest);
        assert_eq!(
            refused("GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
            Code::BadRequest
        );
        assert_eq!(refused("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), Code::NotImplemented);
        assert_eq!(refused("GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"), Code::ExpectationFailed);
        let many = "X: y\r\n".repeat(FIELDS + 1);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Code::HeadTooLarge);
    }

    #[test]
    fn no_answer_is_longer_than_announced() {
        let answers = Answers::new(5);
        for status in
            [Code::Ok, Code::BadRequest, Code::ExpectationFailed, Code::HeadTooLarge, Code::NotImplemented]
        {
            for persistence in [Persistence::Silent, Persistence::Announced, Persistence::Close] {
                let mut output = Vec::new();
                answers.write(Answer { status, persistence, head_only: false }, &mut output);
                assert!(output.len() <= answers.longest());
                assert!(output.starts_with(b"HTTP/1.1 "));
            }
        }
    }

    #[test]
    fn answer_to_head_has_the_length_but_no_body() {
        let answers = Answers::new(5);
        let mut output = Vec::new();
        answers.write(request("HEAD / HTTP/1.1\r\n\r\n").2, &mut output);
        let text = String::from_utf8(output).unwrap();
        assert!(text.contains("Content-Length: 5\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }
}
