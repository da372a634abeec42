//! Changes of the broker as a whole, and its settings.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::spawn_local;

use crate::limits::{CERTIFICATE_DAYS_MIN, DRAIN_S_DEFAULT, DRAIN_S_MAX, LOG_LEVEL_S_MAX};

use super::actor::Actor;
use super::answer::{Body, Fault, json_of};
use super::body::Fields;
use super::facts::CertificateFact;
use super::query::Query;
use super::state::Admin;
use super::task::{self, Change, Done, Task};

type Answer = Result<Response<Body>, Fault>;

const DAY_S: u64 = 24 * 60 * 60;

fn ok(value: &Value) -> Answer {
    Ok(json_of(StatusCode::OK, value))
}

/// Reloads configuration and files.
pub(super) async fn reload(admin: &Admin, by: &Actor) -> Answer {
    let result = admin.run(Task::Reload).await;
    by.audit_of("reload", "configuration", if result.is_ok() { "reloaded" } else { "refused" });
    let Done::Reloaded(reloaded) = result? else {
        unreachable!("a reload tells what it has changed")
    };
    let list = |changes: &[Change]| changes.iter().map(Change::json).collect::<Vec<_>>();
    ok(&json!({ "taken": list(&reloaded.taken), "waiting": list(&reloaded.waiting) }))
}

/// Sets the log filter.
pub(super) async fn set_log_level(admin: &Admin, mut fields: Fields, by: &Actor) -> Answer {
    let filter = fields.need_text("filter")?;
    let seconds = fields.number("seconds", (1, LOG_LEVEL_S_MAX))?;
    fields.end()?;
    let time = seconds.map(Duration::from_secs);
    let result = admin.run(Task::SetLogLevel { filter: filter.clone(), time }).await;
    by.audit_of("set log level", &filter, if result.is_ok() { "set" } else { "refused" });
    result?;
    let mut answer = json!({ "filter": filter });
    if let Some(seconds) = seconds {
        answer["seconds"] = seconds.into();
    }
    ok(&answer)
}

/// Accepts no more clients, and disconnects the connected ones over time.
pub(super) async fn drain(admin: &Rc<Admin>, mut fields: Fields, by: &Actor) -> Answer {
    let seconds = fields.number("seconds", (1, DRAIN_S_MAX))?.unwrap_or(DRAIN_S_DEFAULT);
    fields.end()?;
    if admin.condition().draining {
        let message = "the broker is draining already";
        let fault = Fault::new(StatusCode::CONFLICT, "conflict", message);
        return Err(fault.hint("DELETE /api/v1/drain lets clients in again"));
    }
    admin.run(Task::Drain(true)).await?;
    by.audit_of("drain", "broker", "begun");
    spawn_local(shed(admin.clone(), Duration::from_secs(seconds)));
    ok(&json!({ "draining": true, "seconds": seconds }))
}

/// Disconnects clients until the drain is over.
async fn shed(admin: Rc<Admin>, time: Duration) {
    let drains = || {
        let condition = admin.condition();
        condition.draining && !condition.is_over
    };
    admin.shedding.run(&admin.asker, time, drains).await;
}

/// Accepts clients again.
pub(super) async fn end_drain(admin: &Admin, by: &Actor) -> Answer {
    admin.shedding.end().await;
    admin.run(Task::Drain(false)).await?;
    by.audit_of("end drain of", "broker", "ended");
    ok(&json!({ "draining": false }))
}

/// Every setting.
pub(super) fn settings(admin: &Admin) -> Answer {
    let facts = admin.condition().facts;
    let items = facts.settings.iter().map(|it| {
        let file = it.at.as_ref().map(|(file, _)| file.to_string_lossy());
        json!({
            "name": it.name,
            "values": it.values,
            "default": it.default,
            "origin": it.origin,
            "variable": it.variable,
            "file": file,
            "line": it.at.as_ref().map(|(_, line)| line),
            "takes": it.takes,
            "reload": it.reload,
        })
    });
    ok(&json!({ "items": items.collect::<Vec<_>>() }))
}

/// The listeners for clients.
pub(super) fn listeners(admin: &Admin) -> Answer {
    let facts = admin.condition().facts;
    let items = facts
        .listeners
        .iter()
        .map(|it| json!({ "at": it.at, "tls": it.tls, "proxy": it.proxy, "local": it.local }));
    ok(&json!({ "items": items.collect::<Vec<_>>() }))
}

