//! The demo's call as its four parties play it: a caller, an AI that hands off, a person who does not answer and one
//! who does. They meet the node only on the wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::shell::Clock;
use crate::shell::phone::{Command, Heard, Phone, Told, Voice};

/// What the AI says about the caller when it hands off.
pub(crate) const CONTEXT: [(&str, &str); 4] = [
    ("X-Customer-ID", "12345"),
    ("X-Issue-Type", "billing"),
    ("X-Handoff-Reason", "customer_request"),
    ("User-to-User", "636f6e766572736174696f6e3d3432;encoding=hex"),
];

/// Nothing in this story takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where everybody is.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The node's SIP socket.
    pub(crate) node: SocketAddr,
    /// The AI's phone.
    pub(crate) ai: SocketAddr,
    /// The person who does not answer.
    pub(crate) ann: SocketAddr,
    /// The person who does.
    pub(crate) ben: SocketAddr,
    /// The caller's phone.
    pub(crate) caller: SocketAddr,
}

/// The recordings, mono at 16 kHz.
#[derive(Clone, Debug)]
pub(crate) struct Voices {
    pub(crate) caller: Arc<[i16]>,
    pub(crate) ai: Arc<[i16]>,
    pub(crate) agent: Arc<[i16]>,
}

/// What each party heard and saw; times are in microseconds of the clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) caller: Heard,
    pub(crate) ai: Heard,
    pub(crate) ben: Heard,
    /// Headers of the INVITE at the AI.
    pub(crate) ai_headers: Vec<(String, String)>,
    /// Headers of the INVITE at the person who answered.
    pub(crate) ben_headers: Vec<(String, String)>,
    /// The caller dialled.
    pub(crate) called_us: u64,
    /// The caller's call was up.
    pub(crate) up_us: u64,
    /// The AI sent REFER.
    pub(crate) referred_us: u64,
    /// The first person's phone rang.
    pub(crate) ann_rang_us: u64,
    /// The second person answered.
    pub(crate) ben_answered_us: u64,
    /// The caller hung up.
    pub(crate) hung_up_us: u64,
    /// The last thing the AI was told of its transfer.
    pub(crate) transfer_status: u16,
}

/// Plays the story to its end.
///
/// # Errors
/// In words, if a phone cannot be opened or something that the story waits for does not happen.
pub(crate) async fn play(places: Places, voices: Voices, clock: Clock) -> Result<Outcome, String> {
    let ai = open("ai", places.ai, Voice::Pcmu, clock).await?;
    let ann = open("ann", places.ann, Voice::Pcmu, clock).await?;
    let ben = open("ben", places.ben, Voice::Pcmu, clock).await?;
    let caller = open("caller", places.caller, Voice::Opus, clock).await?;
    let queue = format!("sip:snapcall_agents@{}", places.node);
    let ai = tokio::spawn(play_ai(ai, queue, voices.clone(), clock));
    let ann = tokio::spawn(play_ann(ann));
    let ben = tokio::spawn(play_ben(ben, voices.clone()));
    let mut outcome = play_caller(caller, places.node, voices, clock).await?;
    let (ai_heard, ai_saw) = ai.await.map_err(|error| error.to_string())??;
    outcome.ann_rang_us = ann.await.map_err(|error| error.to_string())??;
    let (ben_heard, ben_headers, ben_answered_us) = ben.await.map_err(|error| error.to_string())??;
    outcome.ai = ai_heard;
    outcome.ai_headers = ai_saw.headers;
    outcome.referred_us = ai_saw.referred_us;
    outcome.transfer_status = ai_saw.transfer_status;
    outcome.ben = ben_heard;
    outcome.ben_headers = ben_headers;
    outcome.ben_answered_us = ben_answered_us;
    Ok(outcome)
}

async fn open(name: &'static str, at: SocketAddr, voice: Voice, clock: Clock) -> Result<Phone, String> {
    Phone::start(name, at, voice, clock)
        .await
        .map_err(|error| format!("the {name}'s phone cannot listen at {at}: {error}"))
}

/// Waits for what `wanted` takes; everything else that is told meanwhile is passed over.
async fn wait<T>(
    phone: &mut Phone,
    what: &str,
    wanted: impl FnMut(Told) -> Option<T>,
) -> Result<(u64, T), String> {
    wait_within(phone, PATIENCE, what, wanted).await
}

async fn wait_within<T>(
    phone: &mut Phone,
    patience: Duration,
    what: &str,
    mut wanted: impl FnMut(Told) -> Option<T>,
) -> Result<(u64, T), String> {
    loop {
        let Some((at, told)) = phone.next(patience).await else {
            return Err(format!("waited {} s in vain: {what}", patience.as_secs()));
        };
        let over = if let Told::Over { status } = told { Some(status) } else { None };
        if let Some(found) = wanted(told) {
            return Ok((at, found));
        }
        if let Some(status) = over {
            let status =
                status.map_or("without a status".to_owned(), |status| format!("with status {status}"));
            return Err(format!("waited in vain: {what}; the call ended {status}"));
        }
    }
}

