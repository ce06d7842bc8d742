//! rtpengine over the same lines: the same talkers, losses and listeners, but sockets and real time, since it knows no other. So
//! only a part of the grid, many calls at once, and less run-up: nothing in it adapts to a line.
//!
//! The distribution's program as it comes (Opus at complexity 10), told 24 kbit/s, that the receiver uses FEC, and nothing of
//! jitter buffers. It leaves out RTCP: rtpengine changes nothing by it.
#![expect(clippy::disallowed_methods, reason = "rtpengine runs in real time")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use baton_benches::impairment::{Concealment, Condition, Ear, FRAME_MS, Heard, Judge, Kind, Stream, Way};
use baton_benches::ng::{self, Ng};

use crate::grid::{Job, Results, Shared, System, add_rival, seed_of};
use crate::options::Options;

/// Its address, and that of talkers and listeners.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
const PARTIES: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));
/// What of the grid it is measured on.
const WAYS: [&str; 3] = ["opus-pcmu", "pcmu-pcmu", "pcmu-opus"];
const CONDITIONS: [Condition; 3] = [Condition::Clean, Condition::Loss(5), Condition::Loss(10)];
/// Calls at the same time: a third of a core of its work.
const AT_ONCE: usize = 48;
/// The talker speaks so long before what is scored.
const RUN_UP_MS: usize = 1_000;
/// From the last packet that was sent or came until no more is waited for.
const AFTER: Duration = Duration::from_millis(400);
/// Between two looks at the sockets.
const LOOK: Duration = Duration::from_millis(1);
/// Until it answers after its start.
const START_MAX: Duration = Duration::from_secs(10);
/// So much of what was sent and not lost must come out; else it had no processor time, and is tried again, so often in all.
const ENOUGH: f64 = 0.995;
const TRIES: usize = 3;

/// What is to be run, the ways mixed, so that every moment has its share of those that cost.
pub(crate) fn jobs(all: &[Job]) -> Vec<Job> {
    let is_ours = |job: &&Job| {
        job.system == System::Baton && WAYS.contains(&job.named.name) && CONDITIONS.contains(&job.condition)
    };
    let mut jobs: Vec<Job> = all.iter().filter(is_ours).copied().collect();
    jobs.sort_by_key(|job| (job.seed, job.voice));
    jobs.iter_mut().for_each(|job| job.system = System::Rtpengine);
    jobs
}

/// Runs it and adds what was heard to `results`.
pub(crate) fn run(
    options: &Options,
    shared: &Shared<'_>,
    all: &[Job],
    results: &mut Results,
) -> Result<(), String> {
    if !options.beside {
        return Ok(());
    }
    let Some(version) = ng::version() else {
        println!("no rtpengine to compare with (Debian: rtpengine-daemon)");
        return Ok(());
    };
    let jobs = jobs(all);
    println!("rtpengine {version}: {} calls of {AT_ONCE} at once ...", jobs.len());
    let mut engine = Engine::start()?;
    std::thread::scope(|scope| {
        // One thread plays and hears; another scores what has been heard.
        let (heard, to_score) = mpsc::channel::<(Job, Sound)>();
        let scoring = scope.spawn(move || -> Result<(), String> {
            let mut judge = Judge::start()?;
            for (job, sound) in to_score {
                let score = judge.score(&shared.voices[job.voice], &sound.samples)?;
                add_rival(shared, results, &job, score, (sound.due, sound.missing));
            }
            Ok(())
        });
        let mut play = |batch: &[Job]| {
            for tries in 1.. {
                let all = engine.play(shared, batch)?;
                let starved = all.iter().filter(|(_, sound)| sound.is_starved()).count();
                if starved > 0 && tries < TRIES {
                    println!("  {starved} of {} calls were starved; once more", batch.len());
                    continue;
                }
                if starved > 0 {
                    println!(
                        "  FAILED: {starved} of {} calls were starved: their scores are the machine's",
                        batch.len()
                    );
                }
                // Where the scoring has failed, its own error says more.
                all.into_iter().for_each(|one| _ = heard.send(one));
                break;
            }
            Ok::<(), String>(())
        };
        let played = jobs.chunks(AT_ONCE).try_for_each(&mut play);
        drop(heard);
        scoring.join().unwrap_or_else(|_| Err("a thread panicked".into())).and(played)
    })
}

/// What was heard of one call.
struct Sound {
    samples: Vec<i16>,
    /// Packets that were sent and that the line did not lose, and those of them that never came.
    due: u64,
    missing: u64,
}

