//! Calls under TLS: both ways and both versions, with certificates that are believed, refused, asked for and renewed.

use std::net::SocketAddr;
use std::sync::Arc;

use baton_engine::settings::Tls;
use baton_engine::shell::Plan;
use baton_signaling::endpoint::Transport;
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::line::Line;
use crate::over::{self, Talk, rtp};
use crate::phone::{Phone, audio, pcmu};
use crate::pki::Pki;
use crate::stage::{Stage, any, assert_heard, run};

fn under_tls(plan: &mut Plan, tls: &Tls) {
    (plan.streams, plan.tls) = (vec![(Transport::Tls, any())], Some(tls.clone()));
}

fn node(stage: &Stage) -> SocketAddr {
    stage.node.addresses().streams[0].1
}

async fn connect(connector: &TlsConnector, stage: &Stage) -> Line {
    Line::under_tls(connector, node(stage), ServerName::IpAddress(node(stage).ip().into())).await.unwrap()
}

#[test]
fn a_caller_under_either_version_of_tls_is_answered_and_ended_over_its_own_connection() {
    run(async {
        let pki = Pki::new("caller");
        let stage = Stage::with(|plan| under_tls(plan, &pki.node())).await;
        for (version, call_id) in [(&TLS12, "twelve"), (&TLS13, "thirteen")] {
            let line = connect(&pki.client(version, None), &stage).await;
            let contact = line.address();
            let mut talk = Talk::begin(&stage, over::TLS, line, contact, call_id).await;
            let us = format!("{};transport=tls", node(&stage));
            assert!(talk.answer.header("Contact").unwrap().contains(&us), "{:?}", talk.answer);
            talk.assert_sound().await;
            talk.is_ended_here(&stage, contact).await;
        }
    });
}

#[test]
fn an_ai_under_tls_is_called_by_its_name_and_one_whose_certificate_is_anothers_is_passed_over() {
    run(async {
        let pki = Pki::new("ai");
        let local = tokio::net::lookup_host(("localhost", 0)).await.unwrap().next().unwrap();
        let (wrong, right) =
            (TcpListener::bind(local).await.unwrap(), TcpListener::bind(local).await.unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let uris = vec![
            format!("sips:ai@localhost:{}", port(&wrong)),
            format!("sip:ai@localhost:{};transport=tls", port(&right)),
        ];
        let tls = pki.node();
        let stage = Stage::with(|plan| {
            under_tls(plan, &tls);
            plan.streams = vec![(Transport::Tls, local)];
            Arc::make_mut(&mut plan.call).peers.get_mut("polyai").unwrap().uris = uris;
        });
        let stage = stage.await;
        let names = pki.server(&pki.issue("ai", &["localhost"]));
        let others = pki.server(&pki.issue("other", &["other.example"]));
        let (sound, ai_sound) = (rtp().await, rtp().await);
        let (caller, sdp) = (Phone::new().await, pcmu(sound.local_addr().unwrap()));
        caller.send(stage.sip(), &caller.invite(stage.sip(), "named", &sdp)).await;
        assert!(Line::from_under_tls(&wrong, &others).await.is_err(), "another's certificate is not taken");
        stage.counted("baton_sip_connections_closed_total{reason=\"tls\"}").await;
        let mut ai = Line::from_under_tls(&right, &names).await.unwrap();
        assert_eq!(ai.asked_for(), Some("localhost"), "SNI");
        let invite = ai.hear("INVITE").await;
        let at = right.local_addr().unwrap();
        ai.say(&over::TLS.answer(&invite, at, &pcmu(ai_sound.local_addr().unwrap()))).await;
        ai.hear("ACK").await;
        let (answer, _) = caller.hear("SIP/2.0 200").await;
        caller.send(stage.sip(), &caller.in_dialog(&answer, "ACK", 1)).await;
        assert_heard((&sound, audio(&answer)), (&ai_sound, audio(&invite))).await;
        caller.send(stage.sip(), &caller.in_dialog(&answer, "BYE", 2)).await;
        let bye = ai.hear("BYE").await;
        ai.say(&over::TLS.answer(&bye, at, "")).await;
        stage.calls(0).await;
    });
}

#[test]
fn where_certificates_are_asked_for_a_peer_is_known_by_its_name_and_a_stranger_is_not_heard() {
    run(async {
        let (pki, strange) = (Pki::new("mutual"), Pki::new("stranger"));
        let tls = Tls { client_ca: Some(pki.ca.clone()), ..pki.node() };
        let stage = Stage::with(|plan| {
            under_tls(plan, &tls);
            // Nobody is known by where he calls from.
            plan.admission.peers.iter_mut().for_each(|peer| peer.from.clear());
            plan.admission.peers[0].tls_names = vec!["phone.example".to_owned()];
        });
        let stage = stage.await;
        let (known, unknown) =
            (pki.issue("phone", &["phone.example"]), pki.issue("other", &["other.example"]));
        let stranger = strange.issue("phone", &["phone.example"]);
        let name = ServerName::IpAddress(node(&stage).ip().into());
        for connector in [pki.client(&TLS12, None), pki.client(&TLS12, Some(&stranger))] {
            // With TLS 1.2 a client hears in the handshake that it is refused.
            assert!(Line::under_tls(&connector, node(&stage), name.clone()).await.is_err());
        }
        stage.counted("baton_sip_connections_closed_total{reason=\"tls\"}").await;
        let mut line = connect(&pki.client(&TLS13, Some(&unknown)), &stage).await;
        line.say(&over::TLS.invite(line.address(), "unknown", &pcmu(any()))).await;
        line.hear("SIP/2.0 403").await;
        let line = connect(&pki.client(&TLS13, Some(&known)), &stage).await;
        let contact = line.address();
        let mut talk = Talk::begin(&stage, over::TLS, line, contact, "mutual").await;
        talk.assert_sound().await;
        talk.is_ended_here(&stage, contact).await;
    });
}

#[test]
fn renewed_certificates_are_shown_to_who_connects_then_and_a_call_goes_on() {
    run(async {
        let pki = Pki::new("renewal");
        let tls = pki.node();
        let stage = Stage::with(|plan| under_tls(plan, &tls)).await;
        let connector = pki.client(&TLS13, None);
        let line = connect(&connector, &stage).await;
        let (contact, first) = (line.address(), line.shown());
        let mut talk = Talk::begin(&stage, over::TLS, line, contact, "renewed").await;
        talk.assert_sound().await;
        pki.node();
        stage.counted("baton_tls_reloads_total{result=\"taken\"}").await;
        assert_ne!(connect(&connector, &stage).await.shown(), first);
        talk.assert_sound().await;
        talk.is_ended_here(&stage, contact).await;
        std::fs::write(&tls.key, "none").unwrap();
        stage.counted("baton_tls_reloads_total{result=\"refused\"}").await;
        connect(&connector, &stage).await;
    });
}

#[test]
fn who_connects_and_does_not_come_through_the_handshake_is_let_go() {
    run(async {
        let pki = Pki::new("handshake");
        let stage = Stage::with(|plan| under_tls(plan, &pki.node())).await;
        let (mut mute, mut plain) = (Line::to(node(&stage)).await, Line::to(node(&stage)).await);
        plain.say(&over::TLS.request("OPTIONS", 1, any(), "plain", "<sip:x@node>", "")).await;
        plain.is_closed().await;
        mute.is_closed().await;
        for reason in ["tls", "handshake"] {
            stage.counted(&format!("baton_sip_connections_closed_total{{reason=\"{reason}\"}}")).await;
        }
    });
}
