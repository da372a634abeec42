//! Users, vhosts and limits: tasks for the control thread, and its results as answers.

use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::limits::PAGE_ROWS_MAX;

use super::account_operations::VHOST_FIGURES;
use super::actor::Actor;
use super::answer::{Body, Fault, json_of};
use super::body::Fields;
use super::operation::Operation;
use super::query::Query;
use super::rows::Rows;
use super::state::Admin;
use super::task::{AccountTask, Done, LIMIT_FIELDS, Password, Task};
use super::vhost_reports::vhost_reports;

/// Users of a page if the request names no limit.
const USERS_USUAL: usize = 100;

/// A page of the users of a vhost.
pub(super) async fn users(admin: &Admin, query: &Query<'_>, mut rows: Rows) -> Result<Rows, Fault> {
    let task = AccountTask::Users {
        vhost: query.get("vhost").unwrap_or("/").to_owned(),
        after: query.get("cursor").map(str::to_owned),
        limit: query.number("limit", (1, USERS_USUAL, PAGE_ROWS_MAX))?,
    };
    let Done::Document(mut page) = admin.run(Task::Account(Box::new(task))).await? else {
        unreachable!("a question for users is answered with a page of them")
    };
    if let Value::Array(users) = page["items"].take() {
        users.into_iter().for_each(|user| rows.push(user));
    }
    rows.next = page["next"].as_str().map(str::to_owned);
    Ok(rows)
}

/// Runs an operation of [`ACCOUNTS`](super::account_operations::ACCOUNTS) and answers with its
/// result.
pub(super) async fn answer(
    admin: &Admin,
    operation: &Operation,
    (query, fields): (&Query<'_>, Fields),
    by: &Actor,
) -> Result<Response<Body>, Fault> {
    let task = task(operation, query, fields)?;
    let object = task.object();
    let result = admin.run(Task::Account(Box::new(task))).await;
    let changes = operation.method != "GET";
    if changes || operation.path == "/definitions" {
        let action = format!("{} {}", operation.method.to_lowercase(), &operation.path[1..]);
        by.audit_of(&action, &object, if result.is_ok() { "done" } else { "refused" });
    }
    match result? {
        Done::Document(mut document) => {
            match (operation.method, operation.path) {
                ("GET", "/vhost") => add_figures(admin, [&mut document]).await,
                ("GET", "/vhosts") => {
                    let vhosts = document["items"].as_array_mut();
                    add_figures(admin, vhosts.into_iter().flatten()).await;
                }
                _ => {}
            }
            Ok(json_of(StatusCode::OK, &document))
        }
        other => unreachable!("what is asked of accounts is answered with JSON, not {other:?}"),
    }
}

/// Adds to each vhost what there is of it now; nothing if a shard is silent: the rest is known.
async fn add_figures(admin: &Admin, vhosts: impl IntoIterator<Item = &mut Value>) {
    let Ok(reports) = vhost_reports(admin).await else { return };
    for vhost in vhosts {
        let report = vhost["name"].as_str().and_then(|name| reports.get(name));
        for (field, name) in VHOST_FIGURES {
            let figures = report.iter().flat_map(|report| &report.figures);
            let figure = figures.filter(|(known, _)| known == name).map(|(_, figure)| *figure);
            vhost[field] = figure.sum::<u64>().into();
        }
    }
}

fn task(
    operation: &Operation,
    query: &Query<'_>,
    mut fields: Fields,
) -> Result<AccountTask, Fault> {
    let vhost = || query.get("vhost").unwrap_or("/").to_owned();
    let name = || query.need("name").map(str::to_owned);
    let named = || query.need("vhost").map(str::to_owned);
    let task = match (operation.method, operation.path) {
        ("GET", "/user") => AccountTask::User { vhost: vhost(), name: name()? },
        ("PUT", "/user") => {
            let password = password(&mut fields)?;
            AccountTask::PutUser { vhost: vhost(), name: name()?, password }
        }
        ("DELETE", "/user") => AccountTask::DeleteUser { vhost: vhost(), name: name()? },
        ("GET", "/vhosts") => AccountTask::Vhosts,
        ("GET", "/vhost") => AccountTask::Vhost { name: named()? },
        ("PUT", "/vhost") => AccountTask::PutVhost { name: named()? },
        ("DELETE", "/vhost") => AccountTask::DeleteVhost { name: named()? },
        ("GET", "/vhost/limits") => AccountTask::Limits { vhost: named()? },
        ("PUT", "/vhost/limits") => {
            let limits = limits(&mut fields)?;
            AccountTask::PutLimits { vhost: named()?, limits }
        }
        ("DELETE", "/vhost/limits") => AccountTask::DeleteLimits { vhost: named()? },
        ("GET", "/definitions") => AccountTask::Export,
        ("POST", "/definitions") => {
            let vhosts = fields.take("vhosts");
            let missing = || Fault::of_field("vhosts", "the field vhosts is missing");
            let document = serde_json::json!({ "vhosts": vhosts.ok_or_else(missing)? });
            let dry_run = query.word("dry_run", &[("true", true), ("false", false)])?;
            AccountTask::Import { document, dry_run: dry_run.unwrap_or(false) }
        }
        (method, path) => unreachable!("{method} {path} is in the table and has no arm"),
    };
    fields.end()?;
    Ok(task)
}

fn password(fields: &mut Fields) -> Result<Password, Fault> {
    match (fields.text("password")?, fields.text("password_hash")?) {
        (Some(plain), None) => Ok(Password::Plain(plain)),
        (None, Some(hash)) => Ok(Password::Hash(hash)),
        _ => {
            let message = "one of password and password_hash must be given";
            Err(Fault::of_field("password", message))
        }
    }
}

fn limits(fields: &mut Fields) -> Result<[Option<u64>; LIMIT_FIELDS.len()], Fault> {
    let mut limits = [None; LIMIT_FIELDS.len()];
    for (limit, name) in limits.iter_mut().zip(LIMIT_FIELDS) {
        // A rate of 0 would allow no publish at all; rules are the means for that.
        let least = u64::from(name == "publish_rate");
        *limit = fields.number(name, (least, i64::MAX.unsigned_abs()))?;
    }
    Ok(limits)
}

impl AccountTask {
    /// Its object for the log, without any password.
    fn object(&self) -> String {
        match self {
            Self::User { vhost, name }
            | Self::PutUser { vhost, name, .. }
            | Self::DeleteUser { vhost, name } => format!("{vhost} {name}"),
            Self::Users { vhost, .. }
            | Self::Limits { vhost }
            | Self::PutLimits { vhost, .. }
            | Self::DeleteLimits { vhost } => vhost.clone(),
            Self::Vhost { name } | Self::PutVhost { name } | Self::DeleteVhost { name } => {
                name.clone()
            }
            Self::Import { document, dry_run } => {
                let names = document.get("vhosts").and_then(Value::as_array);
                let names = names.into_iter().flatten().filter_map(|it| it.get("name")?.as_str());
                let checked = if *dry_run { "checked only: " } else { "" };
                format!("{checked}{}", names.collect::<Vec<_>>().join(" "))
            }
            Self::Vhosts | Self::Export => "all".to_owned(),
        }
    }
}
