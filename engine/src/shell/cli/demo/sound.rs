//! Measures of a recording: where somebody is heard, how long nobody is, and how loud it is over time.
//! Samples are mono 16-bit; a window is 10 ms.

use std::ops::Range;

/// Length of the window in which the level is taken, in milliseconds.
pub(crate) const WINDOW_MS: usize = 10;

/// Under speech this low anything may lie: another party's noise, a codec's own. It does not count for likeness.
const AUDIBLE_DBFS: f64 = -48.0;

/// Root mean square of a window in dB below full scale; -96 for digital silence.
pub(crate) fn level_dbfs(window: &[i16]) -> f64 {
    if window.is_empty() {
        return -96.0;
    }
    let power = window.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / window.len() as f64;
    (10.0 * (power / (32768.0 * 32768.0)).max(1e-12).log10()).max(-96.0)
}

/// The level of each full window of a recording at `rate` hertz.
pub(crate) fn levels(samples: &[i16], rate: usize) -> Vec<f64> {
    samples.chunks_exact(rate * WINDOW_MS / 1000).map(level_dbfs).collect()
}

/// The longest stretch of windows below `threshold_dbfs` inside `within`, as window numbers; empty if there is none.
pub(crate) fn longest_below(levels: &[f64], threshold_dbfs: f64, within: Range<usize>) -> Range<usize> {
    let mut best = within.start..within.start;
    let mut run = best.clone();
    for (at, &level) in levels.iter().enumerate().take(within.end).skip(within.start) {
        run = if level < threshold_dbfs { run.start..at + 1 } else { at + 1..at + 1 };
        if run.len() > best.len() {
            best = run.clone();
        }
    }
    best
}

/// The first window at or above `threshold_dbfs`, from `from` on.
pub(crate) fn first_above(levels: &[f64], threshold_dbfs: f64, from: usize) -> Option<usize> {
    (from..levels.len()).find(|&at| levels[at] >= threshold_dbfs)
}

/// Likeness of a piece of `heard` to `source` at the offset where they fit best, within `search` samples of slack:
/// the normalised correlation of their 10 ms level curves (1.0: the same words at the same time), and the offset in
/// windows. Codecs and filters change a waveform; the level curve over time is what they must keep.
pub(crate) fn likeness(source: &[f64], heard: &[f64]) -> (f64, usize) {
    let mut best = (0.0, 0);
    if source.len() < 2 || heard.len() < source.len() {
        return best;
    }
    let audible = |curve: &[f64]| curve.iter().map(|level| level.max(AUDIBLE_DBFS)).collect::<Vec<_>>();
    let (source, heard) = (audible(source), audible(heard));
    for offset in 0..=heard.len() - source.len() {
        let score = correlation(&source, &heard[offset..offset + source.len()]);
        if score > best.0 {
            best = (score, offset);
        }
    }
    best
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(amplitude: f64, windows: usize) -> Vec<i16> {
        (0..windows * 80).map(|n| (amplitude * (n as f64 * 0.7).sin()) as i16).collect()
    }

    #[test]
    fn a_gap_is_found_where_nobody_is_heard() {
        let mut heard = tone(8000.0, 50);
        heard.extend(tone(0.0, 7));
        heard.extend(tone(200.0, 50));
        heard.extend(tone(0.0, 3));
        heard.extend(tone(200.0, 5));
        let levels = levels(&heard, 8000);
        assert_eq!(longest_below(&levels, -65.0, 0..levels.len()), 50..57);
        assert_eq!(longest_below(&levels, -65.0, 60..levels.len()), 107..110);
        assert_eq!(first_above(&levels, -30.0, 0), Some(0));
    }

    #[test]
    fn a_gap_that_lasts_to_the_end_counts() {
        let levels = [-20.0, -90.0, -90.0];
        assert_eq!(longest_below(&levels, -65.0, 0..3), 1..3);
        assert!(longest_below(&levels[..1], -65.0, 0..1).is_empty());
    }

    #[test]
    fn the_same_words_later_and_softer_are_alike_and_other_words_are_not() {
        let source: Vec<f64> = (0..300).map(|n| -30.0 + 10.0 * (n as f64 * 0.05).sin()).collect();
        let mut heard = vec![-60.0; 40];
        heard.extend(source.iter().map(|level| level - 3.0));
        let (score, offset) = likeness(&source, &heard);
        assert!(score > 0.99 && offset == 40);
        let other: Vec<f64> = (0..400).map(|n| -30.0 + 10.0 * (n as f64 * 0.31).sin()).collect();
        assert!(likeness(&source, &other).0 < 0.5);
    }
}
