//! The node under measurement: `baton serve` as a process of its own, its settings, and what the system knows of it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::machine::{Nanos, SECOND, now, pause};
use crate::options::Codecs;
use crate::phone::Party;
use crate::process::{LOOK, Process};
use crate::world::{QUEUE, World};

/// The node's address; the parties have 127.0.0.1 to 127.0.0.3.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));
/// Its ports for RTP: 10 000 pairs, for 1 000 set-ups a second whose ports rest for 2 s.
const PORTS: RangeInclusive<u16> = 10_000..=29_999;
/// Tries to find a port that is none of these; where Linux chooses from by itself begins above.
const PORT_TRIES: usize = 64;
/// Until it takes calls.
const START_MAX: Nanos = 10 * SECOND;
/// Longest wait for one HTTP answer.
const HTTP_MAX: Duration = Duration::from_secs(2);
/// Most of an HTTP answer that is read.
const PAGE_BYTES_MAX: u64 = 4 << 20;

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    /// The program.
    pub process: Process,
    http: SocketAddr,
    /// Where it takes calls.
    pub sip: SocketAddr,
}

impl Node {
    /// Starts `program` on this thread's core and waits until it takes calls. `folder` gets its settings and log.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        world: &World,
        codecs: Codecs,
    ) -> Result<Self, String> {
        Self::start_with(program, folder, |sip, http| settings(sip, http, world, codecs))
    }

    /// The same with settings of its own, which are told where it is to take calls and questions.
    pub(crate) fn start_with(
        program: &Path,
        folder: &Path,
        settings: impl FnOnce(SocketAddr, SocketAddr) -> String,
    ) -> Result<Self, String> {
        let sip = free_udp()?;
        let http = free_tcp()?;
        let (config, log) = (folder.join("bench-calls.toml"), folder.join("bench-calls-node.log"));
        let unwritable =
            |path: &Path, error: std::io::Error| format!("cannot write {}: {error}", path.display());
        std::fs::write(&config, settings(sip, http)).map_err(|error| unwritable(&config, error))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(&config).env_remove("RUST_LOG");
        let process = Process::start("the node", &mut command, &log)?;
        let mut node = Self { process, http, sip };
        let end = now() + START_MAX;
        while node.get("/readyz").is_none_or(|(status, _)| status != 200) {
            node.process.check_alive()?;
            if now() > end {
                return Err(format!(
                    "the node takes no calls after {} s: {}",
                    START_MAX / SECOND,
                    node.process.log_tail()
                ));
            }
            pause(LOOK)?;
        }
        Ok(node)
    }

    /// The sum of one of its metrics over all labels, or those that hold `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> Result<f64, String> {
        let (_, page) = self.get("/metrics").ok_or("the node's /metrics gives no answer")?;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let ours = rest.starts_with(' ') || (rest.starts_with('{') && rest.contains(label));
            if ours { rest.rsplit(' ').next()?.parse::<f64>().ok() } else { None }
        };
        let values: Vec<f64> = page.lines().filter_map(value).collect();
        if values.is_empty() {
            Err(format!("the node has no metric {name}"))
        } else {
            Ok(values.iter().sum())
        }
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.http, HTTP_MAX).ok()?;
        stream.set_read_timeout(Some(HTTP_MAX)).ok()?;
        stream.set_write_timeout(Some(HTTP_MAX)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http);
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.take(PAGE_BYTES_MAX).read_to_end(&mut answer).ok()?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }
}

fn free_udp() -> Result<SocketAddr, String> {
    free(|| UdpSocket::bind((ADDRESS, 0))?.local_addr())
}

fn free_tcp() -> Result<SocketAddr, String> {
    free(|| TcpListener::bind((ADDRESS, 0))?.local_addr())
}

/// The first port that `look` finds and that is none for RTP.
fn free(look: impl Fn() -> std::io::Result<SocketAddr>) -> Result<SocketAddr, String> {
    for _ in 0..PORT_TRIES {
        let address = look().map_err(|error| format!("no free port at {ADDRESS}: {error}"))?;
        if !PORTS.contains(&address.port()) {
            return Ok(address);
        }
    }
    Err(format!("no free port at {ADDRESS} outside {}-{}", PORTS.start(), PORTS.end()))
}

/// The node's settings: one codec for each side and one complexity whatever the load, so that what is measured is what was asked
/// for, and no limit in the way but that of the shard's own time.
fn settings(sip: SocketAddr, http: SocketAddr, world: &World, codecs: Codecs) -> String {
    let (caller, ai) = (codecs.caller.codec(), codecs.ai.codec());
    let (first, last) = (PORTS.start(), PORTS.end());
    let (ai_address, people) = (world.address(Party::Ai), world.address(Party::Agent));
    format!(
        r#"[sip]
listen = ["udp://{sip}"]
[media]
address = "{ADDRESS}"
ports = "{first}-{last}"
complexity = 5
complexity_min = 5
[http]
listen = "{http}"
[[peers]]
name = "callers"
from = ["127.0.0.1/32"]
codecs = ["{caller}"]
[[peers]]
name = "ai"
from = ["127.0.0.2/32"]
uris = ["sip:ai@{ai_address}"]
codecs = ["{ai}"]
[[peers]]
name = "people"
from = ["127.0.0.3/32"]
codecs = ["{ai}"]
[[queues]]
name = "{QUEUE}"
peer = "people"
agents = [{{ uri = "sip:agent@{people}", calls = 1000 }}]
callers = 1000
[[flows]]
name = "support"
match = {{ user = "*" }}
ai = "ai"
queue = "{QUEUE}"
[flows.context]
allow = ["X-*"]
[timers]
drain = 1
[limits]
calls = 4000
calls_per_second = 100000
"#
    )
}
