//! Session descriptions as phones and platforms write them, and what we answer. The texts are written out, and the
//! answers are judged by `check.rs`, which reads lines on its own: a bug of our reader cannot hide one of our writer.

mod check;
mod offers;
mod property;
mod refusals;
mod reoffers;
mod secure;
mod styles;
