//! What is published of a call when it is over: its end, its times, its handoffs.

use std::time::Duration;

use baton_signaling::Time;
use metrics::{counter, histogram};

use crate::call::{CallSnapshot, EndReason, LegSnapshot, Moment, Role};
use crate::key::LegId;

/// Publishes calls that are over. Looks its handles up by label: for the end of a call, not for a packet.
#[derive(Debug, Default)]
pub(crate) struct CallMetrics {}

impl CallMetrics {
    /// Nothing is held.
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// A call is over.
    pub(crate) fn count(&mut self, now: Time, call: &CallSnapshot) {
        let reason = call.end.unwrap_or(EndReason::Internal).label();
        let result = if call.answered.is_some() { "answered" } else { "failed" };
        counter!("baton_calls_total", "dir" => "in", "result" => result, "reason" => reason).increment(1);
        if let Some(answered) = call.answered {
            histogram!("baton_call_setup_seconds", "dir" => "in").record(seconds(call.began, answered));
            let ended = call.ended.unwrap_or(now);
            histogram!("baton_call_duration_seconds").record(seconds(answered, ended));
        }
        for leg in call.legs.iter().filter(|leg| leg.role == Role::Ai) {
            count_ai(leg, call);
        }
        count_handoffs(call);
        for (reason, count) in call.context_losses.by_reason().into_iter().filter(|(_, count)| *count > 0) {
            counter!("baton_context_truncated_total", "reason" => reason).increment(u64::from(count));
        }
    }
}

fn count_ai(leg: &LegSnapshot, call: &CallSnapshot) {
    let Some(answered) = leg.answered else { return };
    let provider = || leg.peer.clone();
    histogram!("baton_ai_leg_setup_seconds", "provider" => provider()).record(seconds(leg.began, answered));
    if let Some(heard) = moment(call, |what| first_packet(what, leg.id)) {
        histogram!("baton_ai_first_rtp_seconds", "provider" => provider()).record(seconds(answered, heard));
    }
}

fn count_handoffs(call: &CallSnapshot) {
    let counters = &call.counters;
    let results = [("completed", counters.handoffs_completed), ("failed", counters.handoffs_failed)];
    for (result, count) in results.into_iter().filter(|(_, count)| *count > 0) {
        counter!("baton_handoff_total", "result" => result).increment(count);
    }
    if counters.returns_to_ai > 0 {
        counter!("baton_handoff_return_to_ai_total").increment(counters.returns_to_ai);
    }
    let queue = || call.queue.clone().unwrap_or_default();
    let mut since = None;
    for entry in call.timeline.entries().iter() {
        match entry.what {
            Moment::HandoffInitiated { .. } => since = Some(entry.at),
            Moment::AgentHeard { .. } => {
                if let Some(since) = since.take() {
                    histogram!("baton_handoff_to_human_audio_seconds", "queue" => queue())
                        .record(seconds(since, entry.at));
                }
            }
            _ => {}
        }
    }
}

fn first_packet(what: &Moment, id: LegId) -> bool {
    matches!(what, Moment::FirstPacket { leg } if *leg == id)
}

fn moment(call: &CallSnapshot, is: impl Fn(&Moment) -> bool) -> Option<Time> {
    call.timeline.entries().iter().find(|entry| is(&entry.what)).map(|entry| entry.at)
}

fn seconds(from: Time, to: Time) -> f64 {
    let duration: Duration = to.saturating_duration_since(from);
    duration.as_secs_f64()
}
