//! One connection from its first byte to its last: messages in, messages out, keep-alives answered, time limits kept.
//!
//! Leaves out how it came to be (`opening.rs`) and what is under it: TCP or TLS are the
//! same here. What WebSockets do otherwise is in `websocket.rs`.

use std::time::Duration;

use baton_signaling::endpoint::Flow;
use baton_signaling::stream::{Frame, Framer, PONG, StreamError};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, WeakSender};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::shell::intake::Intake;
use crate::shell::limits::{CONGESTION_LOOK, IDLE, MESSAGE_TIME, SILENCE, STREAM_READ, WRITE_TIME};

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It could not be opened.
    Refused,
    /// It was not open in time.
    Handshake,
    /// Its TLS handshake has failed: a certificate that one of the two does not take, most likely.
    Tls,
    /// It was to become a WebSocket for SIP, and did not.
    WebSocket,
    /// The far end has closed it.
    Peer,
    /// It broke.
    Broken,
    /// Nothing came for [`IDLE`].
    Idle,
    /// No message came within [`SILENCE`] of its beginning.
    Silent,
    /// A message that had begun was not whole within [`MESSAGE_TIME`].
    Slow,
    /// What came was no SIP, or too long.
    Garbage,
    /// A message had no usable Content-Length (RFC 3261 §18.3).
    Length,
    /// The far end takes nothing any more.
    Stalled,
}

impl Ended {
    /// All of them, in the order in which they are counted.
    pub(crate) const ALL: [Self; 12] = [
        Self::Refused,
        Self::Handshake,
        Self::Tls,
        Self::WebSocket,
        Self::Peer,
        Self::Broken,
        Self::Idle,
        Self::Silent,
        Self::Slow,
        Self::Garbage,
        Self::Length,
        Self::Stalled,
    ];

    /// Its name in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Handshake => "handshake",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
            Self::Peer => "peer",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::Garbage => "garbage",
            Self::Length => "length",
            Self::Stalled => "stalled",
        }
    }
}

impl From<StreamError> for Ended {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::NoLength | StreamError::BadLength => Self::Length,
            StreamError::Garbage | StreamError::HeadTooLong | StreamError::TooLong => Self::Garbage,
        }
    }
}

/// A connection that is open.
pub(super) struct Connection {
    pub(super) flow: Flow,
    /// Whether we have opened it: such a far end need not speak first.
    pub(super) ours: bool,
    pub(super) intake: Intake,
    /// To its own queue, which ends when the table lets it go.
    pub(super) out: WeakSender<Bytes>,
}

impl Connection {
    /// Carries messages until it ends.
    pub(super) async fn run(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        queue: &mut Receiver<Bytes>,
    ) -> Ended {
        let (reader, writer) = tokio::io::split(stream);
        // Neither waits for the other: a far end that does not read is still heard, until its time is over.
        tokio::select! {
            ended = self.read(reader) => ended,
            ended = write(writer, queue) => ended,
        }
    }

    async fn read(&self, mut stream: impl AsyncRead + Unpin) -> Ended {
        let mut buffer = vec![0; STREAM_READ];
        let mut framer = Framer::new();
        let mut patience = Patience::new(self.ours);
        loop {
            let length = match timeout_at(patience.until, stream.read(&mut buffer)).await {
                Err(_) => return patience.over(),
                Ok(Ok(0)) => return Ended::Peer,
                Ok(Ok(length)) => length,
                Ok(Err(_)) => return Ended::Broken,
            };
            framer.push(&buffer[..length]);
            let mut whole = false;
            loop {
                match framer.poll() {
                    Ok(Some(frame)) => whole |= self.take(frame),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(flow = ?self.flow, ?error, "a SIP connection is closed");
                        return error.into();
                    }
                }
            }
            patience.heard(whole, framer.is_mid_message());
            while self.intake.is_congested() {
                // The far end is told by its window to wait.
                sleep(CONGESTION_LOOK).await;
            }
        }
    }

    /// Whether it was a message.
    fn take(&self, frame: Frame) -> bool {
        let (answer, is_message) = match frame {
            Frame::Message(bytes) => (self.intake.take(self.flow, bytes).map(|refusal| refusal.bytes), true),
            Frame::Ping => (Some(Bytes::from_static(PONG)), false),
            Frame::Pong => (None, false),
        };
        self.answer(answer);
        is_message
    }

    pub(super) fn answer(&self, answer: Option<Bytes>) {
        if let (Some(answer), Some(out)) = (answer, self.out.upgrade()) {
            // Full: nobody reads what we send, and the next message of a shard ends the connection.
            let _ = out.try_send(answer);
        }
    }
}

