//! Every metric of the node, by name, and the handles that publish it. Names are `baton_subject_what_unit`; labels are
//! closed sets and never name a call.
//!
//! Leaves out counting: machines count in plain numbers, and what is here turns their sums into steps once a second.

mod calls;
mod node;
mod peers;
mod queues;
mod shards;
mod streams;

use std::sync::OnceLock;

use metrics::{Counter, Gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub(crate) use calls::{CallMetrics, count_alarm};
pub(crate) use node::{NodeMetrics, Process};
pub(crate) use peers::PeerMetrics;
pub(crate) use queues::QueueMetrics;
pub(crate) use shards::ShardMetrics;
pub(crate) use streams::StreamMetrics;

/// Upper ends of the buckets of set-up times, in seconds.
const SETUP_SECONDS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0];

/// Upper ends of the buckets of an AI's silence before it answers, in seconds.
const ANSWER_SECONDS: [f64; 12] = [0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];

/// Upper ends of the buckets of conversations and waits, in seconds.
const STAY_SECONDS: [f64; 10] = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// Upper ends of the buckets of mean opinion scores: users begin to be dissatisfied at 3.6 (ITU-T G.107 Annex B).
const MOS: [f64; 9] = [2.0, 2.6, 3.1, 3.6, 3.8, 4.0, 4.2, 4.3, 4.4];

/// Upper ends of the buckets of shares of packets and frames.
const RATIOS: [f64; 9] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

/// Upper ends of the buckets of jitter and round trips, in seconds.
const NETWORK_SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0];

/// The handle to render all metrics with. The first call installs the recorder; the process has one.
pub(crate) fn install() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let lateness: Vec<f64> = crate::shard::LATENESS_MICROS.iter().map(|&end| end as f64 / 1e6).collect();
        let builder = PrometheusBuilder::new();
        let builder = [
            ("baton_call_setup_seconds", &SETUP_SECONDS[..]),
            ("baton_ai_leg_setup_seconds", &SETUP_SECONDS),
            ("baton_ai_first_rtp_seconds", &SETUP_SECONDS),
            ("baton_handoff_to_human_audio_seconds", &SETUP_SECONDS),
            ("baton_ai_silence_seconds", &ANSWER_SECONDS),
            ("baton_call_duration_seconds", &STAY_SECONDS),
            ("baton_queue_wait_seconds", &STAY_SECONDS),
            ("baton_mos", &MOS),
            ("baton_rtp_loss_ratio", &RATIOS),
            ("baton_rtp_discard_ratio", &RATIOS),
            ("baton_jitter_buffer_concealed_ratio", &RATIOS),
            ("baton_rtp_jitter_seconds", &NETWORK_SECONDS),
            ("baton_rtp_round_trip_seconds", &NETWORK_SECONDS),
            ("baton_media_tick_lateness_seconds", &lateness),
        ]
        .into_iter()
        .fold(builder, |builder, (name, buckets)| {
            builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
                .expect("the lists above are not empty")
        });
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Another recorder in the process keeps ours from being heard; the page is then empty, and nothing else ends.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

