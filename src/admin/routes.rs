//! Which path is what. A new route below `/api/v1` is a row of [`openapi::OPERATIONS`], with its
//! right and its parameters, and an arm of [`route`].

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use log::info;
use tokio::sync::watch;

use crate::broker::VhostReport;
use crate::broker::inspect::{Question, Reply};
use crate::limits::SHARD_SILENT_MS_MAX;
use crate::shown::Shown;

use super::answer::{Body, Fault, json_of, text, whole};
use super::body::{Bodies, Fields};
use super::exposition::{self, Format};
use super::guard::{Guard, Peer, Who, check_origin, token_of};
use super::live;
use super::metric::{ShardFigures, Whole};
use super::openapi::API;
use super::operation::Operation;
use super::process::Process;
use super::query::Query;
use super::shards::{Asker, Kept, Ways};
use super::sign_ins::SignIns;
use super::task::ControlWay;
use super::tokens::Right;
use super::trace::{self, Traces};
use super::viewers::Viewers;
use super::{Condition, accounts, api, openapi, operate, page, publish, signin, watched};

/// What routes answer from.
pub(super) struct Admin {
    pub(super) asker: Asker,
    pub(super) viewers: Viewers,
    /// Where a browser reaches it.
    pub(super) address: Option<SocketAddr>,
    pub(super) traces: Traces,
    guard: Guard,
    process: Process,
    condition: watch::Receiver<Condition>,
    pub(super) control: Box<dyn ControlWay>,
    bodies: Bodies,
    requests: Cell<u64>,
    refused: Cell<u64>,
}

