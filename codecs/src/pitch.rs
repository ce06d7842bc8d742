//! The pitch of a piece of sound at 8 kHz: the lag at which it resembles itself most.
//!
//! What it leaves out: whether there is a voice at all. The likeness told with a lag is for the caller to judge.

use std::ops::RangeInclusive;

/// Shortest period looked for: 3 ms, 333 Hz. A higher voice is taken two or three periods at a time.
pub(crate) const LAG_MIN: usize = 24;
/// Longest period looked for: 15 ms, 67 Hz, the range of ITU-T G.711 Appendix I and some high voices.
pub(crate) const LAG_MAX: usize = 120;

/// A lag and how alike the sound is to itself at that lag: normalised correlation, -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lag {
    pub(crate) samples: usize,
    pub(crate) likeness: f32,
}

/// The best lag within `lags` at which the last `window` samples resemble what lies before them; of equals the
/// shortest. Looked for at half the rate first. `sound` holds the window and the longest lag before it.
pub(crate) fn lag_before(sound: &[i16], window: usize, lags: RangeInclusive<usize>) -> Lag {
    let start = sound.len() - window;
    let step = |lag: usize| likeness(&sound[start..], &sound[start - lag..sound.len() - lag]);
    search(step, lags)
}

/// The best lag within `lags` at which the first samples resemble what follows them.
pub(crate) fn lag_after(sound: &[i16], lags: RangeInclusive<usize>) -> Lag {
    search(|lag| likeness(&sound[..sound.len() - lag], &sound[lag..]), lags)
}

/// Tries every second lag, then those beside the best.
pub(crate) fn search(likeness: impl Fn(usize) -> f32, lags: RangeInclusive<usize>) -> Lag {
    let (first, last) = (*lags.start(), (*lags.end()).max(*lags.start()));
    let mut best = Lag { samples: first, likeness: likeness(first) };
    let mut take = |samples: usize| {
        let likeness = likeness(samples);
        if likeness > best.likeness {
            best = Lag { samples, likeness };
        }
        best.samples
    };
    (first + 2..=last).step_by(2).for_each(|lag| {
        take(lag);
    });
    let around = take(first);
    for lag in [around - 1, around + 1] {
        if (first..=last).contains(&lag) {
            take(lag);
        }
    }
    best
}

/// Normalised correlation of two pieces of equal length.
pub(crate) fn likeness(a: &[i16], b: &[i16]) -> f32 {
    let (mut product, mut left, mut right) = ([0.0f32; 8], [0.0f32; 8], [0.0f32; 8]);
    let (a_rest, b_rest) = (a.chunks_exact(8).remainder(), b.chunks_exact(8).remainder());
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for n in 0..8 {
            let (a, b) = (f32::from(a[n]), f32::from(b[n]));
            product[n] += a * b;
            left[n] += a * a;
            right[n] += b * b;
        }
    }
    let sum = |lanes: [f32; 8]| lanes.iter().sum::<f32>();
    let (mut product, mut left, mut right) = (sum(product), sum(left), sum(right));
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        let (a, b) = (f32::from(a), f32::from(b));
        (product, left, right) = (product + a * b, left + a * a, right + b * b);
    }
    product / (left * right).sqrt().max(1.0)
}
