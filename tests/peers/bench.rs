//! One scenario's table: a node, its parties, and the questions that a scenario asks of them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use baton_signaling::Time;
use baton_tests::tone::{Heard, RATE, Tone};
use baton_tests::world::GAP_MS;

use crate::node::{AT_ONCE, Node};
use crate::sipp::Sipp;
use crate::tap::Tap;

/// Hold audio of every node here.
pub(crate) const HOLD: Tone = Tone(16);
/// Announcement of every node here.
const ANNOUNCEMENT: Tone = Tone(17);

/// How long a change may take to be heard, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(8);

/// A party: its SIPp and its sound.
pub(crate) struct Party {
    pub(crate) sipp: Sipp,
    pub(crate) tap: Tap,
}

/// A scenario's table.
pub(crate) struct Bench {
    /// The node.
    pub(crate) node: Node,
    /// Where this scenario's files are.
    pub(crate) folder: PathBuf,
    begun: Instant,
    net: u8,
}

/// Addresses of the parties, by the last part of the IP, and their SIP ports.
const PARTIES: [(&str, u8, u16); 5] =
    [("caller", 10, 5060), ("ai", 20, 5070), ("ai2", 21, 5071), ("ann", 30, 5080), ("bob", 31, 5080)];

impl Bench {
    /// A table with the usual node: two AI addresses, two people, ring 3 s, wait 20 s, media 3 s.
    pub(crate) fn new(at: usize, name: &str) -> Self {
        // Every scenario has loopback addresses of its own: 127.0.101.x, 127.0.102.x and so on.
        let net = 101 + u8::try_from(at).expect("fewer than 150 scenarios");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("peers").join(name);
        // What a run before this one left; there may be nothing.
        _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for (file, tone, seconds) in [("hold.wav", HOLD, 10), ("announcement.wav", ANNOUNCEMENT, 2)] {
            std::fs::write(folder.join(file), wav(tone, seconds, RATE)).expect("a file can be written");
        }
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, net, 1));
        let node = Node::start(&folder, ip, &settings(net));
        Self { node, folder, begun: Instant::now(), net }
    }

    /// Starts the node anew with other settings.
    pub(crate) fn restart(&mut self, change: impl FnOnce(&str) -> String) {
        let ip = self.node.sip.ip();
        self.node.stop();
        self.node = Node::start(&self.folder, ip, &change(&settings(self.net)));
    }

    /// The SIP address of a party.
    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let (_, last, port) = PARTIES.iter().find(|(party, ..)| *party == name).expect("a party's name");
        SocketAddr::from(([127, 0, self.net, *last], *port))
    }

    /// Starts a party that is called.
    pub(crate) fn party(&self, name: &'static str, scenario: &str, options: &[&str]) -> Party {
        self.start(name, scenario, None, options)
    }

    /// Starts the caller.
    pub(crate) fn caller(&self, scenario: &str, options: &[&str]) -> Party {
        let options = [options, &["-s", "1000"]].concat();
        self.start("caller", scenario, Some(self.node.sip), &options)
    }

    fn start(&self, name: &'static str, scenario: &str, to: Option<SocketAddr>, options: &[&str]) -> Party {
        let sip = self.address(name);
        let tone = Tone(
            PARTIES.iter().position(|(party, ..)| *party == name).expect("a party's name") as u8 * 2 + 1,
        );
        let tap = Tap::new(name, SocketAddr::new(sip.ip(), 40_000), tone, self.begun);
        let sipp = Sipp::start(&self.folder, name, scenario, sip, to, tap.address, options);
        if to.is_none() {
            // Its socket is to be open before anybody calls.
            std::thread::sleep(Duration::from_millis(300));
        }
        Party { sipp, tap }
    }

    /// Waits until every party with a call speaks to where it was told to, and `done`.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, parties: &[&Party], limit: Duration, done: impl Fn() -> bool) {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            for party in parties {
                if let Some(remote) = party.sipp.media() {
                    party.tap.speak_to(remote);
                }
            }
            if done() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not within {limit:?}: {what}\n{}", self.account(parties));
    }

    /// Two parties come to hear each other, and nobody else, and go on doing so.
    #[track_caller]
    pub(crate) fn talk(&self, a: &Party, b: &Party) {
        let talk = || a.tap.heard() == Heard::only(b.tap.tone) && b.tap.heard() == Heard::only(a.tap.tone);
        self.wait(&format!("{} and {} hear each other", a.tap.name, b.tap.name), &[a, b], SOON, talk);
        std::thread::sleep(Duration::from_millis(400));
        assert!(
            talk(),
            "{} and {} heard each other for a moment only\n{}",
            a.tap.name,
            b.tap.name,
            self.account(&[a, b])
        );
    }

    /// A party comes to hear this.
    #[track_caller]
    pub(crate) fn hears(&self, party: &Party, heard: &Heard) {
        self.wait(&format!("{} hears {heard:?}", party.tap.name), &[party], SOON, || {
            party.tap.heard() == *heard
        });
    }

    /// A party's SIPp comes to log a line that begins so.
    #[track_caller]
    pub(crate) fn logged(&self, party: &Party, line: &str, limit: Duration) {
        let done = || party.sipp.log().iter().any(|logged| logged.starts_with(line));
        self.wait(&format!("{} logs {line:?}", party.tap.name), &[party], limit, done);
    }

    /// Since `from`, or since its first packets, a party has always heard something; and its stream was one stream.
    #[track_caller]
    pub(crate) fn assert_no_gap(&self, party: &Party, from: Option<Time>) {
        let now = party.tap.now();
        let gap = party.tap.ear(|ear| {
            let first = ear.packets.first().map_or(now, |packet| packet.at) + Duration::from_millis(300);
            ear.longest_gap_ms(from.unwrap_or(first), now)
        });
        assert!(gap <= GAP_MS, "{} heard {gap} ms of silence\n{}", party.tap.name, self.account(&[party]));
        let faults = party.tap.ear(|ear| ear.stream_faults());
        assert!(faults.is_empty(), "{}'s stream is not one: {faults:?}", party.tap.name);
    }

    /// What everybody said, for a failed assertion.
    pub(crate) fn account(&self, parties: &[&Party]) -> String {
        let mut text = format!("calls: {}\n", self.node.calls());
        for party in parties {
            let packets = party.tap.ear(|ear| ear.packets.len());
            _ = writeln!(
                text,
                "{} heard {:?}, {packets} packets\n{}",
                party.tap.name,
                party.tap.heard(),
                party.sipp.account()
            );
        }
        text + &self.node.log()
    }

    /// No key of SRTP (RFC 4568 §6.1) is in the node's log.
    fn assert_no_keys(&self) {
        let log = self.node.log();
        assert!(log.contains(" DEBUG "), "the log is not at level debug");
        let with_keys = |line: &&str| line.contains("inline:") || line.contains("a=crypto");
        assert_eq!(log.lines().find(with_keys), None);
    }

    /// The end: everything that can be is 0 within a second. The node lives on, to be asked again after its rest.
    pub(crate) fn finish(self) -> Node {
        // Within a second, and up to another until the gauges say so: they are published once a second.
        if let Err(left) = self.node.wait_for_zero(&AT_ONCE, Duration::from_millis(2200)) {
            panic!("still there: {left}\n{}", self.account(&[]));
        }
        self.assert_no_keys();
        self.node
    }
}

