//! The gate against stolen streams, through a whole session.

use std::net::SocketAddr;

use baton_engine::media::{Lane, Order};

use crate::world::*;

#[test]
fn an_intruder_is_neither_heard_nor_sent_to() {
    let mut world = World::call(1, Kind::Opus, Kind::Pcmu);
    world.run(500);
    let intruder = SocketAddr::from(([127, 0, 0, 66], 6666));
    for n in 0..100u16 {
        let mut packet = vec![0x80, 0, (n >> 8) as u8, n as u8, 0, 0, 0, 0, 9, 9, 9, 9];
        packet.extend([0x00; 160]);
        world.packet_in(AI, Lane::Rtp, intruder, packet);
        world.run(20);
    }
    assert_eq!(world.session.counters().packets_rejected, 100);
    assert_eq!(world.phone(CALLER).hears(300), [tone_of(AI)]);
}

#[test]
fn a_phone_behind_a_nat_is_sent_to_where_it_speaks_from() {
    let mut world = World::new(2);
    world.open(CALLER, Kind::Pcmu, 20);
    world.open(AI, Kind::Pcmu, 20);
    world.phone_mut(CALLER).from = SocketAddr::from(([127, 0, 0, 9], 9000));
    world.order(Order::Bridge { with: AI });
    world.phone_mut(AI).sends = false;
    world.phone_mut(CALLER).sends = false;
    world.phone_mut(CALLER).from = SocketAddr::from(([127, 0, 0, 1], 4000));
    world.run(100);
    world.phone_mut(CALLER).from = SocketAddr::from(([127, 0, 0, 9], 4000));
    world.phone_mut(CALLER).sends = true;
    world.run(300);
    let remote = world.session.stats(CALLER).unwrap().remote;
    assert_eq!(remote, Some(world.phone(CALLER).from));
}
