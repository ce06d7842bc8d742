//! Which shard a message belongs to: a keyed hash of its Call-ID, the same at the socket and where Call-IDs are minted.
//!
//! SipHash-1-3, keyed so that nobody outside can aim all calls at one shard. Leaves out: where the key comes from.

/// Which Call-IDs are this shard's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// This shard, counted from 0.
    pub mine: u16,
    /// How many there are.
    pub shards: u16,
    /// The node's key.
    pub key: [u64; 2],
}

impl Shard {
    /// Whether a message of this Call-ID is ours.
    pub fn owns(&self, call_id: &[u8]) -> bool {
        shard_of(call_id, self.shards, self.key) == self.mine
    }
}

/// The shard, below `shards`, to which messages of this Call-ID go. No shards at all count as one.
pub fn shard_of(call_id: &[u8], shards: u16, key: [u64; 2]) -> u16 {
    let hash = siphash13(key, call_id);
    u16::try_from(hash % u64::from(shards.max(1))).expect("a remainder of a u16 fits")
}

fn siphash13(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut state = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        compress(&mut state, u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    last[7] = bytes.len().to_le_bytes()[0];
    compress(&mut state, u64::from_le_bytes(last));
    state[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn compress(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    state[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_spreads_call_ids_evenly_and_depends_on_the_key() {
        let mut counts = [0_u32; 8];
        let mut differs = 0;
        for n in 0..8000_u32 {
            let call_id = format!("{n}@example.com");
            counts[usize::from(shard_of(call_id.as_bytes(), 8, [1, 2]))] += 1;
            differs +=
                u32::from(shard_of(call_id.as_bytes(), 8, [1, 2]) != shard_of(call_id.as_bytes(), 8, [3, 4]));
        }
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
        assert!((6700..7300).contains(&differs), "{differs}");
    }

    #[test]
    fn one_shard_takes_everything() {
        assert_eq!(shard_of(b"x", 1, [0, 0]), 0);
        assert_eq!(shard_of(b"x", 0, [0, 0]), 0);
    }

    #[test]
    fn the_hash_is_the_standard_librarys_siphash() {
        use std::hash::Hasher;
        // The default hasher is SipHash-1-3 under the key (0, 0).
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length).collect();
            let mut oracle = std::collections::hash_map::DefaultHasher::new();
            oracle.write(&bytes);
            assert_eq!(siphash13([0, 0], &bytes), oracle.finish(), "{length} bytes");
        }
    }
}
