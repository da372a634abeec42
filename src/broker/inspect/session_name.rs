//! Names of sessions, and figures of vhosts.

/// Names a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionName {
    /// The number of its vhost.
    pub vhost: u16,
    /// Its client id.
    pub client_id: String,
}

/// The figures of a vhost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VhostReport {
    /// Its name.
    pub vhost: Box<str>,
    /// Counters and gauges with their names.
    pub figures: [(&'static str, u64); 9],
}

impl VhostReport {
    /// Adds another shard's figures of the same vhost.
    pub fn add(&mut self, other: &Self) {
        let pairs = self.figures.iter_mut().zip(&other.figures);
        pairs.for_each(|((_, sum), (_, more))| *sum += more);
    }
}