impl Admin {
    pub(super) fn new(
        ways: Box<dyn Ways>,
        process: Process,
        condition: watch::Receiver<Condition>,
        (control, address): (Box<dyn ControlWay>, Option<SocketAddr>),
    ) -> Self {
        Self {
            asker: Asker::new(ways),
            viewers: Viewers::default(),
            address,
            traces: Traces::default(),
            guard: Guard::new(),
            process,
            condition,
            control,
            bodies: Bodies::new(),
            requests: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    /// Who has signed in to the page.
    pub(super) fn sign_ins(&self) -> &SignIns {
        &self.guard.sign_ins
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
    let hosts = admin.condition.borrow().hosts.clone();
    let answered = match check_origin(&request, peer, &hosts) {
        Ok(()) => route(admin, request, peer).await,
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
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response<Body>, Fault> {
    let (head, body) = request.into_parts();
    let request = &Request::from_parts(head, ());
    let (path, query) = (request.uri().path(), request.uri().query());
    let is_get = [Method::GET, Method::HEAD].contains(request.method());
    let tokens = admin.condition.borrow().tokens.clone();
    // Whoever reaches a port of this host alone may know whether the broker is well.
    match path {
        "/healthz" | "/readyz" | "/metrics" | "/metrics/vhosts" | "/metrics/sessions"
            if !is_get =>
        {
            return only(path, "GET");
        }
        "/healthz" => return health(admin, query).await,
        "/readyz" => return readiness(admin, query),
        "/metrics" | "/metrics/vhosts" | "/metrics/sessions" if peer.is_far() => {
            admin.guard.admit(request.headers(), peer, Right::Metrics, &tokens)?;
        }
        _ => {}
    }
    match path {
        "/metrics" => return metrics(admin, request).await,
        "/metrics/vhosts" => return vhost_metrics(admin, request).await,
        "/metrics/sessions" => return watched::session_metrics(admin, request).await,
        _ => {}
    }
    let method = if is_get { "GET" } else { request.method().as_str() };
    let below = path.strip_prefix(API).unwrap_or_default();
    if let Some(file) = page::file(path, request) {
        return if is_get { Ok(file) } else { only(path, "GET") };
    }
    let Some(operation) = openapi::of_path(below).find(|it| it.method == method) else {
        let methods: Vec<&str> = openapi::of_path(below).map(|it| it.method).collect();
        return if methods.is_empty() {
            Err(unknown(path))
        } else {
            only(path, &methods.join(", "))
        };
    };
    let who = match (operation.method, operation.path) {
        ("POST", "/sign-in") => admin.guard.admit_code(request.headers(), peer)?,
        _ => admin.guard.admit(request.headers(), peer, operation.right, &tokens)?,
    };
    let known: Vec<&'static str> = operation.parameters.iter().map(|it| it.name).collect();
    let (query, by) = (&Query::read(query, &known)?, &Actor { who, peer });
    by.check_scope(operation, query)?;
    let fields = match operation.body {
        Some((_, bytes_max)) => admin.bodies.read(request.headers(), body, bytes_max).await?,
        None => Fields::default(),
    };
    match (operation.method, operation.path) {
        ("GET", "/overview") => api::overview(admin).await,
        ("GET", "/clients") => api::clients(admin, query).await,
        ("GET", "/client") => api::client(admin, query).await,
        ("DELETE", "/client") => api::kick(admin, query, by).await,
        ("GET", "/sessions") => api::sessions(admin, query).await,
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
        ("GET", "/traces") => trace::list(admin),
        ("POST", "/traces") => trace::start(admin, query, by).await,
        ("DELETE", "/trace") => trace::stop(admin, query, by).await,
        ("GET", "/trace/stream") => trace::stream(admin, query),
        ("GET", "/openapi.json") => Ok(json_of(StatusCode::OK, &openapi::document())),
        _ => operating(admin, operation, (query, fields), by).await,
    }
}

/// What stands in [`operating::OPERATING`](super::operating::OPERATING).
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
        ("GET", "/config") => operate::settings(admin),
        ("GET", "/listeners") => operate::listeners(admin),
        ("GET", "/certificates") => operate::certificates(admin),
        ("GET", "/checks/disk") => operate::check(admin, "disk", query).await,
        ("GET", "/checks/certificates") => operate::check(admin, "certificates", query).await,
        ("GET", "/checks/listeners") => operate::check(admin, "listeners", query).await,
        ("GET", "/checks/shards") => operate::check(admin, "shards", query).await,
        _ => accounts::answer(admin, operation, (query, fields), by).await,
    }
}

fn unknown(path: &str) -> Fault {
    let message = format!("there is nothing at {path:.200?}");
    let hint = "there are a page at /, /metrics, /metrics/vhosts, /metrics/sessions, /healthz, \
                /readyz, and what /api/v1/openapi.json describes";
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
    pub(super) fn who(&self) -> &Who {
        &self.who
    }

    /// The name of the token, or of the user at the socket.
    pub(super) fn name(&self) -> &str {
        &self.who.name
    }

    /// The same for what is done to something else than a client.
    pub(super) fn audit_of(&self, action: &str, object: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        let object = Shown(object);
        info!(
            event = "audit", object:%, by, peer:% = peer, action, result;
            "{action} {object} by {by} from {peer}: {result}"
        );
    }

    /// Refuses a vhost that a token is not for.
    pub(super) fn check_vhost(&self, vhost: &str) -> Result<(), Fault> {
        match self.who.vhost.as_deref() {
            Some(own) if own != vhost => {
                let message = format!("{} is for vhost {own:?} alone", self.who.name);
                Err(Fault::new(StatusCode::FORBIDDEN, "forbidden", message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what a token for one vhost may not have done: what is about all of them, or another.
    fn check_scope(&self, operation: &Operation, query: &Query<'_>) -> Result<(), Fault> {
        if self.who.vhost.is_none() || ["/publish", "/openapi.json"].contains(&operation.path) {
            return Ok(());
        }
        let takes_one = operation.parameters.iter().any(|it| it.name == "vhost");
        match query.get("vhost").filter(|_| takes_one) {
            Some(vhost) => self.check_vhost(vhost),
            None => {
                let own = self.who.vhost.as_deref().unwrap_or_default();
                let message = format!("{} is for vhost {own:?} alone", self.who.name);
                let fault = Fault::new(StatusCode::FORBIDDEN, "forbidden", message);
                Err(fault.hint("say which vhost you mean; what is about all is for other tokens"))
            }
        }
    }

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
    let silent = silent_shards(admin).await;
    Ok(match silent.is_empty() {
        true => text(StatusCode::OK, "ok\n"),
        false => {
            let says = format!("shards that do not answer: {}\n", silent.join(", "));
            text(StatusCode::SERVICE_UNAVAILABLE, says)
        }
    })
}

/// Shards that do not answer, and have not lately.
pub(super) async fn silent_shards(admin: &Admin) -> Vec<String> {
    let figures = admin.asker.figures().await;
    let is_silent = |kept: &Option<Rc<Kept>>| {
        let age_ms = kept.as_ref().map(|kept| kept.age().as_millis());
        age_ms.is_none_or(|age_ms| age_ms > u128::from(SHARD_SILENT_MS_MAX))
    };
    let silent = figures.iter().enumerate().filter(|(_, kept)| is_silent(kept));
    silent.map(|(shard, _)| shard.to_string()).collect()
}

/// Whether clients are let in. A disk that is low is no reason to send them elsewhere.
fn readiness(admin: &Admin, query: Option<&str>) -> Result<Response<Body>, Fault> {
    Query::read(query, &[])?;
    let condition = admin.condition.borrow();
    Ok(match (condition.is_ready, condition.draining) {
        (true, false) => text(StatusCode::OK, "ready\n"),
        (true, true) => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        (false, _) => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    })
}

pub(super) fn format_of(request: &Request<()>) -> Format {
    let accept = request.headers().get(header::ACCEPT);
    Format::asked_for(accept.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

async fn metrics(admin: &Admin, request: &Request<()>) -> Result<Response<Body>, Fault> {
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

async fn vhost_metrics(admin: &Admin, request: &Request<()>) -> Result<Response<Body>, Fault> {
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
