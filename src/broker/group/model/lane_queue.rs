//! A lane's messages, and the log of a shard, as far as groups need them.
//!
//! It stands for `store::Queue` and the records of `store`: numbers ascend, what was taken is made
//! the next again by `rewind`, and a number that has ended does not come back.

/// The number of a message in its plan.
pub(super) type Message = usize;

/// See the file.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct LaneQueue {
    /// The message of each number, and whether it has ended.
    numbers: Vec<(Message, bool)>,
    next: usize,
    sent: usize,
}

impl LaneQueue {
    pub(super) fn push(&mut self, message: Message) {
        self.numbers.push((message, false));
    }

    pub(super) fn message(&self, number: usize) -> Message {
        self.numbers[number].0
    }

    /// `Queue::first`.
    pub(super) fn first(&self) -> usize {
        let first = self.numbers.iter().position(|(_, gone)| !gone);
        first.unwrap_or(self.numbers.len())
    }

    /// `Queue::sent`.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    fn incomplete(&self, from: usize, to: usize) -> usize {
        self.numbers[from..to].iter().filter(|(_, gone)| !gone).count()
    }

    /// `Queue::waiting`.
    pub(super) fn waiting(&self) -> usize {
        self.incomplete(self.next, self.numbers.len())
    }

    /// `Queue::unacked`.
    pub(super) fn unacked(&self) -> usize {
        self.incomplete(0, self.next)
    }

    /// `Queue::take_next`.
    pub(super) fn take_next(&mut self) -> Option<usize> {
        let ahead = self.numbers[self.next..].iter().position(|(_, gone)| !gone)?;
        let number = self.next + ahead;
        self.next = number + 1;
        self.sent = self.sent.max(self.next);
        Some(number)
    }

    /// `Queue::rewind`.
    pub(super) fn rewind(&mut self) {
        self.next = self.first();
    }

    /// `Queue::withdraw`.
    pub(super) fn withdraw(&mut self, number: usize) -> bool {
        !std::mem::replace(&mut self.numbers[number].1, true)
    }

    /// As replay makes it of the records.
    fn recovered(&self) -> Self {
        let mut new = Self { numbers: self.numbers.clone(), next: 0, sent: 0 };
        new.rewind();
        new
    }

    /// The messages that have not ended.
    pub(super) fn rest(&self) -> impl Iterator<Item = Message> {
        self.numbers.iter().filter(|(_, gone)| !gone).map(|(message, _)| *message)
    }
}

/// A record of the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Record {
    Stored { lane: usize, message: Message },
    Ended { lane: usize, number: usize },
    Reserved { client: usize, below: u64 },
}

/// A shard's log: what is committed, and the records after that.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Log {
    lanes: Vec<LaneQueue>,
    pub(super) reserved: [u64; 2],
    pending: Vec<Record>,
    committed: u64,
}

impl Log {
    pub(super) fn new(lanes: usize) -> Self {
        let lanes = vec![LaneQueue::default(); lanes];
        Self { lanes, reserved: [0; 2], pending: Vec::new(), committed: 0 }
    }

    pub(super) fn append(&mut self, record: Record) {
        self.pending.push(record);
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn appended(&self) -> u64 {
        self.committed + self.pending.len() as u64
    }

    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Commits the first records; returns the messages among them.
    pub(super) fn commit(&mut self, count: usize) -> Vec<Message> {
        let mut stored = Vec::new();
        for record in self.pending.drain(..count) {
            self.committed += 1;
            match record {
                Record::Stored { lane, message } => {
                    self.lanes[lane].push(message);
                    stored.push(message);
                }
                Record::Ended { lane, number } => {
                    self.lanes[lane].withdraw(number);
                }
                Record::Reserved { client, below } => self.reserved[client] = below,
            }
        }
        stored
    }

    /// The process ends. A write in progress is made in full, or not.
    pub(super) fn crash(&mut self, is_written: bool) {
        if is_written {
            self.commit(self.pending.len());
        }
        self.pending.clear();
    }

    /// The lanes as replay makes them.
    pub(super) fn replayed(&self) -> Vec<LaneQueue> {
        self.lanes.iter().map(LaneQueue::recovered).collect()
    }

    pub(super) fn rest(&self) -> impl Iterator<Item = Message> {
        self.lanes.iter().flat_map(LaneQueue::rest)
    }
}
