//! What the machine gives: clocks, cores, waits, and how it describes itself.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::sys::timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Nanoseconds of the wall clock, which is also the clock of the kernel's receive timestamps.
pub(crate) type Nanos = i64;

/// A millisecond.
pub(crate) const MS: Nanos = 1_000_000;
/// A second.
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// The wall clock.
pub(crate) fn now() -> Nanos {
    clock(ClockId::CLOCK_REALTIME)
}

/// Processor time of this thread, in nanoseconds.
pub(crate) fn thread_cpu() -> Nanos {
    clock(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn clock(id: ClockId) -> Nanos {
    clock_gettime(id).expect("Linux has these clocks").num_nanoseconds()
}

/// What an errno says about `what`, as a sentence.
pub(crate) fn failed(what: &str) -> impl FnOnce(Errno) -> String + '_ {
    move |errno| format!("{what}: {}", errno.desc())
}

/// A timer that fires every `period`.
pub(crate) fn ticker(period: Duration) -> Result<TimerFd, String> {
    let timer = TimerFd::new(TimerClock::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)
        .map_err(failed("no timer"))?;
    let every = Expiration::Interval(TimeSpec::from_duration(period));
    timer.set(every, TimerSetTimeFlags::empty()).map_err(failed("no timer"))?;
    Ok(timer)
}

/// Waits.
pub(crate) fn pause(length: Duration) -> Result<(), String> {
    let timer =
        TimerFd::new(TimerClock::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC).map_err(failed("no timer"))?;
    let once = Expiration::OneShot(TimeSpec::from_duration(length));
    timer.set(once, TimerSetTimeFlags::empty()).map_err(failed("no timer"))?;
    timer.wait().map_err(failed("a timer failed"))
}

/// As many open files as may be: a call needs up to six sockets here and as many in the node.
pub(crate) fn raise_open_files() -> Result<(), String> {
    let (_, most) =
        getrlimit(Resource::RLIMIT_NOFILE).map_err(failed("cannot read the limit of open files"))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(failed("cannot raise the limit of open files"))
}

/// Which core the node runs on and which the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    /// The node's.
    pub node: usize,
    /// This process's.
    pub generator: usize,
}

impl Cores {
    /// The first two cores this process may use; on a machine with one they share it.
    pub(crate) fn choose() -> Result<Self, String> {
        let allowed =
            sched_getaffinity(Pid::from_raw(0)).map_err(failed("cannot read which cores there are"))?;
        let mut cores = (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false));
        let node = cores.next().ok_or("this process may use no core")?;
        Ok(Self { node, generator: cores.next().unwrap_or(node) })
    }

    /// Whether each has its own.
    pub(crate) fn are_apart(self) -> bool {
        self.node != self.generator
    }

    /// Puts this thread, and what it starts from now on, on the generator's core.
    pub(crate) fn pin_generator(self) -> Result<(), String> {
        pin(self.generator)
    }

    /// Puts this thread, and what it starts from now on, on the node's core.
    pub(crate) fn pin_node(self) -> Result<(), String> {
        pin(self.node)
    }
}

fn pin(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core).map_err(failed("no such core"))?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(failed("cannot choose a core"))
}

/// What figures were measured on.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The processor's name.
    pub model: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The kernel's version.
    pub kernel: String,
    /// Load average of the last minute, before the bench.
    pub load: String,
}

impl Machine {
    /// Looks around; what cannot be read is `?`.
    pub(crate) fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let unknown = || "?".to_owned();
        let model = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(unknown, |(_, name)| name.trim().to_owned());
        Self {
            model,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().map_or_else(unknown, str::to_owned),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, cores, kernel, load } = self;
        write!(f, "{cores} cores of {model}, Linux {kernel}, load {load} before the bench")
    }
}
