//! What a node is started with: the settings, cut into the pieces that each machine needs.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use baton_signaling::auth::Credentials;
use baton_signaling::endpoint::Transport;
use bytes::Bytes;

use crate::call::{
    AnswerMode, ByeRule, CallPeer, CallQueue, CallSettings, CallTimers, FlowSettings, OnAiFailure, SrtpPolicy,
};
use crate::media::{Dtmf, JitterMs, Prompt, PromptError, Prompts, Repair, SessionParams};
use crate::queue::QueuesSettings;
use crate::settings::{self, Settings, Sound};
use crate::shard::{AdmissionPeer, AdmissionSettings, Challenge, Network, Secrets, Unknown};

/// The hold audio and the announcement that the program brings along: 8 kHz, mono.
const HOLD: &[u8] = include_bytes!("../../assets/audio/hold.wav");
const ANNOUNCEMENT: &[u8] = include_bytes!("../../assets/audio/announcement.wav");

/// A sound file that cannot be read.
#[derive(Debug)]
pub struct SoundError {
    /// Which.
    pub file: PathBuf,
    /// Why.
    pub error: std::io::Error,
}

impl fmt::Display for SoundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the sound {}: {}", self.file.display(), self.error)
    }
}

/// Why a sound file of the settings cannot be played, as the rest of a sentence that names it; `None` if it can.
pub(crate) fn sound_fault(file: &Path) -> Option<String> {
    let name = file.display();
    // Nothing but a file: a pipe would be waited for.
    if !file.is_file() {
        return Some(format!("there is no file {name}"));
    }
    match std::fs::read(file) {
        Ok(bytes) => {
            let error = Prompts::new().add_wav(&bytes).err()?;
            Some(format!("{name} cannot be played: {error}"))
        }
        Err(error) => Some(format!("{name} cannot be read: {error}")),
    }
}

/// What is wrong with files of certificates, as `settings::Surroundings` asks.
pub(crate) fn tls_faults(files: &settings::Tls) -> Vec<(&'static str, String)> {
    super::streams::tls_faults(files).into_iter().map(|fault| (fault.key, fault.problem)).collect()
}

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// UDP addresses for SIP.
    pub sip: Vec<SocketAddr>,
    /// Addresses for SIP over connections.
    pub streams: Vec<(Transport, SocketAddr)>,
    /// The name servers that are asked; none: the system's.
    pub dns: Vec<SocketAddr>,
    /// Certificates for those of them under TLS.
    pub tls: Option<settings::Tls>,
    /// The address written into Via and Contact, if not the socket's.
    pub advertise: Option<IpAddr>,
    /// The address for RTP.
    pub media: IpAddr,
    /// The ports for RTP and RTCP.
    pub ports: RangeInclusive<u16>,
    /// The address for the API.
    pub http: SocketAddr,
    /// Shards; one for each core is right.
    pub shards: u16,
    /// From whom calls are taken, and how many.
    pub admission: AdmissionSettings,
    /// What calls need.
    pub call: Arc<CallSettings>,
    /// What the queues need.
    pub queues: QueuesSettings,
    /// What sessions need; the shell sets the wall clock.
    pub session: SessionParams,
    /// What the node can play, by the numbers that `call` names.
    pub sounds: Vec<SoundBytes>,
    /// Time between two OPTIONS to each address of a peer.
    pub probe: Duration,
    /// How long running calls may go on after the node was told to stop.
    pub drain: Duration,
    /// Where copies of SIP messages go, if anywhere.
    pub hep: Option<settings::Hep>,
}

/// A sound, before it is a prompt.
#[derive(Clone, Debug)]
pub enum SoundBytes {
    /// Mono at 8 kHz.
    Pcm(Arc<[i16]>),
    /// A WAV file's bytes.
    Wav(Arc<[u8]>),
}

