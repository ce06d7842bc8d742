//! What the system says of this process: processor time and memory.

use crate::shell::metrics::Process;

/// Clock ticks per second in /proc: the kernel's USER_HZ, 100 on every Linux architecture Rust runs on.
const TICKS_PER_SECOND: u64 = 100;

/// The process as /proc shows it; zeros where there is no /proc.
pub(crate) fn process() -> Process {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    read(&stat, rustix::param::page_size() as u64)
}

/// Fields 14, 15 (utime, stime) and 24 (rss in pages) of proc_pid_stat(5), counted behind the name in parentheses.
fn read(stat: &str, page: u64) -> Process {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = |number: usize| -> u64 {
        fields.split_whitespace().nth(number - 3).and_then(|field| field.parse().ok()).unwrap_or(0)
    };
    Process { cpu_ms: (field(14) + field(15)) * 1000 / TICKS_PER_SECOND, resident: field(24) * page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 17 18 19 20 300 22";
        assert_eq!(read(stat, 4096), Process { cpu_ms: 3000, resident: 300 * 4096 });
        assert_eq!(read("", 4096), Process::default());
    }
}
