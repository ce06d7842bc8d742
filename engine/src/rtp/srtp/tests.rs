//! Two ends that speak with each other: every suite, the wrap, replays, forgeries, new keys. Reference packets are in
//! `tests/vectors`.

use super::*;

const SUITES: [Suite; 4] =
    [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm];

fn key(suite: Suite, seed: u8) -> MasterKey {
    let profile = suite.profile();
    let length = profile.key_len() + profile.salt_len();
    MasterKey::new(&(0..length as u8).map(|n| n.wrapping_mul(37) ^ seed).collect::<Vec<_>>())
}

fn keys(suite: Suite, sent: u8, received: u8) -> SrtpKeys {
    SrtpKeys { suite, sent: key(suite, sent), received: key(suite, received) }
}

/// Two ends that speak with each other.
fn pair(suite: Suite) -> (Srtp, Srtp) {
    (Srtp::new(keys(suite, 1, 2)).unwrap(), Srtp::new(keys(suite, 2, 1)).unwrap())
}

fn packet(seq: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..160u8).map(|n| n ^ seq as u8));
    packet
}

fn protected(srtp: &mut Srtp, seq: u16, ssrc: u32) -> Vec<u8> {
    let mut sent = Vec::new();
    srtp.protect(&packet(seq, ssrc), |bytes| sent.extend_from_slice(bytes)).unwrap();
    sent
}

fn opened(srtp: &mut Srtp, mut bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let length = srtp.unprotect(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn report(ssrc: u32) -> Vec<u8> {
    let mut bytes = [0x80, 201, 0, 1].to_vec();
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0x81, 202, 0, 2]);
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([1, 1, b'x', 0]);
    bytes
}

fn protected_rtcp(srtp: &mut Srtp, ssrc: u32) -> Vec<u8> {
    let mut sent = Vec::new();
    srtp.protect_rtcp(&report(ssrc), |bytes| sent.extend_from_slice(bytes)).unwrap();
    sent
}

