//! The properties of MQTT 5 that a message carries to its receivers, as its publisher set them.

use ringmq::mqtt::{Properties, Property, PropertyId as Id, Value};

use crate::position::Position;
use crate::random::Random;

/// Bytes of all properties that a message can have here, at most.
pub(crate) const TERMS_BYTES_MAX: usize = 100;

/// See the module.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Terms {
    /// Message Expiry Interval, seconds.
    pub(crate) expiry_s: Option<u32>,
    format: Option<u8>,
    content_type: Option<&'static str>,
    response_topic: Option<&'static str>,
    correlation: Option<&'static [u8]>,
    /// In order; a name may appear twice.
    user: Vec<(&'static str, &'static str)>,
}

impl Terms {
    /// Some terms; one message in three has none.
    pub(crate) fn draw(random: &mut Random) -> Self {
        if random.one_in(3) {
            return Self::default();
        }
        let names = ["a", "b", "", "é"];
        let user = (0..random.pick(&[0, 0, 1, 4]))
            .map(|_| (random.pick(&names), random.pick(&["", "1", "2"])))
            .collect();
        Self {
            expiry_s: random.pick(&[None, None, Some(1), Some(3), Some(30), Some(100_000)]),
            format: random.pick(&[None, None, Some(0), Some(1)]),
            content_type: random.pick(&[None, None, Some(""), Some("text/plain")]),
            response_topic: random.pick(&[None, None, Some("a/b"), Some("answers")]),
            correlation: random.pick(&[None, None, Some(&b""[..]), Some(&[0, 255, 2][..])]),
            user,
        }
    }

    /// The properties for a packet, in any order that keeps that of the user properties; `others`
    /// are of the packet only.
    pub(crate) fn listed(
        &self,
        others: impl IntoIterator<Item = Property<'static>>,
        random: &mut Random,
    ) -> Vec<Property<'static>> {
        let pair = |&(name, value)| (Id::UserProperty, Value::StringPair(name, value));
        let mut list: Vec<_> = self.user.iter().map(pair).map(of_pair).collect();
        for property in self.single().map(of_pair).chain(others) {
            list.insert(random.below(list.len() + 1), property);
        }
        list
    }

    /// Whether a receiver's properties are these and no others, except topic alias and subscription
    /// identifiers. The expiry interval is checked elsewhere.
    pub(crate) fn are(&self, received: Properties<'_>) -> bool {
        let is_own = |id: &Id| !matches!(id, Id::TopicAlias | Id::SubscriptionId);
        let others = |id: &Id| is_own(id) && !matches!(id, Id::UserProperty | Id::MessageExpiry);
        let user: Vec<_> = received.user_properties().collect();
        let (user, _) = Position::split(&user);
        let count = received.iter().filter(|property| others(&property.id)).count();
        let single = self.single().filter(|(id, _)| *id != Id::MessageExpiry);
        user == self.user
            && count == single.clone().count()
            && single.clone().all(|(id, value)| received.find(id) == Some(value))
            && received.find(Id::MessageExpiry).is_some() == self.expiry_s.is_some()
    }

    fn single(&self) -> impl Iterator<Item = (Id, Value<'static>)> + Clone + use<> {
        let list = [
            self.expiry_s.map(|value| (Id::MessageExpiry, Value::FourByteInteger(value))),
            self.format.map(|value| (Id::PayloadFormat, Value::Byte(value))),
            self.content_type.map(|value| (Id::ContentType, Value::String(value))),
            self.response_topic.map(|value| (Id::ResponseTopic, Value::String(value))),
            self.correlation.map(|value| (Id::CorrelationData, Value::BinaryData(value))),
        ];
        list.into_iter().flatten()
    }
}

fn of_pair<'a>((id, value): (Id, Value<'a>)) -> Property<'a> {
    Property { id, value }
}
