//! Extended reports (RFC 3611) and reports of reduced size (RFC 5506): sent where they were asked for, read always;
//! and where reports go when SDP does not know.

use std::net::SocketAddr;

use baton_engine::key::LegId;
use baton_engine::media::{Lane, LegConfig, Order};
use baton_engine::rtp::Ssrc;
use baton_engine::rtp::rtcp::{
    Block, Compound, Dlrr, Extended, REPORT_BYTES_MAX, Report, Voip, parse, write,
};

use crate::world::*;

/// A call whose AI asked for what `change` sets.
fn call(seed: u64, change: impl Fn(&mut LegConfig)) -> World {
    let mut world = World::new(seed);
    world.open(CALLER, Kind::Opus, 20);
    world.add(AI, Kind::Pcmu, 20);
    let mut config = world.config(AI);
    change(&mut config);
    world.order(Order::Open { leg: AI, config });
    world.order(Order::Bridge { with: AI });
    world
}

/// The last report sent to a leg, as its phone reads it.
fn last_report(world: &World, leg: LegId) -> Report {
    let bytes = &world.phone(leg).reports.last().unwrap().bytes;
    parse(bytes, Ssrc(world.phone(leg).ssrc)).unwrap()
}

fn packet(compound: &Compound<'_>) -> Vec<u8> {
    let mut bytes = vec![0; REPORT_BYTES_MAX];
    let length = write(&mut bytes, compound);
    bytes.truncate(length);
    bytes
}

#[test]
fn a_far_end_that_asked_is_told_how_its_stream_is_received() {
    let mut world = call(1, |config| config.rtcp_xr = true);
    world.run(60_000);
    let clean = last_report(&world, AI).extended.voip.unwrap();
    assert_eq!((clean.loss_rate, clean.discard_rate, clean.burst_ms, clean.gmin), (0, 0, 0, 16));
    assert_eq!((clean.r_factor, clean.mos_lq, clean.mos_cq), (93, 44, 44));
    assert!(clean.gap_ms > 50_000 && clean.round_trip_ms == 0, "{clean:?}");
    assert!((20..=100).contains(&clean.end_system_ms) && clean.buffer_ms >= 20, "{clean:?}");
    assert_eq!((clean.buffer_ms_max, clean.rerl_db, clean.signal_dbm), (200, 127, 127));

    world.phone_mut(AI).loss_percent = 20;
    world.run(60_000);
    let lossy = last_report(&world, AI).extended.voip.unwrap();
    // Half of the call lost a fifth.
    assert!((20..=31).contains(&lossy.loss_rate), "{lossy:?}");
    assert!((40..=64).contains(&lossy.burst_density) && lossy.gap_density < 10, "{lossy:?}");
    assert!(lossy.burst_ms > 1000 && lossy.r_factor < 75 && lossy.mos_lq < 38, "{lossy:?}");
    let whole = world.session.measure().into_iter().find(|m| m.leg == AI && m.segment.is_none()).unwrap();
    assert_eq!(u64::from(lossy.mos_cq), (whole.stream.mos_cq.unwrap() * 10.0).round() as u64);
}

#[test]
fn what_comes_too_late_is_told_as_discarded_not_as_lost() {
    let mut world = call(2, |config| config.rtcp_xr = true);
    world.run(1000);
    for _ in 0..10 {
        // One packet stays on the way for so long that its turn has passed.
        let (packet, from) = (world.phone_mut(AI).packet(), world.phone(AI).from);
        world.run(500);
        world.packet_in(AI, Lane::Rtp, from, packet);
    }
    world.run(8000);
    let stats = world.session.stats(AI).unwrap();
    let voip = last_report(&world, AI).extended.voip.unwrap();
    assert_eq!((stats.late, stats.lost), (10, 0));
    assert!((3..=6).contains(&voip.discard_rate) && voip.loss_rate == 0, "{voip:?}");
}

#[test]
fn nobody_who_did_not_ask_is_told() {
    let mut world = call(3, |_| {});
    world.run(20_000);
    assert_eq!(last_report(&world, AI).extended, Extended::default());
    assert!(world.phone(AI).reports.iter().all(|report| !report.bytes.windows(2).any(|w| w == [0x80, 207])));
}

