//! MQTT 5, statement by statement: `table` lists every one and names the tests that hold it.

pub(super) mod acks;
pub(super) mod auth;
pub(super) mod connect;
pub(super) mod corners;
pub(super) mod framing;
mod habits;
pub(super) mod identifiers;
pub(super) mod limits;
pub(super) mod publish;
pub(super) mod session;
pub(super) mod shared;
pub(super) mod subscribe;
mod table;
pub(super) mod will;

use crate::common::v5::{Connect, id, publish};
use crate::common::{Broker, Client, until};

pub(crate) use crate::common::ENDS;

/// The client ids a test repeats itself with, so that several shards are met.
pub(crate) const IDS: [&str; 4] = ["ash", "beech", "clover", "daisy"];

/// Ends the connection of a session that stays as [`ENDS`] names it, and resumes the session.
#[track_caller]
pub(crate) fn reconnect(
    broker: &Broker,
    packet: &Connect,
    mut client: Client,
    end: &str,
) -> Client {
    match end {
        "leave" => client.leave_v5(),
        "close" => drop(client),
        "reset" => client.reset(),
        "takeover" => {
            let next = Client::resume_v5(broker, packet, true);
            client.expect_disconnect_later(0x8e);
            return next;
        }
        other => panic!("{other} is not among {ENDS:?}"),
    }
    Client::resume_v5(broker, packet, true)
}

/// Connects with `packet`, has `end` end the connection, and waits until the session ends, which
/// its will with a longer delay shows.
#[track_caller]
pub(crate) fn expired(broker: &Broker, packet: Connect, end: impl FnOnce(Client)) {
    let mut witness = Client::connect_v5(broker, "witness of the end");
    witness.subscribe_v5("the/end", 0);
    let will = publish("the/end", "x").with(|props| props.four(id::WILL_DELAY, 10_000));
    end(Client::connect_v5_with(broker, &packet.will(&will)).0);
    witness.expect_publish_v5(&publish("the/end", "x"));
}

/// Waits until this topic has no subscriber: the publisher's shard learns a little later that the
/// last one is gone.
#[track_caller]
pub(crate) fn expect_unrouted(publisher: &mut Client, topic: &str) {
    until("nobody is subscribed", || {
        publisher.publish_v5(&publish(topic, "nobody").qos1(1)) == 0x10
    });
}
