//! SIP over connections: TCP and WebSocket, bare and under TLS (RFC 3261 §18, §26.3; RFC 7118). One task each, on the arbiter
//! that reads SIP; shards hand messages over by bounded queues and never wait.
//!
//! A message goes over the connection of its flow; where there is none, one is opened. `table.rs` knows which there are,
//! `connection.rs` carries bytes, `opening.rs` accepts and connects, `tls.rs` has the certificates, `websocket.rs` what
//! WebSockets do otherwise. Leaves out what messages mean, and who may call.

mod connection;
mod opening;
mod table;
mod tls;
mod websocket;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use baton_signaling::endpoint::{Flow, Transmit, Transport};
use baton_signaling::message::Host;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::intake::Intake;
use super::limits::{CONNECTION_QUEUE, DIALS_WAITING};
use super::metrics::StreamMetrics;
use super::udp::BindError;
use opening::{Dial, Opening};
use table::{Key, Table};

pub(crate) use connection::Ended;
pub(crate) use table::Unwelcome;
pub(crate) use tls::{Certificates, TlsFault, faults as tls_faults};

/// The connections of a node, as those who send use them.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Shared>);

struct Shared {
    listeners: Vec<(Transport, SocketAddr)>,
    /// Taken for a few instructions per message, by shards and connections.
    table: Mutex<Table>,
    dials: mpsc::Sender<Dial>,
    certificates: Option<Certificates>,
    metrics: StreamMetrics,
}

/// The sockets that listen, and the connections that are asked for, until they are served.
pub(crate) struct Listening {
    sockets: Vec<TcpListener>,
    dials: mpsc::Receiver<Dial>,
}

