//! Reference packets of SRTP and SRTCP through our wrapper: those by which libsrtp proves itself, of which the AES-CM
//! ones stand on the master key of RFC 3711 §B.3, so that its key derivation is checked with them. The packets of
//! RFC 7714 §16 and §17 are given with session keys, which the wrapper does not take.

use baton_engine::rtp::srtp::{Fault, MasterKey, Srtp, SrtpKeys, Suite};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |at: u8| char::from(at).to_digit(16).expect("hexadecimal digits") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

struct Vector {
    suite: Suite,
    key: &'static str,
    rtp: &'static str,
    rtcp: &'static str,
}

const RTP: &str = "800f1234 decafbad cafebabe abababab abababab abababab abababab";
const RTCP: &str = "81c8000b cafebabe abababab abababab abababab abababab";

const VECTORS: [Vector; 2] = [
    Vector {
        suite: Suite::AesCm128HmacSha1_80,
        key: "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
        rtp: "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb",
        rtcp: "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798",
    },
    Vector {
        suite: Suite::AeadAes128Gcm,
        key: "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab",
        rtp: "800f1234 decafbad cafebabe c5002ede 04cfdd2e b91159e0 880aa06e d2976826 f796b201 df3131a1 27e8a392",
        rtcp: "81c8000b cafebabe c98b8b5d f0392a55 852b6c21 ac8e7025 c52c6fbe a2b3b446 ea31123b a88ce61e 80000001",
    },
];

fn srtp(vector: &Vector) -> Srtp {
    let key = MasterKey::new(&bytes(vector.key));
    Srtp::new(SrtpKeys { suite: vector.suite, sent: key.clone(), received: key })
        .expect("keys of the suite's length")
}

#[test]
fn reference_packets_are_protected_and_opened_to_the_byte() {
    for vector in &VECTORS {
        let mut srtp = srtp(vector);
        let (mut rtp, mut rtcp) = (Vec::new(), Vec::new());
        srtp.protect(&bytes(RTP), |packet| rtp.extend_from_slice(packet)).unwrap();
        srtp.protect_rtcp(&bytes(RTCP), |packet| rtcp.extend_from_slice(packet)).unwrap();
        assert_eq!((&rtp, &rtcp), (&bytes(vector.rtp), &bytes(vector.rtcp)), "{:?}", vector.suite);
        let length = srtp.unprotect(&mut rtp).unwrap();
        assert_eq!(rtp[..length], bytes(RTP));
        let length = srtp.unprotect_rtcp(&mut rtcp).unwrap();
        assert_eq!(rtcp[..length], bytes(RTCP));
        assert_eq!(srtp.unprotect(&mut bytes(vector.rtp)), Err(Fault::Replayed));
        assert_eq!(srtp.unprotect_rtcp(&mut bytes(vector.rtcp)), Err(Fault::Replayed));
    }
}