/// A mono 16-bit wav file of a tone.
pub(crate) fn wav(tone: Tone, seconds: usize, rate: usize) -> Vec<u8> {
    let sample =
        |at: usize| (8000.0 * (std::f64::consts::TAU * tone.hertz() * at as f64 / rate as f64).sin()) as i16;
    pcm(&(0..seconds * rate).map(sample).collect::<Vec<_>>(), rate)
}

/// A mono 16-bit wav file of these samples.
pub(crate) fn pcm(samples: &[i16], rate: usize) -> Vec<u8> {
    let bytes = (samples.len() * 2) as u32;
    let mut file = Vec::with_capacity(44 + bytes as usize);
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend([1, 0, 1, 0]);
    file.extend((rate as u32).to_le_bytes());
    file.extend((rate as u32 * 2).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

fn settings(net: u8) -> String {
    format!(
        r#"[sip]
listen = ["udp://127.0.{net}.1:5060"]
[media]
address = "127.0.{net}.1"
ports = "20000-20199"
[http]
listen = "127.0.{net}.1:8080"
[[peers]]
name = "snapcall"
from = ["127.0.{net}.10/32", "127.0.{net}.30/32", "127.0.{net}.31/32", "127.0.0.1/32"]
codecs = ["opus", "PCMU", "PCMA"]
[[peers]]
name = "polyai"
from = ["127.0.{net}.20/32", "127.0.{net}.21/32"]
uris = ["sip:1000@127.0.{net}.20:5070", "sip:1000@127.0.{net}.21:5071"]
codecs = ["PCMU", "PCMA"]
[[queues]]
name = "snapcall_agents"
peer = "snapcall"
agents = ["sip:ann@127.0.{net}.30:5080", "sip:bob@127.0.{net}.31:5080"]
strategy = "ring-in-order"
ring_seconds = 3
wait_seconds = 8
exhausted = "return-to-ai"
hold_audio = "hold.wav"
announcement = "announcement.wav"
[[flows]]
name = "support"
match = {{ user = "*" }}
ai = "polyai"
queue = "snapcall_agents"
[timers]
media = 4
probe = 3600
"#
    )
}