impl Plan {
    /// What the settings say, with one shard for each core.
    ///
    /// # Errors
    /// A sound file cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, SoundError> {
        let sounds = Sounds::of(settings);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            sip: listen(settings, |transport| transport == Transport::Udp).map(|(_, at)| at).collect(),
            streams: listen(settings, Transport::is_reliable).collect(),
            dns: settings.sip.dns.clone(),
            tls: settings.sip.tls.clone(),
            advertise: settings.sip.advertise,
            media: settings.media.address,
            ports: settings.media.ports.first..=settings.media.ports.last,
            http: settings.http.listen,
            shards: u16::try_from(cores).unwrap_or(u16::MAX),
            admission: admission(settings),
            call: Arc::new(call(settings, &sounds)),
            queues: settings.for_queues(),
            session: SessionParams {
                media_timeout: settings.timers.media,
                extended_reports: settings.media.rtcp_xr_always,
                complexity: settings.media.complexity,
                complexity_min: settings.media.complexity_min,
                dtx: settings.media.dtx,
                one_way: settings.timers.one_way,
                loudness_dbov: settings.media.loudness_dbov,
                ..SessionParams::default()
            },
            sounds: sounds.read()?,
            probe: settings.timers.probe,
            drain: settings.timers.drain,
            hep: settings.hep.clone(),
        })
    }

    /// The prompts of the sounds, numbered in their order.
    ///
    /// # Errors
    /// The position of the first sound that cannot be one.
    pub fn prompts(&self) -> Result<Prompts, (usize, PromptError)> {
        let mut prompts = Prompts::levelled(self.session.loudness_dbov);
        for (at, sound) in self.sounds.iter().enumerate() {
            let added = match sound {
                SoundBytes::Pcm(samples) => prompts.add_pcm(samples),
                SoundBytes::Wav(bytes) => prompts.add_wav(bytes),
            };
            added.map_err(|error| (at, error))?;
        }
        Ok(prompts)
    }

    /// The addresses of our peers, by their names.
    pub(super) fn peer_uris(&self) -> Vec<(String, String)> {
        let peers = self.call.peers.iter();
        peers.flat_map(|(name, peer)| peer.uris.iter().map(|uri| (name.clone(), uri.clone()))).collect()
    }

    /// The headers that are nobody's business: those the settings give to peers.
    pub(super) fn secrets(&self) -> Secrets {
        let headers = self.call.peers.values().flat_map(|peer| &peer.headers);
        Secrets::new(headers.map(|(name, _)| name.clone()))
    }

    /// Every URI a node may dial by its settings, and those to which a peer may refer it.
    pub(super) fn uris(&self) -> impl Iterator<Item = &str> {
        let peers = self.call.peers.values().flat_map(|peer| peer.uris.iter().chain(&peer.refer_to));
        peers.map(String::as_str).chain(self.queues.agents.iter().map(|agent| agent.uri.as_str()))
    }
}

/// The sounds of a node in the order of their prompts' numbers.
struct Sounds<'a>(Vec<&'a Sound>);

impl<'a> Sounds<'a> {
    fn of(settings: &'a Settings) -> Self {
        let mut sounds = vec![&Sound::BuiltinHold, &Sound::BuiltinAnnouncement];
        for sound in settings.sounds() {
            if !sounds.contains(&sound) {
                sounds.push(sound);
            }
        }
        Self(sounds)
    }

    fn prompt(&self, sound: &Sound) -> Prompt {
        let at = self.0.iter().position(|other| *other == sound);
        Prompt(at.and_then(|at| u16::try_from(at).ok()).unwrap_or_default())
    }

    fn read(&self) -> Result<Vec<SoundBytes>, SoundError> {
        let read = |sound: &&Sound| match sound {
            Sound::BuiltinHold => Ok(SoundBytes::Wav(HOLD.into())),
            Sound::BuiltinAnnouncement => Ok(SoundBytes::Wav(ANNOUNCEMENT.into())),
            Sound::File(file) => match std::fs::read(file) {
                Ok(bytes) => Ok(SoundBytes::Wav(bytes.into())),
                Err(error) => Err(SoundError { file: file.clone(), error }),
            },
        };
        self.0.iter().map(read).collect()
    }
}

