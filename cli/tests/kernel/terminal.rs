//! A pseudo-terminal with a shell that runs netscope on it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

use crate::watch::netscope;

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the shell says when netscope has ended, before the exit code.
const LEFT: &str = "<left ";
/// Enter and leave the alternate screen, show the cursor (xterm control sequences).
pub const ALTERNATE: &str = "\u{1b}[?1049h";
pub const NORMAL: &str = "\u{1b}[?1049l";
pub const CURSOR: &str = "\u{1b}[?25h";

/// Waits until `what` is there.
pub fn wait_for<T>(name: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {name} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ids of the children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The session of a process, `None` when it is gone or only waits to be reaped (proc_pid_stat(5)).
fn session_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields[0] != "Z" && fields[0] != "X").then(|| fields[3].parse().unwrap())
}

/// netscope on a terminal of 80 × 24 that nobody else uses, started by a shell with job control.
pub struct Session {
    shell: Child,
    /// The program's side, kept open so that the mode can be read when the program is gone.
    slave: Option<OwnedFd>,
    before: Termios,
    screen: Arc<Mutex<Vec<u8>>>,
    hang_up: Arc<AtomicBool>,
    keys: Option<fs::File>,
    reader: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts `netscope` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        // A child that inherited the terminal's own side would keep it from being closed.
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let before = tcgetattr(&pty.slave).unwrap();
        let program = netscope(&[]).get_program().to_owned();
        // The shell lives on, as that of a user does.
        let line = format!("\"$0\" \"$@\"; printf '{LEFT}%d>' $?; exec sleep 1000");
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let shell = Command::new("setsid")
            .args(["--ctty", "sh", "-mc", &line])
            .arg(program)
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let hang_up = Arc::new(AtomicBool::new(false));
        let keys = Some(fs::File::from(pty.master.try_clone().unwrap()));
        let reader = {
            let (screen, hang_up) = (Arc::clone(&screen), Arc::clone(&hang_up));
            std::thread::spawn(move || read_screen(pty.master.into(), &screen, &hang_up))
        };
        Self { shell, slave: Some(pty.slave), before, screen, hang_up, keys, reader: Some(reader) }
    }

    /// Process id of netscope.
    pub fn pid(&self) -> u32 {
        wait_for("process of netscope", || children(self.shell.id()).first().copied())
    }

    /// The processes on the terminal besides the shell, as they all are of its session (setsid(2)).
    pub fn others(&self) -> Vec<u32> {
        let shell = self.shell.id();
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
        let pids = processes.filter_map(|name| name.to_str()?.parse().ok());
        pids.filter(|pid| *pid != shell && session_of(*pid) == Some(shell)).collect()
    }

    /// Everything written to the terminal so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits for a text on the terminal.
    pub fn await_text(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.screen().contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} on the terminal:\n{:?}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types.
    pub fn press(&mut self, keys: &[u8]) {
        self.keys.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// Gives the terminal another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let status = Command::new("stty")
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .stdin(self.slave.as_ref().unwrap().try_clone().unwrap())
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits until more than `bytes` were written to the terminal.
    pub fn await_growth(&self, bytes: usize) {
        wait_for("output", || (self.screen().len() > bytes).then_some(()));
    }

    /// Waits until the shell goes on, and returns the exit code that it saw.
    pub fn exit_code(&self) -> u8 {
        self.await_text(LEFT);
        wait_for("exit code", || {
            let screen = self.screen();
            let (_, rest) = screen.split_once(LEFT)?;
            rest.split_once('>')?.0.parse().ok()
        })
    }

    /// The terminal was taken, and is as it was.
    pub fn assert_given_back(&self) {
        self.await_text(ALTERNATE);
        let given = |screen: &str| {
            let (taken, given) = (screen.rfind(ALTERNATE)?, screen.rfind(NORMAL)?);
            (taken < given && screen[given..].contains(CURSOR)).then_some(())
        };
        wait_for("normal screen", || given(&self.screen()));
        self.assert_mode_as_before();
    }

    /// The terminal's mode is what it was.
    pub fn assert_mode_as_before(&self) {
        let slave = self.slave.as_ref().unwrap();
        wait_for("terminal mode as before", || (tcgetattr(slave).unwrap() == self.before).then_some(()));
    }

    /// Closes the terminal, as the end of an ssh session does.
    pub fn close(&mut self) {
        drop(self.slave.take());
        drop(self.keys.take());
        self.hang_up.store(true, Ordering::SeqCst);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

/// Collects what is written to the terminal until it is to be closed.
fn read_screen(mut master: fs::File, screen: &Mutex<Vec<u8>>, hang_up: &AtomicBool) {
    let mut part = [0; 4096];
    while !hang_up.load(Ordering::SeqCst) {
        let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(20_u8)) != Ok(1) {
            continue;
        }
        match master.read(&mut part) {
            Ok(bytes) => screen.lock().unwrap().extend_from_slice(&part[..bytes]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The last process has closed its side.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What a failed test leaves must not disturb the next one.
        for pid in self.others() {
            let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
        }
        self.close();
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
