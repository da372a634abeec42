//! Loops between two brokers. With MQTT 5, messages carry the brokers that they have left, and none
//! goes back (see `sinks::mqtt`). With 3.1.1 they cannot; then a message of one direction must not
//! match a filter of the other direction.

use ringmq::mqtt::Version;

use super::section::Section;
use super::{Flow, MqttTarget, Target};

/// Adds a fault for each pair of flows that could carry messages in a loop.
pub(super) fn check(root: &Section<'_, '_>, flows: &[Flow]) {
    for (at, flow) in flows.iter().enumerate() {
        let Target::Mqtt(out) = &flow.target else { continue };
        if flow.input.peer.address == out.peer.address && reaches(flow, out, flow) {
            let says = format!("{}: what it publishes comes back by its own filters", flow.name);
            root.fault(0, says);
        }
        for other in &flows[at + 1..] {
            let Target::Mqtt(back) = &other.target else { continue };
            let is_pair = out.peer.address == other.input.peer.address
                && back.peer.address == flow.input.peer.address;
            let versions = [&flow.input.peer, &out.peer, &other.input.peer, &back.peer];
            let is_marked = versions.iter().all(|peer| peer.version == Version::V5);
            if is_pair && !is_marked && reaches(flow, out, other) && reaches(other, back, flow) {
                let says = format!(
                    "{} and {} would carry messages round and round: use MQTT 5 on both sides, or \
                     filters and prefixes that keep the two ways apart",
                    flow.name, other.name
                );
                root.fault(0, says);
            }
        }
    }
}

/// Whether messages that `from` publishes through `target` can match a filter of `other`.
fn reaches(from: &Flow, target: &MqttTarget, other: &Flow) -> bool {
    let mapped = from.input.filters.iter().map(|filter| {
        let rest = filter.strip_prefix(target.strip.as_str()).unwrap_or(filter);
        format!("{}{rest}", target.add)
    });
    mapped.into_iter().any(|here| other.input.filters.iter().any(|there| overlap(&here, there)))
}

/// Whether a topic can match both filters.
fn overlap(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(here), Some(there)) if here == there => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Filters overlap exactly if some topic matches both.
    #[test]
    fn overlaps() {
        for (a, b, is) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("#", "x/y", true),
            ("+/b", "a/+", true),
            ("+/b", "a/c", false),
            ("a/b", "a/b/c", false),
        ] {
            assert_eq!(overlap(a, b), is, "{a} {b}");
            assert_eq!(overlap(b, a), is, "{b} {a}");
        }
    }
}
