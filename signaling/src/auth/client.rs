//! Answering challenges (RFC 3261 §22.2, §22.3, RFC 8760 §2.4): the strongest algorithm of each realm, once per request,
//! and once more where only the nonce was too old.
//!
//! Leaves out how the request is sent again: that is the endpoint's.

use bytes::Bytes;

use super::{Algorithm, Credentials, Question, response};
use crate::limits;
use crate::message::header::Challenge;
use crate::message::{Field, Request, Response};
use crate::random::Random;

/// What one dialog knows of those who have challenged it, and with what it answers.
#[derive(Clone, Debug)]
pub struct Authenticator {
    credentials: Credentials,
    known: Vec<Known>,
}

/// A challenge that may be answered again and again.
#[derive(Clone, Debug)]
struct Known {
    challenge: Challenge,
    algorithm: Algorithm,
    /// A proxy's: its answer goes into Proxy-Authorization.
    proxy: bool,
    /// How often its nonce has been used.
    count: u32,
}

/// The challenges that one request has answered so far.
#[derive(Clone, Debug, Default)]
pub struct Tries(Vec<Try>);

#[derive(Clone, Debug)]
struct Try {
    proxy: bool,
    realm: Bytes,
    stale: bool,
}

impl Authenticator {
    /// Nobody has asked yet.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, known: Vec::new() }
    }

    /// A request has been challenged by a 401 or 407; whether it is worth sending again, with [`Self::authorize`]. It is
    /// not where no challenge can be answered, or one has been before: then the password is wrong.
    pub fn learn(&mut self, challenged: &Response, tries: &mut Tries) -> bool {
        let found = strongest(challenged);
        let fresh = !found.is_empty() && found.iter().all(|known| tries.take(known));
        if fresh {
            for known in found {
                self.known
                    .retain(|old| old.proxy != known.proxy || old.challenge.realm != known.challenge.realm);
                if self.known.len() >= limits::REALMS_PER_DIALOG {
                    self.known.remove(0);
                }
                self.known.push(known);
            }
        }
        fresh
    }

    /// Adds an answer to each challenge that is known (§22.2, §22.3): once there is one, every request in the dialog has it.
    pub fn authorize(&mut self, request: &mut Request, random: &mut Random) {
        request.headers.remove(Field::Authorization.name());
        request.headers.remove(Field::ProxyAuthorization.name());
        for known in &mut self.known {
            known.count = known.count.saturating_add(1);
            let field = if known.proxy { Field::ProxyAuthorization } else { Field::Authorization };
            let answer = known.answer(&self.credentials, request, random);
            request.headers.push(field, answer);
        }
    }
}

impl Known {
    fn answer(&self, credentials: &Credentials, request: &Request, random: &mut Random) -> Bytes {
        let challenge = &self.challenge;
        let qop = challenge.qop.is_some();
        // Without qop a cnonce means nothing, but for `-sess`, whose key needs one (RFC 7616 §3.4.2).
        let cnonce = (qop || self.algorithm.session).then(|| random.token(""));
        let nc = qop.then_some(self.count);
        let question = Question {
            algorithm: self.algorithm,
            method: request.method.as_bytes(),
            uri: &request.uri,
            realm: &challenge.realm,
            nonce: &challenge.nonce,
            cnonce: cnonce.as_deref().unwrap_or_default(),
            nc,
        };
        let username = Bytes::copy_from_slice(credentials.username.as_bytes());
        let hash = response(&question, &username, &credentials.password);
        let answer = crate::message::header::Authorization {
            username,
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: request.uri.clone(),
            response: Bytes::from(hash),
            algorithm: challenge
                .algorithm
                .as_ref()
                .map(|_| Bytes::from_static(self.algorithm.name().as_bytes())),
            cnonce,
            opaque: challenge.opaque.clone(),
            qop: qop.then_some(Bytes::from_static(b"auth")),
            nc,
        };
        answer.to_bytes()
    }
}

impl Tries {
    /// Whether this challenge may be answered: for the first time, or once more because its nonce was too old.
    fn take(&mut self, known: &Known) -> bool {
        let Known { challenge, proxy, .. } = known;
        let room = self.0.len() < limits::REALMS_PER_DIALOG;
        let before = self.0.iter_mut().find(|one| one.proxy == *proxy && one.realm == challenge.realm);
        match before {
            Some(one) if challenge.stale && !one.stale => {
                one.stale = true;
                true
            }
            Some(_) => false,
            None if room => {
                self.0.push(Try { proxy: *proxy, realm: challenge.realm.clone(), stale: false });
                true
            }
            None => false,
        }
    }
}

/// Of each realm that challenges, the strongest that can be answered.
fn strongest(challenged: &Response) -> Vec<Known> {
    let mut found: Vec<Known> = Vec::new();
    for (field, proxy) in [(Field::WwwAuthenticate, false), (Field::ProxyAuthenticate, true)] {
        for value in challenged.headers.values(field) {
            let Some(known) = usable(value, proxy) else { continue };
            let same =
                |other: &&mut Known| other.proxy == proxy && other.challenge.realm == known.challenge.realm;
            let room = found.len() < limits::REALMS_PER_DIALOG;
            match found.iter_mut().find(same) {
                Some(other) if other.algorithm < known.algorithm => *other = known,
                Some(_) => {}
                None if room => found.push(known),
                None => {}
            }
        }
    }
    found
}

