//! No allocation on the packet path: a counting allocator over packets and ticks of whole calls, after warm-up; and
//! what a call holds in memory.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "tests; the world has more than is used here"
)]

mod shard;
#[path = "../media/world.rs"]
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

use baton_engine::key::LegId;
use baton_engine::media::{Dtmf, Lane, Order, Session, Sink, Suite};
use baton_signaling::Time;
use world::*;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: all work is the system allocator's; the count is the thread's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + usize::from(ARMED.get())));
        HELD.with(|held| held.set(held.get() + layout.size() as isize));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get() - layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Counts packets and keeps nothing.
struct Void(u64);

impl Sink for Void {
    fn send(&mut self, _: LegId, _: Lane, _: SocketAddr, packet: &[u8]) {
        self.0 += u64::from(!packet.is_empty());
    }
}

/// Runs 2 000 ticks with packets of every phone, one in twenty lost; returns allocations and packets sent.
fn count(world: &mut World) -> (usize, u64) {
    let mut out = Void(0);
    let first = world.now_ms + 1;
    for n in 0..2000u64 {
        let now = Time::from_millis(first + n * 20);
        let one = |phone: &mut Phone| {
            let packet = phone.packet();
            (phone.leg, phone.from, phone.sealed(packet))
        };
        let packets: Vec<_> = world.phones.iter_mut().map(one).collect();
        for (at, (leg, from, mut packet)) in packets.into_iter().enumerate() {
            if (n + at as u64) % 20 != 7 {
                ARMED.set(true);
                world.session.handle_packet(now, leg, Lane::Rtp, from, &mut packet, &mut out);
                ARMED.set(false);
            }
        }
        ARMED.set(true);
        world.session.handle_tick(now, &mut out);
        while world.session.poll_event().is_some() {}
        ARMED.set(false);
    }
    world.now_ms = first + 2000 * 20;
    (COUNT.replace(0), out.0)
}

#[test]
fn the_allocator_counts() {
    ARMED.set(true);
    let kept: Box<[u8]> = std::hint::black_box(10..20).collect();
    ARMED.set(false);
    assert!(COUNT.replace(0) >= 1 && kept.len() == 10);
}

#[test]
fn packets_and_ticks_allocate_nothing_relayed_transcoded_held_or_pressed() {
    for (caller, ai, agent) in [
        (Kind::Pcmu, Kind::Pcmu, Kind::Pcmu),
        (Kind::Opus, Kind::Pcmu, Kind::Opus),
        (Kind::Pcma, Kind::Opus, Kind::Pcmu),
    ] {
        let mut world = World::call(1, caller, ai);
        world.run(1000);
        let bridged = count(&mut world);
        assert!(bridged.0 == 0 && bridged.1 > 3500, "{caller:?} {ai:?}: {bridged:?}");
        world.order(Order::Dtmf { leg: AI, digit: Dtmf(1) });
        assert_eq!(count(&mut world).0, 0);
        world.order(Order::Park { tail: Some(AI), hold: HOLD });
        let parked = count(&mut world);
        assert!(parked.0 == 0 && parked.1 > 3500, "{parked:?}");
        world.open(AGENT, agent, 20);
        world.order(Order::Join { agent: AGENT, tail_ms: 500 });
        let joined = count(&mut world);
        assert!(joined.0 == 0 && joined.1 > 5000, "{joined:?}");
    }
}

/// `webrtc-srtp` returns each packet in a new buffer, and makes more of them with AES-GCM.
const SRTP_ALLOCATIONS: [(Suite, usize); 4] = [
    (Suite::AesCm128HmacSha1_80, 1),
    (Suite::AesCm128HmacSha1_32, 1),
    (Suite::AeadAes128Gcm, 3),
    (Suite::AeadAes256Gcm, 3),
];

#[test]
fn a_secured_leg_allocates_what_its_library_does_per_packet_and_nothing_else() {
    for (suite, each) in SRTP_ALLOCATIONS {
        let mut world = World::new(1);
        world.add(CALLER, Kind::Opus, 20);
        world.add(AI, Kind::Pcmu, 20);
        for leg in [CALLER, AI] {
            world.phone_mut(leg).secure(suite, 1 + leg.0 as u8, 11 + leg.0 as u8);
            let config = world.config(leg);
            world.order(Order::Open { leg, config });
        }
        world.order(Order::Bridge { with: AI });
        world.run(1000);
        let received = world.session.counters().packets_received;
        let (allocations, sent) = count(&mut world);
        let packets = world.session.counters().packets_received - received + sent;
        assert!(packets > 7000, "{packets}");
        let expected = each * packets as usize;
        // A report takes one more with AES-GCM; forty seconds of two legs have some twenty.
        assert!((expected..expected + 40).contains(&allocations), "{suite:?}: {allocations}, {expected}");
    }
}

#[test]
fn a_relayed_call_takes_less_than_64_kib() {
    for kind in [Kind::Opus, Kind::Pcmu] {
        let mut world = World::new(1);
        world.add(CALLER, kind, 20);
        world.add(AI, kind, 20);
        // What all calls share has been made before.
        world.order(Order::Announce { prompt: NOTICE });
        let before = HELD.get();
        for leg in [CALLER, AI] {
            let config = world.config(leg);
            world.order(Order::Open { leg, config });
        }
        world.order(Order::Bridge { with: AI });
        let bytes = HELD.get() - before + size_of::<Session>() as isize;
        println!("{kind:?}: {bytes} bytes");
        // Of the library's memory it has none, after any number of packets.
        assert!(count(&mut world).1 > 3500);
        assert_eq!(world.session.opus_codecs(), (0, 0));
        assert!((20_000..64 * 1024).contains(&bytes), "{bytes}");
    }
}

/// Encoder and decoder of libopus 1.6 for one mono stream come from C's own heap: measured 49 KiB, here rounded up.
const OPUS_BYTES: isize = 52 * 1024;

#[test]
fn a_transcoded_call_takes_less_than_128_kib() {
    let [plain, secured] = [None, Some(Suite::AeadAes256Gcm)].map(|suite| {
        let mut world = World::new(1);
        world.add(CALLER, Kind::Opus, 20);
        world.add(AI, Kind::Pcmu, 20);
        for leg in [CALLER, AI] {
            if let Some(suite) = suite {
                world.phone_mut(leg).secure(suite, 1, 2);
            }
        }
        let before = HELD.get();
        for leg in [CALLER, AI] {
            let config = world.config(leg);
            world.order(Order::Open { leg, config });
        }
        world.order(Order::Bridge { with: AI });
        HELD.get() - before + size_of::<Session>() as isize + OPUS_BYTES
    });
    println!("{plain} bytes, {secured} with SRTP on both legs");
    // The lower bounds show that the meter counts.
    assert!((OPUS_BYTES + 20_000..128 * 1024).contains(&plain), "{plain}");
    assert!((plain + 1000..128 * 1024).contains(&secured), "{secured}");
}
