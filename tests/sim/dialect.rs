//! The terms of one connection: its version, and the MQTT 5 properties of its client.
//!
//! The client's limits are checked here: no packet above its maximum, no alias above its maximum or
//! without a topic, never more in flight than its receive maximum.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::limits::{CLIENT_PACKET_BYTES_MIN, SCRAM_PACKET_BYTES_MIN};
use ringmq::mqtt::{
    ConnackProperties, ConnectProperties, Property, PropertyId, Publish, SESSION_NEVER_EXPIRES,
    TopicAlias, Value, Version,
};

use crate::plan::Plan;
use crate::proof::{USER, first_message};
use crate::random::Random;

/// Milliseconds of an interval that does not end.
pub(crate) const FOREVER_MS: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub(crate) version: Version,
    /// The properties of its CONNECT; MQTT 5.
    pub(crate) asked: ConnectProperties<'static>,
    /// It asks for positions, with a session that stays.
    pub(crate) wants_positions: bool,
    /// `--max-inflight`.
    window: u16,
    /// The topics of the broker's aliases.
    given: BTreeMap<u16, String>,
    /// Largest alias that the broker takes, and the topics of those in use.
    taken_max: u16,
    taken: BTreeMap<u16, &'static str>,
    /// Messages of this connection whose exchange is not complete.
    in_flight: BTreeSet<u16>,
}

impl Dialect {
    /// The terms of a connection of MQTT 3.1.1.
    pub(crate) fn old(plan: &Plan) -> Self {
        Self {
            version: Version::V311,
            asked: ConnectProperties::default(),
            wants_positions: false,
            window: plan.inflight_max,
            given: BTreeMap::new(),
            taken_max: 0,
            taken: BTreeMap::new(),
            in_flight: BTreeSet::new(),
        }
    }

    /// One of MQTT 5; `stays`: its session outlives the connection.
    pub(crate) fn new(plan: &Plan, stays: bool, random: &mut Random) -> Self {
        let packet_bytes = [u32::MAX, u32::MAX, 100_000, 120, CLIENT_PACKET_BYTES_MIN];
        let asked = ConnectProperties {
            session_expiry_s: match stays {
                true => random.pick(&[1, 6, 60, 1_000_000, SESSION_NEVER_EXPIRES]),
                false => 0,
            },
            receive_max: random.pick(&[1, 2, 10, u16::MAX]),
            packet_bytes_max: random.pick(&packet_bytes),
            topic_alias_max: random.pick(&[0, 0, 1, 3, u16::MAX]),
            request_problem_information: random.one_in(2),
            ..ConnectProperties::default()
        };
        let wants_positions = stays && random.one_in(3);
        Self { version: Version::V5, asked, wants_positions, ..Self::old(plan) }
    }

    /// The same of a client that will prove with SCRAM who it is.
    pub(crate) fn with_proof(mut self) -> Self {
        let most = self.asked.packet_bytes_max.max(SCRAM_PACKET_BYTES_MIN);
        self.asked.packet_bytes_max = most;
        self.asked.authentication_method = Some(USER.method);
        self.asked.authentication_data = Some(first_message().as_bytes());
        self
    }

    pub(crate) fn is_v5(&self) -> bool {
        self.version == Version::V5
    }

    /// How long a session with this interval is kept, milliseconds.
    pub(crate) fn kept_ms(interval_s: u32, plan: &Plan) -> u64 {
        let most_ms = if plan.session_expiry_ms > 0 { plan.session_expiry_ms } else { FOREVER_MS };
        match interval_s {
            SESSION_NEVER_EXPIRES => most_ms,
            seconds => most_ms.min(u64::from(seconds) * 1000),
        }
    }

    /// Checks the properties of the broker's CONNACK.
    pub(crate) fn on_connack(&mut self, told: &ConnackProperties<'_>, plan: &Plan) {
        if !self.is_v5() {
            return;
        }
        let asked_s = self.asked.session_expiry_s;
        let capped_s = match plan.session_expiry_ms {
            0 => asked_s,
            most_ms => asked_s.min(u32::try_from(most_ms.div_ceil(1000)).expect("short")),
        };
        let expiry_s = (capped_s != asked_s).then_some(capped_s);
        assert_eq!(told.session_expiry_s, expiry_s, "asked for {asked_s} s");
        assert_eq!(told.assigned_client_id, None, "it has an identifier");
        assert_eq!(told.keep_alive_s, None, "its keep alive holds");
        self.taken_max = told.topic_alias_max;
    }

    /// The topic of a PUBLISH of the broker.
    pub(crate) fn topic_of(&mut self, publish: &Publish<'_>) -> String {
        let topic = publish.topic.map(|topic| topic.as_str().to_owned());
        let Some(alias) = publish.properties.alias().map(TopicAlias::get) else {
            return topic.expect("neither topic nor alias");
        };
        // [MQTT-3.1.2-26] v5, [MQTT-3.1.2-27] v5
        let most = self.asked.topic_alias_max;
        assert!(alias <= most, "alias {alias} is above {most}");
        if let Some(topic) = topic {
            self.given.insert(alias, topic);
        }
        let known = self.given.get(&alias);
        known.unwrap_or_else(|| panic!("alias {alias} stands for no topic")).clone()
    }

    /// The alias for a PUBLISH to a topic, and whether the topic is sent too.
    pub(crate) fn alias_for(
        &mut self,
        topic: &'static str,
        random: &mut Random,
    ) -> Option<(u16, bool)> {
        if self.taken_max == 0 || random.one_in(3) {
            return None;
        }
        let known = self.taken.iter().find(|(_, known)| **known == topic).map(|(alias, _)| *alias);
        if let Some(alias) = known.filter(|_| !random.one_in(4)) {
            return Some((alias, random.one_in(4)));
        }
        let alias = random.pick(&[1, 2, self.taken_max]).min(self.taken_max);
        self.taken.insert(alias, topic);
        Some((alias, true))
    }

    /// Checks the size of a received packet.
    pub(crate) fn judge_size(&self, bytes: usize) {
        // [MQTT-3.1.2-24] v5
        let most = self.asked.packet_bytes_max as usize;
        assert!(bytes <= most, "a packet of {bytes} bytes for a client that takes {most}");
    }

    /// Notes a received message that needs an answer.
    pub(crate) fn begin(&mut self, packet_id: u16) {
        self.in_flight.insert(packet_id);
        let (count, most) = (self.in_flight.len(), self.asked.receive_max.min(self.window));
        // [MQTT-3.3.4-9] v5
        assert!(count <= usize::from(most), "{count} messages in flight, {most} at most");
    }

    /// It is answered for good.
    pub(crate) fn end(&mut self, packet_id: u16) {
        self.in_flight.remove(&packet_id);
    }
}

/// An alias as a property.
pub(crate) fn alias_property(alias: u16) -> Property<'static> {
    Property { id: PropertyId::TopicAlias, value: Value::TwoByteInteger(alias) }
}
