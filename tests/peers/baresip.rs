//! baresip on every side: caller with Opus, AI with PCMU, person with PCMA, each with its own jitter buffer and codecs.
//! What they heard is read from their recordings.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use baton_tests::certificates::{Authority, Files};
use baton_tests::tone::{Heard, RATE, Tone, longest_silence_ms};

use crate::Scenario;
use crate::bench::{Bench, SOON, wav};

pub(crate) const SCENARIOS: &[Scenario] =
    &[("baresip_is_handed_from_ai_to_person_by_refer", refer), ("baresip_holds_and_resumes", hold)];

/// Further scenarios of which `transports.rs` tells.
pub(crate) const UNDER_TLS: Scenario =
    ("baresip_is_handed_over_under_mutual_tls_and_a_stranger_is_not_heard", mutual_tls);

/// baresip binds to the addresses of its interface alone: 127.0.0.1. So its parties differ by port.
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

pub(crate) struct Phone {
    child: Child,
    folder: PathBuf,
    control: u16,
    sip: SocketAddr,
}

/// What a phone is to be.
pub(crate) struct Role {
    pub(crate) name: &'static str,
    /// In baresip's form.
    pub(crate) codec: &'static str,
    pub(crate) voice: Voice,
    pub(crate) answers: bool,
    /// baresip's `mediaenc`; without it the phone does not know what SRTP is.
    pub(crate) encryption: Option<&'static str>,
}

/// What a phone says.
pub(crate) enum Voice {
    Tone(Tone),
    /// A wav file at the codec's rate.
    Wav(Vec<u8>),
}

const fn role(name: &'static str, codec: &'static str, tone: Tone, answers: bool) -> Role {
    Role { name, codec, voice: Voice::Tone(tone), answers, encryption: None }
}

const CALLER_TONE: Tone = Tone(1);
const AI_TONE: Tone = Tone(4);
const ANN_TONE: Tone = Tone(7);
const CALLER: Role = role("caller", "opus/48000/1", CALLER_TONE, false);
const AI: Role = role("ai", "PCMU/8000/1", AI_TONE, true);
const ANN: Role = role("ann", "PCMA/8000/1", ANN_TONE, true);

impl Phone {
    /// Starts a phone on `port` (SIP), `port + 5` (control; TLS takes the one in between) and the ports from `port + 10` to
    /// `port + 19` (RTP).
    pub(crate) fn start(folder: &Path, role: &Role, port: u16) -> Self {
        Self::start_over(folder, role, port, None)
    }

