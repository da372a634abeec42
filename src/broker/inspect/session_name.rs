//! Names of sessions, and vhosts in figures.

/// Names a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionName {
    /// The number of its vhost.
    pub vhost: u16,
    /// Its client id.
    pub client_id: String,
}

/// A vhost in figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VhostReport {
    /// Its name.
    pub vhost: Box<str>,
    /// Figures with their names: counters, and what there is now.
    pub figures: [(&'static str, u64); 8],
}

impl VhostReport {
    /// Adds what another shard has of the same vhost.
    pub fn add(&mut self, other: &Self) {
        let pairs = self.figures.iter_mut().zip(&other.figures);
        pairs.for_each(|((_, sum), (_, more))| *sum += more);
    }
}
