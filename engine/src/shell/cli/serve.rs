//! `baton serve [--config FILE]`: runs a node until it is told to stop.
//!
//! The first SIGTERM or SIGINT drains: no new calls, running ones may end. The second ends them with BYE at once.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use actix::System;
use tokio::signal::unix::{SignalKind, signal};

use super::complain;
use crate::settings::{Settings, Surroundings};
use crate::shell::plan::{sound_fault, tls_faults};
use crate::shell::{Node, Plan, logging};

pub(super) fn run(config: Option<&Path>) -> ExitCode {
    logging::start();
    quiet_panics();
    match read(config).and_then(|settings| System::new().block_on(serve(&settings))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn read(config: Option<&Path>) -> Result<Settings, String> {
    let Some(file) = config else { return Ok(Settings::embedded()) };
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let env = |name: &str| std::env::var(name).ok();
    let world = Surroundings { env: &env, sound_fault: &sound_fault, tls_faults: &tls_faults };
    Settings::read(&text, &world).map_err(|issues| {
        let mut faults = format!("{} is not usable:", file.display());
        for issue in issues {
            write!(faults, "\n  {}:{issue}", file.display()).expect("writing to a String cannot fail");
        }
        faults
    })
}

async fn serve(settings: &Settings) -> Result<(), String> {
    let plan = Plan::new(settings).map_err(|error| error.to_string())?;
    let system = |error: std::io::Error| format!("cannot listen for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let node = Node::start(plan).await.map_err(|error| error.to_string())?;
    let addresses = node.addresses();
    tracing::info!(sip = ?addresses.sip, http = %addresses.http, "taking calls");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::select! {
        () = node.drain() => {}
        _ = terminate.recv() => node.end_calls().await,
        _ = interrupt.recv() => node.end_calls().await,
    }
    node.stop();
    tracing::info!("stopped");
    Ok(())
}

/// A panic is a line in the log, for whoever files it; the machine it happened in has been taken out.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, "panic: {text}");
    }));
}
