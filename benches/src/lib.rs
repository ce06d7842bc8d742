//! What the benches share, and what the tests of sound use of it.

pub mod impairment;