/// Where SIP is received over the transports that fit.
fn listen(
    settings: &Settings,
    fits: impl Fn(Transport) -> bool,
) -> impl Iterator<Item = (Transport, SocketAddr)> {
    let all = settings.sip.listen.iter().map(|listen| (listen.transport, listen.address));
    all.filter(move |(transport, _)| fits(*transport))
}

fn admission(settings: &Settings) -> AdmissionSettings {
    let network = |from: &settings::Network| Network { address: from.address, prefix: from.prefix };
    let peer = |peer: &settings::Peer| AdmissionPeer {
        name: peer.name.clone(),
        from: peer.from.iter().map(network).collect(),
        tls_names: peer.tls_names.clone(),
        calls: peer.calls.and_then(|calls| usize::try_from(calls).ok()),
        calls_per_second: peer.calls_per_second,
        trusted: peer.trusted,
        credentials: peer.auth.as_ref().map(credentials),
        challenge: peer.challenge.as_ref().map(challenge),
    };
    AdmissionSettings {
        calls: usize::try_from(settings.limits.calls).unwrap_or(usize::MAX),
        calls_per_second: settings.limits.calls_per_second,
        unknown: match settings.sip.unknown {
            settings::Unknown::Forbidden => Unknown::Forbidden,
            settings::Unknown::Silence => Unknown::Silence,
        },
        peers: settings.peers.iter().map(peer).collect(),
    }
}

fn challenge(asked: &settings::Challenge) -> Challenge {
    let user = |(name, password): &(String, settings::Secret)| {
        (name.clone(), baton_signaling::auth::Secret::new(password.expose()))
    };
    Challenge {
        realm: asked.realm.clone(),
        users: asked.users.iter().map(user).collect(),
        md5_only: asked.md5_only,
    }
}

fn credentials(auth: &settings::Auth) -> Credentials {
    let password = baton_signaling::auth::Secret::new(auth.password.expose());
    Credentials { username: auth.username.clone(), password }
}

/// What a call needs of the settings.
fn call(settings: &Settings, sounds: &Sounds<'_>) -> CallSettings {
    let (sip, timers) = (&settings.sip, &settings.timers);
    let first = sip.listen.first().map(|listen| listen.address);
    let from = first.map(|local| SocketAddr::new(sip.advertise.unwrap_or(local.ip()), local.port()));
    let hosts = sip.listen.iter().map(|listen| listen.address.ip()).chain(sip.advertise);
    CallSettings {
        flows: settings.flows.iter().map(|flow| flow_settings(flow, settings, sounds)).collect(),
        peers: settings.peers.iter().map(|peer| (peer.name.clone(), call_peer(peer))).collect(),
        queues: call_queues(settings, sounds),
        hosts: hosts.map(|host| host.to_string()).collect(),
        from_host: from.map(|from| from.to_string()).unwrap_or_default(),
        media_host: sip.advertise.unwrap_or(settings.media.address),
        timers: CallTimers {
            ai_provisional: timers.ai_provisional,
            ai_answer: timers.ai_answer,
            media: timers.media,
            one_way: timers.one_way,
            ai_tail_ms: u32::try_from(timers.ai_tail.as_millis()).unwrap_or(u32::MAX),
        },
        extended_reports: settings.media.rtcp_xr_always,
        wideband_reinvite: settings.media.wideband_reinvite,
        handoffs_per_call: settings.limits.handoffs_per_call,
    }
}

