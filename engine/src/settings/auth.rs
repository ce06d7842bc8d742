//! `peers.auth` and `peers.challenge`: digest authentication, by us and of others.

use super::document::{Found, Table};
use super::value::Secret;

/// `auth`: how we answer a peer that challenges us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// `username`.
    pub username: String,
    /// `password`.
    pub password: Secret,
}

pub(super) fn read_auth(table: &Table<'_>) -> Option<Auth> {
    let auth = table.table_if("auth")?;
    let (username, password) = (auth.required("username"), auth.required("password"));
    for text in [&username, &password] {
        is_plain(&auth, text);
    }
    auth.finish();
    Some(Auth { username: username.value, password: Secret::new(password.value) })
}

/// Whether it can stand in a quoted string.
fn is_plain(table: &Table<'_>, text: &Found<String>) {
    if text.value.chars().any(char::is_control) {
        table.note(&text.at, "holds a line end or another control character");
    }
}
