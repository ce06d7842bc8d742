//! Peers by name: a real name server on loopback tells a running node where they are (RFC 3263).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use baton_engine::shell::Plan;
use baton_tests::dns::Zone;

use crate::phone::Phone;
use crate::stage::{Stage, Talk, any, run};

/// Where nobody listens.
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 9, 9));

/// A node that asks this zone, and whose AI is at `uri`. `fill` is told where the AI's phone is.
async fn stage(uri: impl Fn(SocketAddr) -> String, fill: impl FnOnce(&Zone, SocketAddr)) -> Stage {
    let (zone, socket) = (Zone::default(), std::net::UdpSocket::bind(any()).unwrap());
    zone.serve(&socket).unwrap();
    let dns = socket.local_addr().unwrap();
    Stage::with(|plan: &mut Plan| {
        let ai = plan.call.peers["polyai"].uris[0].clone();
        let ai: SocketAddr = ai.rsplit('@').next().unwrap().parse().unwrap();
        fill(&zone, ai);
        plan.dns = vec![dns];
        Arc::make_mut(&mut plan.call).peers.get_mut("polyai").unwrap().uris = vec![uri(ai)];
    })
    .await
}

async fn talk(stage: &Stage, call_id: &str) {
    let talk = Talk::begin(Phone::new().await, stage.sip(), &stage.ai, call_id).await;
    talk.assert_sound().await;
}

#[test]
fn a_domain_leads_by_its_records_to_the_server_that_is_there() {
    run(async {
        let stage = stage(
            |_| "sip:ai@AI.test".into(),
            |zone, ai| {
                // TCP would be better, but the node does not listen on it.
                zone.service("ai.test", 60, [10, 10], "SIP+D2T", "_sip._tcp.ai.test");
                zone.service("ai.test", 60, [20, 10], "SIP+D2U", "_sip._udp.ai.test");
                zone.server("_sip._tcp.ai.test", 60, [1, 1, ai.port()], "there.ai.test");
                zone.server("_sip._udp.ai.test", 60, [10, 1, ai.port()], "there.ai.test");
                zone.server("_sip._udp.ai.test", 60, [1, 1, ai.port()], "gone.ai.test");
                zone.server("_sip._udp.ai.test", 60, [2, 1, ai.port()], "nameless.ai.test");
                zone.address("there.ai.test", 60, ai.ip());
                zone.address("gone.ai.test", 60, NOBODY);
            },
        )
        .await;
        talk(&stage, "by-naptr").await;
        stage.counted("baton_sip_failovers_total ").await;
    });
}

#[test]
fn a_domain_without_naptr_records_leads_by_srv() {
    run(async {
        let stage = stage(
            |_| "sip:ai@ai.test".into(),
            |zone, ai| {
                zone.server("_sip._udp.ai.test", 60, [1, 1, ai.port()], "there.ai.test");
                zone.address("there.ai.test", 60, ai.ip());
            },
        )
        .await;
        talk(&stage, "by-srv").await;
    });
}

#[test]
fn a_host_with_a_port_leads_by_its_addresses() {
    run(async {
        let stage = stage(
            |ai| format!("sip:ai@ai.test:{}", ai.port()),
            |zone, ai| {
                zone.address("ai.test", 60, NOBODY);
                zone.address("ai.test", 60, ai.ip());
                // Nobody listens on IPv6 here: it is no way.
                zone.address("ai.test", 60, "::1".parse().unwrap());
            },
        )
        .await;
        talk(&stage, "by-address").await;
    });
}
