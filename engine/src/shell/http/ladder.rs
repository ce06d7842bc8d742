//! `GET /v1/calls/{id}/ladder` (JSON) and `GET /v1/calls/{id}/ladder.txt`: what was said in SIP, legs side by side, secrets
//! and the keys of media masked.

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use baton_signaling::Time;
use serde::Serialize;

use super::Api;
use super::calls::{Id, find, readable, slow, unknown};
use super::problem::Problem;
use crate::key::LegId;
use crate::shard::{Ladder, Said, Secrets};
use crate::shell::Clock;
use crate::shell::actors::{Draw, Found};
use crate::shell::limits::API_PATIENCE;

/// Width of a leg's column in the text.
const COLUMN: usize = 30;

#[derive(Serialize)]
struct Shown {
    call_id: String,
    legs: Vec<ShownLeg>,
    messages: Vec<Message>,
    /// Messages that are not here for want of room.
    omitted: u64,
    /// Messages whose text is not here to its end.
    cut: u64,
}

#[derive(Serialize)]
struct ShownLeg {
    leg: LegId,
    peer: String,
}

#[derive(Serialize)]
struct Message {
    unix_ms: u64,
    /// Milliseconds since the first message.
    at_ms: f64,
    leg: LegId,
    sent: bool,
    transport: &'static str,
    local: String,
    remote: String,
    line: String,
    bytes: usize,
    /// How often it was sent or received again, and when last, in milliseconds since the first message.
    repeats: u32,
    last_ms: f64,
    text: String,
}

/// As JSON.
pub(super) async fn json(State(api): State<Api>, id: Id) -> Result<impl IntoResponse, Problem> {
    let ladder = draw(&api, id).await?;
    Ok(Json(shown(&ladder, &api.secrets, api.shared.clock)))
}

/// As text: a table, then every message.
pub(super) async fn text(State(api): State<Api>, id: Id) -> Result<impl IntoResponse, Problem> {
    let ladder = draw(&api, id).await?;
    let text = drawn(&shown(&ladder, &api.secrets, api.shared.clock));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}

async fn draw(api: &Api, id: Id) -> Result<Box<Ladder>, Problem> {
    let id = readable(id)?;
    let key = match find(api, &id).await? {
        Found::Living(key) => key,
        Found::Ended(call) => call.key,
    };
    let shard = api.shards.get(usize::from(key.shard())).ok_or_else(unknown)?;
    let asked = tokio::time::timeout(API_PATIENCE, shard.send(Draw(key))).await;
    asked.map_err(|_| slow())?.map_err(|_| slow())?.ok_or_else(unknown)
}

fn shown(ladder: &Ladder, secrets: &Secrets, clock: Clock) -> Shown {
    let began = ladder.said.first().map_or(Time::ZERO, |said| said.at);
    let since = |at: Time| at.saturating_duration_since(began).as_micros() as f64 / 1e3;
    let message = |said: &Said| {
        let text = secrets.mask(&said.text);
        Message {
            unix_ms: clock.unix_millis(said.at),
            at_ms: since(said.at),
            leg: said.leg,
            sent: said.sent,
            transport: said.flow.transport.label(),
            local: said.flow.local.to_string(),
            remote: said.flow.remote.to_string(),
            line: line(&text),
            bytes: said.len,
            repeats: said.repeats,
            last_ms: since(said.last),
            text,
        }
    };
    Shown {
        call_id: ladder.call_id.clone(),
        legs: ladder.legs.iter().map(|(leg, peer)| ShownLeg { leg: *leg, peer: peer.clone() }).collect(),
        messages: ladder.said.iter().map(message).collect(),
        omitted: ladder.omitted,
        cut: ladder.cut,
    }
}

/// A request's method, a response's status line, each with what CSeq says of it.
fn line(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let cseq = text.lines().find_map(|line| line.strip_prefix("CSeq:")).unwrap_or_default().trim();
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => format!("{status} ({cseq})"),
        None => first.split(' ').next().unwrap_or_default().to_owned(),
    }
}

