//! Datagrams with the instant at which the kernel received them.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt};
use nix::sys::time::{TimeSpec, TimeValLike};

use crate::machine::{Nanos, failed, now};

/// Larger than any datagram of ours or the node's.
const DATAGRAM_BYTES: usize = 8_192;

/// Room to receive into, used again and again.
#[derive(Debug)]
pub(crate) struct Room {
    datagram: Vec<u8>,
    control: Vec<u8>,
}

/// What came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel took it: on loopback, within the sender's system call.
    pub at: Nanos,
}

impl Room {
    /// Empty room.
    pub(crate) fn new() -> Self {
        Self { datagram: vec![0; DATAGRAM_BYTES], control: nix::cmsg_space!(TimeSpec) }
    }

    /// The next datagram of `socket`; `None` if there is none, or only the news that one of ours found nobody.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> Option<Datagram<'_>> {
        let mut slices = [IoSliceMut::new(&mut self.datagram)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let control = Some(self.control.as_mut_slice());
        let received = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, control, flags).ok()?;
        let from = SocketAddr::from(std::net::SocketAddrV4::from(received.address?));
        let at = received.cmsgs().ok()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => Some(at.num_nanoseconds()),
            _ => None,
        });
        let length = received.bytes;
        Some(Datagram { bytes: &self.datagram[..length], from, at: at.unwrap_or_else(now) })
    }
}

/// A socket that never blocks and tells when it received.
pub(crate) fn open(ip: IpAddr, port: u16) -> Result<UdpSocket, String> {
    let told = |error: std::io::Error| format!("no socket at {ip}: {error}");
    let socket = UdpSocket::bind((ip, port)).map_err(told)?;
    socket.set_nonblocking(true).map_err(told)?;
    setsockopt(&socket, ReceiveTimestampns, &true).map_err(failed("no receive timestamps"))?;
    Ok(socket)
}

/// The port of a socket.
pub(crate) fn port(socket: &UdpSocket) -> Result<u16, String> {
    socket.local_addr().map(|address| address.port()).map_err(|error| format!("no local address: {error}"))
}
