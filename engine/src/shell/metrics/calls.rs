//! What is published of a call when it is over: its end, its times, its handoffs.

use std::time::Duration;

use baton_signaling::Time;
use metrics::{counter, histogram};

use crate::call::{Alarm, CallSnapshot, EndReason, LegSnapshot, Moment, Role, SegmentFigures};
use crate::key::LegId;

/// Publishes calls that are over. Looks its handles up by label: for the end of a call, not for a packet.
#[derive(Debug, Default)]
pub(crate) struct CallMetrics {}

impl CallMetrics {
    /// Nothing is held.
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// A part of a call is over: what one leg was like in it.
    pub(crate) fn segment(&mut self, part: &SegmentFigures) {
        let (leg, segment, stream) = (role(part.role), part.segment.label(), &part.stream);
        // Nothing came: there is nothing to rate.
        let Some(mos) = stream.mos_cq else { return };
        let scale = stream.scale.label();
        histogram!("baton_mos", "leg" => leg, "segment" => segment, "scale" => scale).record(mos);
        let tell = |name: &'static str, value: f64| {
            histogram!(name, "leg" => leg, "segment" => segment).record(value);
        };
        tell("baton_rtp_loss_ratio", stream.loss.into());
        tell("baton_rtp_discard_ratio", stream.discard.into());
        tell("baton_jitter_buffer_concealed_ratio", stream.concealment.into());
        tell("baton_rtp_jitter_seconds", f64::from(stream.jitter_ms) / 1e3);
        if let Some(trip) = stream.round_trip_ms {
            tell("baton_rtp_round_trip_seconds", f64::from(trip) / 1e3);
        }
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
        let bandwidth = call.counters.bandwidth;
        for (result, count) in
            [("asked", bandwidth.asked), ("taken", bandwidth.taken), ("refused", bandwidth.refused)]
        {
            counter!("baton_wideband_reinvite_total", "result" => result).increment(count);
        }
        let redirects =
            [("followed", call.counters.redirects_followed), ("refused", call.counters.redirects_refused)];
        for (result, count) in redirects {
            counter!("baton_sip_redirects_total", "result" => result).increment(count);
        }
        for (reason, count) in call.context_losses.by_reason().into_iter().filter(|(_, count)| *count > 0) {
            counter!("baton_context_truncated_total", "field" => reason).increment(u64::from(count));
        }
    }
}

/// A role as a label.
fn role(role: Role) -> &'static str {
    match role {
        Role::Caller => "caller",
        Role::Ai => "ai",
        Role::Agent => "agent",
    }
}

fn count_ai(leg: &LegSnapshot, call: &CallSnapshot) {
    let Some(answered) = leg.answered else { return };
    let provider = || leg.peer.clone();
    histogram!("baton_ai_leg_setup_seconds", "provider" => provider()).record(seconds(leg.began, answered));
    for (_, ms) in call.counters.ai_silence.latest.iter().filter(|(id, _)| *id == leg.id) {
        histogram!("baton_ai_silence_seconds", "provider" => provider()).record(f64::from(*ms) / 1e3);
    }
    if let Some(heard) = moment(call, |what| first_packet(what, leg.id)) {
        histogram!("baton_ai_first_rtp_seconds", "provider" => provider()).record(seconds(answered, heard));
    }
}

/// An alarm about a leg's sound. Looks its handle up: for what is rare.
pub(crate) fn count_alarm(alarm: Alarm) {
    let (leg, kind) = (alarm.role.label(), alarm.kind.label());
    counter!("baton_one_way_audio_total", "leg" => leg, "kind" => kind).increment(1);
}

fn count_handoffs(call: &CallSnapshot) {
    for over in &call.counters.handoffs {
        let (method, reason) = (over.method.label(), label(over.reason));
        let result = if over.completed { "completed" } else { "failed" };
        counter!("baton_handoff_total", "method" => method, "result" => result, "reason" => reason)
            .increment(over.count);
    }
    for back in &call.counters.returns {
        counter!("baton_handoff_return_to_ai_total", "reason" => label(back.reason)).increment(back.count);
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

/// A word of the wire as a label, which has underscores.
fn label(word: &str) -> String {
    word.replace('-', "_")
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::call::{
        Call, CallSettings, CallTimers, HandoffCount, HandoffMethod, Incoming, Input, KeySource, ReturnCount,
    };
    use crate::key::CallKey;
    use crate::media::{Segment, StreamFigures};

    fn over() -> CallSnapshot {
        let settings = CallSettings {
            flows: Vec::new(),
            peers: Default::default(),
            queues: Default::default(),
            hosts: Vec::new(),
            from_host: String::new(),
            media_host: std::net::Ipv4Addr::LOCALHOST.into(),
            timers: CallTimers::default(),
            extended_reports: false,
            wideband_reinvite: false,
            handoffs_per_call: 5,
        };
        let incoming = Incoming {
            user: String::new(),
            peer: String::new(),
            headers: Vec::new(),
            sdp: None,
            source: ([127, 0, 0, 1], 5060).into(),
        };
        let key = CallKey::new(0, 1);
        let keys = KeySource::new([0; 32]);
        let mut call = Call::new(Time::ZERO, key, String::new(), Arc::new(settings), 1, keys, incoming);
        call.handle(Time::ZERO, Input::HangUp);
        call.snapshot()
    }

    #[test]
    fn a_part_of_a_call_is_published_by_leg_and_segment_and_one_without_packets_not_at_all() {
        let stream = StreamFigures {
            received: 100,
            loss: 0.02,
            jitter_ms: 4.0,
            round_trip_ms: Some(30.0),
            mos_cq: Some(4.2),
            ..StreamFigures::default()
        };
        let part = SegmentFigures {
            segment: Segment::Human,
            role: Role::Agent,
            leg: LegId(2),
            began: Time::ZERO,
            ended: Some(Time::from_secs(9)),
            stream,
        };
        let silent = SegmentFigures {
            segment: Segment::Queue,
            stream: StreamFigures { received: 0, mos_cq: None, ..stream },
            ..part.clone()
        };
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            [&part, &silent].into_iter().for_each(|part| CallMetrics::new().segment(part));
        });
        let page = recorder.handle().render();
        for start in [
            r#"baton_mos_count{leg="agent",segment="human",scale="nb"} 1"#,
            r#"baton_rtp_loss_ratio_sum{leg="agent",segment="human"} 0.0199"#,
            r#"baton_rtp_jitter_seconds_sum{leg="agent",segment="human"} 0.004"#,
            r#"baton_rtp_round_trip_seconds_sum{leg="agent",segment="human"} 0.03"#,
        ] {
            assert!(page.lines().any(|found| found.starts_with(start)), "{start}\n{page}");
        }
        assert!(!page.contains("queue"), "{page}");
    }

    #[test]
    fn handoffs_and_returns_are_published_by_method_result_and_reason() {
        let mut call = over();
        let method = HandoffMethod::Refer;
        call.counters.handoffs =
            vec![HandoffCount { method, completed: false, reason: "no-answer", count: 2 }];
        call.counters.returns = vec![ReturnCount { reason: "ai-lost", count: 1 }];
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || CallMetrics::new().count(Time::ZERO, &call));
        let page = recorder.handle().render();
        for line in [
            r#"baton_handoff_total{method="refer",result="failed",reason="no_answer"} 2"#,
            r#"baton_handoff_return_to_ai_total{reason="ai_lost"} 1"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
