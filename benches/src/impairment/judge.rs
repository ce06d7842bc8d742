//! A Python program that reads recordings and scores sound (PESQ, ITU-T P.862), kept running and spoken to by pipes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{VOICES, Voice};

/// How something sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Narrowband PESQ, -0.5 to 4.55.
    pub pesq: f64,
    /// By how much the sound trails behind the recording, in milliseconds: the median of all stretches of 400 ms.
    pub lag_ms: f64,
    /// The greatest of them.
    pub lag_ms_max: f64,
}

/// The running program.
#[derive(Debug)]
pub struct Judge {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// The Python that scores: `$BATON_PYTHON`, or what `./run test` and `./run bench` make in `tests/.venv`.
    pub fn python() -> PathBuf {
        std::env::var_os("BATON_PYTHON").map_or_else(|| root().join("tests/.venv/bin/python"), PathBuf::from)
    }

    /// Starts it.
    ///
    /// # Errors
    /// A sentence, if there is no such Python or it lacks a package.
    pub fn start() -> Result<Self, String> {
        let python = Self::python();
        let lost = |error: std::io::Error| format!("{}: {error}", python.display());
        let mut child = Command::new(&python)
            .arg(root().join("benches/impairment/judge.py"))
            .env("OMP_NUM_THREADS", "1")
            .env("OPENBLAS_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(lost)?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{}: no pipes", python.display()));
        };
        let mut judge = Self { child, requests, answers: BufReader::new(answers) };
        judge.ask("ready", &[])?;
        Ok(judge)
    }

    /// The four voices.
    ///
    /// # Errors
    /// A sentence, if a recording cannot be read.
    pub fn voices(&mut self) -> Result<Vec<Voice>, String> {
        let voice = |name: &&str| {
            let answer = self.ask(&format!("voice {}", root().join(name).display()), &[])?;
            let counts: Vec<usize> = answer.iter().map(|count| *count as usize).collect();
            let [narrow, full] = counts[..] else { return Err(format!("{name}: {answer:?}")) };
            let (narrow, full) = (self.samples(narrow)?, self.samples(full)?);
            Ok(Voice { name: (*name).into(), narrow, full })
        };
        VOICES.iter().map(voice).collect()
    }

    /// Scores `heard` (8 kHz) against a voice, wherever in it the voice begins.
    ///
    /// # Errors
    /// A sentence, if the program fails or finds too little of the voice.
    pub fn score(&mut self, voice: &Voice, heard: &[i16]) -> Result<Score, String> {
        let name = root().join(&voice.name);
        let answer = self.ask(&format!("score {} {}", heard.len(), name.display()), heard)?;
        let [pesq, lag_ms, lag_ms_max] = answer[..] else {
            return Err(format!("{}: {answer:?}", voice.name));
        };
        Ok(Score { pesq, lag_ms, lag_ms_max })
    }

    /// Sends a line and samples; the numbers of the line that comes back.
    fn ask(&mut self, line: &str, samples: &[i16]) -> Result<Vec<f64>, String> {
        let gone = |error: std::io::Error| format!("the scoring program is gone: {error}");
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        writeln!(self.requests, "{line}").map_err(gone)?;
        self.requests.write_all(&bytes).and_then(|()| self.requests.flush()).map_err(gone)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(gone)?;
        let numbers: Option<Vec<f64>> = answer
            .strip_prefix("ok")
            .and_then(|rest| rest.split_whitespace().map(|number| number.parse().ok()).collect());
        numbers.ok_or_else(|| match answer.trim() {
            "" => format!("{} cannot score: it has ended", Self::python().display()),
            answer => format!("{line}: {answer}"),
        })
    }

    fn samples(&mut self, count: usize) -> Result<Vec<i16>, String> {
        let mut bytes = vec![0; count * 2];
        self.answers
            .read_exact(&mut bytes)
            .map_err(|error| format!("the scoring program is gone: {error}"))?;
        Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The root of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}