/// One sentence for each metric, shown beside it.
fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    gauge!("baton_calls_active", "Calls alive.");
    counter!("baton_calls_total", "Calls that are over, by direction, result and end reason.");
    histogram!("baton_call_setup_seconds", "From the caller's INVITE to its 200.");
    histogram!("baton_call_duration_seconds", "From the caller's 200 to the call's end.");
    counter!(
        "baton_sip_requests_total",
        "SIP requests by direction and method, without our retransmissions."
    );
    counter!(
        "baton_sip_responses_total",
        "SIP responses by direction, method and code (rare codes by class), without our retransmissions."
    );
    counter!("baton_sip_retransmissions_total", "SIP messages sent or received again.");
    counter!(
        "baton_sip_failovers_total",
        "INVITEs sent to the next server of their URI (RFC 3263 section 4.3)."
    );
    counter!(
        "baton_sip_sessions_total",
        "Session timers (RFC 4028): refreshes we began, legs ended unrefreshed."
    );
    counter!("baton_sip_rejected_total", "SIP requests the endpoint refused by itself, by reason.");
    gauge!("baton_sip_dialogs_active", "INVITE dialogs alive, those that wait out a BYE included.");
    gauge!("baton_sip_transactions_active", "SIP transactions alive.");
    counter!(
        "baton_sip_inbox_refused_total",
        "What came no further than the socket: new calls refused, messages lost, datagrams unreadable."
    );
    counter!(
        "baton_sip_ladder_lost_total",
        "What calls' ladders have no room for: messages omitted or cut, ended calls evicted before their time."
    );
    counter!("baton_hep_messages_total", "Copies of SIP messages for a HEP server: sent, dropped.");
    describe_connections();
    counter!("baton_handoff_total", "Handoffs that are over, by method, result and reason.");
    counter!(
        "baton_wideband_reinvite_total",
        "Opus far ends told by re-INVITE of the bandwidth that is heard: asked, taken, refused."
    );
    counter!("baton_sip_redirects_total", "3xx to INVITEs of ours: followed, refused.");
    gauge!("baton_handoff_active", "Callers between an AI and a person.");
    histogram!("baton_handoff_to_human_audio_seconds", "From the handoff to the person's first sound.");
    counter!("baton_handoff_return_to_ai_total", "Callers given back to the AI, by reason.");
    counter!(
        "baton_context_truncated_total",
        "Context fields that were cut, changed or left out, by what was wrong with the field."
    );
    histogram!("baton_ai_leg_setup_seconds", "From our INVITE to the AI's 200.");
    histogram!("baton_ai_first_rtp_seconds", "From the AI's 200 to its first packet.");
    describe_talk();
    describe_queues();
    gauge!("baton_actors_active", "Call actors alive.");
    gauge!("baton_ports", "RTP port pairs by state.");
    counter!("baton_ports_exhausted_total", "How often no port pair was ready, or none could be opened.");
    gauge!("baton_draining", "1 while the node drains.");
    counter!("baton_admission_rejected_total", "New calls refused, by reason.");
    counter!("baton_auth_total", "Callers asked for their password, and their answers by result.");
    counter!("baton_auth_answers_total", "Challenges of peers to our requests: answered, or in vain.");
    counter!("baton_sip_bans_total", "Addresses that were banned for a while, by reason.");
    counter!("baton_sip_ignored_total", "SIP requests of nobody we know that got no answer.");
    gauge!("baton_sip_banned", "Addresses that are banned.");
    counter!("baton_calls_stuck_total", "Calls ended because they missed their deadline.");
    counter!("baton_actors_died_total", "Call actors that died.");
    counter!("baton_mailbox_overflows_total", "Calls ended because their mailbox was full.");
    counter!("baton_panics_total", "Panics caught at the edge of a machine.");
    counter!("baton_process_cpu_seconds_total", "Processor time of the process.");
    gauge!("baton_process_resident_memory_bytes", "Memory of the process.");
}

fn describe_queues() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    gauge!("baton_queue_size", "Callers in a queue.");
    gauge!("baton_queue_longest_wait_seconds", "The wait of the caller who waits longest.");
    histogram!("baton_queue_wait_seconds", "Waits that ended with a person.");
    counter!("baton_queue_offers_total", "Offers that ended, by result.");
    counter!("baton_queue_answered_total", "Callers who spoke with a person.");
    counter!("baton_queue_abandoned_total", "Callers who went away while waiting.");
    counter!("baton_queue_exhausted_total", "Callers out of a queue without a person, by reason.");
    counter!("baton_queue_late_reports_total", "Reports about offers that had ended.");
    counter!("baton_queue_notices_lost_total", "Notices a shard had no room for.");
    gauge!("baton_agents", "Agents of a queue by state.");
    histogram!("baton_mos", "Conversational quality (ITU-T G.107) of a leg's stream over a part of a call.");
    histogram!("baton_rtp_loss_ratio", "Packets that never came, of those of a leg in a part of a call.");
    histogram!(
        "baton_rtp_discard_ratio",
        "Packets that came too late, of those of a leg in a part of a call."
    );
    histogram!("baton_rtp_jitter_seconds", "Interarrival jitter of a leg's stream over a part of a call.");
    histogram!(
        "baton_rtp_round_trip_seconds",
        "Round trip to a leg's far end by RTCP, over a part of a call."
    );
    histogram!(
        "baton_jitter_buffer_concealed_ratio",
        "Frames made up, of those played of a leg in a part of a call."
    );
    describe_streams();
    histogram!("baton_media_tick_lateness_seconds", "How late media ticks ran.");
    counter!("baton_media_ticks_missed_total", "Media ticks that never ran.");
    counter!(
        "baton_shard_wakes_total",
        "How often the shards' tasks have woken up; packets by these: packets a wake."
    );
    gauge!("baton_cpu_permille", "Share of its time that a shard's thread works.");
    gauge!("baton_media_complexity", "The complexity that a shard's Opus encoders work with.");
    counter!("baton_media_complexity_steps_total", "How often load lowered it and calm raised it.");
    gauge!(
        "baton_transcoders",
        "Streams between a caller and another party that are decoded and encoded anew, by codec."
    );
    gauge!("baton_peer_state", "1 for how a peer's address stands: up, probing or down.");
    gauge!("baton_peer_up", "1 if a peer's address answered our last OPTIONS, else 0.");
    gauge!("baton_legs_active", "Legs with an open dialog.");
    gauge!("baton_media_legs_active", "Legs with media.");
}