/// A challenge that can be answered, in octets of its own: it outlives the datagram.
fn usable(value: &Bytes, proxy: bool) -> Option<Known> {
    let challenge = Challenge::parse(&Bytes::copy_from_slice(value)).ok()??;
    let algorithm = Algorithm::named(challenge.algorithm.as_deref())?;
    (challenge.qop.is_none() || challenge.offers("auth")).then_some(Known {
        challenge,
        algorithm,
        proxy,
        count: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;
    use crate::message::Method;
    use crate::message::header::Authorization;

    fn authenticator() -> Authenticator {
        Authenticator::new(Credentials { username: "baton".into(), password: Secret::new("word") })
    }

    fn invite() -> Request {
        Request::new(Method::Invite, "sip:ai@10.0.0.2")
    }

    fn challenged(status: u16, headers: &[(Field, &'static str)]) -> Response {
        let mut response = Response::to_request(&invite(), status);
        headers.iter().for_each(|&(field, value)| response.headers.push(field, value));
        response
    }

    const MD5: &str = "Digest realm=\"a\", nonce=\"n1\", qop=\"auth\", algorithm=MD5, opaque=\"o\"";
    const SHA: &str = "Digest realm=\"a\", nonce=\"n2\", qop=\"auth,auth-int\", algorithm=SHA-256";

    fn answers(of: &mut Authenticator, field: Field) -> Vec<Authorization> {
        let mut request = invite();
        of.authorize(&mut request, &mut Random::new(1));
        request.headers.values(field).map(|value| Authorization::parse(value).unwrap().unwrap()).collect()
    }

    #[test]
    fn of_one_realms_challenges_the_strongest_is_answered_wherever_it_stands() {
        for order in [[MD5, SHA], [SHA, MD5]] {
            let mut client = authenticator();
            let response = challenged(401, &order.map(|value| (Field::WwwAuthenticate, value)));
            assert!(client.learn(&response, &mut Tries::default()));
            let [answer] = &answers(&mut client, Field::Authorization)[..] else { panic!("one answer") };
            assert_eq!((&answer.nonce[..], answer.algorithm.as_deref()), (&b"n2"[..], Some(&b"SHA-256"[..])));
            assert_eq!((answer.nc, answer.uri.clone()), (Some(1), Bytes::from("sip:ai@10.0.0.2")));
        }
    }

    #[test]
    fn what_cannot_be_answered_is_passed_over() {
        let mut client = authenticator();
        let unknown = "Digest realm=\"a\", nonce=\"n\", algorithm=SHA-3";
        let int = "Digest realm=\"a\", nonce=\"n\", qop=\"auth-int\"";
        let bad = [(Field::WwwAuthenticate, unknown), (Field::WwwAuthenticate, int)];
        let basic = [(Field::WwwAuthenticate, "Basic realm=\"a\""), (Field::WwwAuthenticate, "Digest x")];
        assert!(!client.learn(&challenged(401, &bad), &mut Tries::default()));
        assert!(!client.learn(&challenged(401, &basic), &mut Tries::default()));
        assert!(!client.learn(&challenged(401, &[]), &mut Tries::default()));
        let with_one = [bad[0], (Field::WwwAuthenticate, MD5)];
        assert!(client.learn(&challenged(401, &with_one), &mut Tries::default()));
    }

    #[test]
    fn a_challenge_is_answered_once_and_once_more_if_it_was_stale() {
        let (mut client, mut tries) = (authenticator(), Tries::default());
        let fresh = challenged(401, &[(Field::WwwAuthenticate, MD5)]);
        let stale = "Digest realm=\"a\", nonce=\"n3\", qop=\"auth\", stale=true";
        let stale = challenged(401, &[(Field::WwwAuthenticate, stale)]);
        assert!(client.learn(&fresh, &mut tries));
        assert!(!client.learn(&fresh, &mut tries.clone()), "the password is wrong");
        assert!(client.learn(&stale, &mut tries));
        assert!(!client.learn(&stale, &mut tries));
        assert!(client.learn(&fresh, &mut Tries::default()), "another request may be challenged anew");
    }

    #[test]
    fn a_proxy_and_the_far_end_are_both_answered() {
        let (mut client, mut tries) = (authenticator(), Tries::default());
        assert!(client.learn(&challenged(407, &[(Field::ProxyAuthenticate, MD5)]), &mut tries));
        assert!(client.learn(&challenged(401, &[(Field::WwwAuthenticate, MD5)]), &mut tries));
        assert_eq!(answers(&mut client, Field::Authorization).len(), 1);
        let [proxy] = &answers(&mut client, Field::ProxyAuthorization)[..] else { panic!("one answer") };
        assert_eq!((proxy.nc, proxy.opaque.as_deref()), (Some(2), Some(&b"o"[..])));
    }

    #[test]
    fn without_qop_there_is_neither_count_nor_cnonce_but_for_sess() {
        let answer = |value| {
            let mut client = authenticator();
            assert!(
                client.learn(&challenged(401, &[(Field::WwwAuthenticate, value)]), &mut Tries::default())
            );
            answers(&mut client, Field::Authorization).remove(0)
        };
        let old = answer("Digest realm=\"a\", nonce=\"n\"");
        assert!((old.nc, old.qop, old.cnonce, old.algorithm) == (None, None, None, None));
        let session = answer("Digest realm=\"a\", nonce=\"n\", algorithm=MD5-sess");
        assert!(session.nc.is_none() && session.cnonce.is_some());
    }
}