/// Legs side by side, then every message.
fn drawn(shown: &Shown) -> String {
    let mut out = format!("call {}\n\n{:>10}  ", shown.call_id, "ms");
    for leg in &shown.legs {
        let _ = write!(out, "{:COLUMN$}  ", format!("{} {}", leg.leg.0, leg.peer));
    }
    out = out.trim_end().to_owned() + "\n";
    for message in &shown.messages {
        let place = shown.legs.iter().position(|leg| leg.leg == message.leg).unwrap_or(0);
        let arrow = if message.sent { "-->" } else { "<--" };
        let mut told: String = message.line.chars().take(COLUMN - 4).collect();
        if message.repeats > 0 {
            let _ = write!(told, "  x{}, last at {:.1}", message.repeats + 1, message.last_ms);
        }
        let _ = writeln!(out, "{:>10.1}  {}{arrow} {told}", message.at_ms, " ".repeat(place * (COLUMN + 2)));
    }
    if shown.omitted + shown.cut > 0 {
        let _ = writeln!(out, "\nnot kept: {} messages; not to their end: {}", shown.omitted, shown.cut);
    }
    for message in &shown.messages {
        let (way, from) = if message.sent { ("to", &message.remote) } else { ("from", &message.remote) };
        let _ = writeln!(
            out,
            "\n---- {:.1} ms, leg {}, {way} {from} by {}\n",
            message.at_ms, message.leg.0, message.transport
        );
        out.push_str(&message.text.replace("\r\n", "\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use baton_signaling::endpoint::{Flow, Transport};
    use bytes::Bytes;

    use super::*;

    fn ladder() -> Ladder {
        let at = |text: &str| text.parse().unwrap();
        let said = |millis: u64, leg, sent, text: &'static str, repeats: u32| Said {
            at: Time::from_millis(1000 + millis),
            leg: LegId(leg),
            sent,
            flow: Flow { transport: Transport::Udp, local: at("10.0.0.1:5060"), remote: at("10.0.1.1:5060") },
            text: Bytes::from_static(text.as_bytes()),
            len: text.len(),
            repeats,
            last: Time::from_millis(1000 + millis + 500 * u64::from(repeats)),
        };
        let mut ladder = Ladder::default();
        ladder.call_id = "c0ffee".to_owned();
        ladder.legs = vec![(LegId(0), "web".to_owned()), (LegId(1), "polyai".to_owned())];
        ladder.said = vec![
            said(
                0,
                0,
                false,
                "INVITE sip:a@b SIP/2.0\r\nCSeq: 1 INVITE\r\nAuthorization: Digest x\r\n\r\n",
                2,
            ),
            said(1, 0, true, "SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n", 0),
            said(2, 1, true, "INVITE sip:ai@c SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\na=crypto:1 X inline:k\r\n", 0),
        ];
        ladder.omitted = 1;
        ladder
    }

    #[test]
    fn legs_stand_side_by_side_and_no_secret_is_shown() {
        let secrets = Secrets::new([]);
        let text = drawn(&shown(&ladder(), &secrets, Clock::start()));
        let table = "call c0ffee\n\n        ms  0 web                           1 polyai\n       0.0  <-- INVITE  x3, last at 1000.0\n       \
                     1.0  --> 100 Trying (1 INVITE)\n       2.0                                  --> INVITE\n\n\
                     not kept: 1 messages; not to their end: 0\n";
        assert!(text.starts_with(table), "{text}");
        assert!(text.contains("Authorization: masked") && text.contains("inline:masked"), "{text}");
        assert!(!text.contains("Digest") && !text.contains("inline:k"));
    }

    #[test]
    fn json_has_every_message_with_its_time_and_way() {
        let json = serde_json::to_value(shown(&ladder(), &Secrets::new([]), Clock::start())).unwrap();
        assert_eq!(json["messages"][0]["repeats"], 2);
        assert_eq!(json["messages"][0]["last_ms"], 1000.0);
        assert_eq!(json["messages"][2]["leg"], 1);
        assert_eq!(json["messages"][2]["line"], "INVITE");
        assert_eq!((json["omitted"].as_u64(), &json["legs"][1]["peer"]), (Some(1), &"polyai".into()));
    }
}
