//! One filter of a SUBSCRIBE with its options, and the possible forms of its copies.

use ringmq::mqtt::{QoS, RetainHandling, SubscribeEntry, TopicFilter};

use crate::random::Random;

/// Identifiers of SUBSCRIBEs in this test.
const IDENTIFIERS: &[Option<u32>] = &[None, None, Some(1), Some(2), Some(300), Some(268_435_455)];

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) filter: &'static str,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) handling: RetainHandling,
    /// The identifier of the whole SUBSCRIBE.
    pub(crate) identifier: Option<u32>,
}

impl Wish {
    /// A filter of MQTT 3.1.1.
    pub(crate) fn plain(filter: &'static str, qos: QoS) -> Self {
        Self {
            filter,
            qos,
            no_local: false,
            retain_as_published: false,
            handling: RetainHandling::Always,
            identifier: None,
        }
    }

    /// Adds options of MQTT 5.
    pub(crate) fn with_options(self, identifier: Option<u32>, random: &mut Random) -> Self {
        let (always, never) = (RetainHandling::Always, RetainHandling::Never);
        Self {
            no_local: random.one_in(4),
            retain_as_published: random.one_in(4),
            handling: random.pick(&[always, always, RetainHandling::IfNew, never]),
            identifier,
            ..self
        }
    }

    pub(crate) fn draw_identifier(random: &mut Random) -> Option<u32> {
        random.pick(IDENTIFIERS)
    }

    pub(crate) fn entry(&self) -> SubscribeEntry<'static> {
        let &Self { filter, qos, no_local, retain_as_published, handling, .. } = self;
        let filter = TopicFilter::parse(filter).expect("filters here are valid");
        let entry = SubscribeEntry::new(filter, qos);
        SubscribeEntry { no_local, retain_as_published, retain_handling: handling, ..entry }
    }
}
