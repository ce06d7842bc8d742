//! How a clean transcoded call sounds, scored with PESQ against what the bare codecs make of the same speech.
//!
//! The call runs on the whole node in virtual time; the scores come from a Python program (tests/quality/score.py) in
//! tests/.venv, or the one that `BATON_PYTHON` names. Without it the test says so and passes; `REQUIRE_QUALITY=1` turns
//! that into a failure. Lossy lines are in `impaired.rs`.

#![allow(clippy::print_stdout, reason = "tests")]

mod impaired;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use baton_codecs::opus::{OpusEncoder, PAYLOAD_BYTES_MAX, Settings};
use baton_codecs::resample::Resampler;
use baton_codecs::{Encoder, Rate};
use baton_tests::codec::Codec;
use baton_tests::g711;
use baton_tests::phone::Do;
use baton_tests::world::{AI, CALLER, SECOND, Who, World};

/// How far below the bare codecs a call may sound.
const TOLERANCE: f64 = 0.1;

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A Python that can score, or why there is none.
fn python() -> Result<PathBuf, String> {
    let python =
        std::env::var_os("BATON_PYTHON").map_or_else(|| home().join(".venv/bin/python"), PathBuf::from);
    let output = Command::new(&python).args(["-c", "import numpy, pesq, scipy, soundfile"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => Err(format!("{}: {}", python.display(), String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{}: {error}; ./run test makes it", python.display())),
    }
}

/// The samples of a recording of the demo, at 16 kHz.
fn speech(name: &str) -> Vec<i16> {
    let file = home().join("../engine/assets/audio").join(name);
    let bytes = std::fs::read(&file).expect("the demo's speech is there");
    let data = bytes.windows(4).position(|window| window == b"data").expect("a wav file") + 8;
    bytes[data..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn resampled(samples: &[i16], to: Rate) -> Vec<i16> {
    let mut resampler = Resampler::new(Rate::Hz16000, to);
    let mut padded = samples.to_vec();
    padded.resize(samples.len().div_ceil(320) * 320, 0);
    let mut out = vec![0; to.samples(20)];
    let one = |frame: &[i16]| {
        let count = resampler.process(frame, &mut out).expect("a frame of 20 ms");
        out[..count].to_vec()
    };
    padded.chunks(320).flat_map(one).collect()
}

/// What a caller with Opus sends of this speech.
fn as_opus(samples: &[i16]) -> Vec<Vec<u8>> {
    let settings = Settings { complexity: 9, ..Settings::speech(Rate::Hz48000) };
    let mut encoder = OpusEncoder::new(settings).expect("the settings are sound");
    let mut sound = resampled(samples, Rate::Hz48000);
    sound.resize(sound.len().div_ceil(960) * 960, 0);
    let mut payload = [0; PAYLOAD_BYTES_MAX];
    let one = |frame: &[i16]| {
        let length = encoder.encode(frame, &mut payload).expect("a frame of 20 ms");
        payload[..length].to_vec()
    };
    sound.chunks(960).map(one).collect()
}

/// What an AI with PCMU sends of this speech.
fn as_pcmu(samples: &[i16]) -> Vec<Vec<u8>> {
    let mut sound = resampled(samples, Rate::Hz8000);
    sound.resize(sound.len().div_ceil(160) * 160, 0);
    sound.chunks(160).map(|frame| frame.iter().map(|&sample| g711::to_ulaw(sample)).collect()).collect()
}

/// A clean call in which caller and AI say this at the same time; what each heard, at 8 kHz.
fn call(name: &str) -> [Vec<i16>; 2] {
    let samples = speech(name);
    let mut world = World::new(1);
    world.phone(CALLER).codecs = vec![Codec::Opus];
    world.phone(AI).codecs = vec![Codec::Pcmu];
    for who in [CALLER, AI] {
        world.phone(who).behaviour.quiet = true;
    }
    world.call();
    world.act(CALLER, Do::Quiet(true));
    world.run(2 * SECOND);
    let from = world.now;
    for (who, payloads) in [(CALLER, as_opus(&samples)), (AI, as_pcmu(&samples))] {
        let line = world.line(who).id;
        world.phone(who).line_mut(line).mouth.recite(payloads);
    }
    world.run(Duration::from_millis(samples.len() as u64 / 16) + SECOND);
    let heard = |who: Who| world.line(who).ear.samples(from, world.now);
    let both = [heard(CALLER), heard(AI)];
    world.act(CALLER, Do::HangUp(String::new()));
    world.finish();
    both
}

/// Scores what was heard of a recording.
fn score(python: &Path, name: &str, heard: &[i16], as_what: &str) -> serde_json::Value {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{as_what}-{name}"));
    std::fs::write(&file, wav(heard)).expect("a file can be written");
    let output = Command::new(python)
        .arg(home().join("quality/score.py"))
        .arg(home().join("../engine/assets/audio").join(name))
        .arg(&file)
        .output()
        .expect("it ran before");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).expect("the program prints JSON")
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = (samples.len() * 2) as u32;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend([1, 0, 1, 0]);
    file.extend(8000u32.to_le_bytes());
    file.extend(16_000u32.to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// The Python that scores; none, and a word about it, where it may be missing.
fn python_or_skip() -> Option<PathBuf> {
    python()
        .inspect_err(|why| {
            let required = std::env::var_os("REQUIRE_QUALITY").is_some_and(|value| value != "0");
            assert!(!required, "REQUIRE_QUALITY is set, but {why}");
            println!("SKIPPED the scoring of sound: {why}");
        })
        .ok()
}

#[test]
fn a_lossy_or_uneven_line_sounds_as_the_bare_codecs_make_it() {
    if python_or_skip().is_some() {
        impaired::check();
    }
}

#[test]
fn a_clean_transcoded_call_sounds_as_the_bare_codecs_do() {
    let Some(python) = python_or_skip() else { return };
    let reference =
        std::fs::read_to_string(home().join("quality/reference.json")).expect("it is part of the project");
    let reference: serde_json::Value = serde_json::from_str(&reference).expect("it is JSON");
    for name in ["caller.wav", "agent.wav", "ai.wav"] {
        let [by_caller, by_ai] = call(name);
        for (way, heard) in [("opus_to_pcmu", by_ai), ("pcmu_to_opus", by_caller)] {
            let score = score(&python, name, &heard, way);
            let (got, bare) = (score["pesq_nb"].as_f64(), reference[way][name].as_f64());
            println!("{way} {name}: {score}, the bare codecs {bare:?}");
            let (got, bare) = (got.expect("a score"), bare.expect("a figure"));
            assert!(got >= bare - TOLERANCE, "{way} {name}: {got}, the bare codecs {bare}");
            assert!(
                score["level_db"].as_f64().is_some_and(|level| level.abs() < 1.0),
                "{way} {name}: {score}"
            );
        }
    }
}

#[test]
fn the_scoring_tells_a_spoilt_recording() {
    let Ok(python) = python() else { return };
    let mut samples = resampled(&speech("ai.wav"), Rate::Hz8000);
    for frame in samples.chunks_mut(160).skip(3).step_by(10) {
        frame.fill(0);
    }
    let spoilt = score(&python, "ai.wav", &samples, "spoilt")["pesq_nb"].as_f64();
    assert!(spoilt.is_some_and(|score| score < 3.5), "{spoilt:?}");
}
