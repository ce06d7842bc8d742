//! How connections come to be: accepted where we listen, opened where a message has to go.

use std::net::SocketAddr;
use std::rc::Rc;

use baton_signaling::endpoint::{Flow, Transport};
use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{self, Receiver, WeakSender};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Ended};
use super::{Streams, table::Key};
use crate::shell::intake::Intake;
use crate::shell::limits::{ACCEPT_PAUSE, CONNECT_TIME, CONNECTION_QUEUE, KEEPALIVE, KEEPALIVE_AGAIN};

/// A connection that a shard wants.
pub(super) struct Dial {
    pub(super) id: u64,
    pub(super) flow: Flow,
    pub(super) out: WeakSender<Bytes>,
    /// Holds the message for which it is opened.
    pub(super) queue: Receiver<Bytes>,
}

/// What makes connections.
pub(super) struct Opening {
    pub(super) streams: Streams,
    pub(super) intake: Intake,
}

/// A place in the table, taken until it is dropped, with whatever becomes of it.
struct Place {
    opening: Rc<Opening>,
    flow: Flow,
    id: u64,
    /// Whether shards may know the flow: they are told of its end.
    known: bool,
    ended: Ended,
}

impl Place {
    fn key(&self) -> Key {
        (self.flow.transport, self.flow.remote)
    }
}

impl Place {
    /// Carries a connection that somebody else has opened.
    async fn serve(mut self, stream: TcpStream, connection: Connection, mut queue: Receiver<Bytes>) {
        keep_alive(&stream);
        self.ended = connection.run(stream, &mut queue).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let streams = &self.opening.streams;
        streams.remove(&self.key(), self.id);
        streams.0.metrics.closed(self.flow.transport, self.ended);
        if self.known {
            self.opening.intake.closed(self.flow);
        }
    }
}

impl Opening {
    /// Accepts connections until the runtime ends.
    pub(super) async fn accept(
        self: Rc<Self>,
        socket: std::net::TcpListener,
        transport: Transport,
        local: SocketAddr,
    ) {
        let Ok(listener) = TcpListener::from_std(socket)
            .inspect_err(|error| tracing::error!(%local, %error, "a listener is lost"))
        else {
            return;
        };
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.welcome(stream, Flow { transport, local, remote }),
                Err(error) => {
                    // No descriptors, most likely: whoever waits is served when one is free.
                    tracing::warn!(%local, %error, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn welcome(self: &Rc<Self>, stream: TcpStream, flow: Flow) {
        let (out, queue) = mpsc::channel(CONNECTION_QUEUE);
        let weak = out.downgrade();
        let id = match self.streams.table().add((flow.transport, flow.remote), out) {
            Ok(id) => id,
            Err(unwelcome) => return self.streams.0.metrics.refused(unwelcome),
        };
        self.streams.0.metrics.opened(flow.transport, false);
        let place = Place { opening: self.clone(), flow, id, known: true, ended: Ended::Broken };
        let connection = Connection { flow, ours: false, intake: self.intake.clone(), out: weak };
        actix::spawn(place.serve(stream, connection, queue));
    }

    /// Opens the connections that are asked for, until the runtime ends.
    pub(super) async fn dial(self: Rc<Self>, mut dials: Receiver<Dial>) {
        while let Some(dial) = dials.recv().await {
            actix::spawn(self.clone().open(dial));
        }
    }

    async fn open(self: Rc<Self>, dial: Dial) {
        let Dial { id, flow, out, mut queue } = dial;
        self.streams.0.metrics.opened(flow.transport, true);
        let mut place = Place { opening: self.clone(), flow, id, known: true, ended: Ended::Refused };
        let connection = Connection { flow, ours: true, intake: self.intake.clone(), out };
        place.ended = match timeout(CONNECT_TIME, connect(flow)).await {
            Err(_) => Ended::Handshake,
            Ok(Err(error)) => {
                tracing::debug!(?flow, %error, "a SIP connection cannot be opened");
                Ended::Refused
            }
            Ok(Ok(stream)) => connection.run(stream, &mut queue).await,
        };
    }
}

/// A connection from the address we are known by.
async fn connect(flow: Flow) -> std::io::Result<TcpStream> {
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if !flow.local.ip().is_unspecified() {
        socket.bind(SocketAddr::new(flow.local.ip(), 0))?;
    }
    let stream = socket.connect(flow.remote).await?;
    keep_alive(&stream);
    Ok(stream)
}

/// Small messages leave at once, and the system asks a far end that says nothing whether it is there: that also keeps a NAT's
/// binding. What it refuses is no reason to have no connection.
fn keep_alive(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keep = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_AGAIN);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keep);
}
