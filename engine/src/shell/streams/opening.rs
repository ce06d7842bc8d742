//! How connections come to be: accepted where we listen, opened where a message has to go.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use baton_signaling::endpoint::{Flow, Transport};
use baton_signaling::message::Host;
use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{self, Receiver, WeakSender};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::Streams;
use super::connection::{Connection, Ended};
use super::table::Key;
use super::tls::{Certificates, Configs, names};
use super::websocket;
use crate::shell::intake::Intake;
use crate::shell::limits::{
    ACCEPT_PAUSE, CONNECT_TIME, CONNECTION_QUEUE, KEEPALIVE, KEEPALIVE_AGAIN, RENEWAL_LOOK,
};

/// A connection that a shard wants.
pub(super) struct Dial {
    pub(super) id: u64,
    pub(super) flow: Flow,
    /// Who is to be at its other end, under TLS.
    pub(super) host: Host,
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

    /// Carries a connection that somebody else has opened.
    async fn serve(mut self, stream: TcpStream, connection: Connection, mut queue: Receiver<Bytes>) {
        keep_alive(&stream);
        if !self.flow.transport.is_secure() {
            self.ended = self.carry(stream, connection, &mut queue).await;
            return;
        }
        self.ended = match timeout(CONNECT_TIME, self.accept(stream)).await {
            Err(_) => Ended::Handshake,
            Ok(Err(error)) => {
                tracing::debug!(flow = ?self.flow, %error, "a TLS handshake has failed");
                Ended::Tls
            }
            Ok(Ok(stream)) => self.carry(stream, connection, &mut queue).await,
        };
    }

    async fn carry(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        connection: Connection,
        queue: &mut Receiver<Bytes>,
    ) -> Ended {
        if !self.flow.transport.is_websocket() {
            self.known = true;
            return connection.run(stream, queue).await;
        }
        match timeout(CONNECT_TIME, websocket::accept(stream)).await {
            Err(_) => Ended::Handshake,
            Ok(Err(error)) => {
                tracing::debug!(flow = ?self.flow, %error, "a WebSocket handshake has failed");
                Ended::WebSocket
            }
            Ok(Ok(socket)) => {
                self.known = true;
                connection.run_messages(socket, queue).await
            }
        }
    }

    fn configs(&self) -> io::Result<Configs> {
        let certificates = self.opening.streams.0.certificates.as_ref();
        certificates.map(Certificates::current).ok_or_else(|| io::Error::other("there is no certificate"))
    }

    fn identify(&self, chain: Option<&[CertificateDer<'_>]>) {
        self.opening.streams.table().identify(&self.key(), self.id, names(chain));
    }

    /// The handshake with somebody who has connected.
    async fn accept(&self, stream: TcpStream) -> io::Result<Box<server::TlsStream<TcpStream>>> {
        let stream = TlsAcceptor::from(self.configs()?.server).accept(stream).await?;
        self.identify(stream.get_ref().1.peer_certificates());
        Ok(Box::new(stream))
    }

    /// The handshake with somebody to whom we have connected.
    async fn secure(&self, stream: TcpStream, host: Host) -> io::Result<Box<client::TlsStream<TcpStream>>> {
        // The name is SNI, too (RFC 6066 §3), unless it is an address.
        let name = match host {
            Host::Ip(address) => ServerName::IpAddress(address.into()),
            Host::Name(name) => {
                let name = String::from_utf8_lossy(&name).into_owned();
                ServerName::try_from(name).map_err(io::Error::other)?
            }
        };
        let stream = TlsConnector::from(self.configs()?.client).connect(name, stream).await?;
        self.identify(stream.get_ref().1.peer_certificates());
        Ok(Box::new(stream))
    }

    /// Opens a connection for what lies in the queue; `host`: who is to be at its other end.
    async fn open(&self, connection: Connection, host: Host, queue: &mut Receiver<Bytes>) -> Ended {
        let flow = self.flow;
        let until = Instant::now() + CONNECT_TIME;
        let stream = match timeout_at(until, connect(flow)).await {
            Err(_) => return Ended::Handshake,
            Ok(Err(error)) => {
                tracing::debug!(?flow, %error, "a SIP connection cannot be opened");
                return Ended::Refused;
            }
            Ok(Ok(stream)) => stream,
        };
        if !flow.transport.is_secure() {
            return connection.run(stream, queue).await;
        }
        match timeout_at(until, self.secure(stream, host)).await {
            Err(_) => Ended::Handshake,
            Ok(Err(error)) => {
                // An operator's affair: one of the two has a certificate that the other does not take.
                tracing::warn!(?flow, %error, "a TLS handshake of ours has failed");
                Ended::Tls
            }
            Ok(Ok(stream)) => connection.run(stream, queue).await,
        }
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
        let id = match self.streams.table().add((flow.transport, flow.remote), out, None) {
            Ok(id) => id,
            Err(unwelcome) => return self.streams.0.metrics.refused(unwelcome),
        };
        self.streams.0.metrics.opened(flow.transport, false);
        let place = Place { opening: self.clone(), flow, id, known: false, ended: Ended::Broken };
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
        let Dial { id, flow, host, out, mut queue } = dial;
        self.streams.0.metrics.opened(flow.transport, true);
        let mut place = Place { opening: self.clone(), flow, id, known: true, ended: Ended::Broken };
        let connection = Connection { flow, ours: true, intake: self.intake.clone(), out };
        place.ended = place.open(connection, host, &mut queue).await;
    }

    /// Reads certificates again when they have changed, until the runtime ends. Connections that are open stay as they are.
    pub(super) async fn renew(self: Rc<Self>) {
        let Some(certificates) = self.streams.0.certificates.clone() else { return };
        let mut seen = certificates.changed();
        loop {
            sleep(RENEWAL_LOOK).await;
            // Files may be slow.
            let files = certificates.clone();
            let looked = spawn_blocking(move || {
                let changed = files.changed();
                let read = (changed != seen).then(|| files.reload());
                (changed, read)
            });
            let Ok((changed, read)) = looked.await else { return };
            seen = changed;
            let Some(read) = read else { continue };
            self.streams.0.metrics.renewed(read.is_ok());
            match read {
                Ok(()) => tracing::info!("certificates have been read again"),
                Err(fault) => tracing::error!(%fault, "certificates are kept as they were"),
            }
        }
    }
}

/// A connection from the address we are known by.
async fn connect(flow: Flow) -> io::Result<TcpStream> {
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
