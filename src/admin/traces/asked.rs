//! The parameters of a trace, parsed from a request.

use serde_json::{Map, Value};

use crate::broker::inspect::{TraceKind, TraceKinds, TraceSpec, TracedId};
use crate::limits::{
    CLIENT_ID_BYTES_MAX, TRACE_PAYLOAD_BYTES_DEFAULT, TRACE_PAYLOAD_BYTES_MAX,
    TRACE_SECONDS_DEFAULT, TRACE_SECONDS_MAX,
};
use crate::mqtt::TopicFilter;
use crate::shown::Shown;

use super::super::answer::Fault;
use super::super::item::address_range;
use super::super::query::Query;

/// Parameters that select what is traced.
const NAMES: [&str; 7] = ["vhost", "id", "id_prefix", "user", "address", "topic", "kinds"];

/// What happens to clients, however much they send.
const EVENT_KINDS: [TraceKind; 3] = [TraceKind::Connect, TraceKind::Auth, TraceKind::Close];

/// See the module.
pub(in crate::admin) struct Asked {
    pub(in crate::admin) spec: TraceSpec,
    pub(in crate::admin) seconds: u32,
    /// The given ones of [`NAMES`], with their values.
    given: Vec<(&'static str, String)>,
}

impl Asked {
    pub(in crate::admin) fn read(
        query: &Query<'_>,
        vhost: impl Fn(&str) -> Result<u16, Fault>,
    ) -> Result<Self, Fault> {
        let text = |name| query.get(name).map(Into::into);
        let id = match (query.get("id"), query.get("id_prefix")) {
            (Some(_), Some(_)) => {
                let says = "one of id and id_prefix is enough";
                return Err(Fault::of_field("id_prefix", says));
            }
            (Some(id), None) => Some(TracedId::Exactly(id.into())),
            (None, Some(prefix)) => Some(TracedId::Prefix(prefix.into())),
            (None, None) => None,
        };
        for name in ["id", "id_prefix", "user"] {
            if query.get(name).is_some_and(|text| text.len() > CLIENT_ID_BYTES_MAX) {
                let says = format!("{name} has {CLIENT_ID_BYTES_MAX} bytes at most");
                return Err(Fault::of_field(name, says));
            }
        }
        if let Some(filter) = query.get("topic") {
            TopicFilter::parse(filter).map_err(|why| Fault::of_field("topic", why.to_string()))?;
        }
        let payload = (0, TRACE_PAYLOAD_BYTES_DEFAULT, TRACE_PAYLOAD_BYTES_MAX);
        let spec = TraceSpec {
            vhost: query.get("vhost").map(vhost).transpose()?,
            id,
            user: text("user"),
            address: query.get("address").map(address_range).transpose()?,
            topic: text("topic"),
            kinds: kinds_of(query)?,
            payload_bytes: query.number("payload", payload)?,
        };
        let is_of_something = spec.id.is_some()
            || spec.user.is_some()
            || spec.address.is_some()
            || spec.topic.is_some();
        if !is_of_something {
            let says = "a trace is of something: id, id_prefix, user, address or topic";
            return Err(Fault::of_field("query", says));
        }
        let seconds = query.number("seconds", (1, TRACE_SECONDS_DEFAULT, TRACE_SECONDS_MAX))?;
        let given = NAMES.into_iter().filter_map(|name| Some((name, query.get(name)?.to_owned())));
        Ok(Self { spec, seconds, given: given.collect() })
    }

    /// What happens to all clients, packets and messages left out.
    pub(in crate::admin) fn read_events(
        query: &Query<'_>,
        vhost: impl Fn(&str) -> Result<u16, Fault>,
    ) -> Result<Self, Fault> {
        let kinds: TraceKinds = match query.get("kinds") {
            None => EVENT_KINDS.into_iter().collect(),
            Some(_) => kinds_of(query)?,
        };
        if TraceKind::ALL.into_iter().any(|kind| kinds.has(kind) && !EVENT_KINDS.contains(&kind)) {
            let names = EVENT_KINDS.map(TraceKind::name).join(", ");
            let fault = Fault::of_field("kinds", format!("kinds are {names}, with commas between"));
            return Err(fault.hint("a trace tells packets, and what becomes of messages"));
        }
        let spec = TraceSpec {
            vhost: query.get("vhost").map(vhost).transpose()?,
            id: Some(TracedId::Prefix(Box::default())),
            kinds,
            ..TraceSpec::default()
        };
        let seconds = query.number("seconds", (1, TRACE_SECONDS_MAX, TRACE_SECONDS_MAX))?;
        let given = NAMES.into_iter().filter_map(|name| Some((name, query.get(name)?.to_owned())));
        let given = given.chain([("id_prefix", String::new())]);
        Ok(Self { spec, seconds, given: given.collect() })
    }

    #[cfg(test)]
    pub(in crate::admin) fn of(spec: TraceSpec, seconds: u32) -> Self {
        Self { spec, seconds, given: Vec::new() }
    }

    /// A description for the log.
    pub(in crate::admin) fn says(&self) -> String {
        let parts = self.given.iter().map(|(name, value)| format!("{name} {}", Shown(value)));
        format!("{}, for {} s", parts.collect::<Vec<_>>().join(", "), self.seconds)
    }

    /// The parameters as JSON fields.
    pub(in crate::admin) fn fields(&self) -> Map<String, Value> {
        let given = self.given.iter();
        given.map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect()
    }
}

fn kinds_of(query: &Query<'_>) -> Result<TraceKinds, Fault> {
    let Some(text) = query.get("kinds") else { return Ok(TraceKinds::default()) };
    let kinds = text.split(',').map(|word| {
        TraceKind::ALL.into_iter().find(|kind| kind.name() == word).ok_or_else(|| {
            let names = TraceKind::ALL.map(TraceKind::name).join(", ");
            Fault::of_field("kinds", format!("kinds are {names}, with commas between"))
        })
    });
    kinds.collect()
}
