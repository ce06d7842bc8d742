//! What one leg remembers of its descriptions: session id and version, the lines there are, the numbers agreed on.
//! RFC 3264 §8: later offers, from either side, change a session; they do not begin one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::negotiate::{choose, first_proto, offered_audio, read_answer, write_answer};
use super::{
    Answer, Capabilities, Description, Direction, Negotiated, Origin, Refusal, Security, read, secure, write,
};

/// Our side of one leg's session description, over all its offers and answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSession {
    id: u64,
    version: u64,
    last: Option<Description>,
    /// The media lines there have been: a later offer holds them all, in this order (RFC 3264 §8).
    lines: Vec<Shape>,
    /// Which of them is our audio.
    audio: usize,
    current: Option<Negotiated>,
    /// Another device has answered our offer, which had the key that we speak with to the one before.
    key_shared: bool,
}

/// What of a media line must be repeated in every later offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    kind: String,
    proto: String,
    formats: String,
}

fn shape(line: &sdp_types::Media) -> Shape {
    Shape { kind: line.media.clone(), proto: line.proto.clone(), formats: line.fmt.clone() }
}

impl LocalSession {
    /// A session that has described nothing yet; `id` is random and the leg's own.
    pub fn new(id: u64) -> Self {
        Self { id, version: 0, last: None, lines: Vec::new(), audio: 0, current: None, key_shared: false }
    }

    /// The last description we sent.
    pub fn last(&self) -> Option<&Bytes> {
        self.last.as_ref().map(|sent| &sent.0)
    }

    /// What the last completed offer and answer agreed on.
    pub fn current(&self) -> Option<&Negotiated> {
        self.current.as_ref()
    }

    /// Another device than before has answered our offer: it knows nothing of the stream so far, and the one before
    /// knows our key. The next description has a new one, which is to be sent soon (RFC 4568 §7.1.4).
    pub fn wants_new_key(&self) -> bool {
        self.key_shared
    }

    /// Answers the far end's offer, the first or a later one. A codec once agreed on is kept if the offer still has
    /// it. An offer whose audio has port 0 ends the stream (§8.2): it is answered likewise, with no remote address
    /// and no direction, until an offer brings it back.
    ///
    /// # Errors
    /// As [`super::negotiate`]; the session stays as it was.
    pub fn answer(&mut self, offer: &[u8], ours: &Capabilities) -> Result<Answer, Refusal> {
        let session = read::parse(offer)?;
        let ours = self.keeping_codec(ours);
        let chosen = match (choose(&session, &ours, self.current.as_ref()), &self.current) {
            (Ok((index, media, codec)), _) => Some((index, media, codec)),
            (Err(Refusal::NoAudio), Some(_)) if !session.medias.is_empty() => None,
            (Err(refusal), _) => return Err(refusal),
        };
        let media = match &chosen {
            Some((_, media, _)) => self.rekeyed(media.clone(), &ours.security),
            None => ended(self.current.clone().expect("only a session that has media can lose it")),
        };
        let served = chosen.as_ref().map(|(index, _, codec)| (*index, &media, *codec));
        let sdp = self.describe(|origin| write_answer(&session, served, &ours, origin));
        self.lines = session.medias.iter().map(shape).collect();
        self.audio = chosen.as_ref().map_or(self.audio, |(index, ..)| *index);
        self.key_shared &= chosen.is_none();
        self.current = Some(media.clone());
        Ok(Answer { sdp, media })
    }

    /// Our offer, the first or a later one. Later ones keep the lines, the codec and the numbers agreed on.
    pub fn offer(&mut self, ours: &Capabilities) -> Bytes {
        let ours = self.keeping_codec(ours);
        let lines = std::mem::take(&mut self.lines);
        let current = self.current.clone().map(|media| self.rekeyed(media, &ours.security));
        let at = self.audio;
        let sdp = self.describe(|origin| {
            let audio = |proto: &str| offered_audio(&ours, current.as_ref(), proto);
            let mut medias: Vec<_> = lines
                .iter()
                .enumerate()
                .map(|(index, line)| {
                    if index == at {
                        audio(&line.proto)
                    } else {
                        write::refused(&line.kind, &line.proto, &line.formats)
                    }
                })
                .collect();
            if medias.len() <= at {
                medias.push(audio(first_proto(&ours)));
            }
            write::write(origin, ours.address.ip(), &[], medias)
        });
        self.lines = lines;
        sdp
    }

    /// Reads the far end's answer to our last [`LocalSession::offer`].
    ///
    /// # Errors
    /// As [`super::read_answer`], and where a secured stream would become a plain one; what was agreed on before stands.
    pub fn read_answer(&mut self, answer: &[u8]) -> Result<Negotiated, Refusal> {
        let offer = self.last().cloned().ok_or(Refusal::Malformed)?;
        let media = read_answer(&offer, answer)?;
        if media.srtp.is_none() && self.current.as_ref().is_some_and(|current| current.srtp.is_some()) {
            return Err(Refusal::Security);
        }
        if self.lines.is_empty() {
            self.lines = read::parse(&offer)?.medias.iter().map(shape).collect();
        }
        self.key_shared = match (&self.current, &media.srtp) {
            (Some(before), Some(srtp)) => {
                let kept = before.srtp.as_ref().is_some_and(|before| before.local == srtp.local);
                kept && (self.key_shared || secure::is_another(before, media.remote, &srtp.remote))
            }
            _ => false,
        };
        self.current = Some(media.clone());
        Ok(media)
    }

    /// What was agreed on, with a new key of ours if one is due.
    fn rekeyed(&self, media: Negotiated, security: &Security) -> Negotiated {
        if !self.key_shared {
            return media;
        }
        Negotiated { srtp: media.srtp.map(|srtp| secure::renewed(srtp, security)), ..media }
    }

    /// `ours` with the codec agreed on at the head.
    fn keeping_codec(&self, ours: &Capabilities) -> Capabilities {
        let mut ours = ours.clone();
        if let Some(current) = &self.current {
            ours.codecs.sort_by_key(|codec| !codec.is(&current.payload));
        }
        ours
    }

    /// Writes a description, with a new version if it differs from the last one (RFC 3264 §8).
    fn describe(&mut self, write: impl Fn(Origin) -> Bytes) -> Bytes {
        let same = write(Origin { id: self.id, version: self.version });
        if self.last() == Some(&same) {
            return same;
        }
        self.version += 1;
        let sdp = write(Origin { id: self.id, version: self.version });
        self.last = Some(Description(sdp.clone()));
        sdp
    }
}

/// A stream that the far end has ended for now.
fn ended(current: Negotiated) -> Negotiated {
    let direction = Direction::Inactive;
    Negotiated {
        remote: None,
        remote_rtcp: None,
        send: direction.sends(),
        receive: direction.receives(),
        ..current
    }
}