impl Sound {
    fn is_starved(&self) -> bool {
        self.missing as f64 > self.due as f64 * (1.0 - ENOUGH)
    }
}

struct Engine {
    child: Child,
    ng: Ng,
    calls: usize,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Engine {
    fn start() -> Result<Self, String> {
        let ng = Ng::new(ADDRESS)?;
        let child = Command::new("rtpengine")
            .args(["--table=-1", "--foreground", "--log-stderr", "--log-level=2", "--num-threads=2"])
            .args(["--timeout=60", "--silent-timeout=600", "--delete-delay=0"])
            .args(["--port-min=10000", "--port-max=29999"])
            .arg(format!("--interface=lo/{ADDRESS}"))
            .arg(format!("--listen-ng={}", ng.listens))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("rtpengine: {error}"))?;
        let mut engine = Self { child, ng, calls: 0 };
        let end = Instant::now() + START_MAX;
        while let Err(why) = engine.ng.ping() {
            if Instant::now() > end || !matches!(engine.child.try_wait(), Ok(None)) {
                return Err(why);
            }
            std::thread::sleep(LOOK);
        }
        Ok(engine)
    }

    /// Makes these calls at the same time.
    fn play(&mut self, shared: &Shared<'_>, jobs: &[Job]) -> Result<Vec<(Job, Sound)>, String> {
        let first = self.calls;
        let mut lines =
            jobs.iter().map(|job| self.open(shared, job)).collect::<Result<Vec<Line>, String>>()?;
        let begin = Instant::now();
        let mut busy = begin;
        while busy.elapsed() < AFTER {
            for line in &mut lines {
                let is_speaking = line.speak(begin.elapsed().as_micros() as u64)?;
                if line.listen(begin)? || is_speaking {
                    busy = Instant::now();
                }
            }
            std::thread::sleep(LOOK);
        }
        (first..self.calls).try_for_each(|call| self.ng.delete(&format!("impairment-{call}")))?;
        let one = |(job, line): (&Job, Line)| Ok((*job, line.heard()?));
        jobs.iter().zip(lines).map(one).collect()
    }

    fn open(&mut self, shared: &Shared<'_>, job: &Job) -> Result<Line, String> {
        let id = format!("impairment-{}", self.calls);
        let Way { from, to, .. } = job.named.way;
        let [talker, listener] = [socket()?, socket()?];
        // Who speaks PCMU offers; of two, the talker.
        let is_offered = from == Kind::Pcmu;
        let (offers, answers) = if is_offered { (&talker, &listener) } else { (&listener, &talker) };
        let to_answerer = self.ng.offer(&id, &sdp(offers, "0 PCMU/8000")?, from != to)?;
        let opus = to_answerer
            .lines()
            .find_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(" opus/")?.0.parse::<u8>().ok());
        let format = match opus {
            Some(number) if from != to => format!("{number} opus/48000/2"),
            None if from == to => "0 PCMU/8000".to_owned(),
            _ => return Err(format!("rtpengine offers something else: {to_answerer}")),
        };
        let to_offerer = self.ng.answer(&id, &sdp(answers, &format)?)?;
        let remote = remote(if is_offered { &to_offerer } else { &to_answerer })?;
        let number = |kind: Kind| if kind == Kind::Opus { opus.unwrap_or_default() } else { 0 };
        let stream = shared.streams[&(job.voice, from)].tail(RUN_UP_MS);
        let losses = job.condition.losses(seed_of(job), stream.scored, stream.payloads.len() - stream.scored);
        let line = Line {
            way: job.named.way,
            talker,
            listener,
            remote,
            numbers: [number(from), number(to)],
            // Not all at the same instant.
            start_us: (self.calls as u64 * 7_919) % (FRAME_MS * 1000),
            sent: 0,
            first: None,
            ear: Ear::new(to),
            stream,
            losses,
        };
        self.calls += 1;
        Ok(line)
    }
}

/// One call: a talker, and a listener behind rtpengine.
struct Line {
    way: Way,
    talker: UdpSocket,
    listener: UdpSocket,
    /// Where rtpengine hears the talker.
    remote: SocketAddr,
    /// Payload types of talker and listener.
    numbers: [u8; 2],
    /// When the talker begins.
    start_us: u64,
    /// Packets of the talker so far, lost ones included, and how many of them when the listener's first came.
    sent: usize,
    first: Option<usize>,
    ear: Ear,
    stream: Stream,
    losses: Vec<bool>,
}

