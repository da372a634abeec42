//! Metrics of packets and messages.

use crate::broker::Stats;

use super::metric::{Metric, Source, counter};
use super::topic::{load, number};

/// See the module.
pub(super) const MESSAGE_METRICS: &[Metric] = &[
    counter(
        "packets_received_total",
        "Packets received",
        Source::Sums(
            "type",
            &[
                ("connect", |s| s.stats.connects_in),
                ("publish", |s| publishes_in(&s.stats)),
                ("puback", |s| s.stats.pubacks_in),
                ("pubrec", |s| s.stats.pubrecs_in),
                ("pubrel", |s| s.stats.pubrels_in),
                ("pubcomp", |s| s.stats.pubcomps_in),
                ("subscribe", |s| s.stats.subscribes_in),
                ("unsubscribe", |s| s.stats.unsubscribes_in),
                ("pingreq", |s| s.stats.pingreqs_in),
                ("disconnect", |s| s.stats.disconnects_in),
                ("auth", |s| s.stats.auths_in),
            ],
        ),
    )
    .at(&[
        number(&["broker/messages/received"]).says("Packets of any type"),
        load(&["broker/load/messages/received"]),
    ]),
    counter(
        "packets_sent_total",
        "Packets sent",
        Source::Sums(
            "type",
            &[
                ("connack", |s| s.stats.connacks_out),
                ("publish", |s| s.stats.publishes_out),
                ("puback", |s| s.stats.pubacks_out),
                ("pubrec", |s| s.stats.pubrecs_out),
                ("pubrel", |s| s.stats.pubrels_out),
                ("pubcomp", |s| s.stats.pubcomps_out),
                ("suback", |s| s.stats.subacks_out),
                ("unsuback", |s| s.stats.unsubacks_out),
                ("pingresp", |s| s.stats.pingresps_out),
                ("disconnect", |s| s.stats.disconnects_out),
                ("auth", |s| s.stats.auths_out),
            ],
        ),
    )
    .at(&[
        number(&["broker/messages/sent"]).says("Packets of any type"),
        load(&["broker/load/messages/sent"]),
    ]),
    counter(
        "messages_received_total",
        "PUBLISHes received and accepted, by their QoS",
        Source::Sums(
            "qos",
            &[
                ("0", |s| {
                    let others = s.stats.publishes_in_qos1 + s.stats.publishes_in_qos2;
                    s.stats.publishes_in.saturating_sub(others)
                }),
                ("1", |s| s.stats.publishes_in_qos1),
                ("2", |s| s.stats.publishes_in_qos2),
            ],
        ),
    )
    .at(&[number(&["broker/publish/messages/received"]), load(&["broker/load/publish/received"])]),
    counter(
        "messages_sent_total",
        "PUBLISHes sent, by their QoS",
        Source::Sums(
            "qos",
            &[
                ("0", |s| {
                    let others = s.stats.publishes_out_qos1 + s.stats.publishes_out_qos2;
                    s.stats.publishes_out.saturating_sub(others)
                }),
                ("1", |s| s.stats.publishes_out_qos1),
                ("2", |s| s.stats.publishes_out_qos2),
            ],
        ),
    )
    .at(&[number(&["broker/publish/messages/sent"]), load(&["broker/load/publish/sent"])]),
    counter(
        "messages_received_payload_bytes_total",
        "Bytes of the payloads of PUBLISHes received",
        Source::Sum(|s| s.stats.payload_bytes_in),
    )
    .at(&[number(&["broker/publish/bytes/received"])]),
    counter(
        "messages_sent_payload_bytes_total",
        "Bytes of the payloads of PUBLISHes sent",
        Source::Sum(|s| s.stats.payload_bytes_out),
    )
    .at(&[number(&["broker/publish/bytes/sent"])]),
    counter(
        "messages_redelivered_total",
        "PUBLISHes sent with DUP: their client has not acknowledged them before",
        Source::Sum(|s| s.stats.publishes_redelivered),
    ),
    counter(
        "messages_acknowledged_total",
        "PUBACKs and PUBRECs, those that refuse included, by who has sent them",
        Source::Sums(
            "by",
            &[
                ("broker", |s| s.stats.pubacks_out + s.stats.pubrecs_out),
                ("client", |s| s.stats.pubacks_in + s.stats.pubrecs_in),
            ],
        ),
    ),
    counter(
        "messages_unrouted_total",
        "Messages that had no subscriber",
        Source::Sum(|s| s.stats.unrouted),
    ),
    counter(
        "messages_denied_total",
        "PUBLISHes and wills that their client may not send",
        Source::Sums(
            "kind",
            &[
                ("publish", |s| s.stats.publishes_denied.saturating_sub(s.stats.wills_denied)),
                ("will", |s| s.stats.wills_denied),
            ],
        ),
    ),
];

/// PUBLISHes among the packets received: what is none of the others.
fn publishes_in(stats: &Stats) -> u64 {
    let others = [
        stats.connects_in,
        stats.pubacks_in,
        stats.pubrecs_in,
        stats.pubrels_in,
        stats.pubcomps_in,
        stats.subscribes_in,
        stats.unsubscribes_in,
        stats.pingreqs_in,
        stats.disconnects_in,
        stats.auths_in,
    ];
    stats.packets_in.saturating_sub(others.iter().sum())
}
