//! Access to the page: its address, and a code with which one user signs in.

use serde_json::Value;

use crate::config::Ctl;

use super::broker::Broker;
use super::error::CtlError;
use super::output::{Cell, Form, Output, Table};
use super::text::shown;

/// Requests a code, and prints how to use it.
pub(super) fn show(broker: &Broker, ctl: &Ctl, output: &mut Output) -> Result<(), CtlError> {
    let (method, path) = ctl.verb.request;
    let answer = broker.json(method, path, &[])?;
    let text = |name: &str| {
        let value = answer.get(name).and_then(Value::as_str).map(shown);
        value.ok_or_else(|| CtlError::stranger(&format!("its answer has no {name}")))
    };
    let (address, code) = (text("address")?, text("code")?);
    let seconds = answer.get("expires_seconds").and_then(Value::as_u64).unwrap_or(0);
    match output.form() {
        Form::Json => output.json(&answer),
        Form::Tabs => {
            let fields = [("address", &address), ("code", &code)];
            let rows = fields.map(|(name, value)| vec![Cell::text(name), Cell::text(value)]);
            Table::new(["field", "value"]).rows(&rows, output);
        }
        Form::Terminal => {
            let host = address.trim_start_matches("http://").trim_end_matches('/');
            let port = host.rsplit(':').next().unwrap_or_default();
            output.line(&format!("Open within {seconds} seconds, once:"));
            output.line("");
            output.line(&format!("    {address}#code={code}"));
            output.line("");
            output.line(&format!("Or open {address} and sign in with the code {code}."));
            output.line(&format!("From another host, first: ssh -L {port}:{host} THIS_HOST"));
        }
    }
    Ok(())
}
