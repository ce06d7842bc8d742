//! The call's machine in virtual time: one behaviour per test, and a walker that tries thousands of histories.
//! Neither sockets nor media: inputs are told, actions are read.

mod agents;
mod alarms;
mod bandwidth;
mod digits;
mod driver;
mod early;
mod ends;
mod handoffs;
mod offers;
mod secured;
mod setup;
mod walk;
