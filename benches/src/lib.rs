//! What the benches share, and what the tests of sound use of it.

pub mod call;
pub mod impairment;
pub mod messages;
pub mod ng;
pub mod speech;
