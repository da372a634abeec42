//! Paths and their handlers. A new route below `/api/v1` is a row of [`openapi::OPERATIONS`], with
//! its right and its parameters, and an arm of [`route`].

use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::actor::Actor;
use super::answer::{Body, Fault, text, whole};
use super::body::Fields;
use super::exposition::{self, Format};
use super::guard::{Peer, check_origin, token_of};
use super::metric::figures_of;
use super::openapi::API;
use super::operation::Operation;
use super::query::Query;
use super::state::Admin;
use super::tokens::Right;
use super::vhost_reports::vhost_reports;
use super::{
    accounts, api, bulk_kick, group_actions, groups, lists, live, node, openapi, operate, page,
    publish, retained, signin, subscriptions, trace, waiting, watched,
};

/// Answers a request.
pub(super) async fn answer(
    admin: &Rc<Admin>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    let route_name = openapi::route_name(request.uri().path());
    let hosts = admin.condition().hosts;
    let answered = match check_origin(&request, peer, &hosts) {
        Ok(()) => route(admin, request, peer).await,
        Err(fault) => Err(fault),
    };
    let response = match answered {
        Ok(response) => response,
        Err(fault) => {
            admin.note_fault(&fault);
            fault.response()
        }
    };
    admin.note_request(route_name, response.status());
    response
}

/// Answers probes, metrics and the page, whose paths are outside the API.
async fn outside_api(
    admin: &Admin,
    request: &Request<()>,
    peer: Peer,
) -> Option<Result<Response<Body>, Fault>> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let is_get = [Method::GET, Method::HEAD].contains(request.method());
    let is_metrics = ["/metrics", "/metrics/vhosts", "/metrics/sessions"].contains(&path);
    if !is_get && (is_metrics || ["/healthz", "/readyz"].contains(&path)) {
        return Some(only(path, "GET"));
    }
    // Any client on this host may read metrics; a far one needs a token.
    if is_metrics && peer.is_far() {
        let tokens = admin.condition().tokens;
        if let Err(fault) = admin.guard().admit(request.headers(), peer, Right::Metrics, &tokens) {
            return Some(Err(fault));
        }
    }
    Some(match path {
        "/healthz" => health(admin, query).await,
        "/readyz" => readiness(admin, query),
        "/metrics" => metrics(admin, request).await,
        "/metrics/vhosts" => vhost_metrics(admin, request).await,
        "/metrics/sessions" => watched::session_metrics(admin, request).await,
        _ => {
            let file = page::file(path, request)?;
            if is_get { Ok(file) } else { only(path, "GET") }
        }
    })
}

