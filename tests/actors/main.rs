//! A real node in this process, on loopback with ports of the system's choosing, spoken to in raw text: what only
//! actors and sockets can show. What a call decides is tested in virtual time elsewhere.

#![allow(clippy::unwrap_used, reason = "tests")]

mod call;
mod drain;
mod hep;
mod limits;
mod line;
mod listen;
mod names;
mod over;
mod overload;
mod phone;
mod pki;
mod probe;
mod signals;
mod stage;
mod tcp;
mod tls;
mod websocket;
