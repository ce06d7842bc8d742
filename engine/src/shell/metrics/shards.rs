//! What a shard publishes once a second: SIP, media, ports, admission.

use std::collections::BTreeMap;

use baton_signaling::endpoint::{Counters, Rejected, Responses};
use metrics::{Gauge, Histogram, counter, gauge, histogram};

use super::{Part, Rising};
use crate::media::{CODEC_NAMES, Steering};
use crate::rtp::srtp::Fault;
use crate::shard::{LATENESS_MICROS, Lateness, Refusal, ShardStats};
use crate::shell::inbox::InboxCounts;

/// The handles of one shard.
pub(crate) struct ShardMetrics {
    sip: SipMetrics,
    media: MediaMetrics,
    refused: Vec<Rising>,
    calls: Part,
    legs: Part,
    ports: [Part; 3],
    ports_exhausted: [Rising; 2],
    lateness: Histogram,
    lateness_last: Lateness,
    ticks_missed: Rising,
    wakes: Rising,
    busy: Gauge,
    complexity: Gauge,
    complexity_steps: [Rising; 2],
    panics: Rising,
    overflows: Rising,
    unsent: Rising,
    inbox: [Rising; 3],
    ladders: [Rising; 3],
}

impl ShardMetrics {
    /// All handles of shard `index`, looked up once.
    pub(crate) fn new(index: u16) -> Self {
        let refused = |refusal: Refusal| {
            Rising::new(counter!("baton_admission_rejected_total", "reason" => refusal.label()))
        };
        Self {
            sip: SipMetrics::new(),
            media: MediaMetrics::new(index),
            refused: Refusal::ALL.map(refused).into(),
            calls: Part::new(gauge!("baton_calls_active")),
            legs: Part::new(gauge!("baton_legs_active")),
            ports: ["used", "resting", "free"]
                .map(|state| Part::new(gauge!("baton_ports", "state" => state))),
            ports_exhausted: ["exhausted", "refused"]
                .map(|reason| Rising::new(counter!("baton_ports_exhausted_total", "reason" => reason))),
            lateness: histogram!("baton_media_tick_lateness_seconds"),
            lateness_last: Lateness::default(),
            ticks_missed: Rising::new(counter!("baton_media_ticks_missed_total")),
            wakes: Rising::new(counter!("baton_shard_wakes_total")),
            // Each shard its own: neither means anything as a sum.
            busy: gauge!("baton_cpu_permille", "shard" => index.to_string()),
            complexity: gauge!("baton_media_complexity", "shard" => index.to_string()),
            complexity_steps: ["down", "up"]
                .map(|dir| Rising::new(counter!("baton_media_complexity_steps_total", "dir" => dir))),
            panics: Rising::new(counter!("baton_panics_total")),
            overflows: Rising::new(counter!("baton_mailbox_overflows_total")),
            unsent: Rising::new(counter!("baton_rtp_unsent_total")),
            inbox: ["refused", "lost", "unreadable"]
                .map(|result| Rising::new(counter!("baton_sip_inbox_refused_total", "result" => result))),
            ladders: ["omitted", "cut", "evicted"]
                .map(|what| Rising::new(counter!("baton_sip_ladder_lost_total", "what" => what))),
        }
    }

    /// Publishes the shard's sums, its overflowed mailboxes, packets the system did not send, how often its task has woken
    /// up, and what its inbox turned away.
    pub(crate) fn publish(
        &mut self,
        stats: &ShardStats,
        overflows: u64,
        unsent: u64,
        wakes: u64,
        inbox: InboxCounts,
    ) {
        self.sip.publish(&stats.sip);
        self.media.publish(stats);
        // A shard without time is spared most of those whom it would refuse.
        for ((rising, &sum), refusal) in self.refused.iter_mut().zip(&stats.refused).zip(Refusal::ALL) {
            rising.set(sum + if refusal == Refusal::Load { inbox.loaded } else { 0 });
        }
        self.calls.set(stats.calls as f64);
        self.legs.set(stats.legs as f64);
        let ports = [stats.ports.used, stats.ports.resting, stats.ports.free];
        self.ports.iter_mut().zip(ports).for_each(|(part, count)| part.set(count as f64));
        self.ports_exhausted[0].set(stats.ports_exhausted);
        self.ports_exhausted[1].set(stats.ports_refused);
        self.publish_lateness(&stats.lateness);
        self.ticks_missed.set(stats.ticks_missed);
        self.wakes.set(wakes);
        self.busy.set((f64::from(stats.busy) * 1e3).round());
        self.complexity.set(f64::from(stats.complexity));
        self.complexity_steps
            .iter_mut()
            .zip(stats.complexity_steps)
            .for_each(|(rising, sum)| rising.set(sum));
        self.panics.set(stats.panics);
        self.overflows.set(overflows);
        self.unsent.set(unsent);
        let lost = [stats.ladders.omitted, stats.ladders.cut, stats.ladders.evicted];
        self.ladders.iter_mut().zip(lost).for_each(|(rising, sum)| rising.set(sum));
        let turned_away = [inbox.refused, inbox.lost, inbox.unreadable];
        self.inbox.iter_mut().zip(turned_away).for_each(|(rising, sum)| rising.set(sum));
    }

