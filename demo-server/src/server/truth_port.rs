//! The second port: the truth as JSON, from a thread of its own that the loops never wait for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::reserve::Reserve;
use super::run::Observer;
use crate::{Error, Stop};

/// Longest that one client may take to ask and to read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest request head that is looked at, in bytes.
const HEAD_BYTES: usize = 8 * 1024;

/// Serves the truth until the stop is requested: one connection after the other, one answer each, then closed.
pub(super) fn serve(
    listener: &TcpListener,
    observer: &Observer,
    reserve: &mut Reserve,
    stop: &Stop,
) -> Result<(), Error> {
    loop {
        let mut fds =
            [PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::system("wait on", "the truth port")(errno)),
        }
        if stop.requested() {
            return Ok(());
        }
        let stream = reserve.accept(listener).ok();
        if let Some(stream) = &stream {
            // A client that does not read its answer gets none; nobody else is concerned.
            let _ = answer(stream, observer);
        }
        reserve.restore(stream);
    }
}

fn answer(mut stream: &TcpStream, observer: &Observer) -> std::io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        let bytes = stream.read(&mut part)?;
        if bytes == 0 {
            break;
        }
        head.extend_from_slice(part.get(..bytes).unwrap_or_default());
    }
    stream.set_write_timeout(Some(PATIENCE))?;
    if !head.starts_with(b"GET ") {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let mut body = serde_json::to_vec_pretty(&observer.truth())?;
    body.push(b'\n');
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.append(&mut body);
    stream.write_all(&response)
}
