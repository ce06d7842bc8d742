//! Recorded speech in whole frames of 20 ms.

use std::path::Path;

use baton_codecs::Rate;
use baton_codecs::resample::Resampler;

/// The demo's caller at this rate: 12 s of a woman reading.
///
/// # Panics
/// If the tree is not whole.
pub fn speech(rate: Rate) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/assets/audio/caller.wav");
    let mut wav = hound::WavReader::open(path).expect("the demo's speech lies in the tree");
    let mut samples: Vec<i16> = wav.samples().collect::<Result<_, _>>().expect("the demo's speech is 16-bit");
    samples.truncate(samples.len() / 960 * 960);
    let mut resampler = Resampler::new(Rate::Hz16000, rate);
    let mut out = vec![0; resampler.samples_out(samples.len())];
    resampler.process(&samples, &mut out).expect("whole frames convert between all rates");
    out.truncate(out.len() / rate.samples(20) * rate.samples(20));
    out
}
