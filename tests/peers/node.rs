//! A `baton serve` process with a settings file of its own.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http;

/// A running node.
pub(crate) struct Node {
    child: Child,
    folder: PathBuf,
    /// Where it speaks SIP.
    pub(crate) sip: SocketAddr,
    http: SocketAddr,
}

/// Gauges that are 0 within a second after the last call.
pub(crate) const AT_ONCE: [&str; 6] = [
    "baton_calls_active",
    "baton_legs_active",
    "baton_media_legs_active",
    "baton_actors_active",
    "baton_handoff_active",
    "baton_ports{state=\"used\"}",
];

/// Gauges that are 0 once transactions and ports have rested.
pub(crate) const RESTING: [&str; 3] =
    ["baton_sip_transactions_active", "baton_sip_dialogs_active", "baton_ports{state=\"resting\"}"];

/// The program: `BATON_BIN`, or `baton` beside this test in the target folder.
pub(crate) fn program() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("BATON_BIN") {
        return Ok(PathBuf::from(path));
    }
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let profile = this.parent().and_then(Path::parent).ok_or("this test lies nowhere")?;
    let file = profile.join(format!("baton{}", std::env::consts::EXE_SUFFIX));
    if file.is_file() {
        Ok(file)
    } else {
        Err(format!("{} is not built: cargo build -p baton-engine", file.display()))
    }
}

impl Node {
    /// Starts a node with these settings and waits until it is ready.
    pub(crate) fn start(folder: &Path, ip: IpAddr, settings: &str) -> Self {
        let file = folder.join("baton.toml");
        std::fs::write(&file, settings).expect("a file can be written");
        // Behind what the node before it said, of which keys and digits must be absent as well.
        let log = std::fs::File::options().create(true).append(true).open(folder.join("node.log"));
        let log = log.expect("a file can be made");
        let program = program().expect("looked for at the start");
        let child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .current_dir(folder)
            // What must not be in the log is looked for in all that operators can turn on.
            .env("BATON_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("the program runs");
        let http = SocketAddr::new(ip, 8080);
        let mut node = Self { child, folder: folder.into(), sip: SocketAddr::new(ip, 5060), http };
        node.wait_until_ready();
        node
    }

    fn wait_until_ready(&mut self) {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if matches!(http::get(self.http, "/readyz"), Ok((200, _))) {
                return;
            }
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "the node ended: {ended:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the node is not ready after 20 s\n{}", self.log());
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("node.log")).unwrap_or_default()
    }

    /// The sum of all series of a metric, or the one with these labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = http::get(self.http, "/metrics").expect("the node answers");
        let is = |series: &str| series == name || series.split('{').next() == Some(name);
        let values = text.lines().filter_map(|line| line.rsplit_once(' ')).filter(|(series, _)| is(series));
        values.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }

    /// Waits until all these metrics are 0; says which are not.
    pub(crate) fn wait_for_zero(&self, names: &[&str], limit: Duration) -> Result<(), String> {
        let end = Instant::now() + limit;
        loop {
            let left: Vec<String> = names
                .iter()
                .map(|name| (name, self.metric(name)))
                .filter(|(_, value)| *value != 0.0)
                .map(|(name, value)| format!("{name} is {value}"))
                .collect();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(left.join(", "));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the process at once.
    pub(crate) fn stop(&mut self) {
        // It may have ended by itself; either way its sockets are free then.
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// The living calls as the API describes each.
    pub(crate) fn described(&self) -> Vec<serde_json::Value> {
        let list: serde_json::Value = serde_json::from_str(&self.calls()).unwrap_or_default();
        let calls = list["calls"].as_array().cloned().unwrap_or_default();
        let ids = calls.iter().filter_map(|call| call["call_id"].as_str());
        ids.filter_map(|id| http::get(self.http, &format!("/v1/calls/{id}")).ok())
            .filter_map(|(_, body)| serde_json::from_str(&body).ok())
            .collect()
    }

    /// The API's list of living calls.
    pub(crate) fn calls(&self) -> String {
        http::get(self.http, "/v1/calls").map(|(_, body)| body).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