#[test]
fn a_leg_that_only_receives_knows_its_round_trip_by_reference_time() {
    let mut world = call(4, |config| (config.rtcp_xr, config.send) = (true, false));
    world.run(12_000);
    assert!(world.phone(AI).got.is_empty(), "nothing is sent to it");
    let report = world.phone(AI).reports.last().unwrap().clone();
    assert_eq!(report.bytes[1], 201, "who sends nothing sends no sender reports");
    let time = last_report(&world, AI).extended.reference.unwrap();
    let ours = Ssrc(u32::from_be_bytes(report.bytes[4..8].try_into().unwrap()));
    let held_ms = world.now_ms - report.at.as_micros() / 1000;
    world.run(80);
    let delay = (held_ms * 65_536 / 1000) as u32;
    let extended =
        Extended { dlrr: Some(Dlrr { ssrc: ours, last: (time >> 16) as u32, delay }), ..Extended::default() };
    let ssrc = Ssrc(world.phone(AI).ssrc);
    world.report_in(
        AI,
        packet(&Compound { ssrc, cname: Some("x"), extended: Some(&extended), ..Compound::default() }),
    );
    let trip = world.session.stats(AI).unwrap().round_trip_ms.unwrap();
    assert!((79.0..=81.0).contains(&trip), "{trip}");
}

#[test]
fn a_far_ends_reference_time_is_answered_with_how_long_ago_it_came() {
    let mut world = call(5, |config| config.rtcp_xr = true);
    world.run(1000);
    let ssrc = Ssrc(world.phone(AI).ssrc);
    let extended = Extended { reference: Some(0x0102_0304_0506_0708), ..Extended::default() };
    let heard = world.now_ms;
    world.report_in(
        AI,
        packet(&Compound { ssrc, cname: Some("x"), extended: Some(&extended), ..Compound::default() }),
    );
    world.run(8000);
    let dlrr = last_report(&world, AI).extended.dlrr.unwrap();
    let sent_ms = world.phone(AI).reports.last().unwrap().at.as_micros() / 1000;
    assert_eq!((dlrr.ssrc, dlrr.last), (ssrc, 0x0304_0506));
    assert!(u64::from(dlrr.delay).abs_diff((sent_ms - heard) * 65_536 / 1000) < 66, "{dlrr:?}");
}

#[test]
fn a_rating_that_cannot_be_is_none() {
    for (told, kept) in
        [(0, None), (9, None), (10, Some(1.0)), (50, Some(5.0)), (51, None), (127, None), (255, None)]
    {
        let mut world = call(6, |_| {});
        world.run(1000);
        let voip = Voip { ssrc: Ssrc(world.phone(AI).got[0].ssrc()), mos_cq: told, ..Voip::default() };
        let extended = Extended { voip: Some(voip), ..Extended::default() };
        let ssrc = Ssrc(world.phone(AI).ssrc);
        let compound = Compound { ssrc, cname: Some("x"), extended: Some(&extended), ..Compound::default() };
        world.report_in(AI, packet(&compound));
        let whole = world.session.measure().into_iter().find(|m| m.leg == AI && m.segment.is_none()).unwrap();
        assert_eq!(whole.stream.far_mos_cq, kept, "{told}");
    }
}

#[test]
fn no_report_of_a_far_end_makes_a_figure_that_cannot_be() {
    let mut world = call(7, |config| config.rtcp_xr = true);
    world.run(1000);
    let (ours, ssrc) = (Ssrc(world.phone(AI).got[0].ssrc()), Ssrc(world.phone(AI).ssrc));
    let mut state = 7u64;
    let mut dice = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 24
    };
    for turn in 0..2000 {
        let mut word =
            || if dice() % 4 == 0 { [0, 1, u32::MAX, 1 << 31][dice() as usize % 4] } else { dice() as u32 };
        let block = Block {
            ssrc: ours.0,
            fraction_lost: word() as u8,
            lost: word() as i32,
            highest: word(),
            jitter: word(),
            last_report: word(),
            delay: word(),
        };
        let voip = Voip { ssrc: ours, mos_cq: word() as u8, r_factor: word() as u8, ..Voip::default() };
        let dlrr = Dlrr { ssrc: ours, last: word(), delay: word() };
        let extended =
            Extended { reference: Some(u64::from(word()) << 32), dlrr: Some(dlrr), voip: Some(voip) };
        let blocks = [block];
        let compound = Compound {
            ssrc,
            blocks: &blocks,
            cname: Some("x"),
            extended: Some(&extended),
            ..Compound::default()
        };
        world.report_in(AI, packet(&compound));
        world.run(20);
        if turn % 50 > 0 {
            continue;
        }
        for measured in world.session.measure() {
            let of = measured.stream;
            let within =
                |value: f32, most: f32| assert!((0.0..=most).contains(&value), "{value} of {most}: {of:?}");
            [of.loss, of.discard, of.concealment, of.burst_density, of.gap_density, of.far_loss]
                .into_iter()
                .for_each(|share| within(share, 1.0));
            within(of.round_trip_ms.unwrap_or(0.0), 60_000.0);
            within(of.r.unwrap_or(0.0), 129.0);
            [of.mos_cq, of.mos_lq, of.far_mos_cq]
                .into_iter()
                .flatten()
                .for_each(|mos| within(mos - 1.0, 4.0));
        }
    }
}

