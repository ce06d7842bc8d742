//! The same sends and receives through io_uring: many in one system call, each from or to a socket of its own.
//!
//! Leaves out what waits: every receive finds its packet there.
#![allow(unsafe_code, reason = "the kernel is handed pointers, which live until it has answered")]

use std::cell::RefCell;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use io_uring::{IoUring, opcode, types};
use nix::libc::{iovec, msghdr, sockaddr_in};
use nix::sys::socket::{SockaddrIn, SockaddrLike};

/// Requests at once, at the most.
const ENTRIES: u32 = 64;

/// A ring.
pub(crate) struct Ring(IoUring);

impl Ring {
    /// A ring, if the kernel allows one.
    pub(crate) fn open() -> Option<RefCell<Self>> {
        IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(ENTRIES)
            .ok()
            .map(|ring| RefCell::new(Self(ring)))
    }

    /// Sends `packet` from each socket to the address beside it, in one call.
    pub(crate) fn send(&mut self, sockets: &[UdpSocket], to: &[SockaddrIn], packet: &[u8]) {
        for (socket, to) in sockets.iter().zip(to) {
            let entry =
                opcode::Send::new(types::Fd(socket.as_raw_fd()), packet.as_ptr(), packet.len() as u32)
                    .dest_addr(to.as_ptr())
                    .dest_addr_len(to.len())
                    .build();
            // SAFETY: `packet` and `to` outlive `finish`, which waits for all answers.
            unsafe { self.0.submission().push(&entry) }.expect("there are no more sockets than entries");
        }
        self.finish(sockets.len());
    }

    /// Receives a packet, and who sent it, from each socket, in one call.
    pub(crate) fn receive(&mut self, sockets: &[UdpSocket], room: &mut [[u8; 2048]]) {
        // SAFETY: all zeros is a valid address.
        let mut from: Vec<sockaddr_in> = vec![unsafe { std::mem::zeroed() }; sockets.len()];
        let mut slices: Vec<iovec> = room
            .iter_mut()
            .map(|room| iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() })
            .collect();
        let mut heads: Vec<msghdr> = (from.iter_mut().zip(&mut slices))
            .map(|(from, slice)| msghdr {
                msg_name: ptr::from_mut(from).cast(),
                msg_namelen: size_of::<sockaddr_in>() as u32,
                msg_iov: slice,
                msg_iovlen: 1,
                msg_control: ptr::null_mut(),
                msg_controllen: 0,
                msg_flags: 0,
            })
            .collect();
        for (socket, head) in sockets.iter().zip(&mut heads) {
            let entry = opcode::RecvMsg::new(types::Fd(socket.as_raw_fd()), head).build();
            // SAFETY: heads, slices, addresses and room outlive `finish`, which waits for all answers.
            unsafe { self.0.submission().push(&entry) }.expect("there are no more sockets than entries");
        }
        self.finish(sockets.len());
    }

    fn finish(&mut self, count: usize) {
        self.0.submit_and_wait(count).expect("the ring is open");
        let mut answers = 0;
        for answer in self.0.completion() {
            assert!(answer.result() > 0, "loopback takes and gives: {}", answer.result());
            answers += 1;
        }
        assert_eq!(answers, count);
    }
}
