//! `peers.auth` and `peers.challenge`: digest authentication, by us and of others.

use crate::limits::USERS_MAX;

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

/// `challenge`: whom we ask for a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `realm`: what the users are shown, and part of what is hashed.
    pub realm: String,
    /// `users`: names and passwords.
    pub users: Vec<(String, Secret)>,
    /// `md5_only`: they are asked by MD5 alone, for phones that stumble over SHA-256 before it (RFC 8760 has the stronger
    /// first). Default false.
    pub md5_only: bool,
}

pub(super) fn read_challenge(table: &Table<'_>) -> Option<Challenge> {
    let challenge = table.table_if("challenge")?;
    let (realm, users) = (challenge.required("realm"), challenge.table("users"));
    is_plain(&challenge, &realm);
    let pairs = users.pairs();
    if pairs.is_empty() || pairs.len() > USERS_MAX {
        challenge.note(&users.at, format!("must hold 1 to {USERS_MAX} names, each with its password"));
    }
    for (name, password) in &pairs {
        is_plain(&challenge, name);
        is_plain(&challenge, password);
        if password.value.is_empty() {
            challenge.note(&password.at, "must not be empty");
        }
    }
    let md5_only = challenge.boolean("md5_only", false);
    challenge.finish();
    let users = pairs.into_iter().map(|(name, password)| (name.value, Secret::new(password.value)));
    Some(Challenge { realm: realm.value, users: users.collect(), md5_only })
}

/// Whether it can stand in a quoted string.
fn is_plain(table: &Table<'_>, text: &Found<String>) {
    if text.value.chars().any(char::is_control) {
        table.note(&text.at, "holds a line end or another control character");
    }
}