#[test]
fn the_far_ends_own_rating_is_kept() {
    let mut world = call(6, |_| {});
    world.run(1000);
    let ours = Ssrc(world.phone(AI).got[0].ssrc());
    let voip = Voip { ssrc: ours, mos_cq: 37, ..Voip::default() };
    let extended = Extended { voip: Some(voip), ..Extended::default() };
    let block = Block { ssrc: ours.0, fraction_lost: 64, ..Block::default() };
    let ssrc = Ssrc(world.phone(AI).ssrc);
    world.report_in(
        AI,
        packet(&Compound { ssrc, blocks: &[block], extended: Some(&extended), ..Compound::default() }),
    );
    let whole = world.session.measure().into_iter().find(|m| m.leg == AI && m.segment.is_none()).unwrap();
    assert_eq!((whole.stream.far_mos_cq, whole.stream.far_loss), (Some(3.7), 0.25));
    // Half of the time nothing was lost: the mean tells of both.
    world.run(10_000);
    world.report_in(
        AI,
        packet(&Compound { ssrc, blocks: &[Block { fraction_lost: 0, ..block }], ..Compound::default() }),
    );
    world.run(10_000);
    let whole = world.session.measure().into_iter().find(|m| m.leg == AI && m.segment.is_none()).unwrap();
    assert!((0.11..=0.14).contains(&whole.stream.far_loss), "{whole:?}");
}

#[test]
fn reduced_size_leaves_the_name_out_of_three_reports_in_four_and_never_of_a_goodbye() {
    for reduced in [false, true] {
        let mut world = call(7, |config| config.rtcp_rsize = reduced);
        world.run(120_000);
        world.order(Order::Close { leg: AI });
        let named: Vec<bool> =
            world.phone(AI).reports.iter().map(|r| r.bytes.windows(2).any(|w| w == [0x81, 202])).collect();
        let (count, goodbye) = (named.len(), *named.last().unwrap());
        let names = named.iter().filter(|named| **named).count();
        assert!(goodbye && named[0], "{named:?}");
        let expected =
            if reduced { (count - 1).div_ceil(4)..=(count - 1).div_ceil(4) + 1 } else { count..=count };
        assert!(count > 15 && expected.contains(&names), "{named:?}");
    }
}

#[test]
fn reports_follow_those_of_a_far_end_behind_a_nat_and_nobody_elses() {
    let mut world = call(8, |_| {});
    world.run(1000);
    let report = |ssrc| packet(&Compound { ssrc: Ssrc(ssrc), cname: Some("x"), ..Compound::default() });
    let ssrc = world.phone(AI).ssrc;
    let above = SocketAddr::new(world.phone(AI).from.ip(), world.phone(AI).from.port() + 1);
    let (nat, host) = (SocketAddr::new(above.ip(), 61_234), SocketAddr::from(([127, 0, 0, 66], 4003)));
    // Another host, and another stream's report from the right one.
    for (from, ssrc) in [(host, ssrc), (nat, 0xbad)] {
        world.phone_mut(AI).rtcp_from = Some(from);
        world.report_in(AI, report(ssrc));
    }
    world.run(8000);
    assert_eq!(world.phone(AI).report_to, Some(above));
    world.report_in(AI, report(ssrc));
    world.run(8000);
    assert_eq!(world.phone(AI).report_to, Some(nat));
}
