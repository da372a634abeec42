//! The limits of a vhost, from its file `limits`: lines of `key = value`, and comments, also after
//! values.

use super::error::Fault;

/// The limits of all clients of a vhost together; `None`: only the broker's limits apply.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct VhostLimits {
    /// `max-connections`: clients at once.
    pub connections_max: Option<u64>,
    /// `max-sessions`: sessions, those of absent clients included.
    pub sessions_max: Option<u64>,
    /// `max-retained-bytes`: topics and payloads of its retained messages.
    pub retained_bytes_max: Option<u64>,
    /// `max-queued-bytes`: messages that wait in its sessions.
    pub queued_bytes_max: Option<u64>,
    /// `publish-rate`: PUBLISHes a second.
    pub publish_rate: Option<u64>,
}

impl VhostLimits {
    /// No limits.
    pub const NONE: Self = Self {
        connections_max: None,
        sessions_max: None,
        retained_bytes_max: None,
        queued_bytes_max: None,
        publish_rate: None,
    };

    /// Reads a file.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut limits = Self::default();
        for (at, line) in text.lines().enumerate() {
            // No limit and no number has a `#`.
            let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
            if line.is_empty() {
                continue;
            }
            let fault = |says: String| Fault::at(at + 1, says);
            let Some((key, value)) = line.split_once('=') else {
                return Err(fault("is no `key = value`".to_owned()));
            };
            let (key, value) = (key.trim(), value.trim());
            let (field, is_bytes) = match key {
                "max-connections" => (&mut limits.connections_max, false),
                "max-sessions" => (&mut limits.sessions_max, false),
                "max-retained-bytes" => (&mut limits.retained_bytes_max, true),
                "max-queued-bytes" => (&mut limits.queued_bytes_max, true),
                "publish-rate" => (&mut limits.publish_rate, false),
                _ => {
                    return Err(fault(format!(
                        "`{key:.40}` is no limit: max-connections, max-sessions, \
                         max-retained-bytes, max-queued-bytes and publish-rate are"
                    )));
                }
            };
            if field.is_some() {
                return Err(fault(format!("{key} stands here for the second time")));
            }
            // A rate of 0 would allow no publish at all; rules in `acl` are the means for that.
            let least = u64::from(key == "publish-rate");
            let number = if is_bytes { parse_bytes(value) } else { parse_number(value) };
            let number = number.filter(|number| *number >= least);
            let takes = match (is_bytes, least) {
                (true, _) => "bytes, as in 65536, 64KiB or 1GiB",
                (false, 0) => "a number",
                (false, _) => "a number from 1",
            };
            *field = Some(number.ok_or_else(|| fault(format!("{key} takes {takes}")))?);
        }
        Ok(limits)
    }
}

fn parse_number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

fn parse_bytes(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match &text[unit..] {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    parse_number(&text[..unit])?.checked_mul(factor)
}