fn call_queues(settings: &Settings, sounds: &Sounds<'_>) -> BTreeMap<String, CallQueue> {
    let queue = |queue: &settings::Queue| CallQueue {
        peer: queue.peer.clone(),
        hold: sounds.prompt(&queue.hold_audio),
        announcement: sounds.prompt(&queue.announcement),
        wait: queue.wait,
        ring: queue.ring,
    };
    settings.queues.iter().map(|each| (each.name.clone(), queue(each))).collect()
}

fn call_peer(peer: &settings::Peer) -> CallPeer {
    let header = |(name, value): &(String, settings::Secret)| {
        (name.clone(), Bytes::copy_from_slice(value.expose().as_bytes()))
    };
    CallPeer {
        codecs: peer.codecs.iter().map(|codec| codec.encoding.to_owned()).collect(),
        uris: peer.uris.clone(),
        headers: peer.headers.iter().map(header).collect(),
        refer_to: peer.refer_to.clone(),
        repair: match peer.repair {
            settings::Repair::Auto => Repair::Auto,
            settings::Repair::Never => Repair::Never,
            settings::Repair::Always => Repair::Always,
        },
        dtmf: peer.dtmf,
        session_expires: peer.session_expires,
        history_hidden: !peer.history,
        early_media: peer.early_media,
        srtp: match peer.srtp {
            settings::Srtp::Off => SrtpPolicy::Off,
            settings::Srtp::Optional => SrtpPolicy::Optional,
            settings::Srtp::Required => SrtpPolicy::Required,
        },
        trusted: peer.trusted,
        jitter_ms: Some(JitterMs { min: peer.jitter_ms.min, max: peer.jitter_ms.max }),
    }
}

fn flow_settings(flow: &settings::Flow, settings: &Settings, sounds: &Sounds<'_>) -> FlowSettings {
    let queue = flow.queue.as_deref().and_then(|name| settings.queue(name));
    let rule =
        |(name, value): &(String, Option<String>)| ByeRule { name: name.clone(), value: value.clone() };
    FlowSettings {
        name: flow.name.clone(),
        user: flow.user.clone(),
        ai: flow.ai.clone(),
        queue: flow.queue.clone(),
        on_ai_failure: match flow.on_ai_failure {
            settings::OnAiFailure::Queue => OnAiFailure::Queue,
            settings::OnAiFailure::Reject => OnAiFailure::Reject,
        },
        answer: match flow.answer {
            settings::Answer::Late => AnswerMode::Late,
            settings::Answer::AtOnce => AnswerMode::AtOnce,
        },
        bye_rules: flow.handoff.bye_rules.iter().map(rule).collect(),
        escape: flow.handoff.escape_digit.and_then(Dtmf::of),
        context: flow.context.clone(),
        hold: sounds.prompt(queue.map_or(&Sound::BuiltinHold, |queue| &queue.hold_audio)),
        announcement: sounds.prompt(queue.map_or(&Sound::BuiltinAnnouncement, |queue| &queue.announcement)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_settings_make_a_plan_whose_prompts_exist() {
        let plan = Plan::new(&Settings::embedded()).unwrap();
        plan.prompts().unwrap();
        let flow = &plan.call.flows[0];
        assert_ne!(flow.hold, flow.announcement);
        for prompt in [flow.hold, flow.announcement] {
            assert!(usize::from(prompt.0) < plan.sounds.len());
        }
        assert!(plan.uris().any(|uri| uri == "sip:1000@127.0.0.1:5070"));
        assert!(plan.uris().any(|uri| uri == "sip:agent@127.0.0.1:5080"));
        assert_eq!(plan.call.peers["polyai"].codecs, ["PCMU", "PCMA"]);
        assert_eq!(plan.call.from_host, "127.0.0.1:5060");
    }

    #[test]
    fn a_sound_file_that_is_gone_is_named() {
        let mut settings = Settings::embedded();
        settings.queues[0].hold_audio = Sound::File("/nowhere/music.wav".into());
        let error = Plan::new(&settings).unwrap_err();
        assert!(error.to_string().contains("/nowhere/music.wav"), "{error}");
    }
}
