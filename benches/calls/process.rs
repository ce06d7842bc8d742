//! A program under measurement: what the system knows of it, and how it is stopped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::machine::{MS, Nanos, SECOND, failed, now, pause};

/// Until it has stopped after a signal.
const STOP_MAX: Nanos = 5 * SECOND;
/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// How much of its log is shown when it fails.
const LOG_LINES: usize = 5;

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Process {
    /// Starts it on this thread's core; what it says goes to `log`.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let unwritable = |error: std::io::Error| format!("cannot write {}: {error}", log.display());
        let file = File::create(log).map_err(unwritable)?;
        let out = file.try_clone().map_err(unwritable)?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(file).spawn();
        let child = child.map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { child, name, log: log.to_owned() })
    }

    /// # Errors
    /// If it has ended; says what it said last.
    pub(crate) fn check_alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("{} has ended ({status}): {}", self.name, self.log_tail())),
            Err(error) => Err(format!("{} cannot be watched: {error}", self.name)),
        }
    }

    /// What it said last.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].join(" | ");
        if last.is_empty() { format!("it has said nothing ({})", self.log.display()) } else { last }
    }

    /// Processor time of all its threads so far, in nanoseconds (`/proc/PID/task/*/schedstat`).
    pub(crate) fn cpu(&self) -> Result<Nanos, String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(&folder).map_err(|error| format!("cannot read {folder}: {error}"))?;
        let mut sum = 0;
        for task in tasks.flatten() {
            // A thread may end between the two looks.
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            sum += text.split(' ').next().and_then(|field| field.parse::<Nanos>().ok()).unwrap_or(0);
        }
        if sum == 0 { Err(format!("{folder}/*/schedstat tell nothing")) } else { Ok(sum) }
    }

    /// Memory that is its alone or its share of (PSS), in bytes; where that cannot be read, what is resident.
    pub(crate) fn memory(&self) -> Result<u64, String> {
        let read = |file: &str, field: &str| {
            let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(field).map(str::to_owned))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
        };
        let memory = read("smaps_rollup", "Pss:").or_else(|| read("status", "VmRSS:"));
        memory.ok_or_else(|| format!("the memory of {} cannot be read", self.name))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// If it does not, or not well.
    pub(crate) fn ended(mut self) -> Result<(), String> {
        if self.ends_within(STOP_MAX)? {
            return Ok(());
        }
        Err(format!("{} has not ended", self.name))
    }

    /// Whether it ends in this time.
    fn ends_within(&mut self, most: Nanos) -> Result<bool, String> {
        let end = now() + most;
        while now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(true),
                Ok(Some(status)) => {
                    return Err(format!("{} ended badly ({status}): {}", self.name, self.log_tail()));
                }
                _ => pause(LOOK)?,
            }
        }
        Ok(false)
    }

    /// Stops it: asked twice, as one that drains first wants it.
    ///
    /// # Errors
    /// If it had to be killed, or did not end well.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        self.check_alive()?;
        let pid = i32::try_from(self.child.id()).map_err(|_| "a process id is none".to_owned())?;
        for _ in 0..2 {
            kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(failed("a program cannot be told to stop"))?;
            if self.ends_within(STOP_MAX)? {
                return Ok(());
            }
        }
        // `Drop` kills it.
        Err(format!("{} did not stop within {} ms", self.name, 2 * STOP_MAX / MS))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
