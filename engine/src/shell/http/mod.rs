//! The HTTP side: figures, health, and the calls of the node. It asks the actors and waits for their answer, on an
//! arbiter of its own.
//!
//! Errors are problem documents (RFC 9457).

mod calls;
mod ladder;
mod peers;
mod problem;

use std::sync::Arc;

use actix::Addr;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use super::actors::{ShardActor, Shared};
use crate::shard::{Gate, Secrets};
use problem::Problem;

/// What the pages need of the node.
#[derive(Clone)]
pub(crate) struct Api {
    gate: Arc<Gate>,
    shards: Vec<Addr<ShardActor>>,
    shared: Arc<Shared>,
    metrics: &'static PrometheusHandle,
    secrets: Arc<Secrets>,
}

impl Api {
    /// The pages of this node.
    pub(crate) fn new(
        gate: Arc<Gate>,
        shards: Vec<Addr<ShardActor>>,
        shared: Arc<Shared>,
        metrics: &'static PrometheusHandle,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self { gate, shards, shared, metrics, secrets }
    }

    fn is_ready(&self) -> bool {
        !self.gate.is_draining() && self.shards.iter().all(Addr::connected) && !self.shards.is_empty()
    }
}

/// Serves the pages until the runtime ends.
pub(crate) async fn serve(listener: std::net::TcpListener, api: Api) {
    let router = Router::new()
        .route("/metrics", get(render))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/v1/calls", get(calls::list))
        .route("/v1/peers", get(peers::list))
        .route("/v1/calls/{id}", get(calls::show).delete(calls::end))
        .route("/v1/calls/{id}/ladder", get(ladder::json))
        .route("/v1/calls/{id}/ladder.txt", get(ladder::text))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is no such page") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this page does not take that method")
        })
        .with_state(api);
    let served = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => axum::serve(listener, router).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, "HTTP has ended");
    }
}

/// `GET /metrics` in the text format of Prometheus.
async fn render(State(api): State<Api>) -> impl IntoResponse {
    // What histograms have gathered since the last look is folded in by rendering; upkeep bounds what they hold.
    api.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render())
}

/// `GET /readyz`: whether new calls are taken.
async fn ready(State(api): State<Api>) -> Result<&'static str, Problem> {
    if api.is_ready() {
        Ok("ready\n")
    } else if api.gate.is_draining() {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node drains"))
    } else {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "a shard does not run"))
    }
}