/// Calls, listens to the AI, says half of what it has to say to it and the rest to the person, and hangs up.
async fn play_caller(
    mut phone: Phone,
    node: SocketAddr,
    voices: Voices,
    clock: Clock,
) -> Result<Outcome, String> {
    let mut outcome = Outcome { called_us: clock.now().as_micros(), ..Outcome::default() };
    let uri = format!("sip:support@{node}");
    phone
        .tell(Command::Call {
            uri,
            at: node,
            headers: vec![("X-Page-URL".into(), "https://shop.example/bill".into())],
        })
        .await;
    let up = |told| (told == Told::Up).then_some(());
    (outcome.up_us, ()) = wait(&mut phone, "the caller is answered", up).await?;
    tokio::time::sleep(duration(&voices.ai) + Duration::from_millis(500)).await;
    let middle = voices.caller.len() / 2;
    let said = |told| (told == Told::Said).then_some(());
    phone.tell(Command::Say(voices.caller[..middle].into())).await;
    wait(&mut phone, "the caller has spoken to the AI", said).await?;
    // The handoff: the rest of the AI's sentence, one ring in vain, one answered, the person's words.
    tokio::time::sleep(duration(&voices.ai) + Duration::from_secs(5) + duration(&voices.agent)).await;
    phone.tell(Command::Say(voices.caller[middle..].into())).await;
    wait(&mut phone, "the caller has spoken to the person", said).await?;
    // The last word is still in jitter buffers and codecs.
    tokio::time::sleep(Duration::from_millis(400)).await;
    outcome.hung_up_us = clock.now().as_micros();
    phone.tell(Command::HangUp).await;
    outcome.caller = phone.stop().await;
    Ok(outcome)
}

struct AiSaw {
    headers: Vec<(String, String)>,
    referred_us: u64,
    transfer_status: u16,
}

/// Greets, listens, and hands off while it says its last sentence.
async fn play_ai(
    mut phone: Phone,
    queue: String,
    voices: Voices,
    clock: Clock,
) -> Result<(Heard, AiSaw), String> {
    let (headers, _) = answer(&mut phone, "the AI", Duration::from_millis(300)).await?;
    phone.tell(Command::Say(voices.ai.clone())).await;
    tokio::time::sleep(duration(&voices.ai) + Duration::from_millis(800) + duration(&voices.caller) / 2)
        .await;
    phone.tell(Command::Say(voices.ai.clone())).await;
    // REFER leaves while the sentence goes on: what is left of it must still reach the caller.
    tokio::time::sleep(duration(&voices.ai) * 2 / 3).await;
    let referred_us = clock.now().as_micros();
    let call_id = headers.iter().find(|(name, _)| name == "X-Baton-Call-ID").cloned();
    let context = CONTEXT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    phone.tell(Command::Refer { to: format!("<{queue}>"), headers: context.chain(call_id).collect() }).await;
    let last = |told| match told {
        Told::Transfer { status } if status >= 200 => Some(status),
        Told::Over { .. } => Some(0),
        _ => None,
    };
    let (_, transfer_status) = wait(&mut phone, "the AI hears of its transfer", last).await?;
    phone.tell(Command::HangUp).await;
    Ok((phone.stop().await, AiSaw { headers, referred_us, transfer_status }))
}

/// Lets it ring.
async fn play_ann(mut phone: Phone) -> Result<u64, String> {
    let incoming = |told| matches!(told, Told::Incoming { .. }).then_some(());
    // Called only after the AI has listened.
    let (rang, ()) = wait_within(&mut phone, PATIENCE * 2, "the first person is called", incoming).await?;
    phone.tell(Command::Ring).await;
    let over = |told| matches!(told, Told::Over { .. }).then_some(());
    wait(&mut phone, "the first person's phone stops ringing", over).await?;
    phone.stop().await;
    Ok(rang)
}

/// Answers, speaks, listens.
async fn play_ben(mut phone: Phone, voices: Voices) -> Result<(Heard, Vec<(String, String)>, u64), String> {
    let (headers, answered) = answer(&mut phone, "the second person", Duration::from_millis(800)).await?;
    phone.tell(Command::Say(voices.agent.clone())).await;
    let over = |told| matches!(told, Told::Over { .. }).then_some(());
    let talk = duration(&voices.agent) + duration(&voices.caller);
    wait_within(&mut phone, talk + PATIENCE, "the caller hangs up", over).await?;
    Ok((phone.stop().await, headers, answered))
}

/// Takes a call after ringing for a while; returns the INVITE's headers and when the call was up.
async fn answer(
    phone: &mut Phone,
    who: &str,
    ring: Duration,
) -> Result<(Vec<(String, String)>, u64), String> {
    let incoming = |told| if let Told::Incoming { headers } = told { Some(headers) } else { None };
    let (_, headers) = wait_within(phone, PATIENCE * 3, &format!("{who} is called"), incoming).await?;
    phone.tell(Command::Ring).await;
    tokio::time::sleep(ring).await;
    phone.tell(Command::Answer).await;
    let up = |told| (told == Told::Up).then_some(());
    let (answered, ()) = wait(phone, &format!("{who} is connected"), up).await?;
    Ok((headers, answered))
}

/// How long it takes to say it.
fn duration(samples: &[i16]) -> Duration {
    Duration::from_millis(samples.len() as u64 / 16)
}
