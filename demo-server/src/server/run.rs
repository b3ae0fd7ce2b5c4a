//! Putting a server together, and its threads.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::unistd::gettid;

use super::counts::Counts;
use super::http::Answers;
use super::io::Io;
use super::listener;
use super::options::Options;
use super::reserve::{Gate, Reserve};
use super::truth::Truth;
use super::truth_port;
use super::worker::Worker;
use crate::limit::Changed;
use crate::{Error, Stop};

/// Runs a server until the stop is requested. Use [`Server::bind`] to learn its addresses first.
///
/// # Errors
/// As [`Server::bind`] and [`Server::run`].
pub fn run(options: &Options, stop: &Stop) -> Result<Truth, Error> {
    Server::bind(options)?.run(stop)
}

/// Where a server listens; port 0 of the options is replaced by what the kernel chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Bound {
    /// Address of the instrumented server.
    pub listen: SocketAddr,
    /// Address of the truth port, if there is one.
    pub truth: Option<SocketAddr>,
}

/// Reads the truth of a server, before, while and after it runs.
#[derive(Debug, Clone)]
pub struct Observer {
    counts: Arc<Vec<Arc<Counts>>>,
}

impl Observer {
    /// The sums of now. Makes no system call and stops no loop.
    pub fn truth(&self) -> Truth {
        let mut truth = Truth { pid: process::id(), ..Truth::default() };
        for counts in self.counts.iter() {
            counts.add_to(&mut truth);
        }
        truth
    }
}

/// A server that listens: the kernel completes handshakes already, but nobody accepts before [`Server::run`].
#[derive(Debug)]
pub struct Server {
    workers: Vec<Worker>,
    truth_listener: Option<TcpListener>,
    gate: Option<Arc<Gate>>,
    bound: Bound,
    observer: Observer,
    max_fds: Option<u64>,
}

impl Server {
    /// Checks the options, opens every listener and allocates what the loops need.
    ///
    /// # Errors
    /// An option that cannot work, or an address that cannot be listened on.
    pub fn bind(options: &Options) -> Result<Self, Error> {
        options.check()?;
        let (listeners, listen) = open_listeners(options)?;
        let truth = options.truth.map(|address| listener::open(address, 16, false)).transpose()?;
        let bound = Bound { listen, truth: truth.as_ref().map(|(_, address)| *address) };
        let gate = truth.is_some().then(|| Arc::new(Gate::new(options.workers)));
        let answers = Arc::new(Answers::new(options.body_bytes));
        let mut workers = Vec::with_capacity(listeners.len());
        let mut all_counts = Vec::with_capacity(listeners.len());
        for (number, listener) in listeners.into_iter().enumerate() {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
                .map_err(Error::system("make", "an epoll instance"))?;
            let counts = Arc::new(Counts::new(format!("demo-loop-{number}")));
            all_counts.push(Arc::clone(&counts));
            let io = Io::new(epoll, counts, Arc::clone(&answers), options.read_buffer_bytes);
            workers.push(Worker::new(number, io, listener, gate.clone(), options));
        }
        Ok(Self {
            workers,
            truth_listener: truth.map(|(fd, _)| TcpListener::from(fd)),
            gate,
            bound,
            observer: Observer { counts: Arc::new(all_counts) },
            max_fds: options.max_fds,
        })
    }

    /// Where the server listens.
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// A reader of the truth that outlives the server.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Serves until the stop is requested or a loop fails, closes all connections and returns the final truth.
    /// The calling thread only waits. The stop is requested
    /// when this returns, so that nothing that waits for it is left behind.
    ///
    /// # Errors
    /// A limit that cannot be set, a thread that cannot be started, or a loop that cannot go on.
    pub fn run(mut self, stop: &Stop) -> Result<Truth, Error> {
        for worker in &mut self.workers {
            worker.prepare(stop)?;
        }
        let changed_limit = self.max_fds.map(Changed::to).transpose()?;
        let truth_thread = match (self.truth_listener.take(), self.gate.take()) {
            (Some(listener), Some(gate)) => Some(start_truth_port(listener, gate, self.observer(), stop)?),
            _ => None,
        };
        let mut running = Vec::with_capacity(self.workers.len());
        let mut result = Ok(());
        for worker in self.workers {
            match start_loop(worker, stop) {
                Ok(thread) => running.push(thread),
                Err(error) => {
                    stop.request();
                    result = Err(error);
                    break;
                }
            }
        }
        // The workers are dropped here, by the calling thread: closing listeners is no work of a loop.
        let ended: Vec<_> = running.into_iter().map(join).collect();
        stop.request();
        let truth_result = truth_thread.map_or(Ok(()), |thread| join(thread)?);
        for worker in ended {
            let (_worker, loop_result) = worker?;
            result = result.and(loop_result);
        }
        drop(changed_limit);
        result.and(truth_result).map(|()| self.observer.truth())
    }
}

fn open_listeners(options: &Options) -> Result<(Vec<OwnedFd>, SocketAddr), Error> {
    let shared = options.workers > 1;
    let (first, bound) = listener::open(options.listen, options.backlog, shared)?;
    let mut listeners = vec![first];
    for _ in 1..options.workers {
        listeners.push(listener::open(bound, options.backlog, shared)?.0);
    }
    Ok((listeners, bound))
}

type Loop = JoinHandle<(Worker, Result<(), Error>)>;

fn start_loop(mut worker: Worker, stop: &Stop) -> Result<Loop, Error> {
    let stop = stop.clone();
    let name = worker.io.counts.name().to_owned();
    thread::Builder::new()
        .name(name.clone())
        .spawn(move || {
            worker.io.counts.set_tid(u32::try_from(gettid().as_raw()).unwrap_or(0));
            let result = worker.run();
            if result.is_err() {
                stop.request();
            }
            (worker, result)
        })
        .map_err(|source| Error::Thread { name, source })
}

fn start_truth_port(
    listener: TcpListener,
    gate: Arc<Gate>,
    observer: Observer,
    stop: &Stop,
) -> Result<JoinHandle<Result<(), Error>>, Error> {
    let stop = stop.clone();
    let name = String::from("demo-truth");
    let mut reserve = Reserve::new(gate, stop.clone());
    thread::Builder::new()
        .name(name.clone())
        .spawn(move || truth_port::serve(&listener, &observer, &mut reserve, &stop))
        .map_err(|source| Error::Thread { name, source })
}

fn join<T>(thread: JoinHandle<T>) -> Result<T, Error> {
    let name = thread.thread().name().unwrap_or("without a name").to_owned();
    thread.join().map_err(|_| Error::Panicked { name })
}