fn opened_rtcp(srtp: &mut Srtp, mut bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let length = srtp.unprotect_rtcp(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

#[test]
fn what_one_end_protects_the_other_opens_in_every_suite() {
    for suite in SUITES {
        let (mut us, mut them) = pair(suite);
        for seq in 100..200 {
            let bytes = protected(&mut us, seq, 7);
            assert_eq!(bytes.len(), 172 + suite.tag_bytes());
            assert_ne!(bytes[12..172], packet(seq, 7)[12..], "{suite:?}");
            assert_eq!(opened(&mut them, bytes).unwrap(), packet(seq, 7), "{suite:?}");
        }
        let bytes = protected_rtcp(&mut us, 7);
        assert_eq!(bytes.len(), report(7).len() + 4 + suite.rtcp_tag_bytes());
        assert_eq!(opened_rtcp(&mut them, bytes).unwrap(), report(7), "{suite:?}");
    }
}

#[test]
fn a_packet_with_any_bit_changed_is_refused_and_a_replay_too() {
    for suite in SUITES {
        let (mut us, mut them) = pair(suite);
        opened(&mut them, protected(&mut us, 9, 7)).unwrap();
        let (bytes, rtcp) = (protected(&mut us, 10, 7), protected_rtcp(&mut us, 7));
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert!(opened(&mut them, forged).is_err(), "{suite:?} {at}");
        }
        for at in 0..rtcp.len() {
            let mut forged = rtcp.clone();
            forged[at] ^= 1;
            assert!(opened_rtcp(&mut them, forged).is_err(), "{suite:?} {at}");
        }
        opened(&mut them, bytes.clone()).unwrap();
        assert_eq!(opened(&mut them, bytes), Err(Fault::Replayed));
        opened_rtcp(&mut them, rtcp.clone()).unwrap();
        assert_eq!(opened_rtcp(&mut them, rtcp), Err(Fault::Replayed));
    }
}

#[test]
fn plain_packets_are_refused_and_no_length_panics() {
    for suite in SUITES {
        let (mut us, mut them) = pair(suite);
        assert_eq!(opened(&mut them, packet(1, 7)), Err(Fault::Forged));
        assert!(opened_rtcp(&mut them, report(7)).is_err());
        let (bytes, rtcp) = (protected(&mut us, 1, 7), protected_rtcp(&mut us, 7));
        for end in 0..bytes.len() {
            assert!(opened(&mut them, bytes[..end].to_vec()).is_err(), "{end}");
        }
        for end in 0..rtcp.len() {
            assert!(opened_rtcp(&mut them, rtcp[..end].to_vec()).is_err(), "{end}");
        }
        assert!(opened(&mut them, bytes).is_ok() && opened_rtcp(&mut them, rtcp).is_ok());
    }
}

/// Seeded chance (SplitMix64).
fn dice(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[test]
fn no_bytes_make_it_panic_and_none_are_taken_for_genuine() {
    let mut state = 1;
    for suite in SUITES {
        let (mut us, mut them) = pair(suite);
        let seeds = [protected(&mut us, 9, 7), protected_rtcp(&mut us, 7), Vec::new()];
        for _ in 0..5000 {
            let mut bytes = seeds[(dice(&mut state) % 3) as usize].clone();
            bytes.truncate((dice(&mut state) % 200) as usize);
            bytes.extend((0..dice(&mut state) % 60).map(|_| dice(&mut state) as u8));
            for _ in 0..1 + dice(&mut state) % 4 {
                let at = dice(&mut state) as usize % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = byte.wrapping_add(1 + (dice(&mut state) % 255) as u8);
                }
            }
            if seeds.contains(&bytes) {
                continue;
            }
            assert!(opened(&mut them, bytes.clone()).is_err(), "{suite:?} {bytes:?}");
            assert!(opened_rtcp(&mut them, bytes.clone()).is_err(), "{suite:?} {bytes:?}");
        }
    }
}

#[test]
fn rtcp_that_says_it_is_not_encrypted_is_not_believed() {
    for suite in SUITES {
        let (_, mut them) = pair(suite);
        let mut forged = report(7);
        let trailer = if suite.is_aead() { 16 } else { 4 };
        forged.extend(vec![0; trailer]);
        forged.extend(vec![0; if suite.is_aead() { 4 } else { 10 }]);
        assert_eq!(opened_rtcp(&mut them, forged), Err(Fault::Forged), "{suite:?}");
    }
}

#[test]
fn the_roll_over_counter_follows_the_wrap_through_loss_and_disorder() {
    for suite in SUITES {
        let (mut us, mut them) = pair(suite);
        let start = 65_535u16 - 70;
        let mut sent: Vec<(u16, Vec<u8>)> =
            (0..200u16).map(|n| start.wrapping_add(n)).map(|seq| (seq, protected(&mut us, seq, 7))).collect();
        // Every third is lost, the last before the wrap and the first after it among them; pairs come crossed.
        sent.retain(|(seq, _)| seq % 3 != 0);
        assert!(sent.iter().all(|(seq, _)| ![65_535, 0].contains(seq)));
        for at in (0..sent.len() - 1).step_by(2) {
            sent.swap(at, at + 1);
        }
        let late = sent.remove(40);
        assert!(late.0 > 65_000, "from before the wrap");
        sent.insert(60, late);
        for (seq, bytes) in sent {
            assert_eq!(opened(&mut them, bytes), Ok(packet(seq, 7)), "{suite:?} {seq}");
        }
    }
}

#[test]
fn a_stream_keeps_its_counter_while_others_come_and_go() {
    let (mut us, mut them) = pair(Suite::AesCm128HmacSha1_80);
    // A full cycle and a half of the first stream.
    for n in 0..100_000u32 {
        let seq = 60_000u16.wrapping_add(n as u16);
        opened(&mut them, protected(&mut us, seq, 7)).unwrap();
    }
    let mut other = Srtp::new(keys(Suite::AesCm128HmacSha1_80, 1, 2)).unwrap();
    for seq in 65_530..=65_535u16 {
        opened(&mut them, protected(&mut other, seq, 8)).unwrap();
    }
    opened(&mut them, protected(&mut other, 0, 8)).unwrap();
    let next = 60_000u16.wrapping_add(100_000u32 as u16);
    assert_eq!(opened(&mut them, protected(&mut us, next, 7)), Ok(packet(next, 7)));
}

#[test]
fn an_unchanged_key_keeps_its_counters_and_a_new_one_begins_anew() {
    let suite = Suite::AesCm128HmacSha1_80;
    let (mut us, mut them) = pair(suite);
    for seq in [65_534u16, 65_535, 0, 1] {
        opened(&mut them, protected(&mut us, seq, 7)).unwrap();
    }
    us.update(keys(suite, 1, 2)).unwrap();
    them.update(keys(suite, 2, 1)).unwrap();
    opened(&mut them, protected(&mut us, 2, 7)).unwrap();
    // The far end changes its key; what it sent before is still on its way and is taken until the new key is in use.
    let (late, later) = (protected(&mut us, 3, 7), protected(&mut us, 4, 7));
    us.update(keys(suite, 5, 2)).unwrap();
    them.update(keys(suite, 2, 5)).unwrap();
    opened(&mut them, late.clone()).unwrap();
    assert_eq!(opened(&mut them, late), Err(Fault::Replayed));
    opened(&mut them, protected(&mut us, 5, 7)).unwrap();
    assert_eq!(opened(&mut them, later), Err(Fault::Forged), "the old key is forgotten");
    // Back the other way nothing has changed.
    opened(&mut us, protected(&mut them, 65_535, 9)).unwrap();
    opened(&mut us, protected(&mut them, 0, 9)).unwrap();
}

#[test]
fn one_number_never_protects_two_packets() {
    let (mut us, _) = pair(Suite::AeadAes128Gcm);
    protected(&mut us, 5, 7);
    let again = us.protect(&packet(5, 7), |_| panic!("it is not sent"));
    assert_eq!(again, Err(Fault::Spent));
    protected(&mut us, 4, 7);
    us.update(keys(Suite::AeadAes256Gcm, 1, 2)).unwrap();
    protected(&mut us, 5, 7);
}

#[test]
fn forged_streams_leave_nothing_behind_and_do_not_shut_a_genuine_one_out() {
    let (mut us, mut them) = pair(Suite::AesCm128HmacSha1_80);
    for ssrc in 0..10_000u32 {
        // Also under the genuine stream's name, far ahead of it.
        let name = if ssrc % 2 == 0 { 7 } else { ssrc };
        assert_eq!(opened(&mut them, packet(40_000, name)), Err(Fault::Forged));
    }
    assert!(them.received.streams.is_empty());
    assert_eq!(opened(&mut them, protected(&mut us, 100, 7)), Ok(packet(100, 7)));
}

#[test]
fn a_far_end_may_have_so_many_streams_and_no_more() {
    let (mut us, mut them) = pair(Suite::AesCm128HmacSha1_80);
    for ssrc in 0..STREAMS_MAX as u32 {
        opened(&mut them, protected(&mut us, 100 + ssrc as u16, ssrc)).unwrap();
    }
    assert_eq!(opened(&mut them, protected(&mut us, 200, 99)), Err(Fault::Streams));
    opened(&mut them, protected(&mut us, 201, 0)).unwrap();
}

#[test]
fn headers_with_sources_and_extensions_of_any_kind_are_left_in_the_clear() {
    for suite in SUITES {
        let (mut us, mut them) = pair(suite);
        // Two CSRCs, and an extension of a profile nobody knows with padding in it.
        let mut clear = packet(1, 7);
        clear[0] |= 0x12;
        clear.splice(12..12, [0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 2, 0, 0, 0x10, 0xaa, 0, 0xf0, 1, 2]);
        let header = header(&clear, header_bytes(&clear).unwrap());
        let bytes = us.sent.encrypt_rtp_with_header(&clear, &header).unwrap();
        assert_eq!(bytes[..32], clear[..32]);
        assert_ne!(bytes[32..100], clear[32..100]);
        assert_eq!(opened(&mut them, bytes.to_vec()), Ok(clear), "{suite:?}");
    }
}

#[test]
fn keys_of_another_length_are_refused() {
    let long = Suite::AeadAes256Gcm;
    let mixed = |suite| SrtpKeys { suite, sent: key(long, 1), received: key(long, 2) };
    assert!(Srtp::new(mixed(long)).is_ok());
    for suite in &SUITES[..3] {
        assert!(Srtp::new(mixed(*suite)).is_err(), "{suite:?}");
    }
    assert!(Srtp::new(SrtpKeys { suite: long, sent: MasterKey::new(&[]), received: key(long, 1) }).is_err());
}

#[test]
fn keys_are_neither_printed_nor_serialised_nor_made_up_again() {
    let keys = keys(Suite::AeadAes128Gcm, 1, 2);
    let shown = format!("{keys:?}");
    assert!(shown.contains("masked") && !shown.contains('[') && !shown.contains("36"), "{shown}");
    let none: Result<MasterKey, serde::de::value::Error> =
        MasterKey::deserialize(serde::de::value::StrDeserializer::new("masked"));
    assert!(none.is_err());
}
