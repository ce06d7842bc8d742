//! Who proves a name by its password, and who is not listened to for a while: digest for peers with a `challenge`
//! (RFC 3261 §22), and a ban of scanners, of guessers and of those who are refused again and again.
//!
//! Shared by all shards of a node behind a lock that is taken for callers without a place in our settings, and for those
//! who are challenged: never for anybody else's, and never for a packet. Every table has a bound.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use baton_signaling::Time;
use baton_signaling::auth::{Doorkeeper, Secret, Verdict};
use baton_signaling::message::header::Authorization;
use baton_signaling::message::{Field, Request};
use bytes::Bytes;

use super::Refusal;
use crate::limits;

/// The users of a peer who may come in by name and password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The realm they are asked in.
    pub realm: String,
    /// Their passwords by name.
    pub users: BTreeMap<String, Secret>,
    /// They are asked by MD5 alone: old phones read the first challenge, and know no other.
    pub md5_only: bool,
}

/// What becomes of callers whom no peer of ours knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// 403.
    #[default]
    Forbidden,
    /// Nothing at all.
    Silence,
}

/// Why a call was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It is refused.
    Refused(Refusal),
    /// It is to say who it is: 401 with these values of WWW-Authenticate.
    Challenged(Vec<Bytes>),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Why an address is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ban {
    /// Its program is known for nothing else than looking for open doors.
    Scanner,
    /// Wrong passwords, one after another.
    Password,
    /// It was refused or challenged again and again, and never came in.
    Refusals,
}

impl Ban {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 3] = [Self::Scanner, Self::Password, Self::Refusals];

    /// Its name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Scanner => "scanner",
            Self::Password => "password",
            Self::Refusals => "refusals",
        }
    }
}

/// What a guard has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounts {
    /// Calls that were asked for a password.
    pub challenged: u64,
    /// Answers that were right.
    pub genuine: u64,
    /// Answers that were right, to a challenge that is too old or was answered before.
    pub stale: u64,
    /// Answers that were wrong.
    pub wrong: u64,
    /// Bans, in the order of [`Ban::ALL`].
    pub bans: [u64; Ban::ALL.len()],
    /// Requests that got no answer.
    pub ignored: u64,
    /// Addresses that are banned at the moment.
    pub banned: usize,
}

/// The node's memory of those who are not let in at once.
#[derive(Debug)]
pub(super) struct Guard {
    keeper: Doorkeeper,
    offenders: BTreeMap<IpAddr, Offender>,
    /// Their addresses, the oldest first: it goes when there are too many.
    order: VecDeque<IpAddr>,
    counts: GuardCounts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Offender {
    refused: Window,
    wrong: Window,
    banned_until: Option<Time>,
}

/// How often something has happened in a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Time,
    count: u32,
}

impl Window {
    /// Counts one; how many it makes.
    fn count(&mut self, now: Time, length: Duration) -> u32 {
        if self.since + length < now || self.count == 0 {
            *self = Self { since: now, count: 0 };
        }
        self.count += 1;
        self.count
    }
}

