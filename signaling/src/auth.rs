//! Digest authentication (RFC 7616, RFC 8760, RFC 3261 §22): what is hashed, with which algorithms, and secrets that
//! show themselves to nobody. `client.rs` answers challenges, `server.rs` makes them and judges the answers.
//!
//! Done: MD5, SHA-256 and SHA-512-256, each with `-sess`; qop `auth` and none. Left out: `auth-int`, which hashes a body
//! that anybody on the way may change; `userhash` (RFC 8760 §2.7 has none in SIP); nextnonce.

mod client;
mod server;

use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};
use zeroize::Zeroizing;

pub use client::{Authenticator, Tries};
pub use server::{Doorkeeper, Verdict};

/// A password: never printed, never serialised, wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who we are to a far end that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// A hash, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// What everybody has (RFC 2617).
    Md5,
    /// RFC 8760's first choice.
    Sha256,
    /// SHA-512 with an initial value of its own, cut to 256 bits.
    Sha512_256,
}

/// How a response is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Algorithm {
    /// The hash.
    pub hash: Hash,
    /// Whether nonce and cnonce are hashed into the user's key (`-sess`).
    pub session: bool,
}

impl Algorithm {
    /// MD5 without `-sess`: what a header that names none means.
    pub const MD5: Self = Self { hash: Hash::Md5, session: false };
    /// SHA-256 without `-sess`.
    pub const SHA256: Self = Self { hash: Hash::Sha256, session: false };

    const NAMES: [(&str, Self); 6] = [
        ("MD5", Self::MD5),
        ("MD5-sess", Self { hash: Hash::Md5, session: true }),
        ("SHA-256", Self::SHA256),
        ("SHA-256-sess", Self { hash: Hash::Sha256, session: true }),
        ("SHA-512-256", Self { hash: Hash::Sha512_256, session: false }),
        ("SHA-512-256-sess", Self { hash: Hash::Sha512_256, session: true }),
    ];

    /// The algorithm of this name; no name is MD5 (RFC 7616 §3.3). `None`: one that is not known here.
    pub fn named(name: Option<&[u8]>) -> Option<Self> {
        let Some(name) = name else { return Some(Self::MD5) };
        let found = Self::NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|&(_, algorithm)| algorithm)
    }

    /// Its name in headers.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, known)| *known == self);
        found.map_or("MD5", |(name, _)| name)
    }

    /// The hash of `parts` with colons between them, in hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> String {
        let text = Zeroizing::new(parts.join(&b':'));
        match self.hash {
            Hash::Md5 => hex(&Md5::digest(&*text)),
            Hash::Sha256 => hex(&Sha256::digest(&*text)),
            Hash::Sha512_256 => hex(&Sha512_256::digest(&*text)),
        }
    }
}

/// What a response is an answer to. Texts without quotes and escapes.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// How it is hashed.
    pub algorithm: Algorithm,
    /// The request's method.
    pub method: &'a [u8],
    /// Its Request-URI, or what the answer says it is.
    pub uri: &'a [u8],
    /// Of the challenge.
    pub realm: &'a [u8],
    /// Of the challenge.
    pub nonce: &'a [u8],
    /// What the client adds; needed with qop and with `-sess`.
    pub cnonce: &'a [u8],
    /// With qop `auth`: how often the nonce was used.
    pub nc: Option<u32>,
}

/// The response of a user to a question (RFC 7616 §3.4.1, without qop RFC 2069), in lower-case hexadecimal.
pub fn response(question: &Question<'_>, username: &[u8], password: &Secret) -> String {
    let Question { algorithm, method, uri, realm, nonce, cnonce, nc } = *question;
    let mut key = Zeroizing::new(algorithm.hash(&[username, realm, password.as_bytes()]));
    if algorithm.session {
        key = Zeroizing::new(algorithm.hash(&[key.as_bytes(), nonce, cnonce]));
    }
    let request = algorithm.hash(&[method, uri]);
    match nc {
        Some(nc) => {
            let nc = format!("{nc:08x}");
            let parts = [key.as_bytes(), nonce, nc.as_bytes(), cnonce, b"auth", request.as_bytes()];
            algorithm.hash(&parts)
        }
        None => algorithm.hash(&[key.as_bytes(), nonce, request.as_bytes()]),
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    const NONCE: &[u8] = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const CNONCE: &[u8] = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn question(algorithm: Algorithm) -> Question<'static> {
        Question {
            algorithm,
            method: b"GET",
            uri: b"/dir/index.html",
            realm: b"http-auth@example.org",
            nonce: NONCE,
            cnonce: CNONCE,
            nc: Some(1),
        }
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let password = Secret::new("Circle of Life");
        let answer = |algorithm| response(&question(algorithm), b"Mufasa", &password);
        assert_eq!(answer(Algorithm::MD5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            answer(Algorithm::SHA256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn the_example_of_sha_512_256_comes_out_as_its_erratum_4897_says() {
        let question = Question {
            algorithm: Algorithm { hash: Hash::Sha512_256, session: false },
            method: b"GET",
            uri: b"/doe.json",
            realm: b"api@example.org",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            nc: Some(1),
        };
        let answer = response(&question, "Jäsøn Doe".as_bytes(), &Secret::new("Secret, or not?"));
        assert_eq!(answer, "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
    }

    #[test]
    fn the_example_of_rfc_2617_comes_out_with_qop_and_without() {
        let question = Question {
            realm: b"testrealm@host.com",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: b"0a4f113b",
            ..question(Algorithm::MD5)
        };
        let answer = |nc| response(&Question { nc, ..question }, b"Mufasa", &Secret::new("Circle Of Life"));
        assert_eq!(answer(Some(1)), "6629fae49393a05397450978507c4ef1");
        assert_eq!(answer(None), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn algorithms_have_their_names_and_an_order() {
        assert_eq!(Algorithm::named(None), Some(Algorithm::MD5));
        assert_eq!(Algorithm::named(Some(b"sha-256")), Some(Algorithm::SHA256));
        assert_eq!(Algorithm::named(Some(b"SHA-1")), None);
        for (name, algorithm) in Algorithm::NAMES {
            assert_eq!((Algorithm::named(Some(name.as_bytes())), algorithm.name()), (Some(algorithm), name));
        }
        assert!(Algorithm::NAMES.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let credentials = Credentials { username: "baton".into(), password: Secret::new("hunter2") };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