impl Line {
    /// Sends what is due; whether there is more to come.
    fn speak(&mut self, now_us: u64) -> Result<bool, String> {
        let due = |sent: usize| self.start_us + sent as u64 * FRAME_MS * 1000;
        while self.sent < self.stream.payloads.len() && due(self.sent) <= now_us {
            let at = self.sent;
            self.sent += 1;
            if !self.way.lossy_after && self.losses[at] {
                continue;
            }
            let time = 1_000_000 + at as u32 * FRAME_MS as u32 * self.way.from.clock_per_ms();
            let mut packet = vec![0x80, self.numbers[0]];
            packet.extend((20_000 + at as u16).to_be_bytes());
            packet.extend(time.to_be_bytes());
            packet.extend(0x0a11_u32.to_be_bytes());
            packet.extend(&self.stream.payloads[at]);
            self.talker
                .send_to(&packet, self.remote)
                .map_err(|error| format!("a talker cannot send: {error}"))?;
        }
        Ok(self.sent < self.stream.payloads.len())
    }

    /// Takes what has come; whether anything has.
    fn listen(&mut self, begin: Instant) -> Result<bool, String> {
        let before = self.ear.sent;
        let mut room = [0; 2048];
        loop {
            let length = match self.listener.recv(&mut room) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Ok(self.ear.sent > before);
                }
                Err(error) => return Err(format!("a listener cannot receive: {error}")),
            };
            if length <= 12 {
                continue;
            }
            if room[1] & 0x7f == self.numbers[1] {
                room[1] = self.way.to.payload_type();
            }
            // The timestamps of what it transcodes pass over what was lost before it, its sequence numbers do not: a listener
            // that goes by these knows where something is missing, and hears the better of the two.
            let time = u32::from(u16::from_be_bytes([room[2], room[3]])) * FRAME_MS as u32;
            room[4..8].copy_from_slice(&(time * self.way.to.clock_per_ms()).to_be_bytes());
            // Which of the talker's packets this one carries: rtpengine swallows the first ones.
            let at = *self.first.get_or_insert(self.sent.saturating_sub(1)) + self.ear.sent;
            let lost = self.way.lossy_after && self.losses.get(at).is_some_and(|lost| *lost);
            self.ear.take(begin.elapsed().as_micros() as u64, &room[..length], lost);
        }
    }

    /// A listener uses FEC where it can, and else what any has: what the codec makes of the sound before a hole.
    fn concealment(&self) -> Concealment {
        if self.way.to == Kind::Opus { Concealment::Fec } else { Concealment::Plc }
    }

    fn heard(self) -> Result<Sound, String> {
        let due = self.stream.payloads.len() - self.stream.scored;
        let scored_us = self.start_us + self.stream.scored as u64 * FRAME_MS * 1000;
        let to_us = scored_us + (due as u64 * FRAME_MS + Heard::AFTER_MS) * 1000;
        let samples = self.ear.hear(self.concealment(), scored_us - Heard::BEFORE_MS * 1000, to_us);
        let lost = if self.way.lossy_after { 0 } else { self.losses.iter().filter(|lost| **lost).count() };
        let expected = self.sent - self.first.unwrap_or(0) - lost;
        let missing = expected.saturating_sub(self.ear.sent - self.ear.foreign) as u64;
        Ok(Sound { samples: samples.map_err(|error| error.to_string())?, due: expected as u64, missing })
    }
}

fn socket() -> Result<UdpSocket, String> {
    let told = |error: std::io::Error| format!("no socket at {PARTIES}: {error}");
    let socket = UdpSocket::bind((PARTIES, 0)).map_err(told)?;
    socket.set_nonblocking(true).map_err(told)?;
    Ok(socket)
}

fn sdp(socket: &UdpSocket, format: &str) -> Result<String, String> {
    let port = socket.local_addr().map_err(|error| error.to_string())?.port();
    let number = format.split(' ').next().unwrap_or_default();
    let fec = if number == "0" { String::new() } else { format!("a=fmtp:{number} useinbandfec=1\r\n") };
    Ok(format!(
        "v=0\r\no=- 1 1 IN IP4 {PARTIES}\r\ns=-\r\nc=IN IP4 {PARTIES}\r\nt=0 0\r\nm=audio {port} RTP/AVP {number}\r\n\
         a=rtpmap:{format}\r\n{fec}a=ptime:20\r\n"
    ))
}

/// Where rtpengine listens, by its SDP.
fn remote(sdp: &str) -> Result<SocketAddr, String> {
    let port = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok());
    port.map(|port| SocketAddr::new(ADDRESS, port)).ok_or_else(|| format!("rtpengine has no port: {sdp}"))
}
