//! Lists: a page of rows, or with `Accept: application/x-ndjson` all rows, one per line.
//!
//! Invariant: of a list that is streamed as lines, one piece is being sent and one is being made. A
//! list that fails before its end has `{"error":{…}}` as its last line.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::limits::{LINES_PIECE_ROWS, LINES_RETRIES_MAX};

use super::answer::{Answer, Fault, streamed};
use super::operation::Operation;
use super::query::Query;
use super::rows::{Form, Rows};
use super::state::Admin;
use super::{accounts, closed, groups, retained, session_lists, subscriptions};

/// The media type of a list as lines.
pub(super) const LINES: &str = "application/x-ndjson";

/// Whether an operation answers with a list.
pub(super) fn is_list(operation: &Operation) -> bool {
    operation.parameters.iter().any(|parameter| parameter.name == "cursor")
}

/// Answers with a page, or with all rows as lines.
pub(super) async fn answer(
    admin: &Rc<Admin>,
    operation: &'static Operation,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Answer {
    if !wants_lines(headers) {
        return Ok(rows(admin, operation, query, Form::Page).await?.into_page());
    }
    let limit = query.number("limit", (1, usize::MAX, usize::MAX))?;
    let mut follower = Follower { operation, query: query.owned(), left: limit };
    // Errors of the request are answered with their status, before the stream begins.
    let first = follower.next(admin).await?;
    let (pieces, receiver) = mpsc::channel(1);
    spawn_local(follow(admin.clone(), follower, first, pieces));
    Ok(streamed(LINES, receiver))
}

fn wants_lines(headers: &HeaderMap) -> bool {
    let given = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = given.flat_map(|text| text.split(','));
    kinds.any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(LINES))
}

async fn rows(
    admin: &Admin,
    operation: &Operation,
    query: &Query<'_>,
    form: Form,
) -> Result<Rows, Fault> {
    let rows = Rows::new(query, form);
    match operation.path {
        "/clients" => session_lists::clients(admin, query, rows).await,
        "/sessions" => session_lists::sessions(admin, query, rows).await,
        "/closed" => closed::closed(admin, query, rows).await,
        "/subscriptions" => subscriptions::subscriptions(admin, query, rows).await,
        "/match" => subscriptions::matching(admin, query, rows).await,
        "/groups" => groups::groups(admin, query, rows).await,
        "/group/members" => groups::members(admin, query, rows).await,
        "/retained" => retained::retained(admin, query, rows).await,
        "/users" => accounts::users(admin, query, rows).await,
        path => unreachable!("{path} has a cursor and no arm"),
    }
}

/// A list that is read to its end.
struct Follower {
    operation: &'static Operation,
    query: Query<'static>,
    /// Rows that are still to be sent.
    left: usize,
}

impl Follower {
    /// The next rows.
    async fn next(&mut self, admin: &Admin) -> Result<Rows, Fault> {
        self.query.set("limit", self.left.min(LINES_PIECE_ROWS).to_string());
        let mut rows = rows(admin, self.operation, &self.query, Form::Lines).await?;
        self.left -= rows.count().min(self.left);
        match rows.next.take().filter(|_| self.left > 0) {
            Some(cursor) => self.query.set("cursor", cursor),
            None => self.left = 0,
        }
        Ok(rows)
    }

    /// The next rows; it tries again if a shard is busy.
    async fn next_patiently(&mut self, admin: &Admin) -> Result<Rows, Fault> {
        for _ in 0..LINES_RETRIES_MAX {
            match self.next(admin).await {
                Err(fault) => match fault.retry_after_s() {
                    Some(seconds) => sleep(Duration::from_secs(seconds)).await,
                    None => return Err(fault),
                },
                found => return found,
            }
        }
        self.next(admin).await
    }
}

async fn follow(
    admin: Rc<Admin>,
    mut follower: Follower,
    first: Rows,
    pieces: mpsc::Sender<Bytes>,
) {
    let tokens = admin.condition().tokens;
    let mut found: Result<Rows, Fault> = Ok(first);
    loop {
        let piece: Bytes = match found {
            Ok(rows) => rows.into_lines().into(),
            Err(fault) => {
                let line = format!("{}\n", json!({ "error": fault.json() }));
                // The client may have disconnected.
                let _gone = pieces.send(line.into()).await;
                return;
            }
        };
        let is_gone = !piece.is_empty() && pieces.send(piece).await.is_err();
        if is_gone || follower.left == 0 {
            return;
        }
        // The token of the request may have been revoked meanwhile.
        found = match Arc::ptr_eq(&tokens, &admin.condition().tokens) {
            true => follower.next_patiently(&admin).await,
            false => Err(Fault::tokens_changed()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Lines are requested by their type, alone or among others.
    #[test]
    fn lines_are_asked_for() {
        for (accept, wants) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), false),
            (Some("application/x-ndjson"), true),
            (Some("text/html, Application/X-NDJSON;q=0.9"), true),
        ] {
            let value = accept.map(|value| (header::ACCEPT, value.parse().expect("a value")));
            assert_eq!(wants_lines(&value.into_iter().collect()), wants, "{accept:?}");
        }
    }
}
