//! Carrying out what a call asks for, until it asks for nothing more. The call's owner, an actor or a test, does this
//! after every input.

use baton_signaling::Time;

use super::{Applied, Io, Shard};
use crate::call::{Call, Input};
use crate::queue::QueueRequest;

/// Applies every action of `call`; whether the call is over and its owner may go.
///
/// `ask` hands a request to the queues; `false` (no room) ends the call as overloaded.
pub fn settle<I: Io>(
    call: &mut Call,
    shard: &mut Shard,
    now: Time,
    io: &mut I,
    mut ask: impl FnMut(QueueRequest) -> bool,
) -> bool {
    let (key, mut overloaded) = (call.key(), false);
    while let Some(action) = call.poll_action() {
        match shard.apply(now, key, action, io) {
            Applied::Done => {}
            Applied::Told(input) => call.handle(now, input),
            Applied::Queue(request) => {
                if !ask(request) && !overloaded {
                    overloaded = true;
                    call.handle(now, Input::Overload);
                }
            }
            Applied::Ended => return true,
        }
    }
    false
}
