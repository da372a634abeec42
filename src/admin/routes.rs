//! Which path is what. A new route below `/api/v1` is a row of [`openapi::OPERATIONS`], with its
//! right and its parameters, and an arm of [`route`].

use std::collections::BTreeMap;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::broker::VhostReport;
use crate::broker::inspect::{Question, Reply};
use crate::limits::SHARD_SILENT_MS_MAX;

use super::actor::Actor;
use super::answer::{Body, Fault, json_of, text, whole};
use super::exposition::{self, Format};
use super::guard::{Peer, check_origin};
use super::metric::figures_of;
use super::openapi::API;
use super::operation::Operation;
use super::query::Query;
use super::shards::Kept;
use super::state::Admin;
use super::{api, closed, openapi, retained, subscriptions, waiting};

/// Answers a request.
pub(super) async fn answer(
    admin: &Rc<Admin>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    admin.note_request();
    let answered = match check_origin(&request, peer) {
        Ok(()) => route(admin, &request, peer).await,
        Err(fault) => Err(fault),
    };
    match answered {
        Ok(response) => response,
        Err(fault) => {
            admin.note_fault(&fault);
            fault.response()
        }
    }
}

async fn route(
    admin: &Rc<Admin>,
    request: &Request<Incoming>,
    peer: Peer,
) -> Result<Response<Body>, Fault> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let is_get = [Method::GET, Method::HEAD].contains(request.method());
    // Whoever reaches a port of this host alone may know whether the broker is well.
    match path {
        "/healthz" | "/readyz" | "/metrics" | "/metrics/vhosts" if !is_get => {
            return only(path, "GET");
        }
        "/healthz" => return health(admin, query).await,
        "/readyz" => return readiness(admin, query),
        "/metrics" => return metrics(admin, request).await,
        "/metrics/vhosts" => return vhost_metrics(admin, request).await,
        _ => {}
    }
    let method = if is_get { "GET" } else { request.method().as_str() };
    let below = path.strip_prefix(API).unwrap_or_default();
    let Some(operation) = openapi::of_path(below).find(|it| it.method == method) else {
        let methods: Vec<&str> = openapi::of_path(below).map(|it| it.method).collect();
        return if methods.is_empty() {
            Err(unknown(path))
        } else {
            only(path, &methods.join(", "))
        };
    };
    let tokens = admin.condition().tokens;
    let who = admin.guard().admit(request.headers(), peer, operation.right, &tokens)?;
    let known: Vec<&'static str> = operation.parameters.iter().map(|it| it.name).collect();
    let (query, by) = (&Query::read(query, &known)?, &Actor::new(who, peer));
    match (operation.method, operation.path) {
        ("GET", "/overview") => api::overview(admin).await,
        ("GET", "/clients") => api::clients(admin, query).await,
        ("GET", "/client") => api::client(admin, query).await,
        ("DELETE", "/client") => api::kick(admin, query, by).await,
        ("GET", "/sessions") => api::sessions(admin, query).await,
        ("GET", "/session") => api::session(admin, query).await,
        ("DELETE", "/session") => api::delete_session(admin, query, by).await,
        ("GET", "/top") => api::top(admin, query).await,
        ("GET", "/openapi.json") => Ok(json_of(StatusCode::OK, &openapi::document())),
        _ => look_up(admin, operation, query, by).await,
    }
}

/// What stands in [`LOOKUPS`](super::lookups::LOOKUPS).
async fn look_up(
    admin: &Admin,
    operation: &Operation,
    query: &Query<'_>,
    by: &Actor,
) -> Result<Response<Body>, Fault> {
    match (operation.method, operation.path) {
        ("GET", "/closed") => closed::closed(admin, query).await,
        ("GET", "/subscriptions") => subscriptions::subscriptions(admin, query).await,
        ("GET", "/match") => subscriptions::matching(admin, query).await,
        ("GET", "/can") => subscriptions::can(admin, query).await,
        ("GET", "/retained") => retained::retained(admin, query).await,
        ("DELETE", "/retained") => retained::clear_matching(admin, query, by).await,
        ("GET", "/retained/message") => retained::message(admin, query).await,
        ("DELETE", "/retained/message") => retained::clear(admin, query, by).await,
        ("GET", "/session/messages") => waiting::peek(admin, query).await,
        ("DELETE", "/session/messages") => waiting::purge(admin, query, by).await,
        (method, path) => unreachable!("{method} {path} is in the table and has no arm"),
    }
}

