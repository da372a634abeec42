//! Which path is what. A new route below `/api/v1` is a row of [`openapi::OPERATIONS`], with its
//! right and its parameters, and an arm of [`route`].

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use log::info;
use tokio::sync::watch;

use crate::broker::VhostReport;
use crate::broker::inspect::{Question, Reply};
use crate::limits::SHARD_SILENT_MS_MAX;

use super::answer::{Body, Fault, json_of, text, whole};
use super::exposition::{self, Format};
use super::guard::{Guard, Peer, Who, check_origin};
use super::metric::{ShardFigures, Whole};
use super::openapi::API;
use super::process::Process;
use super::query::Query;
use super::shards::{Asker, Kept, Ways};
use super::{Condition, api, openapi, watched};

/// What routes answer from.
pub(super) struct Admin {
    pub(super) asker: Asker,
    guard: Guard,
    process: Process,
    condition: watch::Receiver<Condition>,
    requests: Cell<u64>,
    refused: Cell<u64>,
}

impl Admin {
    pub(super) fn new(
        ways: Box<dyn Ways>,
        process: Process,
        condition: watch::Receiver<Condition>,
    ) -> Self {
        Self {
            asker: Asker::new(ways),
            guard: Guard::new(),
            process,
            condition,
            requests: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    /// What the control thread knows now.
    pub(super) fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    /// What is known of the broker besides the shards' figures.
    pub(super) fn whole(&self) -> Whole {
        Whole {
            condition: self.condition(),
            process: self.process.figures(),
            requests: self.requests.get(),
            refused_requests: self.refused.get(),
        }
    }

    /// The number of a vhost.
    pub(super) fn vhost(&self, name: &str) -> Result<u16, Fault> {
        let condition = self.condition.borrow();
        let found = condition.vhosts.iter().find(|(_, other)| other == name);
        found.map(|(number, _)| *number).ok_or_else(|| {
            Fault::new(StatusCode::NOT_FOUND, "not_found", format!("no vhost {name:.255?}"))
                .hint("vhosts are named by --vhosts; the one of clients that name none is \"/\"")
        })
    }
}

/// Answers a request.
pub(super) async fn answer(
    admin: &Rc<Admin>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    admin.requests.set(admin.requests.get() + 1);
    let answered = match check_origin(&request, peer) {
        Ok(()) => route(admin, &request, peer).await,
        Err(fault) => Err(fault),
    };
    match answered {
        Ok(response) => response,
        Err(fault) => {
            admin.refused.set(admin.refused.get() + u64::from(fault.is_refusal()));
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
        "/healthz" | "/readyz" | "/metrics" | "/metrics/vhosts" | "/metrics/sessions"
            if !is_get =>
        {
            return only(path, "GET");
        }
        "/healthz" => return health(admin, query).await,
        "/readyz" => return readiness(admin, query),
        "/metrics" => return metrics(admin, request).await,
        "/metrics/vhosts" => return vhost_metrics(admin, request).await,
        "/metrics/sessions" => return watched::session_metrics(admin, request).await,
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
    let tokens = admin.condition.borrow().tokens.clone();
    let who = admin.guard.admit(request.headers(), peer, operation.right, &tokens)?;
    let known: Vec<&'static str> = operation.parameters.iter().map(|it| it.name).collect();
    let (query, by) = (&Query::read(query, &known)?, &Actor { who, peer });
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
        (method, path) => unreachable!("{method} {path} is in the table and has no arm"),
    }
}

fn unknown(path: &str) -> Fault {
    let message = format!("there is nothing at {path:.200?}");
    let hint = "there are /metrics, /metrics/vhosts, /metrics/sessions, /healthz, /readyz, and \
                what /api/v1/openapi.json describes";
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

/// Who changes something.
pub(super) struct Actor {
    who: Who,
    peer: Peer,
}

impl Actor {
    /// Notes what was done, for whoever looks for it later.
    pub(super) fn audit(&self, action: &str, vhost: &str, client: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        info!(
            event = "audit", client, vhost, by, peer:% = peer, action, result;
            "{action} by {by} from {peer}: {result}"
        );
    }
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
    Ok(match admin.condition.borrow().is_ready {
        true => text(StatusCode::OK, "ready\n"),
        false => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    })
}

pub(super) fn format_of(request: &Request<Incoming>) -> Format {
    let accept = request.headers().get(header::ACCEPT);
    Format::asked_for(accept.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

async fn metrics(admin: &Admin, request: &Request<Incoming>) -> Result<Response<Body>, Fault> {
    Query::read(request.uri().query(), &[])?;
    let (kept, format) = (admin.asker.figures().await, format_of(request));
    let text = exposition::of_broker(format, &figures_of(&kept), &admin.whole());
    Ok(whole(StatusCode::OK, format.content_type(), text))
}

/// The figures of the shards that have any.
pub(super) fn figures_of(kept: &[Option<Rc<Kept>>]) -> Vec<ShardFigures<'_>> {
    let known = kept.iter().enumerate().filter_map(|(shard, kept)| {
        let kept = kept.as_ref()?;
        Some(ShardFigures { shard, snapshot: &kept.snapshot, age: kept.age() })
    });
    known.collect()
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