    /// Every tick is recorded at the upper end of its bucket, so the sum errs to the worse side.
    fn publish_lateness(&mut self, lateness: &Lateness) {
        for (bucket, (&sum, last)) in lateness.iter().zip(&mut self.lateness_last).enumerate() {
            let end = LATENESS_MICROS
                .get(bucket)
                .copied()
                .unwrap_or(2 * LATENESS_MICROS[LATENESS_MICROS.len() - 1]);
            let step = usize::try_from(sum - *last).unwrap_or(usize::MAX);
            if step > 0 {
                self.lateness.record_many(end as f64 / 1e6, step);
            }
            *last = sum;
        }
    }
}

struct SipMetrics {
    requests: [Vec<Rising>; 2],
    responses: [ResponseMetrics; 2],
    retransmissions: [Rising; 2],
    rejected: Vec<Rising>,
    challenges: [Rising; 2],
    sessions: [Rising; 2],
    failovers: Rising,
    dialogs: Part,
    transactions: Part,
}

impl SipMetrics {
    fn new() -> Self {
        let requests = |dir: &'static str| {
            let method =
                |method| Rising::new(counter!("baton_sip_requests_total", "dir" => dir, "method" => method));
            Counters::METHODS.into_iter().map(method).collect()
        };
        let rejected = |(reason, _): (&'static str, u64)| {
            Rising::new(counter!("baton_sip_rejected_total", "reason" => reason))
        };
        let retransmissions = |dir| Rising::new(counter!("baton_sip_retransmissions_total", "dir" => dir));
        Self {
            requests: ["received", "sent"].map(requests),
            responses: ["received", "sent"].map(|dir| ResponseMetrics { dir, codes: BTreeMap::new() }),
            retransmissions: ["received", "sent"].map(retransmissions),
            rejected: Rejected::default().by_reason().map(rejected).into(),
            challenges: ["answered", "failed"]
                .map(|result| Rising::new(counter!("baton_auth_answers_total", "result" => result))),
            sessions: ["refreshed", "expired"]
                .map(|event| Rising::new(counter!("baton_sip_sessions_total", "event" => event))),
            failovers: Rising::new(counter!("baton_sip_failovers_total")),
            dialogs: Part::new(gauge!("baton_sip_dialogs_active")),
            transactions: Part::new(gauge!("baton_sip_transactions_active")),
        }
    }

    fn publish(&mut self, counters: &Counters) {
        let set = |risings: &mut [Rising], sums: &[u64]| {
            risings.iter_mut().zip(sums).for_each(|(rising, &sum)| rising.set(sum));
        };
        set(&mut self.requests[0], &counters.requests_received);
        set(&mut self.requests[1], &counters.requests_sent);
        self.responses[0].publish(&counters.responses_received);
        self.responses[1].publish(&counters.responses_sent);
        let rejected = self.rejected.iter_mut().zip(counters.rejected.by_reason());
        rejected.for_each(|(rising, (_, sum))| rising.set(sum));
        set(&mut self.challenges, &[counters.challenges_answered, counters.challenges_failed]);
        self.retransmissions[0].set(counters.retransmissions_received);
        self.retransmissions[1].set(counters.retransmissions_sent);
        self.sessions[0].set(counters.session_refreshes_sent);
        self.sessions[1].set(counters.sessions_expired);
        self.failovers.set(counters.failovers);
        self.dialogs.set(counters.legs_active as f64);
        self.transactions.set(counters.transactions_active as f64);
    }
}

