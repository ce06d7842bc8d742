//! Talk-off: speech and music that sound a little like keys are never taken for one.
//!
//! What it leaves out: that keys are heard, which `src/dtmf.rs` tests.

use std::path::Path;

use baton_codecs::Rate;
use baton_codecs::dtmf::Detector;
use baton_codecs::resample::Resampler;

/// A file of the engine's assets at 8 kHz.
fn sound(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/assets/audio").join(name);
    let bytes = std::fs::read(path).expect("an asset of the engine");
    let hz = u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes"));
    let start = bytes.windows(4).position(|four| four == b"data").expect("a wav file has data") + 8;
    let mut samples: Vec<i16> =
        bytes[start..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    if hz == 8000 {
        return samples;
    }
    assert_eq!(hz, 16_000);
    samples.truncate(samples.len() / 2 * 2);
    let mut resampler = Resampler::new(Rate::Hz16000, Rate::Hz8000);
    let mut out = vec![0; resampler.samples_out(samples.len())];
    let written = resampler.process(&samples, &mut out).expect("an even count");
    out.truncate(written);
    out
}

#[test]
fn no_word_and_no_music_is_taken_for_a_key() {
    let mut looked_at = 0;
    for name in ["agent.wav", "ai.wav", "announcement.wav", "caller.wav", "hold.wav"] {
        let sound = sound(name);
        for gain in [0.3f32, 1.0, 3.0] {
            let loud: Vec<i16> = sound.iter().map(|&s| (f32::from(s) * gain) as i16).collect();
            // Wherever the detector's blocks may lie.
            for shift in (0..102).step_by(6) {
                let mut detector = Detector::new();
                for (n, frame) in loud[shift..].chunks(160).enumerate() {
                    let began = detector.told(frame).began;
                    assert_eq!(began, None, "{name} by {gain} at {} ms, shifted by {shift}", n * 20);
                }
                looked_at += loud.len() / 8000;
            }
        }
    }
    assert!(looked_at > 1500, "seconds of sound: {looked_at}");
}
