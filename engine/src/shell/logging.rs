//! Where log lines go: to standard error, INFO and above unless `BATON_LOG` says otherwise.

use tracing_subscriber::EnvFilter;

/// Begins to log. A second call does nothing.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("BATON_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Refused: somebody else in the process has begun to log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init();
}