impl Guard {
    /// `secret` is entropy: whoever knows it can make challenges of ours.
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self {
            keeper: Doorkeeper::new(secret),
            offenders: BTreeMap::new(),
            order: VecDeque::new(),
            counts: GuardCounts::default(),
        }
    }

    pub(super) fn counts(&self, now: Time) -> GuardCounts {
        let banned = self.offenders.values().filter(|offender| offender.is_banned(now)).count();
        GuardCounts { banned, ..self.counts }
    }

    /// Whether a request of somebody unknown, outside any dialog, is to get no answer. `silent`: nobody unknown gets one.
    pub(super) fn ignores(&mut self, now: Time, source: IpAddr, agent: Option<&[u8]>, silent: bool) -> bool {
        let banned = self.is_banned(now, source);
        if !banned && agent.is_some_and(is_scanner) {
            self.ban(now, source, Ban::Scanner);
        }
        let ignored = banned || silent || self.is_banned(now, source);
        self.counts.ignored += u64::from(ignored);
        ignored
    }

    /// Which of `peers`, each with its place, a caller proves to be one of whose users.
    pub(super) fn prove<'a>(
        &mut self,
        now: Time,
        source: IpAddr,
        request: &Request,
        peers: impl Iterator<Item = (usize, &'a Challenge)> + Clone,
    ) -> Result<usize, Denied> {
        if self.is_banned(now, source) {
            return Err(Refusal::Password.into());
        }
        let mut stale = false;
        for answer in answers(request) {
            let realm = |(_, challenge): &(usize, &Challenge)| challenge.realm.as_bytes() == answer.realm;
            let mut asked = peers.clone().filter(realm).peekable();
            if asked.peek().is_none() {
                continue;
            }
            let name = std::str::from_utf8(&answer.username).unwrap_or_default();
            let user = asked.find_map(|(at, challenge)| Some((at, challenge.users.get(name)?)));
            let password = user.map(|(_, password)| password);
            match (self.keeper.judge(now, request.method.as_bytes(), &answer, password), user) {
                (Verdict::Genuine, Some((at, _))) => {
                    self.counts.genuine += 1;
                    self.forgive(source);
                    return Ok(at);
                }
                (Verdict::Stale, _) => {
                    self.counts.stale += 1;
                    stale = true;
                }
                _ => {
                    self.counts.wrong += 1;
                    if self.guessed(now, source) {
                        return Err(Refusal::Password.into());
                    }
                }
            }
        }
        self.counts.challenged += 1;
        Err(Denied::Challenged(self.challenges(now, peers, stale)))
    }

    /// Somebody unknown was refused or challenged.
    pub(super) fn refused(&mut self, now: Time, source: IpAddr) {
        let count = self.offender(source).refused.count(now, limits::REFUSALS_WITHIN);
        if count > limits::REFUSALS_MAX {
            self.ban(now, source, Ban::Refusals);
        }
    }

    fn challenges<'a>(
        &mut self,
        now: Time,
        peers: impl Iterator<Item = (usize, &'a Challenge)>,
        stale: bool,
    ) -> Vec<Bytes> {
        let mut realms: Vec<(&str, bool)> = Vec::new();
        for (_, challenge) in peers {
            let known = realms.iter().any(|(realm, _)| *realm == challenge.realm);
            if !known && realms.len() < limits::REALMS_ASKED_MAX {
                realms.push((&challenge.realm, challenge.md5_only));
            }
        }
        let values = realms.into_iter().flat_map(|(realm, md5_only)| {
            self.keeper.challenge(now, realm, stale).into_iter().skip(usize::from(md5_only))
        });
        values.collect()
    }

    /// A wrong password; whether it was one too many.
    fn guessed(&mut self, now: Time, source: IpAddr) -> bool {
        let count = self.offender(source).wrong.count(now, limits::PASSWORDS_WITHIN);
        let over = count >= limits::PASSWORDS_MAX;
        if over {
            self.ban(now, source, Ban::Password);
        }
        over
    }

    /// Somebody has come in: what was counted of the way there was no offence. Others may share the address, though.
    fn forgive(&mut self, source: IpAddr) {
        if let Some(offender) = self.offenders.get_mut(&source) {
            offender.refused.count = offender.refused.count.saturating_sub(1);
            offender.wrong.count = 0;
        }
    }

    fn is_banned(&self, now: Time, source: IpAddr) -> bool {
        self.offenders.get(&source.to_canonical()).is_some_and(|offender| offender.is_banned(now))
    }

    fn ban(&mut self, now: Time, source: IpAddr, why: Ban) {
        let offender = self.offender(source);
        *offender = Offender { banned_until: Some(now + limits::BAN), ..Offender::default() };
        self.counts.bans[why as usize] += 1;
    }

    fn offender(&mut self, source: IpAddr) -> &mut Offender {
        let source = source.to_canonical();
        if !self.offenders.contains_key(&source) {
            if self.order.len() >= limits::OFFENDERS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.offenders.remove(&oldest);
            }
            self.order.push_back(source);
        }
        self.offenders.entry(source).or_default()
    }
}

impl Offender {
    fn is_banned(&self, now: Time) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }
}

/// The answers to challenges that a request brings, one for each realm.
fn answers(request: &Request) -> impl Iterator<Item = Authorization> {
    let values = request.headers.values(Field::Authorization).take(limits::REALMS_ASKED_MAX);
    values.filter_map(|value| Authorization::parse(value).ok().flatten())
}

/// Programs that are known for nothing else than looking for open doors, by how their User-Agent begins, in lower case.
const SCANNERS: [&str; 9] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sundayddr",
    "sip-scan",
    "sipscan",
    "sipcli",
    "vaxsipuseragent",
    "pplsip",
];

