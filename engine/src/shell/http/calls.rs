//! `GET /v1/calls`, `GET /v1/calls/{id}`, `DELETE /v1/calls/{id}`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Api;
use super::problem::Problem;
use crate::call::Input;
use crate::shell::actors::{CallBrief, Deliver, Describe, FindCall, Found, ListCalls};
use crate::shell::limits::API_PATIENCE;

/// The id in a path, which need not be UTF-8.
pub(super) type Id = Result<Path<String>, PathRejection>;

/// The answer to `GET /v1/calls`.
#[derive(Serialize)]
pub(super) struct Calls {
    calls: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    call_id: String,
    #[serde(flatten)]
    brief: CallBrief,
}

/// All calls, as many as may be listed.
pub(super) async fn list(State(api): State<Api>) -> Result<Json<Calls>, Problem> {
    let asked = tokio::time::timeout(API_PATIENCE, api.shared.supervisor.send(ListCalls)).await;
    let calls = asked.map_err(|_| slow())?.map_err(|_| slow())?;
    Ok(Json(Calls { calls: calls.into_iter().map(|(call_id, brief)| Listed { call_id, brief }).collect() }))
}

/// One call: state, legs, context, timeline. One that has ended is shown as it stood then, for as long as it is kept.
pub(super) async fn show(State(api): State<Api>, id: Id) -> Result<Response, Problem> {
    let id = readable(id)?;
    let key = match find(&api, &id).await? {
        Found::Living(key) => key,
        Found::Ended(call) => return Ok(Json(call.as_ref()).into_response()),
    };
    let shard = api.shards.get(usize::from(key.shard())).ok_or_else(unknown)?;
    let asked = tokio::time::timeout(API_PATIENCE, shard.send(Describe(key))).await;
    if let Some(call) = asked.map_err(|_| slow())?.map_err(|_| slow())? {
        return Ok(Json(call).into_response());
    }
    // It has ended between the two questions.
    match find(&api, &id).await? {
        Found::Ended(call) => Ok(Json(call.as_ref()).into_response()),
        Found::Living(_) => Err(unknown()),
    }
}

/// Ends a call: BYE on every leg.
pub(super) async fn end(State(api): State<Api>, id: Id) -> Result<StatusCode, Problem> {
    let id = readable(id)?;
    let Found::Living(key) = find(&api, &id).await? else { return Err(unknown()) };
    let shard = api.shards.get(usize::from(key.shard())).ok_or_else(unknown)?;
    let told = tokio::time::timeout(API_PATIENCE, shard.send(Deliver(key, Input::HangUp))).await;
    match told.map_err(|_| slow())?.map_err(|_| slow())? {
        true => Ok(StatusCode::ACCEPTED),
        false => Err(unknown()),
    }
}

/// An id that is no text at all is that of no call.
pub(super) fn readable(id: Id) -> Result<String, Problem> {
    id.map(|Path(id)| id).map_err(|_| unknown())
}

pub(super) async fn find(api: &Api, id: &str) -> Result<Found, Problem> {
    let find = FindCall(id.to_owned());
    let asked = tokio::time::timeout(API_PATIENCE, api.shared.supervisor.send(find)).await;
    asked.map_err(|_| slow())?.map_err(|_| slow())?.ok_or_else(unknown)
}

pub(super) fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no call of this id")
}

pub(super) fn slow() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node is too busy to answer")
}
