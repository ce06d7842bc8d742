//! Challenging and judging (RFC 3261 §22.4, RFC 7616 §3.3, §3.5, RFC 8760 §2.3). A nonce is the time it was made and a
//! MAC over it, so that nothing is kept of challenges that nobody answers; what is kept is how far each nonce's count has come,
//! for a bounded number of nonces, so that no answer is taken twice.
//!
//! Leaves out whom to challenge, what a wrong password leads to, and whether the answer's URI is the request's: a proxy
//! on the way may have changed that (§22.4 leaves it open).

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Algorithm, Question, Secret, hex, response};
use crate::Time;
use crate::limits;
use crate::message::header::{Authorization, Challenge};

/// Makes challenges and judges the answers. One for a node: an answer to it may come to any shard.
pub struct Doorkeeper {
    secret: Zeroizing<[u8; 32]>,
    made: u32,
    /// Nonces that were used, by the time they were made, with the highest count so far.
    used: BTreeMap<(Time, u32), u32>,
    /// Of nonces made until then nothing is known any more.
    forgotten: Option<Time>,
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user knows the password, and this answer has not been seen before.
    Genuine,
    /// The user knows the password, but the nonce is too old, not ours, or was used so often before: to be challenged
    /// again with `stale`.
    Stale,
    /// The password is wrong, or the answer is of a kind that was not asked for.
    Wrong,
}

impl fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorkeeper").field("nonces", &self.used.len()).finish_non_exhaustive()
    }
}

/// Octets of the MAC in a nonce.
const MAC_BYTES: usize = 16;
/// Hexadecimal digits of a nonce: time, number, MAC.
const NONCE_DIGITS: usize = 2 * (8 + 4 + MAC_BYTES);

