//! The only place for actors, sockets, files, clocks and entropy: a thin layer around the machines.
//!
//! Leaves out every decision about a call, a queue or a packet.

pub mod actors;
mod clock;
mod hep;
mod http;
mod inbox;
mod intake;
mod limits;
mod logging;
mod metrics;
mod node;
mod phone;
mod plan;
mod poller;
mod process;
mod resolve;
mod streams;
mod udp;
mod world;

pub mod cli;

pub use clock::{Clock, entropy, secret};
pub use node::{Node, NodeAddresses, StartError};
pub use plan::Plan;
