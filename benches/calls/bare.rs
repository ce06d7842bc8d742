//! What cannot be had cheaper: a timer alone on the node's core, and libopus and system calls for a call's frames alone.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use baton_codecs::g711::{G711Decoder, G711Encoder, Law};
use baton_codecs::opus::{OpusDecoder, OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::{CodecError, Decoder, Encoder, Rate};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::figures::Spread;
use crate::frames::{Frames, Voice};
use crate::machine::{Cores, MS, Nanos, SECOND, failed, now, thread_cpu, ticker};
use crate::options::Codecs;
use crate::phone::Party;

/// Wakes of the bare timer: 4 s.
const WAKES: usize = 4_000;
/// Packets of a stream in a second.
const FRAMES_PER_SECOND: usize = 50;
/// Calls that the bare work is done for.
const CALLS: usize = 100;
/// RTP's header.
pub(crate) const HEADER_BYTES: usize = 12;
/// Seconds of sound in one pass.
const SECONDS: usize = 1;
/// Passes; the cheapest counts, since whatever else runs can only make one dearer.
const PASSES: usize = 5;

/// How late a timer that fires each millisecond wakes a thread that does nothing else, on the node's core.
pub(crate) fn lateness(cores: Cores) -> Result<Spread, String> {
    let measured = std::thread::spawn(move || -> Result<Vec<Nanos>, String> {
        cores.pin_node()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed("no epoll"))?;
        let timer = ticker(Duration::from_millis(1))?;
        let start = now();
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(failed("cannot watch a timer"))?;
        let mut wakes = Vec::with_capacity(WAKES);
        while wakes.len() < WAKES {
            let mut events = [EpollEvent::empty()];
            if epoll.wait(&mut events, 100u8).map_err(failed("epoll failed"))? == 0 {
                continue;
            }
            wakes.push(now() - start);
            let _ = timer.wait();
        }
        Ok(late(&wakes))
    });
    let wakes = measured.join().map_err(|_| "the bare timer's thread panicked".to_owned())??;
    Spread::of(wakes).ok_or_else(|| "the bare timer never fired".to_owned())
}

/// By how much each wake missed its millisecond. Milliseconds that passed meanwhile count once, with the wake they led to.
fn late(wakes: &[Nanos]) -> Vec<Nanos> {
    let mut due = MS;
    let miss = |&woken: &Nanos| {
        let miss = (woken - due).max(0);
        due = (due + MS).max(woken / MS * MS + MS);
        miss
    };
    wakes.iter().map(miss).collect()
}

/// Bare cost of one call for one second, in nanoseconds of processor time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Decoding and encoding its 100 frames as the node does; 0 where it relays.
    pub codecs: Nanos,
    /// `recvfrom` and `sendto` for its 100 packets.
    pub sockets: Nanos,
}

/// Measures it on this thread's core, for [`CALLS`] calls in turn, as a node has them: each with sockets and codecs of
/// its own, none of which the processor's caches can hold for the next frame.
pub(crate) fn cost(codecs: Codecs) -> Result<Cost, String> {
    let speech = [Frames::speech(codecs.caller, "caller.wav")?, Frames::speech(codecs.ai, "ai.wav")?];
    let mut calls: Vec<BareCall> = (0..CALLS).map(|_| BareCall::open(codecs)).collect::<Result<_, _>>()?;
    let sockets = cheapest(&mut calls, &speech, false)?;
    let both = if codecs.is_transcoded() { cheapest(&mut calls, &speech, true)? } else { sockets };
    Ok(Cost { codecs: (both - sockets).max(0), sockets })
}

/// The cheapest of several passes, per call-second.
fn cheapest(calls: &mut [BareCall], speech: &[Frames; 2], transcode: bool) -> Result<Nanos, String> {
    let mut best = Nanos::MAX;
    for _ in 0..PASSES {
        let mut spent = 0;
        for round in 0..SECONDS * FRAMES_PER_SECOND {
            for (number, call) in calls.iter().enumerate() {
                call.speak(&[0, 1].map(|party| packet(&speech[party], round, number)))?;
            }
            let began = thread_cpu();
            for call in &mut *calls {
                call.pass(transcode)?;
            }
            spent += thread_cpu() - began;
            for call in &*calls {
                call.hear()?;
            }
        }
        best = best.min(spent / (CALLS * SECONDS) as Nanos);
    }
    Ok(best)
}

/// What call `number` says in `round`: each is somewhere else in the recording, since silence is cheaper than speech.
fn packet(frames: &Frames, round: usize, number: usize) -> Vec<u8> {
    let payload = &frames.payloads[(round + number * 37) % frames.payloads.len()];
    [&[0x80; HEADER_BYTES], payload.as_slice()].concat()
}

