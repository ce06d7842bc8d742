//! What a packet costs to send and to receive on this kernel's loopback, by the way it is asked for: as the engine does it, and
//! as it could. Nobody waits for the packets, so no wake-up is in any figure; each way takes its turn in every round, and its
//! cheapest round counts.
//!
//! Leaves out networks: on loopback a send holds the receipt's protocol work, too.
#![allow(clippy::print_stdout, reason = "a bench speaks to whoever typed the command")]

mod ring;

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use ring::Ring;

/// Streams: those of a hundred calls.
const STREAMS: usize = 200;
/// A packet of G.711: header and 20 ms.
const PACKET: [u8; 172] = [0x80; 172];
/// Rounds of all ways; other programs can only make a round dearer.
const ROUNDS: usize = 40;

/// Our sockets and those of the far ends.
struct Net {
    /// A socket for each stream.
    own: Vec<UdpSocket>,
    /// The same, connected.
    connected: Vec<UdpSocket>,
    /// What the kernel may be asked through without a system call each, if it allows it.
    ring: Option<RefCell<Ring>>,
    /// One for all.
    shared: UdpSocket,
    /// The far ends.
    far: Vec<UdpSocket>,
    /// Where these are.
    to: Vec<SocketAddr>,
}

impl Net {
    fn open() -> Self {
        let open = || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
            socket.set_nonblocking(true).expect("sockets can");
            socket
        };
        let far: Vec<_> = (0..STREAMS).map(|_| open()).collect();
        let to: Vec<_> = far.iter().map(|socket| socket.local_addr().expect("it is bound")).collect();
        let connected: Vec<_> = (0..STREAMS).map(|_| open()).collect();
        for (socket, to) in connected.iter().zip(&to) {
            socket.connect(to).expect("loopback has a way");
        }
        Self {
            own: (0..STREAMS).map(|_| open()).collect(),
            connected,
            ring: Ring::open(),
            shared: open(),
            far,
            to,
        }
    }

    /// Empties what was sent to.
    fn drain(&self) {
        let mut room = [0; 256];
        for socket in &self.far {
            while socket.recv(&mut room).is_ok() {}
        }
    }

    /// A packet from each far end, to where `at` says.
    fn fill(&self, at: impl Fn(usize) -> SocketAddr) {
        for (stream, socket) in self.far.iter().enumerate() {
            socket.send_to(&PACKET, at(stream)).expect("loopback takes it");
        }
    }

    fn send_each(&self) {
        for (socket, to) in self.own.iter().zip(&self.to) {
            socket.send_to(&PACKET, to).expect("loopback takes it");
        }
    }

    fn send_connected(&self) {
        for socket in &self.connected {
            socket.send(&PACKET).expect("loopback takes it");
        }
    }

    fn send_shared(&self) {
        for to in &self.to {
            self.shared.send_to(&PACKET, to).expect("loopback takes it");
        }
    }

    /// From one socket, `batch` packets in a call.
    fn send_many(&self, batch: usize) {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(batch, None);
        for to in self.to.chunks(batch) {
            let addresses: Vec<Option<SockaddrIn>> = to.iter().map(|to| Some(address(*to))).collect();
            let slices = vec![[IoSlice::new(&PACKET)]; to.len()];
            let fd = self.shared.as_raw_fd();
            let sent = sendmmsg(fd, &mut headers, &slices, &addresses, [], MsgFlags::empty());
            assert_eq!(sent.expect("loopback takes them").count(), to.len());
        }
    }

    /// A socket a stream, `batch` sends in a call.
    fn send_ring(&self, batch: usize) {
        let Some(ring) = &self.ring else { return };
        for (sockets, to) in self.own.chunks(batch).zip(self.to.chunks(batch)) {
            let to: Vec<SockaddrIn> = to.iter().map(|to| address(*to)).collect();
            ring.borrow_mut().send(sockets, &to, &PACKET);
        }
    }

    /// A socket a stream, `batch` receives in a call.
    fn receive_ring(&self, batch: usize) {
        let Some(ring) = &self.ring else { return };
        let mut room = vec![[0; 2048]; batch];
        self.own.chunks(batch).for_each(|sockets| ring.borrow_mut().receive(sockets, &mut room));
    }

    fn receive_each(&self) {
        let mut room = [0; 2048];
        for socket in &self.own {
            socket.recv_from(&mut room).expect("a packet was sent to each");
        }
    }

    fn receive_shared(&self) {
        let mut room = [0; 2048];
        for _ in 0..STREAMS {
            self.shared.recv_from(&mut room).expect("that many were sent");
        }
    }

    /// From one socket, `batch` packets in a call.
    fn receive_many(&self, batch: usize) {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(batch, None);
        let mut room = vec![[0; 2048]; batch];
        let mut received = 0;
        while received < STREAMS {
            let mut slices: Vec<_> = room.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
            let fd = self.shared.as_raw_fd();
            let got = recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None);
            received += got.expect("that many were sent").count();
        }
    }
}

