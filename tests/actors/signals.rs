//! The program itself, told to stop by signals while a call is on.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use baton_engine::settings::EMBEDDED;
use baton_tests::sip::Text;
use tokio::time::timeout;

use crate::phone::{PATIENCE, Phone};
use crate::stage::{Talk, any, run};

/// A `baton serve` process that has begun to take calls. Killed when dropped.
struct Program {
    child: Child,
    sip: SocketAddr,
}

/// `baton` beside this test in the target folder; `None`, loudly, if nobody has built it.
#[expect(clippy::print_stderr, reason = "a skip is to be seen")]
fn program() -> Option<PathBuf> {
    let this = std::env::current_exe().unwrap();
    let file = this.parent()?.parent()?.join("baton");
    let required = std::env::var_os("REQUIRE_PEERS").is_some_and(|value| value != "0");
    assert!(file.is_file() || !required, "{} is not built", file.display());
    if !file.is_file() {
        eprintln!("SKIPPED: {} is not built: cargo build -p baton-engine --bin baton", file.display());
    }
    file.is_file().then_some(file)
}

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    UdpSocket::bind(any()).unwrap().local_addr().unwrap()
}

impl Program {
    fn start(file: PathBuf, name: &str, drain: u32, ai: &Phone) -> Self {
        let (sip, http) = (free(), free());
        let settings = EMBEDDED
            .replace("127.0.0.1:5060", &sip.to_string())
            .replace("127.0.0.1:5070", &ai.address().to_string())
            .replace("127.0.0.1:8080", &http.to_string())
            .replace("20000-29999", "35000-35099")
            .replace("calls = 1000 ", "calls = 10 ")
            .replace("drain          = 120", &format!("drain = {drain}"));
        let config = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
        std::fs::write(&config, settings).unwrap();
        let serve = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
        let mut child = Command::new(file).args(serve).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let taken = lines.by_ref().find(|line| line.as_ref().is_ok_and(|line| line.contains("taking calls")));
        assert!(taken.is_some(), "it has ended: {:?}", child.wait());
        // Read on, so that the program never waits for somebody to read its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, sip }
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// How it ended by itself.
    async fn end(mut self) -> ExitStatus {
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        let waited = tokio::task::spawn_blocking(move || child.wait().unwrap());
        timeout(PATIENCE, waited).await.expect("it ends").unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Asks with OPTIONS until the node says that it drains; that answer.
async fn drained(sip: SocketAddr) -> Text {
    for number in 0..1000 {
        let asker = Phone::new().await;
        let options = asker.invite(sip, &format!("probe-{number}"), "").replace("INVITE", "OPTIONS");
        asker.send(sip, &options).await;
        let (answer, _) = asker.hear("SIP/2.0").await;
        if answer.first_line().starts_with("SIP/2.0 503") {
            return answer;
        }
    }
    panic!("a node that was told to stop still takes calls");
}

/// Both ends of the call hear BYE and answer it.
async fn goodbye(talk: &Talk, ai: &Phone) {
    for phone in [&talk.caller, ai] {
        let (bye, node) = phone.hear("BYE").await;
        phone.answer(&bye, node, "200 OK", "").await;
    }
}

#[test]
fn sigterm_refuses_new_calls_lets_a_call_go_on_and_ends_it_at_the_deadline() {
    let Some(file) = program() else { return };
    run(async {
        let ai = Phone::new().await;
        let program = Program::start(file, "drain", 3, &ai);
        let talk = Talk::begin(Phone::new().await, program.sip, &ai, "drained").await;
        talk.assert_sound().await;
        program.terminate();
        assert!(drained(program.sip).await.header("Retry-After").is_some());
        let late = Phone::new().await;
        late.send(program.sip, &late.invite(program.sip, "late", "")).await;
        let (refused, _) = late.hear("SIP/2.0 503").await;
        assert!(refused.header("Retry-After").is_some(), "{refused:?}");
        talk.assert_sound().await;
        goodbye(&talk, &ai).await;
        assert!(program.end().await.success());
    });
}

#[test]
fn a_second_sigterm_ends_the_call_with_bye_at_once() {
    let Some(file) = program() else { return };
    run(async {
        let ai = Phone::new().await;
        let program = Program::start(file, "impatient", 3600, &ai);
        let talk = Talk::begin(Phone::new().await, program.sip, &ai, "impatient").await;
        program.terminate();
        drained(program.sip).await;
        program.terminate();
        goodbye(&talk, &ai).await;
        assert!(program.end().await.success());
    });
}
