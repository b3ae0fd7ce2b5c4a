//! Where each server takes the backlog of listen() from.

/// How to set the backlog of the program called `comm` to `backlog` on `port`; the second value is whether
/// the program was recognised.
pub(super) fn backlog_setting(comm: Option<&str>, backlog: u64, port: u16) -> (String, bool) {
    let known = comm.and_then(|comm| setting_of(comm, backlog, port));
    known.map_or_else(|| (generic(backlog, port), false), |text| (text, true))
}

fn setting_of(comm: &str, n: u64, port: u16) -> Option<String> {
    let name = comm.split([':', ' ']).next().unwrap_or(comm);
    let text = match name {
        "nginx" => {
            format!(
                "nginx: `listen {port} backlog={n};` (default 511), then `nginx -s reload`: it calls \
                     listen() again"
            )
        }
        "node" | "nodejs" | "MainThread" | "node-MainThread" => {
            format!("node: `server.listen({{ port: {port}, backlog: {n} }})` (default 511)")
        }
        "redis-server" | "valkey-server" => format!("redis.conf: `tcp-backlog {n}` (default 511)"),
        "gunicorn" => format!("gunicorn: `--backlog {n}` (default 2048)"),
        "uvicorn" => format!("uvicorn: `--backlog {n}` (default 2048)"),
        "uwsgi" => format!("uwsgi: `--listen {n}` (default 100)"),
        "java" => format!(
            "Java: `new ServerSocket({port}, {n})` (default 50); Tomcat: `acceptCount=\"{n}\"` (100); Netty: \
             `option(ChannelOption.SO_BACKLOG, {n})`"
        ),
        "postgres" | "postmaster" => {
            "PostgreSQL derives it, min(2 × server processes, 10000): raise `max_connections`, or put a \
             pooler in front"
                .to_owned()
        }
        "haproxy" => format!("haproxy: `backlog {n}` in the frontend"),
        "envoy" => format!("envoy: `tcp_backlog_size: {n}` in the listener"),
        "apache2" | "httpd" => format!("apache: `ListenBackLog {n}` (default 511)"),
        "netscope" | "netscope-demo" | "demo" | "demo-server" => format!("netscope serve --backlog {n}"),
        name if name.starts_with("python") => format!(
            "Python: `request_queue_size = {n}` on the socketserver or http.server class (default 5); \
             asyncio: `backlog={n}` (100); `socket.create_server(..., backlog={n})` (128)"
        ),
        name if name.starts_with("php-fpm") => format!("php-fpm: `listen.backlog = {n}` (default 511)"),
        _ => return None,
    };
    Some(text)
}

fn generic(n: u64, port: u16) -> String {
    format!(
        "pass {n} as the backlog argument of listen() on port {port}: Rust's std fixes it at 128 (use \
         TcpSocket::listen of tokio, or socket2), Go reads net.core.somaxconn once at start, Java's \
         default is 50, nginx, node, redis and php-fpm 511, Python 5 to 128"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_programs_get_their_own_line() {
        for (comm, expected) in [
            ("nginx", "listen 80 backlog=4096;"),
            ("node", "backlog: 4096"),
            ("redis-server", "tcp-backlog 4096"),
            ("python3", "request_queue_size = 4096"),
            ("python3.11", "request_queue_size = 4096"),
            ("java", "new ServerSocket(80, 4096)"),
            ("postgres", "max_connections"),
            ("haproxy", "backlog 4096"),
            ("envoy", "tcp_backlog_size: 4096"),
            ("gunicorn: maste", "--backlog 4096"),
            ("php-fpm8.2", "listen.backlog = 4096"),
            ("netscope", "netscope serve --backlog 4096"),
            ("netscope-demo", "netscope serve --backlog 4096"),
        ] {
            let (text, recognised) = backlog_setting(Some(comm), 4096, 80);
            assert!(recognised, "{comm}");
            assert!(text.contains(expected), "{comm}: {text}");
        }
    }

    #[test]
    fn an_unknown_program_gets_the_defaults_of_the_common_runtimes() {
        for comm in [Some("tsung"), None] {
            let (text, recognised) = backlog_setting(comm, 1024, 80);
            assert!(!recognised);
            assert!(text.contains("pass 1024") && text.contains("Go reads net.core.somaxconn"), "{text}");
        }
    }
}
