//! Where a jitter buffer keeps payloads: by their length, in chunks of 32 bytes of one arena.
//!
//! It leaves out their order, which is the jitter buffer's business.

/// Bytes of one chunk: a 20 ms G.711 payload takes exactly five, an Opus frame of 24 kbit/s two.
const CHUNK_BYTES: usize = 32;
/// Chunks of the arena, 12 KiB: a second of G.711 (8 000 bytes) in packets of 10 ms or more.
const CHUNKS: usize = 384;
/// Marks the end of a chain.
const NONE: u16 = u16::MAX;
/// Longest payload kept: what fits an Ethernet frame.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1472;

/// A payload in the arena; to be given back with [`Arena::free`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    first: u16,
    length: u16,
}

/// The arena and its chain of free chunks.
pub(crate) struct Arena {
    bytes: Box<[u8]>,
    next: Box<[u16]>,
    free: u16,
    free_chunks: u16,
}

impl Arena {
    /// An empty arena.
    pub(crate) fn new() -> Self {
        let mut next: Box<[u16]> = (1..=CHUNKS as u16).collect();
        next[CHUNKS - 1] = NONE;
        Self { bytes: vec![0; CHUNKS * CHUNK_BYTES].into(), next, free: 0, free_chunks: CHUNKS as u16 }
    }

    /// Keeps a payload; `None` if there is no room for it.
    pub(crate) fn store(&mut self, payload: &[u8]) -> Option<Stored> {
        let chunks = payload.len().div_ceil(CHUNK_BYTES).max(1);
        if chunks > usize::from(self.free_chunks) || payload.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
        let stored = Stored { first: self.free, length: payload.len() as u16 };
        let mut last = self.free;
        for part in payload.chunks(CHUNK_BYTES) {
            last = self.free;
            let at = usize::from(last);
            self.bytes[at * CHUNK_BYTES..][..part.len()].copy_from_slice(part);
            self.free = self.next[at];
        }
        if payload.is_empty() {
            self.free = self.next[usize::from(last)];
        }
        self.next[usize::from(last)] = NONE;
        self.free_chunks -= chunks as u16;
        Some(stored)
    }

    /// Copies a payload to the front of `into`, which has room for [`PAYLOAD_BYTES_MAX`]; returns its length.
    pub(crate) fn copy(&self, stored: Stored, into: &mut [u8]) -> usize {
        let length = usize::from(stored.length);
        let mut at = usize::from(stored.first);
        for part in into[..length].chunks_mut(CHUNK_BYTES) {
            part.copy_from_slice(&self.bytes[at * CHUNK_BYTES..][..part.len()]);
            at = usize::from(self.next[at]);
        }
        length
    }

    /// Gives a payload's chunks back.
    pub(crate) fn free(&mut self, stored: Stored) {
        let mut last = usize::from(stored.first);
        let mut chunks = 1;
        while self.next[last] != NONE {
            last = usize::from(self.next[last]);
            chunks += 1;
        }
        self.next[last] = self.free;
        self.free = stored.first;
        self.free_chunks += chunks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_as_they_were_and_their_room_is_used_again() {
        let mut arena = Arena::new();
        let mut kept: Vec<(Stored, Vec<u8>)> = Vec::new();
        for round in 0..10_000usize {
            let payload = vec![round as u8; (round * 37) % 500];
            match arena.store(&payload) {
                Some(stored) => kept.push((stored, payload)),
                None => {
                    let (stored, payload) = kept.swap_remove(round % kept.len());
                    let mut copy = [0; PAYLOAD_BYTES_MAX];
                    let length = arena.copy(stored, &mut copy);
                    assert_eq!(&copy[..length], &payload[..]);
                    arena.free(stored);
                }
            }
        }
        kept.drain(..).for_each(|(stored, _)| arena.free(stored));
        assert_eq!(usize::from(arena.free_chunks), CHUNKS);
    }

    #[test]
    fn a_second_of_g711_fits_and_what_does_not_fit_is_refused() {
        for bytes in [80, 160, 240, 480] {
            let mut arena = Arena::new();
            let kept = (0..).map_while(|_| arena.store(&vec![1; bytes])).count();
            assert!(kept * bytes >= 8000, "{bytes}");
        }
        assert_eq!(Arena::new().store(&[0; PAYLOAD_BYTES_MAX + 1]), None);
    }
}
