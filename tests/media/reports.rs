//! RTCP: reports about every five seconds, a goodbye at the end, round trip from what comes back.

use baton_engine::media::{Lane, Order};

use crate::world::*;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn reports_leave_about_every_five_seconds_and_describe_the_stream() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(60_000);
    let phone = world.phone(AI);
    assert!((8..=18).contains(&phone.reports.len()), "{}", phone.reports.len());
    let gaps: Vec<u128> = phone.reports.windows(2).map(|p| (p[1].at - p[0].at).as_millis()).collect();
    assert!(gaps.iter().all(|gap| (2400..=7600).contains(gap)) && gaps.iter().min() != gaps.iter().max());
    let report = &phone.reports.last().unwrap().bytes;
    assert_eq!((report[1], word(report, 4)), (200, phone.got[0].ssrc()));
    let sent = phone.got.iter().filter(|got| got.at <= phone.reports.last().unwrap().at).count();
    assert!(sent.abs_diff(word(report, 20) as usize) <= 1);
    assert_eq!(word(report, 24), word(report, 20) * 160);
    assert_eq!(word(report, 28), phone.ssrc);
    // Timestamp of the report: where the stream is at that instant.
    let last = phone.got.iter().rfind(|got| got.at <= phone.reports.last().unwrap().at).unwrap();
    assert!(word(report, 16).wrapping_sub(last.time()) <= 160);
}

#[test]
fn a_round_trip_is_what_an_answering_report_says() {
    let mut world = World::call(2, Kind::Opus, Kind::Pcmu);
    world.run(8000);
    let report = world.phone(AI).reports.last().unwrap().clone();
    let (mid, ours) =
        (word(&report.bytes, 8) << 16 | word(&report.bytes, 12) >> 16, world.phone(AI).got[0].ssrc());
    let held_ms = world.now_ms - report.at.as_micros() / 1000;
    world.run(100);
    let mut answer = vec![0x81, 201, 0, 7];
    for field in [7, ours, 64 << 24 | 5, 0, 80, mid, (held_ms * 65_536 / 1000) as u32] {
        answer.extend(u32::to_be_bytes(field));
    }
    let mut from = world.phone(AI).from;
    from.set_port(from.port() + 1);
    world.packet_in(AI, Lane::Rtcp, from, answer);
    let stats = world.session.stats(AI).unwrap();
    assert!((99.0..=101.0).contains(&stats.round_trip_ms.unwrap()), "{stats:?}");
    assert_eq!((stats.far_loss, stats.far_jitter_ms), (0.25, 10.0));
}

#[test]
fn a_round_trip_made_negative_by_rounding_is_none_at_all_and_one_of_another_clock_is_not_believed() {
    for (early_ms, expected) in [(1, Some(0.0)), (9, Some(0.0)), (11, None), (70_000, None)] {
        let mut world = World::call(2, Kind::Opus, Kind::Pcmu);
        world.run(8000);
        let report = world.phone(AI).reports.last().unwrap().clone();
        let (mid, ours) =
            (word(&report.bytes, 8) << 16 | word(&report.bytes, 12) >> 16, world.phone(AI).got[0].ssrc());
        let held_ms = world.now_ms - report.at.as_micros() / 1000 + early_ms;
        let mut answer = vec![0x81, 201, 0, 7];
        for field in [7, ours, 0, 0, 0, mid, (held_ms * 65_536 / 1000) as u32] {
            answer.extend(u32::to_be_bytes(field));
        }
        world.report_in(AI, answer);
        assert_eq!(world.session.stats(AI).unwrap().round_trip_ms, expected, "{early_ms}");
    }
}

#[test]
fn a_closed_leg_is_said_goodbye_to_and_an_ended_session_to_all() {
    let mut world = World::call(3, Kind::Opus, Kind::Pcmu);
    world.run(500);
    world.order(Order::Close { leg: AI });
    let last = world.phone(AI).reports.last().unwrap().bytes.clone();
    assert_eq!((last[last.len() - 7], word(&last, last.len() - 4)), (203, world.phone(AI).got[0].ssrc()));
    world.order(Order::End);
    assert!(world.session.is_ended());
    let last = &world.phone(CALLER).reports.last().unwrap().bytes;
    assert_eq!(last[last.len() - 7], 203);
    let sent = world.phone(CALLER).got.len();
    world.run(500);
    assert_eq!(world.phone(CALLER).got.len(), sent);
}