async fn route(
    admin: &Rc<Admin>,
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response<Body>, Fault> {
    let (head, body) = request.into_parts();
    let request = &Request::from_parts(head, ());
    if let Some(answer) = outside_api(admin, request, peer).await {
        return answer;
    }
    let (path, query) = (request.uri().path(), request.uri().query());
    let is_get = [Method::GET, Method::HEAD].contains(request.method());
    let tokens = admin.condition().tokens;
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
    let who = match (operation.method, operation.path) {
        ("POST", "/sign-in") => admin.guard().admit_code(request.headers(), peer)?,
        _ => admin.guard().admit(request.headers(), peer, operation.right, &tokens)?,
    };
    let known: Vec<&'static str> = operation.parameters.iter().map(|it| it.name).collect();
    let (query, by) = (&Query::read(query, &known)?, &Actor::new(who, peer));
    by.check_scope(operation, query)?;
    let fields = match operation.body {
        Some((_, bytes_max)) => admin.bodies.read(request.headers(), body, bytes_max).await?,
        None => Fields::default(),
    };
    if lists::is_list(operation) {
        return lists::answer(admin, operation, query, request.headers()).await;
    }
    match (operation.method, operation.path) {
        ("GET", "/overview") => api::overview(admin).await,
        ("GET", "/client") => api::client(admin, query).await,
        ("DELETE", "/client") => api::kick(admin, query, by).await,
        ("GET", "/session") => api::session(admin, query).await,
        ("DELETE", "/session") => api::delete_session(admin, query, by).await,
        ("GET", "/top") => api::top(admin, query).await,
        ("GET", "/live") => live::watch(admin, query),
        ("GET", "/log") => live::log(query),
        ("GET", "/whoami") => Ok(signin::whoami(by)),
        ("POST", "/dashboard") => signin::make_code(admin, by),
        ("POST", "/sign-in") => signin::sign_in(admin, by),
        ("DELETE", "/sign-in") => {
            Ok(signin::sign_out(admin, token_of(request.headers()).as_deref()))
        }
        ("GET", "/events") => trace::events(admin, query, by).await,
        (_, path) if path.starts_with("/trace") => trace::answer(admin, operation, query, by).await,
        ("GET", "/openapi.json") => {
            Ok(whole(StatusCode::OK, "application/json", openapi::document_text()))
        }
        _ => operating(admin, operation, (query, fields), by).await,
    }
}

/// Runs an operation of [`operating::OPERATING`](super::operating::OPERATING).
async fn operating(
    admin: &Rc<Admin>,
    operation: &Operation,
    (query, fields): (&Query<'_>, Fields),
    by: &Actor,
) -> Result<Response<Body>, Fault> {
    match (operation.method, operation.path) {
        ("POST", "/publish") => publish::publish(admin, fields, by).await,
        ("POST", "/reload") => operate::reload(admin, by).await,
        ("PUT", "/log-level") => operate::set_log_level(admin, fields, by).await,
        ("POST", "/drain") => operate::drain(admin, fields, by).await,
        ("DELETE", "/drain") => operate::end_drain(admin, by).await,
        ("POST", "/clients/kick") => bulk_kick::kick_matching(admin, fields, by).await,
        ("GET", "/node") => node::node(admin).await,
        ("GET", "/shards") => node::shards(admin).await,
        ("GET", "/config") => operate::settings(admin),
        ("GET", "/listeners") => operate::listeners(admin),
        ("GET", "/certificates") => operate::certificates(admin),
        ("GET", "/checks/disk") => operate::check(admin, "disk", query).await,
        ("GET", "/checks/certificates") => operate::check(admin, "certificates", query).await,
        ("GET", "/checks/listeners") => operate::check(admin, "listeners", query).await,
        ("GET", "/checks/shards") => operate::check(admin, "shards", query).await,
        _ if openapi::is_lookup(operation) => look_up(admin, operation, query, by).await,
        _ => accounts::answer(admin, operation, (query, fields), by).await,
    }
}

/// Runs an operation of [`LOOKUPS`](super::lookups::LOOKUPS).
async fn look_up(
    admin: &Admin,
    operation: &Operation,
    query: &Query<'_>,
    by: &Actor,
) -> Result<Response<Body>, Fault> {
    match (operation.method, operation.path) {
        ("GET", "/group") => groups::group(admin, query).await,
        ("DELETE", "/group") => group_actions::delete(admin, query, by).await,
        ("DELETE", "/group/messages") => group_actions::purge(admin, query, by).await,
        ("GET", "/can") => subscriptions::can(admin, query).await,
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
    let hint = "there are a page at /, /metrics, /metrics/vhosts, /metrics/sessions, /healthz, \
                /readyz, and what /api/v1/openapi.json describes";
    Fault::new(StatusCode::NOT_FOUND, "no_such_path", message).hint(hint)
}

/// Refuses a method that a path does not have.
fn only(path: &str, methods: &str) -> Result<Response<Body>, Fault> {
    let message = format!("{path} takes {methods} only");
    let fault = Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    let mut response = fault.response();
    let methods = HeaderValue::from_str(methods).expect("names of methods are letters");
    response.headers_mut().insert(header::ALLOW, methods);
    Ok(response)
}

/// Whether the process is alive: each shard answers, or answered recently.
async fn health(admin: &Admin, query: Option<&str>) -> Result<Response<Body>, Fault> {
    Query::read(query, &[])?;
    let silent = admin.asker.silent().await;
    Ok(match silent.is_empty() {
        true => text(StatusCode::OK, "ok\n"),
        false => {
            let says = format!("shards that do not answer: {}\n", silent.join(", "));
            text(StatusCode::SERVICE_UNAVAILABLE, says)
        }
    })
}

/// Whether clients are accepted. A disk that is low is no reason to send them elsewhere.
fn readiness(admin: &Admin, query: Option<&str>) -> Result<Response<Body>, Fault> {
    Query::read(query, &[])?;
    let condition = admin.condition();
    Ok(match (condition.is_ready, condition.draining) {
        (true, false) => text(StatusCode::OK, "ready\n"),
        (true, true) => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        (false, _) => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    })
}

async fn metrics(admin: &Admin, request: &Request<()>) -> Result<Response<Body>, Fault> {
    Query::read(request.uri().query(), &[])?;
    let (kept, format) = (admin.asker.figures().await, Format::of(request));
    let text = exposition::of_broker(format, &figures_of(&kept), &admin.whole());
    Ok(whole(StatusCode::OK, format.content_type(), text))
}

async fn vhost_metrics(admin: &Admin, request: &Request<()>) -> Result<Response<Body>, Fault> {
    Query::read(request.uri().query(), &[])?;
    let vhosts = vhost_reports(admin).await?;
    let format = Format::of(request);
    let text = exposition::of_vhosts(format, &vhosts);
    Ok(whole(StatusCode::OK, format.content_type(), text))
}