/// Responses of one direction. Handles are made as methods and codes occur: most of a closed set never do.
struct ResponseMetrics {
    dir: &'static str,
    codes: BTreeMap<(&'static str, u16), Rising>,
}

impl ResponseMetrics {
    fn publish(&mut self, responses: &Responses) {
        for (method, code, sum) in responses.iter() {
            let rising = || {
                let code = Responses::label(code);
                Rising::new(
                    counter!("baton_sip_responses_total", "dir" => self.dir, "method" => method, "code" => code),
                )
            };
            self.codes.entry((method, code)).or_insert_with(rising).set(sum);
        }
    }
}

struct MediaMetrics {
    packets: [Rising; 2],
    srtp_faults: [Rising; Fault::ALL.len()],
    sums: Vec<Rising>,
    legs: Part,
    depth: Part,
    transcoders: [[Part; CODEC_NAMES.len()]; CODEC_NAMES.len()],
    prompt_frames: [Rising; 2],
    steering: [Rising; Steering::STEPS.len()],
    encoders: [Part; 2],
    expected_loss: Part,
}

/// The counters that are one sum each, in the order in which `MediaMetrics::publish` sets them.
const SUMS: [&str; 15] = [
    "baton_rtp_relayed_total",
    "baton_rtp_lost_total",
    "baton_rtp_late_total",
    "baton_rtp_duplicate_total",
    "baton_rtp_reordered_total",
    "baton_rtp_malformed_total",
    "baton_rtp_latch_rejected_total",
    "baton_rtp_stray_total",
    "baton_rtp_dropped_total",
    "baton_jitter_buffer_concealed_frames_total",
    "baton_jitter_buffer_fec_recovered_frames_total",
    "baton_jitter_buffer_accelerated_frames_total",
    "baton_jitter_buffer_stretched_frames_total",
    "baton_jitter_buffer_underruns_total",
    "baton_jitter_buffer_overruns_total",
];

/// Samples of a frame of 20 ms, as which what was left out and put in is told.
const FRAME_SAMPLES: u64 = 160;

impl MediaMetrics {
    fn new(index: u16) -> Self {
        Self {
            packets: ["received", "sent"]
                .map(|dir| Rising::new(counter!("baton_rtp_packets_total", "dir" => dir))),
            srtp_faults: Fault::ALL
                .map(|fault| Rising::new(counter!("baton_srtp_auth_fail_total", "reason" => fault.label()))),
            sums: SUMS.into_iter().map(|name| Rising::new(counter!(name))).collect(),
            legs: Part::new(gauge!("baton_media_legs_active")),
            // An average cannot be summed over shards: each has its own.
            depth: Part::new(gauge!("baton_jitter_buffer_depth_seconds", "shard" => index.to_string())),
            prompt_frames: ["shared", "encoded"]
                .map(|source| Rising::new(counter!("baton_prompt_frames_total", "source" => source))),
            steering: Steering::STEPS
                .map(|step| Rising::new(counter!("baton_opus_steering_total", "step" => step))),
            encoders: ["off", "on"].map(|fec| Part::new(gauge!("baton_opus_encoders", "fec" => fec))),
            expected_loss: Part::new(gauge!("baton_opus_expected_loss_ratio", "shard" => index.to_string())),
            transcoders: CODEC_NAMES.map(|from| {
                CODEC_NAMES.map(|to| Part::new(gauge!("baton_transcoders", "from" => from, "to" => to)))
            }),
        }
    }

    fn publish(&mut self, stats: &ShardStats) {
        let media = &stats.media;
        self.packets[0].set(media.received);
        self.packets[1].set(media.sent);
        self.srtp_faults.iter_mut().zip(media.srtp_faults).for_each(|(rising, sum)| rising.set(sum));
        let sums = [
            media.relayed,
            media.lost,
            media.late,
            media.duplicate,
            media.reordered,
            media.malformed,
            media.rejected,
            stats.packets_stray,
            stats.outbox_dropped,
            media.concealed,
            media.recovered,
            media.accelerated / FRAME_SAMPLES,
            media.stretched / FRAME_SAMPLES,
            media.underruns,
            media.overruns,
        ];
        self.sums.iter_mut().zip(sums).for_each(|(rising, sum)| rising.set(sum));
        self.legs.set(media.legs as f64);
        let transcoders = self.transcoders.iter_mut().flatten().zip(media.transcoders.iter().flatten());
        transcoders.for_each(|(part, &count)| part.set(count as f64));
        self.prompt_frames.iter_mut().zip(media.prompt_frames).for_each(|(rising, sum)| rising.set(sum));
        self.steering.iter_mut().zip(media.steering_steps).for_each(|(rising, sum)| rising.set(sum));
        self.encoders.iter_mut().zip(media.opus_encoders).for_each(|(part, count)| part.set(count as f64));
        let encoders: u64 = media.opus_encoders.iter().sum();
        self.expected_loss.set(media.opus_loss_percent as f64 / 1e2 / encoders.max(1) as f64);
        self.depth.set(media.target_ms as f64 / 1e3 / media.legs.max(1) as f64);
    }
}