impl Streams {
    /// Listens on all of `addresses`; port 0 takes any free one. Those under TLS need `certificates`.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub(crate) fn bind(
        addresses: &[(Transport, SocketAddr)],
        certificates: Option<Certificates>,
    ) -> Result<(Self, Listening), BindError> {
        let (mut sockets, mut listeners) = (Vec::new(), Vec::new());
        for &(transport, address) in addresses {
            let socket = listen(address).map_err(|error| BindError { address, error })?;
            let local = socket.local_addr().map_err(|error| BindError { address, error })?;
            sockets.push(socket);
            listeners.push((transport, local));
        }
        let (asks, dials) = mpsc::channel(DIALS_WAITING);
        let table = Mutex::new(Table::default());
        let metrics = StreamMetrics::new();
        let shared = Shared { listeners, table, dials: asks, certificates, metrics };
        Ok((Self(Arc::new(shared)), Listening { sockets, dials }))
    }

    /// What is listened on.
    pub(crate) fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.0.listeners
    }

    /// Whose certificate the far end at `remote` has to show when a connection under TLS is opened to it; `false`: there is
    /// one that was opened to somebody else, of whom `host` is not known to be (RFC 5923 §9.3).
    pub(crate) fn expect(&self, remote: SocketAddr, host: Host) -> bool {
        let is_theirs = self.table().expect(remote, &host);
        if !is_theirs {
            tracing::warn!(%remote, ?host, "a TLS connection there is another's, by its certificate");
        }
        is_theirs
    }

    /// The names that the far end of a connection has proven to have; `None`: there is no such connection, or it has not.
    pub(crate) fn names(&self, flow: Flow) -> Option<Arc<[String]>> {
        self.table().names(&(flow.transport, flow.remote))
    }

    /// The flow that reaches `remote` over `transport`: from the first address of its family, before all one on loopback for
    /// loopback. `None`: nothing is listened on that others could be told.
    pub(crate) fn towards(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let fits = |(of, local): &&(Transport, SocketAddr)| {
            *of == transport && local.is_ipv4() == remote.is_ipv4() && !transport.is_websocket()
        };
        let mut all = self.0.listeners.iter().filter(fits);
        let same =
            |(_, local): &&(Transport, SocketAddr)| local.ip().is_loopback() == remote.ip().is_loopback();
        let near = self.0.listeners.iter().filter(fits).find(same);
        near.or_else(|| all.next()).map(|&(_, local)| Flow { transport, local, remote })
    }

    /// Hands a message to the connection of its flow, which is opened if there is none; `false`: there can be none, or it
    /// does not take what it is given, and is given up.
    pub(crate) fn send(&self, Transmit { flow, bytes }: Transmit) -> bool {
        let key = (flow.transport, flow.remote);
        let mut table = self.table();
        match table.offer(&key, bytes) {
            Ok(()) => true,
            Err(Some(bytes)) => self.dial(&mut table, flow, bytes),
            Err(None) => false,
        }
    }

    /// Asks for a connection whose first message is `bytes`.
    fn dial(&self, table: &mut Table, flow: Flow, bytes: Bytes) -> bool {
        if flow.transport.is_websocket() || !self.0.listeners.contains(&(flow.transport, flow.local)) {
            return false;
        }
        let (out, queue) = mpsc::channel(CONNECTION_QUEUE);
        let first = out.try_send(bytes);
        debug_assert!(first.is_ok(), "the queue is new");
        let key = (flow.transport, flow.remote);
        let host = table.host(flow.remote);
        let id = match table.add(key, out.clone(), Some(host.clone())) {
            Ok(id) => id,
            Err(unwelcome) => {
                self.0.metrics.refused(unwelcome);
                return false;
            }
        };
        let asked = self.0.dials.try_send(Dial { id, flow, host, out: out.downgrade(), queue }).is_ok();
        if !asked {
            table.remove(&key, id);
            self.0.metrics.refused(Unwelcome::Dials);
        }
        asked
    }

    /// Accepts and opens connections until the runtime ends, on this arbiter.
    pub(crate) fn serve(&self, listening: Listening, intake: &Intake) {
        let opening = Rc::new(Opening { streams: self.clone(), intake: intake.clone() });
        for (socket, &(transport, local)) in listening.sockets.into_iter().zip(&self.0.listeners) {
            actix::spawn(opening.clone().accept(socket, transport, local));
        }
        actix::spawn(opening.clone().dial(listening.dials));
        actix::spawn(opening.renew());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in it can be half done where its holder could panic.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is no more.
    fn remove(&self, key: &Key, id: u64) {
        self.table().remove(key, id);
    }
}

/// A restarted node has its addresses at once, though connections of the one before may linger.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(super::limits::ACCEPTS_WAITING)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[test]
    fn a_port_in_use_is_named() {
        let (first, _listening) = Streams::bind(&[(Transport::Tcp, any())], None).unwrap();
        let (_, taken) = first.listeners()[0];
        let Err(error) = Streams::bind(&[(Transport::Tcp, taken)], None) else { panic!("bound twice") };
        assert_eq!((error.address, error.error.kind()), (taken, io::ErrorKind::AddrInUse));
    }

    #[test]
    fn nothing_goes_out_over_a_transport_that_is_not_listened_on() {
        let (streams, _listening) =
            Streams::bind(&[(Transport::Tcp, any()), (Transport::Ws, any())], None).unwrap();
        let remote = ([127, 0, 0, 2], 5060).into();
        assert_eq!(streams.towards(Transport::Tcp, remote).unwrap().local, streams.listeners()[0].1);
        assert_eq!(streams.towards(Transport::Tls, remote), None);
        assert_eq!(streams.towards(Transport::Ws, remote), None, "a browser listens on nothing");
        assert_eq!(streams.towards(Transport::Tcp, "[::1]:5060".parse().unwrap()), None);
        let local = streams.listeners()[1].1;
        let flow = Flow { transport: Transport::Ws, local, remote };
        assert!(!streams.send(Transmit { flow, bytes: Bytes::from_static(b"x") }));
    }
}