/// A call of which nothing is left but its sockets and codecs.
struct BareCall {
    /// The parties' sockets: the caller's and the AI's.
    parties: [UdpSocket; 2],
    /// The node's sockets that face them.
    faces: [UdpSocket; 2],
    /// Where the parties are.
    addresses: [SocketAddr; 2],
    /// Where these are.
    face_addresses: [SocketAddr; 2],
    /// By whom the codecs of either direction are: from the caller, from the AI.
    decoders: [Box<dyn Decoder>; 2],
    encoders: [Box<dyn Encoder>; 2],
}

impl BareCall {
    fn open(codecs: Codecs) -> Result<Self, String> {
        let open = |party: Party| -> Result<(UdpSocket, SocketAddr), String> {
            let socket = UdpSocket::bind((party.ip(), 0)).map_err(lost)?;
            socket.set_nonblocking(true).map_err(lost)?;
            let address = socket.local_addr().map_err(lost)?;
            Ok((socket, address))
        };
        let (caller, caller_address) = open(Party::Caller)?;
        let (ai, ai_address) = open(Party::Ai)?;
        let (near, near_address) = open(Party::Agent)?;
        let (far, far_address) = open(Party::Agent)?;
        let broken = |error: CodecError| format!("a codec failed: {error}");
        Ok(Self {
            parties: [caller, ai],
            faces: [near, far],
            addresses: [caller_address, ai_address],
            face_addresses: [near_address, far_address],
            decoders: [decoder(codecs.caller).map_err(broken)?, decoder(codecs.ai).map_err(broken)?],
            encoders: [encoder(codecs.ai).map_err(broken)?, encoder(codecs.caller).map_err(broken)?],
        })
    }

    /// Both parties send a packet.
    fn speak(&self, packets: &[Vec<u8>; 2]) -> Result<(), String> {
        for ((party, packet), to) in self.parties.iter().zip(packets).zip(self.face_addresses) {
            party.send_to(packet, to).map_err(lost)?;
        }
        Ok(())
    }

    /// What is measured: each packet is received, converted if `transcode`, and a packet sent to the other party.
    fn pass(&mut self, transcode: bool) -> Result<(), String> {
        let broken = |error: CodecError| format!("a codec failed: {error}");
        let mut room = [0; HEADER_BYTES + PAYLOAD_BYTES_MAX];
        let mut samples = [0; 160];
        for from in [0, 1] {
            let to = 1 - from;
            let (mut length, _) = self.faces[from].recv_from(&mut room).map_err(lost)?;
            if transcode {
                self.decoders[from].decode(&room[HEADER_BYTES..length], &mut samples).map_err(broken)?;
                let out = &mut room[HEADER_BYTES..];
                length = HEADER_BYTES + self.encoders[from].encode(&samples, out).map_err(broken)?;
            }
            self.faces[to].send_to(&room[..length], self.addresses[to]).map_err(lost)?;
        }
        Ok(())
    }

    /// Both parties take the packet that came.
    fn hear(&self) -> Result<(), String> {
        let mut room = [0; 2_048];
        self.parties.iter().try_for_each(|party| party.recv_from(&mut room).map(|_| ()).map_err(lost))
    }
}

/// What a socket on loopback says.
pub(crate) fn lost(error: std::io::Error) -> String {
    format!("a socket on loopback failed: {error}")
}

/// A decoder as the node has it.
pub(crate) fn decoder(voice: Voice) -> Result<Box<dyn Decoder>, CodecError> {
    Ok(match voice {
        Voice::Opus => Box::new(OpusDecoder::new(Rate::Hz8000)?),
        Voice::Pcmu => Box::new(G711Decoder::new(Law::Mu)),
    })
}

/// An encoder as the node has it.
pub(crate) fn encoder(voice: Voice) -> Result<Box<dyn Encoder>, CodecError> {
    Ok(match voice {
        Voice::Opus => Box::new(OpusEncoder::new(Settings::speech(Rate::Hz8000))?),
        Voice::Pcmu => Box::new(G711Encoder::new(Law::Mu)),
    })
}

/// Sound that the encoder's output trails behind its input.
pub(crate) fn lookahead() -> Result<Nanos, String> {
    let samples =
        OpusEncoder::new(Settings::speech(Rate::Hz8000)).and_then(|mut encoder| encoder.lookahead_samples());
    let samples = samples.map_err(|error| format!("the encoder does not tell: {error}"))?;
    Ok(samples as Nanos * SECOND / Nanos::from(Rate::Hz8000.hz()))
}