async fn write(mut stream: impl AsyncWrite + Unpin, queue: &mut Receiver<Bytes>) -> Ended {
    while let Some(bytes) = queue.recv().await {
        let written = timeout(WRITE_TIME, async {
            stream.write_all(&bytes).await?;
            if queue.is_empty() { stream.flush().await } else { Ok(()) }
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ended::Broken,
            Err(_) => return Ended::Stalled,
        }
    }
    Ended::Stalled
}

/// Until when a far end may say nothing.
pub(super) struct Patience {
    pub(super) until: Instant,
    reason: Ended,
}

impl Patience {
    pub(super) fn new(ours: bool) -> Self {
        let (limit, reason) = if ours { (IDLE, Ended::Idle) } else { (SILENCE, Ended::Silent) };
        Self { until: after(limit), reason }
    }

    /// Something has come; `whole`: messages, at least one; `mid`: part of another. A part does not prolong what it is given:
    /// whoever sends an octet at a time is as slow as whoever sends none.
    pub(super) fn heard(&mut self, whole: bool, mid: bool) {
        let was_mid = self.reason == Ended::Slow;
        match (mid, whole) {
            (true, false) if was_mid => {}
            (true, _) => (self.until, self.reason) = (after(MESSAGE_TIME), Ended::Slow),
            // Keep-alives alone do not make a stranger a peer.
            (false, false) if self.reason == Ended::Silent => {}
            (false, _) => (self.until, self.reason) = (after(IDLE), Ended::Idle),
        }
    }

    pub(super) fn over(&self) -> Ended {
        self.reason
    }
}

fn after(limit: Duration) -> Instant {
    Instant::now() + limit
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use baton_signaling::endpoint::Transport;
    use tokio::io::DuplexStream;
    use tokio::sync::mpsc::{self, Sender};

    use super::*;
    use crate::shard::Arrival;
    use crate::shard::{AdmissionSettings, Gate};
    use crate::shell::clock::Clock;
    use crate::shell::inbox::Inbox;
    use crate::shell::limits::CONNECTION_QUEUE;

    const OPTIONS: &str = "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.2;branch=z9hG4bKa\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

    struct Far {
        wire: DuplexStream,
        inbox: Arc<Inbox>,
        out: Sender<Bytes>,
        over: tokio::task::JoinHandle<Ended>,
        since: Instant,
    }

    /// A connection that somebody has opened to us, on a clock that stands still until everybody waits.
    fn connected(ours: bool) -> Far {
        tokio::time::pause();
        let (wire, near) = tokio::io::duplex(64);
        let inbox = Arc::new(Inbox::new().unwrap());
        let (out, mut queue) = mpsc::channel(CONNECTION_QUEUE);
        let at = ([127, 0, 0, 1], 5060).into();
        let flow = Flow { transport: Transport::Tcp, local: at, remote: at };
        let gate = Gate::new(AdmissionSettings::default(), [1; 32]);
        let intake = Intake::new([inbox.clone()].into(), [1, 2], (gate.into(), Clock::start()));
        let connection = Connection { flow, ours, intake, out: out.downgrade() };
        let over = tokio::spawn(async move { connection.run(near, &mut queue).await });
        Far { wire, inbox, out, over, since: Instant::now() }
    }

    impl Far {
        /// How and after how many seconds it has ended.
        async fn ended(self) -> (Ended, u64) {
            let Self { wire, out, over, since, .. } = self;
            let ended = over.await.unwrap();
            drop((wire, out));
            (ended, since.elapsed().as_secs())
        }
    }

    #[tokio::test]
    async fn who_connects_and_says_nothing_is_let_go() {
        let mut far = connected(false);
        far.wire.write_all(b"\r\n\r\n").await.unwrap();
        let mut pong = [0; 2];
        far.wire.read_exact(&mut pong).await.unwrap();
        assert_eq!(pong, PONG, "a keep-alive is answered, and is no message");
        assert_eq!(far.ended().await, (Ended::Silent, SILENCE.as_secs()));
    }

    #[tokio::test]
    async fn a_message_that_comes_octet_by_octet_has_ten_seconds() {
        let mut far = connected(false);
        let begun = Instant::now();
        for octet in OPTIONS.as_bytes() {
            if far.wire.write_all(&[*octet]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        assert!(begun.elapsed() < MESSAGE_TIME * 2);
        assert_eq!(far.over.await.unwrap(), Ended::Slow);
    }

    #[tokio::test]
    async fn a_peer_that_has_spoken_may_be_silent_for_an_hour() {
        let mut far = connected(false);
        far.wire.write_all(OPTIONS.as_bytes()).await.unwrap();
        sleep(Duration::from_secs(1800)).await;
        let arrived = far.inbox.pop();
        assert!(matches!(arrived, Some((_, Arrival::Message(_)))), "{arrived:?}");
        far.wire.write_all(b"\r\n\r\n").await.unwrap();
        assert_eq!(far.ended().await, (Ended::Idle, 1800 + IDLE.as_secs()));
    }

    #[tokio::test]
    async fn a_far_end_that_takes_nothing_is_given_up() {
        let far = connected(true);
        far.out.send(Bytes::from(vec![b'x'; 100])).await.unwrap();
        assert_eq!(far.ended().await, (Ended::Stalled, WRITE_TIME.as_secs()));
    }

    #[tokio::test]
    async fn what_is_handed_over_leaves_in_order_and_the_far_end_may_close() {
        let mut far = connected(true);
        for text in ["one", "two"] {
            far.out.send(Bytes::from_static(text.as_bytes())).await.unwrap();
        }
        let mut read = [0; 6];
        far.wire.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"onetwo");
        drop(far.wire);
        assert_eq!(far.over.await.unwrap(), Ended::Peer);
    }
}