fn address(to: SocketAddr) -> SockaddrIn {
    match to {
        SocketAddr::V4(to) => SockaddrIn::from(to),
        SocketAddr::V6(_) => SockaddrIn::from(SocketAddrV4::new([0; 4].into(), 0)),
    }
}

/// Nanoseconds of this thread's processor time that `work` takes.
fn cost(work: impl FnOnce()) -> i64 {
    let clock = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has it").num_nanoseconds();
    let began = clock();
    work();
    clock() - began
}

/// A way: its name, whether the packets of its round come to it or go from it, and itself.
struct Way {
    name: &'static str,
    comes: Option<Comes>,
    work: fn(&Net),
}

/// Where packets that are to be received were sent.
#[derive(Clone, Copy)]
enum Comes {
    Own,
    Shared,
}

/// The first of the ways that receive.
const FIRST_RECEIVED: usize = 9;

const WAYS: [Way; 16] = [
    Way { name: "sendto, a socket a stream (the engine's way)", comes: None, work: Net::send_each },
    Way { name: "send, the same connected", comes: None, work: Net::send_connected },
    Way { name: "sendto, one socket", comes: None, work: Net::send_shared },
    Way { name: "sendmmsg of 1, one socket", comes: None, work: |net| net.send_many(1) },
    Way { name: "sendmmsg of 8, one socket", comes: None, work: |net| net.send_many(8) },
    Way { name: "sendmmsg of 32, one socket", comes: None, work: |net| net.send_many(32) },
    Way { name: "io_uring of 1, a socket a stream", comes: None, work: |net| net.send_ring(1) },
    Way { name: "io_uring of 8, a socket a stream", comes: None, work: |net| net.send_ring(8) },
    Way { name: "io_uring of 32, a socket a stream", comes: None, work: |net| net.send_ring(32) },
    Way {
        name: "recvfrom, a socket a stream (the engine's way)",
        comes: Some(Comes::Own),
        work: Net::receive_each,
    },
    Way { name: "recvfrom, one socket", comes: Some(Comes::Shared), work: Net::receive_shared },
    Way { name: "recvmmsg of 1, one socket", comes: Some(Comes::Shared), work: |net| net.receive_many(1) },
    Way { name: "recvmmsg of 8, one socket", comes: Some(Comes::Shared), work: |net| net.receive_many(8) },
    Way { name: "recvmmsg of 32, one socket", comes: Some(Comes::Shared), work: |net| net.receive_many(32) },
    Way {
        name: "io_uring of 8, a socket a stream",
        comes: Some(Comes::Own),
        work: |net| net.receive_ring(8),
    },
    Way {
        name: "io_uring of 32, a socket a stream",
        comes: Some(Comes::Own),
        work: |net| net.receive_ring(32),
    },
];

fn main() {
    if !std::env::args().any(|word| word == "--bench") {
        return;
    }
    let net = Net::open();
    let mut best = [i64::MAX; WAYS.len()];
    for _ in 0..ROUNDS {
        for (way, best) in WAYS.iter().zip(&mut best) {
            match way.comes {
                None => {}
                Some(Comes::Own) => net.fill(|at| net.own[at].local_addr().expect("it is bound")),
                Some(Comes::Shared) => net.fill(|_| net.shared.local_addr().expect("it is bound")),
            }
            *best = (*best).min(cost(|| (way.work)(&net)));
            net.drain();
        }
    }
    if net.ring.is_none() {
        println!("this kernel allows no io_uring: its figures below are nothing");
    }
    println!("{STREAMS} packets of {} bytes, cheapest of {ROUNDS} rounds\n", PACKET.len());
    println!("{:<48}{:>12}{:>8}", "way", "per packet", "ratio");
    for (way, cost) in WAYS.iter().zip(best) {
        let usual = best[if way.comes.is_some() { FIRST_RECEIVED } else { 0 }];
        let (packet, ratio) = (cost as f64 / STREAMS as f64 / 1e3, cost as f64 / usual as f64);
        println!("{:<48}{packet:>9.2} µs{ratio:>8.2}", way.name);
    }
}
