//! Parts that the objects of several answers share.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use crate::broker::inspect::AddressRange;

use super::answer::Fault;
use super::metric::float;

/// The requested fields of an item.
pub(super) fn picked(item: Value, fields: Option<&[&str]>) -> Value {
    match (item, fields) {
        (Value::Object(mut item), Some(fields)) => {
            item.retain(|name, _| fields.contains(&name.as_str()));
            Value::Object(item)
        }
        (item, _) => item,
    }
}

/// A name; `None` if it is empty.
pub(super) fn named_or_none(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

/// The address from which a client connected.
pub(super) fn address_of(address: Option<IpAddr>, port: u16) -> String {
    let address = address.map(|address| SocketAddr::new(address, port).to_string());
    address.unwrap_or_else(|| "unix".to_owned())
}

/// A time on the shards' clock, which began `epoch_ms` after 1970, to the second.
pub(super) fn time_of(epoch_ms: i64, since_ms: u64) -> Option<String> {
    let then_ms = epoch_ms.checked_add(i64::try_from(since_ms).ok()?)?;
    Some(Timestamp::from_second(then_ms.div_euclid(1000)).ok()?.to_string())
}

pub(super) fn seconds(ms: u64) -> f64 {
    float(ms) / 1000.0
}

/// Adds a payload to an item: text as it is, other bytes in Base64. A payload that was cut within a
/// character counts as text too.
pub(super) fn add_payload(item: &mut Value, payload: &[u8], payload_bytes: u64) {
    let is_cut = (payload.len() as u64) < payload_bytes;
    item["payload_bytes"] = payload_bytes.into();
    item["payload_cut"] = is_cut.into();
    let valid = match std::str::from_utf8(payload) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(&payload[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    match valid {
        Some(text) => item["payload"] = text.into(),
        None => item["payload_base64"] = STANDARD.encode(payload).into(),
    }
}

/// An address or an address range.
pub(super) fn address_range(text: &str) -> Result<AddressRange, Fault> {
    let wrong = || Fault::of_field("address", "address is one, or a range, as in 10.0.0.0/8");
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
    if bits > width {
        return Err(wrong());
    }
    Ok(AddressRange { address, bits })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Text stays text, also if it is cut within a character; other bytes are encoded in Base64.
    #[test]
    fn payloads() {
        for (payload, bytes, expected) in [
            (&b"a"[..], 1, json!({ "payload": "a", "payload_cut": false })),
            (b"", 0, json!({ "payload": "", "payload_cut": false })),
            (b"a\xc3", 9, json!({ "payload": "a", "payload_cut": true })),
            (b"a\xc3", 2, json!({ "payload_base64": "YcM=", "payload_cut": false })),
            (b"\xff\xfe", 9, json!({ "payload_base64": "//4=", "payload_cut": true })),
        ] {
            let mut item = json!({});
            add_payload(&mut item, payload, bytes);
            let mut expected = expected;
            expected["payload_bytes"] = bytes.into();
            assert_eq!(item, expected);
        }
    }

    // An address alone is a range too.
    #[test]
    fn ranges() {
        for (text, bits) in [("10.0.0.1", 32), ("10.0.0.0/8", 8), ("::1", 128), ("fd00::/8", 8)] {
            assert_eq!(address_range(text).map(|range| range.bits), Ok(bits), "{text}");
        }
        for text in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10"] {
            assert!(address_range(text).is_err(), "{text}");
        }
    }
}