/// Certificates with their dates.
pub(super) fn certificates(admin: &Admin) -> Answer {
    let (facts, now_s) = (admin.condition().facts, now_s());
    let items = facts.certificates.iter().map(|it| {
        let mut item = json!({
            "flag": it.flag,
            "file": it.file.to_string_lossy(),
            "subject": it.subject,
            "not_before": date(it.not_before_s),
            "not_after": it.not_after_s.map(date),
        });
        if let Some(days) = days_left(it, now_s) {
            item["days_left"] = days.into();
        }
        item
    });
    ok(&json!({ "items": items.collect::<Vec<_>>() }))
}

fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|it| Timestamp::from_second(it).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.to_string())
}

/// Whole days until the certificate expires; negative after that.
fn days_left(certificate: &CertificateFact, now_s: u64) -> Option<i64> {
    let left = i128::from(certificate.not_after_s?) - i128::from(now_s);
    i64::try_from(left.div_euclid(i128::from(DAY_S))).ok()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// One health check for supervisors.
pub(super) async fn check(admin: &Admin, name: &'static str, query: &Query<'_>) -> Answer {
    let reasons = match name {
        "disk" => disk_reasons(admin).await,
        "certificates" => certificate_reasons(admin, query)?,
        "listeners" => listener_reasons(admin),
        _ => {
            let silent = admin.asker.silent().await.into_iter();
            silent.map(|shard| format!("shard {shard} does not answer")).collect()
        }
    };
    if reasons.is_empty() {
        return ok(&json!({ "check": name, "ok": true }));
    }
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let fault = Fault::new(status, "check_failed", reasons.join("; "));
    let faults = reasons.iter().map(|it| json!({ "message": it })).collect();
    Err(fault.hint("the log tells more").faults(faults))
}

async fn disk_reasons(admin: &Admin) -> Vec<String> {
    let figures = admin.asker.figures().await;
    let short = figures.iter().enumerate().filter_map(|(shard, kept)| {
        let gauges = &kept.as_ref()?.snapshot.gauges;
        (gauges.disk_free < gauges.disk_limit).then(|| {
            format!(
                "publishers of shard {shard} wait for the disk: {} bytes are free, and it is low \
                 below {}",
                gauges.disk_free, gauges.disk_limit
            )
        })
    });
    short.collect()
}

fn certificate_reasons(admin: &Admin, query: &Query<'_>) -> Result<Vec<String>, Fault> {
    let within = match query.get("within") {
        None => CERTIFICATE_DAYS_MIN,
        Some(text) => {
            let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
            let wrong = || Fault::of_field("within", "within is a number of days, as in 30d");
            days.ok_or_else(wrong)?.into()
        }
    };
    let (facts, now_s) = (admin.condition().facts, now_s());
    let limit = i64::try_from(within).unwrap_or(i64::MAX);
    let ending = facts.certificates.iter().filter_map(|it| {
        let days = days_left(it, now_s).filter(|days| *days < limit)?;
        let (flag, file, subject) = (it.flag, it.file.display(), &it.subject);
        Some(match days {
            ..0 => format!("{flag} {file}: {subject} ended {} days ago", -days),
            _ => format!("{flag} {file}: {subject} ends in {days} days"),
        })
    });
    Ok(ending.collect())
}

fn listener_reasons(admin: &Admin) -> Vec<String> {
    let condition = admin.condition();
    let mut reasons = Vec::new();
    if condition.draining {
        reasons.push("the broker is draining: clients are not let in".to_owned());
    }
    if !condition.is_ready {
        reasons.push("the broker stops: clients are not let in".to_owned());
    }
    if condition.facts.listeners.is_empty() {
        reasons.push("there is no listener".to_owned());
    }
    reasons
}

impl Admin {
    /// Gives the control thread a task.
    pub(super) async fn run(&self, task: Task) -> Result<Done, Fault> {
        task::run(&*self.control, task).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Days are whole, and negative after the end of validity.
    #[test]
    fn days_are_counted() {
        let of = |not_after_s| CertificateFact {
            flag: "--tls-cert",
            file: "c".into(),
            subject: String::new(),
            not_before_s: 0,
            not_after_s,
        };
        let now_s = 100 * DAY_S;
        for (not_after_s, expected) in [
            (Some(now_s), Some(0)),
            (Some(now_s + DAY_S - 1), Some(0)),
            (Some(now_s + DAY_S), Some(1)),
            (Some(now_s - 1), Some(-1)),
            (Some(0), Some(-100)),
            (None, None),
        ] {
            assert_eq!(days_left(&of(not_after_s), now_s), expected, "{not_after_s:?}");
        }
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
    }
}
