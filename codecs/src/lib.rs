//! Audio codecs and sample maths: pure functions and small structs over slices that the caller owns.
//!
//! What it leaves out: RTP, SDP, time, and any allocation after `new`.
