//! nginx with one worker that answers every request from memory, on a port of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::child::{self, Child};

/// How long nginx may take until it accepts.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Process id of the one worker.
    pub worker: u32,
    master: Child,
}

impl Server {
    /// Starts `nginx` with its files in `folder`; its worker is pinned to the first CPU if there are several.
    pub fn start(nginx: &Path, folder: &Path, cpus: usize) -> Result<Self> {
        let port = free_port()?;
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration(port, cpus))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let text = |path: &PathBuf| path.display().to_string();
        let prefix = folder.to_path_buf();
        let arguments = ["-p".to_owned(), text(&prefix), "-c".to_owned(), text(&file)];
        let mut master = Child::start(nginx, &arguments, &folder.join("nginx.out"))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            master.expect_running().context("nginx")?;
            let workers = child::children(master.id())?;
            if let [worker] = workers[..]
                && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            {
                return Ok(Self { port, worker, master });
            }
            if Instant::now() > deadline {
                bail!(
                    "nginx does not accept on port {port} after {} s: {}",
                    PATIENCE.as_secs(),
                    master.output()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server.
    pub fn stop(self) -> Result<()> {
        self.master.interrupt().context("nginx").map(drop)
    }
}

/// A port that nobody listened on a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a port of 127.0.0.1")?;
    Ok(listener.local_addr().context("cannot read the bound port")?.port())
}

fn configuration(port: u16, cpus: usize) -> String {
    let affinity = if cpus > 1 { format!("worker_cpu_affinity {:0>cpus$};\n", 1) } else { String::new() };
    format!(
        "daemon off;\npid nginx.pid;\nerror_log nginx.log;\nworker_processes 1;\n{affinity}\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_body_temp_path body;\n\
         \x20 server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"ok\\n\"; }} }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_has_a_cpu_of_its_own_where_there_are_two() {
        assert!(configuration(8080, 2).contains("worker_cpu_affinity 01;"));
        assert!(configuration(8080, 4).contains("worker_cpu_affinity 0001;"));
        assert!(!configuration(8080, 1).contains("affinity"));
        assert!(configuration(8080, 2).contains("listen 127.0.0.1:8080;"));
    }
}