impl Doorkeeper {
    /// One whose nonces nobody can make who does not know `secret`, which must be entropy.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret: Zeroizing::new(secret), made: 0, used: BTreeMap::new(), forgotten: None }
    }

    /// Challenges for a realm, the stronger first (RFC 8760 §2.3): values of WWW-Authenticate.
    pub fn challenge(&mut self, now: Time, realm: &str, stale: bool) -> [Bytes; 2] {
        self.made = self.made.wrapping_add(1);
        let nonce = Bytes::from(self.nonce(now, self.made, realm.as_bytes()));
        [Algorithm::SHA256, Algorithm::MD5].map(|algorithm| {
            let challenge = Challenge {
                realm: Bytes::copy_from_slice(realm.as_bytes()),
                nonce: nonce.clone(),
                opaque: None,
                algorithm: Some(Bytes::from_static(algorithm.name().as_bytes())),
                qop: Some(Bytes::from_static(b"auth")),
                stale,
            };
            challenge.to_bytes()
        })
    }

    /// Judges an answer for a realm of ours to a request with `method`. `password`: that of the user it names; none: there
    /// is no such user.
    pub fn judge(
        &mut self,
        now: Time,
        method: &[u8],
        answer: &Authorization,
        password: Option<&Secret>,
    ) -> Verdict {
        let algorithm = Algorithm::named(answer.algorithm.as_deref());
        let Some(algorithm) = algorithm.filter(|it| [Algorithm::MD5, Algorithm::SHA256].contains(it)) else {
            return Verdict::Wrong;
        };
        // A client of RFC 2069 knows no qop and may leave it out; then its nonce is good once.
        let nc = match (&answer.qop, answer.nc) {
            (None, None) => None,
            (Some(qop), Some(nc)) if qop.eq_ignore_ascii_case(b"auth") && nc > 0 => Some(nc),
            _ => return Verdict::Wrong,
        };
        let question = Question {
            algorithm,
            method,
            uri: &answer.uri,
            realm: &answer.realm,
            nonce: &answer.nonce,
            cnonce: answer.cnonce.as_deref().unwrap_or_default(),
            nc,
        };
        // Hashed for an unknown user, too: the time it takes is not to tell who exists.
        let nobody = Secret::new("");
        let right = response(&question, &answer.username, password.unwrap_or(&nobody));
        if !is_same(right.as_bytes(), &answer.response.to_ascii_lowercase()) || password.is_none() {
            return Verdict::Wrong;
        }
        match self.read(&answer.nonce, &answer.realm) {
            Some(made) if self.take(now, made, nc.unwrap_or(u32::MAX)) => Verdict::Genuine,
            _ => Verdict::Stale,
        }
    }

    fn nonce(&self, at: Time, number: u32, realm: &[u8]) -> String {
        let mut head = at.as_micros().to_be_bytes().to_vec();
        head.extend_from_slice(&number.to_be_bytes());
        let tag = self.mac(&head, realm).finalize().into_bytes();
        hex(&head) + &hex(&tag[..MAC_BYTES])
    }

    fn mac(&self, head: &[u8], realm: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.secret).expect("HMAC takes keys of any length");
        mac.update(head);
        mac.update(realm);
        mac
    }

    /// When and as which a nonce was made, if it is ours.
    fn read(&self, nonce: &[u8], realm: &[u8]) -> Option<(Time, u32)> {
        if nonce.len() != NONCE_DIGITS {
            return None;
        }
        let bytes = unhex(nonce)?;
        let (head, tag) = bytes.split_at(bytes.len() - MAC_BYTES);
        self.mac(head, realm).verify_truncated_left(tag).ok()?;
        let (time, number) = head.split_at(8);
        let micros = u64::from_be_bytes(time.try_into().ok()?);
        Some((Time::from_micros(micros), u32::from_be_bytes(number.try_into().ok()?)))
    }

    /// Whether a nonce may be used with this count: it is young, and the count is above all that have come with it.
    fn take(&mut self, now: Time, made: (Time, u32), nc: u32) -> bool {
        if made.0 + limits::NONCE_LIFE < now {
            return false;
        }
        if let Some(last) = self.used.get_mut(&made) {
            let rises = nc > *last;
            *last = nc.max(*last);
            return rises;
        }
        if self.forgotten.is_some_and(|until| made.0 <= until) {
            return false;
        }
        self.used.insert(made, nc);
        while let Some((&oldest, _)) = self.used.first_key_value() {
            let full = self.used.len() > limits::NONCES_KEPT;
            if !full && oldest.0 + limits::NONCE_LIFE >= now {
                break;
            }
            self.used.pop_first();
            self.forgotten = self.forgotten.max(Some(oldest.0));
        }
        true
    }
}

