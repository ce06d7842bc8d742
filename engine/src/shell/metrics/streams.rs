//! SIP connections: how many, how they came to be and how they ended. Counted where it happens, since it happens seldom.

use baton_signaling::endpoint::Transport;
use metrics::{Counter, Gauge, counter, gauge};

use crate::shell::streams::{Ended, Unwelcome};

/// The handles of all connections.
pub(crate) struct StreamMetrics {
    open: [Gauge; Transport::ALL.len()],
    opened: [[Counter; 2]; Transport::ALL.len()],
    refused: [Counter; Unwelcome::ALL.len()],
    closed: [Counter; Ended::ALL.len()],
    renewed: [Counter; 2],
}

impl StreamMetrics {
    /// All handles, looked up once.
    pub(crate) fn new() -> Self {
        Self {
            open: Transport::ALL.map(|it| gauge!("baton_sip_connections", "transport" => it.label())),
            opened: Transport::ALL.map(|it| {
                ["in", "out"].map(|dir| {
                    counter!("baton_sip_connections_opened_total", "transport" => it.label(), "dir" => dir)
                })
            }),
            refused: Unwelcome::ALL
                .map(|why| counter!("baton_sip_connections_refused_total", "reason" => why.label())),
            closed: Ended::ALL
                .map(|why| counter!("baton_sip_connections_closed_total", "reason" => why.label())),
            renewed: ["refused", "taken"]
                .map(|result| counter!("baton_tls_reloads_total", "result" => result)),
        }
    }

    /// Certificates had changed, and could be taken or not.
    pub(crate) fn renewed(&self, taken: bool) {
        self.renewed[usize::from(taken)].increment(1);
    }

    /// A connection begins; `ours`: we open it.
    pub(crate) fn opened(&self, transport: Transport, ours: bool) {
        self.open[transport as usize].increment(1.0);
        self.opened[transport as usize][usize::from(ours)].increment(1);
    }

    /// It is over.
    pub(crate) fn closed(&self, transport: Transport, ended: Ended) {
        self.open[transport as usize].decrement(1.0);
        self.closed[ended as usize].increment(1);
    }

    /// There was no room for one.
    pub(crate) fn refused(&self, unwelcome: Unwelcome) {
        self.refused[unwelcome as usize].increment(1);
    }
}
