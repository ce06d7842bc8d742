//! The node's UDP sockets: one for each SIP address, read by a task, and a pair for each leg's RTP and RTCP, read by the
//! shard itself.
//!
//! Leaves out what the bytes mean. All sockets are non-blocking; a packet that cannot leave at once is lost, as on any
//! network, and SIP sends it again.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use baton_signaling::endpoint::{Flow, Transmit, Transport};
use bytes::Bytes;
use socket2::SockRef;
use tokio::io::Interest;

use super::intake::Intake;
use crate::media::Lane;
use crate::shard::Pair;

/// Largest SIP datagram (RFC 3261 §18.1.1): what UDP can carry.
const SIP_BYTES: usize = 65_535;

/// What a SIP socket may hold for us while its task waits for the processor: some 3 000 messages. The system may give less.
const SIP_BUFFER_BYTES: usize = 4 << 20;

/// What an RTP socket may hold: a quarter of a second of 20 ms packets, as the system counts them, is 13; a stall of the
/// shard shall not lose sound, and a thousand legs shall not pin more than 64 MiB.
const RTP_BUFFER_BYTES: usize = 64 << 10;

/// An address could not be listened on.
#[derive(Debug)]
pub(crate) struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

/// The SIP sockets, as those who send use them.
#[derive(Clone, Debug)]
pub(crate) struct SipSockets(Arc<[(SocketAddr, UdpSocket)]>);

impl SipSockets {
    /// Listens on all of `addresses`; port 0 takes any free one.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let bind = |&address: &SocketAddr| {
            let socket = open(address, SIP_BUFFER_BYTES).map_err(|error| BindError { address, error })?;
            let local = socket.local_addr().map_err(|error| BindError { address, error })?;
            Ok((local, socket))
        };
        Ok(Self(addresses.iter().map(bind).collect::<Result<Vec<_>, _>>()?.into()))
    }

    /// The addresses listened on.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(address, _)| *address)
    }

    /// The socket that reaches `remote`: the first of its family, before all one on loopback for loopback.
    pub(crate) fn towards(&self, remote: SocketAddr) -> Option<Flow> {
        let fits = |local: &SocketAddr| local.is_ipv4() == remote.is_ipv4();
        let same = |local: &SocketAddr| local.ip().is_loopback() == remote.ip().is_loopback();
        let mut locals = self.addresses().filter(fits);
        let local = self.addresses().find(|local| fits(local) && same(local)).or_else(|| locals.next())?;
        Some(Flow { transport: Transport::Udp, local, remote })
    }

    /// Sends a message from the socket of its flow; `false`: there is none, or the network has no way.
    pub(crate) fn send(&self, transmit: &Transmit) -> bool {
        let Some((_, socket)) = self.0.iter().find(|(local, _)| *local == transmit.flow.local) else {
            return false;
        };
        match socket.send_to(&transmit.bytes, transmit.flow.remote) {
            Ok(_) => true,
            // A full buffer is a lost packet, which its timer sends again.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Reads all sockets and hands their messages to the shards until the runtime ends; one future for each socket.
    pub(crate) fn readers(&self, intake: &Intake) -> Vec<impl Future<Output = ()> + use<>> {
        let reader = |at| Reader { sockets: self.clone(), at, intake: intake.clone() }.run();
        (0..self.0.len()).map(reader).collect()
    }
}

/// The task of one SIP socket.
struct Reader {
    sockets: SipSockets,
    at: usize,
    intake: Intake,
}

impl Reader {
    async fn run(self) {
        let (local, socket) = &self.sockets.0[self.at];
        let ours = socket.try_clone().and_then(tokio::net::UdpSocket::from_std);
        let Ok(socket) = ours.inspect_err(|error| tracing::error!(%local, %error, "SIP socket is lost"))
        else {
            return;
        };
        let mut buffer = vec![0; SIP_BYTES];
        loop {
            // An error here is an ICMP message about something sent earlier: nothing that ends the socket.
            let Ok((len, remote)) = socket.recv_from(&mut buffer).await else {
                if socket.ready(Interest::READABLE).await.is_err() {
                    return;
                }
                continue;
            };
            let flow = Flow { transport: Transport::Udp, local: *local, remote };
            let refusal = self.intake.take(flow, Bytes::copy_from_slice(&buffer[..len]));
            if let Some(refusal) = refusal {
                self.sockets.send(&refusal);
            }
        }
    }
}

/// The two sockets of a leg.
#[derive(Debug)]
pub(crate) struct PairSockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl PairSockets {
    /// Opens both ports of `pair` on `address`.
    ///
    /// # Errors
    /// Another program has one of them, or there are no more file descriptors.
    pub(crate) fn open(address: IpAddr, pair: Pair) -> io::Result<Self> {
        let rtp = open((address, pair.rtp()).into(), RTP_BUFFER_BYTES)?;
        let rtcp = open((address, pair.rtcp()).into(), RTP_BUFFER_BYTES)?;
        Ok(Self { rtp, rtcp })
    }

    /// The socket of a lane.
    pub(crate) fn lane(&self, lane: Lane) -> &UdpSocket {
        match lane {
            Lane::Rtp => &self.rtp,
            Lane::Rtcp => &self.rtcp,
        }
    }
}

fn open(address: SocketAddr, buffer: usize) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    // What the system gives is what there is; too little shows as loss in its counters.
    let _ = SockRef::from(&socket).set_recv_buffer_size(buffer);
    let _ = SockRef::from(&socket).set_send_buffer_size(buffer);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named() {
        let first = SipSockets::bind(&[([127, 0, 0, 1], 0).into()]).unwrap();
        let taken = first.addresses().next().unwrap();
        let error = SipSockets::bind(&[taken]).unwrap_err();
        assert_eq!((error.address, error.error.kind()), (taken, io::ErrorKind::AddrInUse));
    }

    #[test]
    fn a_flow_leaves_from_a_socket_of_its_family() {
        let sockets = SipSockets::bind(&[([127, 0, 0, 1], 0).into(), "[::1]:0".parse().unwrap()]).unwrap();
        let [four, six] = sockets.addresses().collect::<Vec<_>>()[..] else { panic!("two sockets") };
        assert_eq!(sockets.towards(([127, 0, 0, 2], 5070).into()).unwrap().local, four);
        assert_eq!(sockets.towards("[::1]:5070".parse().unwrap()).unwrap().local, six);
    }
}
