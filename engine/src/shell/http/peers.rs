//! `GET /v1/peers`: the addresses of our peers and whether they answer.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Api;
use crate::shard::PeerHealth;

/// The answer.
#[derive(Serialize)]
pub(super) struct Peers {
    peers: Vec<PeerHealth>,
}

/// Every address that is asked with OPTIONS, once one of them was asked.
pub(super) async fn list(State(api): State<Api>) -> Json<Peers> {
    Json(Peers { peers: api.gate.health() })
}