/// Whether they are the same, in a time that does not tell where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Authenticator, Credentials, Tries};
    use crate::message::{Field, Method, Request, Response};
    use crate::random::Random;

    const START: Time = Time::from_secs(1000);

    struct Client {
        authenticator: Authenticator,
        random: Random,
    }

    impl Client {
        fn new(password: &str) -> Self {
            let credentials = Credentials { username: "ann".into(), password: Secret::new(password) };
            Self { authenticator: Authenticator::new(credentials), random: Random::new(1) }
        }

        fn learn(&mut self, values: &[Bytes]) -> bool {
            let request = Request::new(Method::Invite, "sip:x");
            let mut response = Response::to_request(&request, 401);
            values.iter().for_each(|value| response.headers.push(Field::WwwAuthenticate, value.clone()));
            self.authenticator.learn(&response, &mut Tries::default())
        }

        fn answer(&mut self) -> Authorization {
            let mut request = Request::new(Method::Invite, "sip:x");
            self.authenticator.authorize(&mut request, &mut self.random);
            Authorization::parse(request.headers.value(Field::Authorization).unwrap()).unwrap().unwrap()
        }
    }

    fn judge(door: &mut Doorkeeper, now: Time, answer: &Authorization) -> Verdict {
        door.judge(now, b"INVITE", answer, Some(&Secret::new("word")))
    }

    #[test]
    fn a_user_who_knows_the_password_gets_in_with_each_of_the_algorithms() {
        let mut door = Doorkeeper::new([7; 32]);
        let challenges = door.challenge(START, "baton", false);
        assert!(challenges[0].ends_with(b"algorithm=SHA-256, qop=\"auth\""), "the stronger first");
        for only in &challenges {
            let mut client = Client::new("word");
            assert!(client.learn(std::slice::from_ref(only)));
            let answer = client.answer();
            // Both have the same nonce, so the second is a use of it too many.
            let expected =
                if answer.algorithm.as_deref() == Some(b"MD5") { Verdict::Stale } else { Verdict::Genuine };
            assert_eq!(judge(&mut door, START, &answer), expected);
        }
        let mut wrong = Client::new("sword");
        assert!(wrong.learn(&door.challenge(START, "baton", false)));
        let answer = wrong.answer();
        assert_eq!(judge(&mut door, START, &answer), Verdict::Wrong);
        assert_eq!(door.judge(START, b"INVITE", &answer, None), Verdict::Wrong, "nobody of that name");
    }

    #[test]
    fn an_answer_is_good_once_and_the_next_one_must_count_higher() {
        let mut door = Doorkeeper::new([7; 32]);
        let mut client = Client::new("word");
        client.learn(&door.challenge(START, "baton", false));
        let (first, second) = (client.answer(), client.answer());
        assert_eq!(judge(&mut door, START, &second), Verdict::Genuine);
        assert_eq!(judge(&mut door, START, &second), Verdict::Stale);
        assert_eq!(judge(&mut door, START, &first), Verdict::Stale);
        assert_eq!(judge(&mut door, START, &client.answer()), Verdict::Genuine);
        assert_eq!(door.judge(START, b"BYE", &client.answer(), Some(&Secret::new("word"))), Verdict::Wrong);
    }

    #[test]
    fn a_nonce_grows_old_and_a_strangers_is_none_of_ours() {
        let mut door = Doorkeeper::new([7; 32]);
        let mut client = Client::new("word");
        client.learn(&door.challenge(START, "baton", false));
        let old = START + limits::NONCE_LIFE + std::time::Duration::from_secs(1);
        assert_eq!(judge(&mut door, old, &client.answer()), Verdict::Stale);
        let mut other = Client::new("word");
        other.learn(&Doorkeeper::new([8; 32]).challenge(START, "baton", false));
        assert_eq!(judge(&mut door, START, &other.answer()), Verdict::Stale);
        assert!(client.learn(&door.challenge(old, "baton", true)));
        assert_eq!(judge(&mut door, old, &client.answer()), Verdict::Genuine);
    }

    #[test]
    fn a_client_without_qop_may_use_a_nonce_once() {
        let mut door = Doorkeeper::new([7; 32]);
        let mut client = Client::new("word");
        let [_, md5] = door.challenge(START, "baton", false);
        let mut challenge = Challenge::parse(&md5).unwrap().unwrap();
        challenge.qop = None;
        client.learn(&[challenge.to_bytes()]);
        let answer = client.answer();
        assert_eq!(answer.nc, None);
        assert_eq!(judge(&mut door, START, &answer), Verdict::Genuine);
        assert_eq!(judge(&mut door, START, &answer), Verdict::Stale);
    }

    #[test]
    fn no_more_nonces_are_kept_than_the_limit_and_none_is_good_again_after_it_was_forgotten() {
        let mut door = Doorkeeper::new([7; 32]);
        let mut first = Client::new("word");
        first.learn(&door.challenge(START, "baton", false));
        let answer = first.answer();
        assert_eq!(judge(&mut door, START, &answer), Verdict::Genuine);
        for number in 1..=u64::try_from(limits::NONCES_KEPT).unwrap() {
            let made = START + std::time::Duration::from_micros(number);
            assert!(door.take(made, (made, 0), 1));
        }
        assert_eq!(door.used.len(), limits::NONCES_KEPT);
        assert_eq!(judge(&mut door, START, &answer), Verdict::Stale);
    }
}
