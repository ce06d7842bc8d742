//! What a HEP server is told of a real call.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_engine::settings::{Hep, Secret};
use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::phone::PATIENCE;
use crate::stage::{Stage, any, run};

/// The chunks of a HEP3 packet by their types.
fn decode(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let number = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    assert_eq!((&packet[..4], number(4)), (&b"HEP3"[..], packet.len()));
    let (mut chunks, mut at) = (BTreeMap::new(), 6);
    while at < packet.len() {
        assert_eq!(number(at), 0, "the generic vendor");
        let (kind, length) = (number(at + 2), number(at + 4));
        chunks.insert(u16::try_from(kind).unwrap(), packet[at + 6..at + length].to_vec());
        at += length;
    }
    chunks
}

#[test]
fn every_message_of_a_call_is_told_with_its_way_and_without_secrets() {
    run(async {
        let server = UdpSocket::bind(any()).await.unwrap();
        let address = server.local_addr().unwrap();
        let stage = Stage::with(|plan| {
            plan.hep = Some(Hep { address, id: 77, secret: Some(Secret::new("sesame")) });
            let polyai = Arc::make_mut(&mut plan.call).peers.get_mut("polyai").unwrap();
            polyai.headers = vec![("X-Token".to_owned(), Bytes::from_static(b"4711"))];
        })
        .await;
        let talk = stage.talk("hep").await;
        assert_eq!(talk.invite.header("X-Token"), Some("4711"));
        let id = talk.invite.header("X-Baton-Call-ID").unwrap().as_bytes();
        let (mut buffer, mut told) = ([0; 65_535], Vec::new());
        // INVITE, 100, 180, INVITE, 200, ACK, 200, ACK.
        while told.len() < 8 {
            let (length, _) = timeout(PATIENCE, server.recv_from(&mut buffer)).await.unwrap().unwrap();
            let chunks = decode(&buffer[..length]);
            assert_eq!((&chunks[&17][..], &chunks[&14][..]), (id, &b"sesame"[..]));
            assert_eq!((&chunks[&1][..], &chunks[&2][..], &chunks[&11][..]), (&[2][..], &[17][..], &[1][..]));
            assert_eq!((&chunks[&12][..], &chunks[&3][..]), (&77_u32.to_be_bytes()[..], &[127, 0, 0, 1][..]));
            assert!(chunks[&9] != [0; 4], "wall time");
            let port = |kind| u16::from_be_bytes([chunks[&kind][0], chunks[&kind][1]]);
            told.push((port(7), port(8), String::from_utf8(chunks[&15].clone()).unwrap()));
        }
        let sip = stage.sip().port();
        let (from, to, first) = &told[0];
        assert_eq!((*from, *to), (talk.caller.address().port(), sip));
        assert!(first.starts_with("INVITE "), "{first}");
        let to_ai =
            told.iter().find(|(_, to, text)| *to == stage.ai.address().port() && text.starts_with("INVITE "));
        let (from, _, text) = to_ai.expect("the INVITE to the AI");
        assert!(*from == sip && text.contains("X-Token: masked") && !text.contains("4711"), "{text}");
        stage.counted("baton_hep_messages_total{result=\"sent\"}").await;
    });
}