fn describe_connections() {
    use metrics::{describe_counter as counter, describe_gauge as gauge};
    gauge!("baton_sip_connections", "SIP connections by transport, those that are being opened included.");
    counter!("baton_sip_connections_opened_total", "SIP connections begun, by transport and by which side.");
    counter!("baton_sip_connections_refused_total", "SIP connections there was no room for, by reason.");
    counter!("baton_tls_reloads_total", "Certificates that have changed, by whether they could be taken.");
    counter!("baton_sip_connections_closed_total", "SIP connections that are over, by reason.");
}

fn describe_streams() {
    use metrics::{describe_counter as counter, describe_gauge as gauge};
    counter!("baton_rtp_packets_total", "RTP packets by direction.");
    counter!("baton_rtp_relayed_total", "RTP packets sent on without decoding.");
    counter!("baton_rtp_lost_total", "RTP packets that never came.");
    counter!("baton_rtp_late_total", "RTP packets that came after their turn.");
    counter!("baton_rtp_duplicate_total", "RTP packets that came twice.");
    counter!("baton_rtp_reordered_total", "RTP packets that came out of order.");
    counter!("baton_rtp_malformed_total", "Packets that were no RTP or RTCP, or of no agreed payload type.");
    counter!("baton_rtp_latch_rejected_total", "Packets refused by the gate against stolen streams.");
    counter!("baton_srtp_auth_fail_total", "Packets of secured legs that were dropped, by reason.");
    counter!("baton_rtp_stray_total", "Packets to a port that was nobody's.");
    counter!("baton_rtp_dropped_total", "Packets for which the outbox had no slot.");
    counter!("baton_rtp_unsent_total", "Packets that the system would not send.");
    counter!("baton_prompt_frames_total", "Frames of hold audio and announcements, by where they came from.");
    gauge!("baton_opus_encoders", "Opus encoders at work, by whether they make copies of lost frames.");
    gauge!("baton_opus_expected_loss_ratio", "Loss that a shard's Opus encoders expect, on average.");
    counter!("baton_opus_steering_total", "Changes of how Opus encoders are steered, by what changed.");
    gauge!("baton_jitter_buffer_depth_seconds", "What a shard's jitter buffers aim at, on average.");
    counter!("baton_jitter_buffer_concealed_frames_total", "Frames made up.");
    counter!("baton_jitter_buffer_fec_recovered_frames_total", "Lost frames restored from copies of them.");
    counter!(
        "baton_jitter_buffer_accelerated_frames_total",
        "Sound left out to catch up, in frames of 20 ms."
    );
    counter!("baton_jitter_buffer_stretched_frames_total", "Sound put in to fall back, in frames of 20 ms.");
    counter!("baton_jitter_buffer_underruns_total", "Breaks because a packet came too late.");
    counter!("baton_jitter_buffer_overruns_total", "Packets dropped because a second was held already.");
}

/// What is heard of a conversation, and what is not.
fn describe_talk() {
    use metrics::{describe_counter as counter, describe_histogram as histogram};
    histogram!("baton_ai_silence_seconds", "From the end of the caller's words to the AI's first sound.");
    counter!(
        "baton_one_way_audio_total",
        "Alarms about the sound of a leg, by whose it is and what is wrong (no_rtp, no_sound, dead_air, not_received)."
    );
}

/// A counter that is told a sum and published as its steps.
struct Rising {
    counter: Counter,
    last: u64,
}

impl Rising {
    fn new(counter: Counter) -> Self {
        Self { counter, last: 0 }
    }

    fn set(&mut self, sum: u64) {
        self.counter.increment(sum.saturating_sub(self.last));
        self.last = sum;
    }
}

/// One part of a gauge that several publish: the gauge is the sum of the parts.
struct Part {
    gauge: Gauge,
    last: f64,
}

impl Part {
    fn new(gauge: Gauge) -> Self {
        Self { gauge, last: 0.0 }
    }

    fn set(&mut self, value: f64) {
        self.gauge.increment(value - self.last);
        self.last = value;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0.0);
    }
}
