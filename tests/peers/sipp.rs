//! SIPp as one party of a call: one process, one call, a time limit, its log read as it grows.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest life of a SIPp process.
const LIMIT: Duration = Duration::from_secs(90);

/// A running SIPp.
pub(crate) struct Sipp {
    name: String,
    child: Child,
    folder: PathBuf,
}

/// Where a program is.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

impl Sipp {
    /// Runs a scenario of `tests/peers/sipp` at `at`; `to`: whom it calls, `media`: its tap.
    pub(crate) fn start(
        folder: &Path,
        name: &str,
        scenario: &str,
        at: SocketAddr,
        to: Option<SocketAddr>,
        media: SocketAddr,
        options: &[&str],
    ) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/sipp").join(format!("{scenario}.xml"));
        let output = std::fs::File::create(folder.join("output")).expect("a file can be made");
        let mut command = Command::new("sipp");
        command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("a handle"))
            .stdout(output);
        command.args(["-m", "1", "-nostdin", "-timeout_error", "-trace_err", "-trace_logs", "-trace_msg"]);
        command.args(["-error_file", "errors", "-log_file", "log", "-message_file", "messages"]);
        command.arg("-timeout").arg(format!("{}s", LIMIT.as_secs())).arg("-sf").arg(file);
        command.args(["-i", &at.ip().to_string(), "-p", &at.port().to_string()]);
        command.args(["-key", "mip", &media.ip().to_string(), "-key", "mport", &media.port().to_string()]);
        command.args(options);
        command.args(to.map(|to| to.to_string()));
        let child = command.spawn().unwrap_or_else(|e| panic!("sipp: {e}"));
        Self { name: name.into(), child, folder }
    }

    /// The lines it has logged.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .split('\n')
            .map(|line| line.trim().to_string())
            .filter(|l| !l.is_empty())
            .collect()
    }

    /// All that it has sent and received.
    pub(crate) fn messages(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("messages")).unwrap_or_default()).into_owned()
    }

    /// Where the far end wants sound, once it has said so.
    pub(crate) fn media(&self) -> Option<SocketAddr> {
        self.log().iter().rev().find_map(|line| {
            let mut words = line.strip_prefix("media ")?.split(' ').map(|word| word.trim_matches(['[', ']']));
            let (ip, port) = (words.next()?.parse::<IpAddr>().ok()?, words.next()?.parse().ok()?);
            Some(SocketAddr::new(ip, port))
        })
    }

    /// Its exit status, if it is over.
    pub(crate) fn exit(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("a child can be asked");
        status.map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its good end.
    pub(crate) fn wait_for_success(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(code) = self.exit() {
                assert!(code == 0, "{} ended with {code}\n{}", self.name, self.account());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{} is not over after {limit:?}\n{}", self.name, self.account());
    }

    /// Kills it, as a host that goes dark.
    pub(crate) fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// What it said and was told, for a failed assertion.
    pub(crate) fn account(&self) -> String {
        let read = |file: &str| {
            String::from_utf8_lossy(&std::fs::read(self.folder.join(file)).unwrap_or_default()).into_owned()
        };
        let messages = read("messages");
        let first = |line: &&str| {
            line.starts_with("SIP/2.0 ") || line.contains(" SIP/2.0\r") || line.ends_with(" SIP/2.0")
        };
        let lines: Vec<&str> = messages.lines().filter(first).collect();
        format!(
            "  {} log {:?}\n  errors {}\n    {}",
            self.name,
            self.log(),
            read("errors"),
            lines.join("\n    ")
        )
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        self.kill();
    }
}