fn unknown(path: &str) -> Fault {
    let message = format!("there is nothing at {path:.200?}");
    let hint = "there are /metrics, /metrics/vhosts, /healthz, /readyz, and what \
                /api/v1/openapi.json describes";
    Fault::new(StatusCode::NOT_FOUND, "no_such_path", message).hint(hint)
}

/// The path is there, and the method is not.
fn only(path: &str, methods: &str) -> Result<Response<Body>, Fault> {
    let message = format!("{path} takes {methods} only");
    let fault = Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    let mut response = fault.response();
    let methods = HeaderValue::from_str(methods).expect("names of methods are letters");
    response.headers_mut().insert(header::ALLOW, methods);
    Ok(response)
}

/// Whether the process is alive: each shard answers, or has lately.
async fn health(admin: &Admin, query: Option<&str>) -> Result<Response<Body>, Fault> {
    Query::read(query, &[])?;
    let figures = admin.asker.figures().await;
    let is_silent = |kept: &Option<Rc<Kept>>| {
        let age_ms = kept.as_ref().map(|kept| kept.age().as_millis());
        age_ms.is_none_or(|age_ms| age_ms > u128::from(SHARD_SILENT_MS_MAX))
    };
    let silent = figures.iter().enumerate().filter(|(_, kept)| is_silent(kept));
    let silent: Vec<String> = silent.map(|(shard, _)| shard.to_string()).collect();
    Ok(match silent.is_empty() {
        true => text(StatusCode::OK, "ok\n"),
        false => {
            let says = format!("shards that do not answer: {}\n", silent.join(", "));
            text(StatusCode::SERVICE_UNAVAILABLE, says)
        }
    })
}

/// Whether clients are let in. A disk that is low is no reason to send them elsewhere.
fn readiness(admin: &Admin, query: Option<&str>) -> Result<Response<Body>, Fault> {
    Query::read(query, &[])?;
    Ok(match admin.condition().is_ready {
        true => text(StatusCode::OK, "ready\n"),
        false => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    })
}

fn format_of(request: &Request<Incoming>) -> Format {
    let accept = request.headers().get(header::ACCEPT);
    Format::asked_for(accept.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

async fn metrics(admin: &Admin, request: &Request<Incoming>) -> Result<Response<Body>, Fault> {
    Query::read(request.uri().query(), &[])?;
    let (kept, format) = (admin.asker.figures().await, format_of(request));
    let text = exposition::of_broker(format, &figures_of(&kept), &admin.whole());
    Ok(whole(StatusCode::OK, format.content_type(), text))
}

async fn vhost_metrics(
    admin: &Admin,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    Query::read(request.uri().query(), &[])?;
    let mut vhosts: BTreeMap<String, VhostReport> = BTreeMap::new();
    for shard in 0..admin.asker.shards() {
        // A sum without one of its parts would look as if something had been taken back.
        let Reply::Vhosts(found) = admin.asker.ask(shard, Question::Vhosts(0)).await? else {
            unreachable!("a question for vhosts is answered with vhosts")
        };
        for report in found {
            match vhosts.get_mut(&*report.vhost) {
                Some(sum) => sum.add(&report),
                None => drop(vhosts.insert(report.vhost.to_string(), report)),
            }
        }
    }
    let format = format_of(request);
    let text = exposition::of_vhosts(format, &vhosts);
    Ok(whole(StatusCode::OK, format.content_type(), text))
}
