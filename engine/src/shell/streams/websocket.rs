//! SIP over WebSocket (RFC 7118): the HTTP handshake with subprotocol `sip`, and a message each way in a message.
//!
//! Framing is tungstenite's. Leaves out opening one (a browser listens on nothing), and which page a browser shows (Origin):
//! who may call is admission's affair, as everywhere.

use baton_signaling::limits::MESSAGE_BYTES_MAX;
use baton_signaling::stream::{PING, PONG};
use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::connection::{Connection, Ended, Patience};
use crate::shell::limits::{CONGESTION_LOOK, WEBSOCKET_PING, WRITE_TIME};

/// The one subprotocol (RFC 7118 §3).
const SUBPROTOCOL: &str = "sip";

/// The handshake with somebody who has connected.
///
/// # Errors
/// It was none of HTTP's, or not for SIP.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
) -> Result<WebSocketStream<S>, Error> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES_MAX);
    accept_hdr_async_with_config(stream, choose, Some(config)).await
}

/// Takes who offers SIP; others would not understand what we say.
#[expect(clippy::result_large_err, reason = "its type is the library's")]
fn choose(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let mut names = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if names.any(|name| name.trim() == SUBPROTOCOL) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        return Ok(response);
    }
    let mut refusal =
        ErrorResponse::new(Some("this WebSocket speaks the subprotocol sip alone\n".to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

impl Connection {
    /// Carries messages until it ends, each in a message of its own (RFC 7118 §4.2).
    pub(super) async fn run_messages<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        socket: WebSocketStream<S>,
        queue: &mut Receiver<Bytes>,
    ) -> Ended {
        let (writer, reader) = socket.split();
        tokio::select! {
            ended = self.read_messages(reader) => ended,
            ended = write_messages(writer, queue) => ended,
        }
    }

    async fn read_messages(&self, mut socket: impl Stream<Item = Result<Message, Error>> + Unpin) -> Ended {
        let mut patience = Patience::new(self.ours);
        loop {
            let message = match timeout_at(patience.until, socket.next()).await {
                Err(_) => return patience.over(),
                Ok(None) => return Ended::Peer,
                Ok(Some(Err(error))) => return ended_by(&error),
                Ok(Some(Ok(message))) => message,
            };
            let bytes = match message {
                Message::Text(text) => Bytes::from(text),
                Message::Binary(bytes) => bytes,
                Message::Close(_) => return Ended::Peer,
                // tungstenite answers pings; a pong is an answer to ours.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                    patience.heard(false, false);
                    continue;
                }
            };
            let is_message = !bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
            if is_message {
                self.answer(self.intake.take(self.flow, bytes).map(|refusal| refusal.bytes));
            } else if bytes == PING {
                // Clients send what keeps a stream alive (RFC 5626 §4.4.1) here, too.
                self.answer(Some(Bytes::from_static(PONG)));
            }
            patience.heard(is_message, false);
            while self.intake.is_congested() {
                sleep(CONGESTION_LOOK).await;
            }
        }
    }
}

/// Sends what is in the queue, and a ping when nothing has been for a while: what is between us would forget the connection.
async fn write_messages(
    mut socket: impl Sink<Message, Error = Error> + Unpin,
    queue: &mut Receiver<Bytes>,
) -> Ended {
    loop {
        let message = match timeout(WEBSOCKET_PING, queue.recv()).await {
            Err(_) => Message::Ping(Bytes::new()),
            Ok(None) => return Ended::Stalled,
            Ok(Some(bytes)) => in_message(bytes),
        };
        match timeout(WRITE_TIME, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ended::Broken,
            Err(_) => return Ended::Stalled,
        }
    }
}

/// Text, which browsers' stacks like best, if it is text (RFC 7118 §4.2 has them take both).
fn in_message(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

fn ended_by(error: &Error) -> Ended {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ended::Peer,
        Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Protocol(_) | Error::Utf8(_) => {
            Ended::Garbage
        }
        _ => Ended::Broken,
    }
}