    /// As [`Self::start`]; with a certificate it takes calls under TLS on `port`, and shows it where it is asked.
    fn start_over(folder: &Path, role: &Role, port: u16, certificate: Option<&Files>) -> Self {
        let folder = folder.join(role.name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let rate = if role.codec.starts_with("opus") { 48_000 } else { RATE };
        let voice = match &role.voice {
            Voice::Tone(tone) => wav(*tone, 60, rate),
            Voice::Wav(bytes) => bytes.clone(),
        };
        std::fs::write(folder.join("tone.wav"), voice).expect("a file can be written");
        let mut config = config(role, port);
        if let Some(files) = certificate {
            let read = |file| std::fs::read_to_string(file).expect("it was issued");
            std::fs::write(folder.join("own.pem"), read(&files.key) + &read(&files.certificate))
                .expect("a file can be written");
            // TLS takes the port above that of UDP and TCP.
            config = config.replace(
                &format!("sip_listen {LOOPBACK}:{port}\n"),
                &format!("sip_listen {LOOPBACK}:{}\n", port - 1),
            );
            config += "sip_certificate ./own.pem\n";
        }
        std::fs::write(folder.join("config"), config).expect("a file can be written");
        let answer = if role.answers { "auto" } else { "manual" };
        let encryption = role.encryption.map_or_else(String::new, |name| format!(";mediaenc={name}"));
        let transport = certificate.map_or("", |_| ";transport=tls");
        let account = format!(
            "<sip:{}@{LOOPBACK}:{port}{transport}>;regint=0;answermode={answer};audio_codecs={}{encryption}\n",
            role.name, role.codec
        );
        std::fs::write(folder.join("accounts"), account).expect("a file can be written");
        std::fs::write(folder.join("contacts"), "").expect("a file can be written");
        let log = std::fs::File::create(folder.join("output")).expect("a file can be made");
        let child = Command::new("baresip")
            .args(["-f", "."])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("baresip runs");
        let phone = Self { child, folder, control: port + 5, sip: SocketAddr::from((LOOPBACK, port)) };
        let end = Instant::now() + SOON;
        while TcpStream::connect((LOOPBACK, phone.control)).is_err() {
            assert!(Instant::now() < end, "baresip does not start\n{}", phone.output());
            std::thread::sleep(Duration::from_millis(50));
        }
        phone
    }

    /// A command over its control port: a netstring of JSON.
    pub(crate) fn command(&self, name: &str, params: &str) {
        let mut stream = TcpStream::connect((LOOPBACK, self.control)).expect("baresip lives");
        let body = format!(r#"{{"command":"{name}","params":"{params}","token":"t"}}"#);
        write!(stream, "{}:{body},", body.len()).expect("baresip takes a command");
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout can be set");
        // The answer only says that it was taken; what it did is heard.
        _ = stream.read(&mut [0; 4096]);
    }

    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }

    /// Ends it, so that its recordings are complete; what it heard, at 8 kHz.
    fn recording(self) -> Vec<i16> {
        read_wav(&self.end())
    }

    /// Ends it, so that its recordings are complete; the file of what it heard.
    pub(crate) fn end(mut self) -> PathBuf {
        self.command("quit", "");
        let end = Instant::now() + SOON;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let files = std::fs::read_dir(&self.folder).expect("the folder is there");
        let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
        files
            .retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-dec.wav")));
        files.sort();
        let file = files
            .first()
            .unwrap_or_else(|| panic!("no recording in {}\n{}", self.folder.display(), self.output()));
        file.clone()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Its paths are relative to its folder, where it runs: baresip cuts the path of a recording at 127 bytes.
fn config(role: &Role, port: u16) -> String {
    let name = role.name;
    let (low, high, control) = (port + 10, port + 19, port + 5);
    let srtp = role.encryption.map(|_| "srtp");
    let modules: String = ["g711", "opus", "aufile", "aubridge", "sndfile", "uuid"]
        .into_iter()
        .chain(srtp)
        .map(|name| format!("module {name}.so\n"))
        .collect();
    let apps: String = ["account", "menu", "ctrl_tcp"].map(|name| format!("module_app {name}.so\n")).concat();
    // account comes after the codecs, which it looks up.
    format!(
        "poll_method epoll\nsip_listen {LOOPBACK}:{port}\ncall_local_timeout 60\ncall_max_calls 4\n\
         audio_source aufile,./tone.wav\naudio_player aubridge,{name}-sink\naudio_alert aubridge,{name}-alert\n\
         audio_level no\nausrc_format s16\nauplay_format s16\nauenc_format s16\naudec_format s16\naudio_buffer 20-160\n\
         audio_telev_pt 101\nrtp_ports {low}-{high}\nrtcp_mux no\njitter_buffer_type adaptive\njitter_buffer_delay 2-10\n\
         rtp_timeout 20\nnet_interface {LOOPBACK}\nmodule_path /usr/lib/baresip/modules\n{modules}{apps}\
         ctrl_tcp_listen {LOOPBACK}:{control}\nsnd_path .\nopus_bitrate 24000\nopus_stereo no\n\
         opus_sprop_stereo no\nopus_complexity 5\nopus_application voip\n"
    )
}

/// The first channel of a 16-bit wav file, brought to 8 kHz.
fn read_wav(file: &Path) -> Vec<i16> {
    let bytes = std::fs::read(file).expect("a recording can be read");
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
    let (channels, rate) = (usize::from(bytes[22]), word(24));
    let data = bytes.windows(4).position(|window| window == b"data").expect("a wav file") + 8;
    let samples: Vec<i16> =
        bytes[data..].chunks_exact(2 * channels).map(|s| i16::from_le_bytes([s[0], s[1]])).collect();
    let step = rate / RATE;
    let mean =
        |window: &[i16]| (window.iter().map(|&s| i32::from(s)).sum::<i32>() / window.len() as i32) as i16;
    samples.chunks_exact(step).map(mean).collect()
}

/// What was heard one after the other; what lasts for less than a fifth of a second is left out.
fn story(samples: &[i16]) -> Vec<Heard> {
    let windows: Vec<Heard> = samples.chunks_exact(RATE / 10).map(Heard::of).collect();
    let mut story: Vec<Heard> = Vec::new();
    for run in windows.chunk_by(|a, b| a == b).filter(|run| run.len() >= 3) {
        if story.last() != Some(&run[0]) {
            story.push(run[0].clone());
        }
    }
    story
}

/// Whether these are heard in this order, whatever else there is.
fn tells(story: &[Heard], chapters: &[Heard]) -> bool {
    let mut rest = story.iter();
    chapters.iter().all(|chapter| rest.any(|heard| heard == chapter))
}

/// Points the node's peers and agents to baresip's addresses.
fn call_baresip(bench: &mut Bench, base: u16, change: fn(&str) -> String) {
    bench.restart(|settings| {
        let settings = change(settings);
        let lines = settings.lines().map(|line| match line.split(' ').next() {
            Some("uris") => format!("uris = [\"sip:ai@{LOOPBACK}:{}\"]", base + 100),
            Some("agents") => format!("agents = [\"sip:ann@{LOOPBACK}:{}\"]", base + 200),
            _ => line.to_string(),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
}

fn phones(bench: &Bench, base: u16) -> [Phone; 3] {
    let phone = |(at, role): (u16, &Role)| Phone::start(&bench.folder, role, base + 100 * at);
    let [caller, ai, ann] = [(0, &CALLER), (1, &AI), (2, &ANN)].map(phone);
    caller.command("dial", &format!("sip:1000@{}", bench.node.sip));
    [caller, ai, ann]
}

fn refer(bench: &mut Bench) {
    call_baresip(bench, 25_000, str::to_string);
    let phones = phones(bench, 25_000);
    is_handed_over(bench, phones, 25_200);
    // Every leg was measured in every part; the caller's round trip is known by baresip's own reports, one in 5 s.
    let of = |name: &str, labels: &str| bench.node.metric(&format!("{name}{{{labels}}}"));
    for (leg, segment) in [("caller", "ai"), ("ai", "ai"), ("caller", "human"), ("agent", "human")] {
        let mos = of("baton_mos_sum", &format!("leg=\"{leg}\",segment=\"{segment}\",scale=\"nb\""));
        assert!((4.0..4.5).contains(&mos), "{leg} with {segment}: {mos}");
    }
    let trip =
        |what: &str| of(&format!("baton_rtp_round_trip_seconds_{what}"), "leg=\"caller\",segment=\"human\"");
    assert!(trip("count") == 1.0 && trip("sum") < 0.05, "{} {}", trip("count"), trip("sum"));
}

/// Everybody is reached under TLS and has a certificate that the others take; callers are known by theirs.
fn mutual_tls(bench: &mut Bench) {
    const BASE: u16 = 25_500;
    let (authority, strange) = (Authority::new(), Authority::new());
    let folder = bench.folder.join("certificates");
    let node = SocketAddr::new(bench.node.sip.ip(), 5061);
    let ours = authority.issue(&folder, "node", &[&node.ip().to_string()]);
    let ca = authority.file(&folder, "ca");
    let udp = format!("\"udp://{}\"]", bench.node.sip);
    let tls = format!(
        "\"udp://{}\", \"tls://{node}\"]\ntls = {{ certificate = {:?}, key = {:?}, ca = {ca:?}, client_ca = {ca:?} }}",
        bench.node.sip, ours.certificate, ours.key
    );
    bench.restart(|settings| {
        let settings = settings
            .replace(&udp, &tls)
            .replace(", \"127.0.0.1/32\"]", "]\ntls_names = [\"caller.example\"]");
        let lines = settings.lines().map(|line| match line.split(' ').next() {
            Some("uris") => format!("uris = [\"sip:ai@{LOOPBACK}:{};transport=tls\"]", BASE + 100),
            Some("agents") => format!("agents = [\"sips:ann@{LOOPBACK}:{}\"]", BASE + 200),
            _ => line.to_string(),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    let start = |at: u16, role: &Role, name: &str, by: &Authority| {
        let files = by.issue(&folder, name, &[name]);
        Phone::start_over(&bench.folder, role, BASE + 100 * at, Some(&files))
    };
    let stranger = start(3, &role("stranger", "PCMU/8000/1", Tone(9), false), "caller.example", &strange);
    let dialled = format!("sip:1000@{node};transport=tls");
    stranger.command("dial", &dialled);
    let end = Instant::now() + SOON;
    while bench.node.metric("baton_sip_connections_closed_total{reason=\"tls\"}") == 0.0 {
        assert!(
            Instant::now() < end,
            "the stranger is not refused\n{}\n{}",
            stranger.output(),
            bench.account(&[])
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(stranger);
    assert_eq!(bench.node.metric("baton_calls_total"), 0.0);
    let name = LOOPBACK.to_string();
    let (ai, ann) = (start(1, &AI, &name, &authority), start(2, &ANN, &name, &authority));
    let caller = start(0, &CALLER, "caller.example", &authority);
    caller.command("dial", &dialled);
    is_handed_over(bench, [caller, ai, ann], BASE + 200);
    let opened = |dir: &str| {
        bench.node.metric(&format!("baton_sip_connections_opened_total{{transport=\"tls\",dir=\"{dir}\"}}"))
    };
    // AI and person are called over one connection each; it carries all that comes of it.
    assert_eq!(opened("out"), 2.0, "{}", bench.account(&[]));
}

/// The caller, who is with the AI soon, comes to the person; who heard whom.
fn is_handed_over(bench: &Bench, [caller, ai, ann]: [Phone; 3], ann_port: u16) {
    std::thread::sleep(Duration::from_secs(4));
    ai.command("transfer", &format!("sip:snapcall_agents@{}", bench.node.sip));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(ann.sip.port(), ann_port);
    ann.command("hangup", "");
    std::thread::sleep(Duration::from_secs(1));
    let [caller, ai, ann] = [caller, ai, ann].map(Phone::recording);
    let (by_caller, by_ai, by_ann) = (story(&caller), story(&ai), story(&ann));
    assert!(
        tells(&by_caller, &[Heard::only(AI_TONE), Heard::only(ANN_TONE)]),
        "{by_caller:?}\n{}",
        bench.account(&[])
    );
    assert!(tells(&by_ai, &[Heard::only(CALLER_TONE)]), "{by_ai:?}");
    assert!(tells(&by_ann, &[Heard::only(CALLER_TONE)]), "{by_ann:?}");
    let from = caller.iter().position(|&s| s.unsigned_abs() > 1000).unwrap_or(0);
    let to = caller.iter().rposition(|&s| s.unsigned_abs() > 1000).unwrap_or(0);
    let gap = longest_silence_ms(&caller[from..to]);
    assert!(gap <= 60, "the caller heard {gap} ms of silence: {by_caller:?}");
}

/// The caller, who speaks Opus, presses another key and then that of `change`'s settings.
pub(crate) fn escapes(bench: &mut Bench, change: fn(&str) -> String) {
    call_baresip(bench, 26_500, change);
    let [caller, ai, ann] = phones(bench, 26_500);
    std::thread::sleep(Duration::from_secs(3));
    caller.command("sndcode", "7");
    std::thread::sleep(Duration::from_secs(1));
    caller.command("sndcode", "0");
    std::thread::sleep(Duration::from_secs(4));
    caller.command("hangup", "");
    std::thread::sleep(Duration::from_secs(1));
    let heard = ai.output();
    let [caller, ai, ann] = [caller, ai, ann].map(Phone::recording);
    let (by_caller, by_ai, by_ann) = (story(&caller), story(&ai), story(&ann));
    assert!(
        tells(&by_caller, &[Heard::only(AI_TONE), Heard::only(ANN_TONE)]),
        "{by_caller:?}\n{}",
        bench.account(&[])
    );
    assert!(tells(&by_ai, &[Heard::only(CALLER_TONE)]), "{by_ai:?}");
    assert!(tells(&by_ann, &[Heard::only(CALLER_TONE)]), "{by_ann:?}");
    let events = ["received event: '7'", "received event: '0'"].map(|line| heard.contains(line));
    assert_eq!(events, [true, false], "the AI gets the other digit alone: {heard}");
}

fn hold(bench: &mut Bench) {
    call_baresip(bench, 26_000, str::to_string);
    let [caller, ai, ann] = phones(bench, 26_000);
    std::thread::sleep(Duration::from_secs(4));
    caller.command("hold", "");
    std::thread::sleep(Duration::from_secs(3));
    caller.command("resume", "");
    std::thread::sleep(Duration::from_secs(3));
    caller.command("hangup", "");
    std::thread::sleep(Duration::from_secs(1));
    drop(ann);
    let [caller, ai] = [caller, ai].map(Phone::recording);
    let (by_caller, by_ai) = (story(&caller), story(&ai));
    // The recording of one who holds may have no silence in it: baresip writes what it plays.
    assert!(tells(&by_caller, &[Heard::only(AI_TONE)]), "{by_caller:?}\n{}", bench.account(&[]));
    assert!(
        tells(&by_ai, &[Heard::only(CALLER_TONE), Heard::silence(), Heard::only(CALLER_TONE)]),
        "{by_ai:?}\n{}",
        bench.account(&[])
    );
}