fn is_scanner(agent: &[u8]) -> bool {
    let begins =
        |name: &&str| agent.len() >= name.len() && agent[..name.len()].eq_ignore_ascii_case(name.as_bytes());
    SCANNERS.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use baton_signaling::message::Method;

    use super::*;

    const NOW: Time = Time::from_secs(100);
    const MALLORY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66));

    fn guard() -> Guard {
        Guard::new([5; 32])
    }

    fn challenge() -> Challenge {
        let users = BTreeMap::from([("ann".to_owned(), Secret::new("word"))]);
        Challenge { realm: "r".into(), users, md5_only: false }
    }

    fn answer(user: &str) -> Request {
        let text =
            format!("Digest username=\"{user}\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"00\"");
        Request::new(Method::Invite, "sip:x").with(Field::Authorization, text)
    }

    #[test]
    fn a_guesser_is_refused_and_then_not_listened_to_for_a_while() {
        let (mut guard, asked) = (guard(), challenge());
        for number in 1..=limits::PASSWORDS_MAX {
            let denied = guard.prove(NOW, MALLORY, &answer("ann"), [(0, &asked)].into_iter()).unwrap_err();
            let last = number == limits::PASSWORDS_MAX;
            assert_eq!(denied == Denied::Refused(Refusal::Password), last, "{number}: {denied:?}");
        }
        assert!(guard.ignores(NOW, MALLORY, None, false));
        assert_eq!(guard.counts(NOW).bans, [0, 1, 0]);
        let later = NOW + limits::BAN;
        assert!(!guard.ignores(later, MALLORY, None, false));
        assert_eq!((guard.counts(later).banned, guard.counts(later).ignored), (0, 1));
    }

    #[test]
    fn slips_that_are_far_apart_ban_nobody() {
        let (mut guard, asked) = (guard(), challenge());
        for number in 0..20 {
            let now = NOW + (limits::PASSWORDS_WITHIN + Duration::from_secs(1)) * number;
            let denied = guard.prove(now, MALLORY, &answer("bob"), [(0, &asked)].into_iter()).unwrap_err();
            assert!(matches!(denied, Denied::Challenged(values) if values.len() == 2));
        }
    }

    #[test]
    fn old_phones_are_asked_by_md5_alone() {
        let (mut guard, mut asked) = (guard(), challenge());
        asked.md5_only = true;
        let denied =
            guard.prove(NOW, MALLORY, &Request::new(Method::Invite, "sip:x"), [(0, &asked)].into_iter());
        let Err(Denied::Challenged(values)) = denied else { panic!("{denied:?}") };
        assert!(
            values.len() == 1 && values[0].windows(13).any(|part| part == b"algorithm=MD5"),
            "{values:?}"
        );
    }

    #[test]
    fn a_scanner_is_known_by_its_name() {
        let mut guard = guard();
        assert!(!guard.ignores(NOW, MALLORY, Some(b"Telephone 1.0"), false));
        assert!(guard.ignores(NOW, MALLORY, Some(b"Friendly-Scanner"), false));
        assert!(guard.ignores(NOW, MALLORY, Some(b"Telephone 1.0"), false), "the address is banned");
        assert!(
            guard.ignores(NOW, "::ffff:192.0.2.66".parse().unwrap(), None, false),
            "however it is written"
        );
        assert_eq!(guard.counts(NOW).bans, [1, 0, 0]);
    }

    #[test]
    fn who_is_refused_again_and_again_is_banned_but_not_who_comes_in() {
        let mut guard = guard();
        for _ in 0..limits::REFUSALS_MAX {
            guard.refused(NOW, MALLORY);
        }
        assert!(!guard.ignores(NOW, MALLORY, None, false));
        guard.forgive(MALLORY);
        guard.refused(NOW, MALLORY);
        assert!(!guard.ignores(NOW, MALLORY, None, false));
        guard.refused(NOW, MALLORY);
        assert!(guard.ignores(NOW, MALLORY, None, false));
        assert_eq!(guard.counts(NOW).bans, [0, 0, 1]);
    }

    #[test]
    fn the_table_of_offenders_is_bounded_and_the_oldest_goes() {
        let mut guard = guard();
        for number in 0..=u32::try_from(limits::OFFENDERS_MAX).unwrap() {
            guard.ban(NOW, IpAddr::from(number.to_be_bytes()), Ban::Scanner);
        }
        assert_eq!(
            (guard.offenders.len(), guard.order.len()),
            (limits::OFFENDERS_MAX, limits::OFFENDERS_MAX)
        );
        assert!(!guard.is_banned(NOW, IpAddr::from([0, 0, 0, 0])));
        assert!(guard.is_banned(NOW, IpAddr::from([0, 0, 0, 1])));
    }
}
