//! A queue of peers that wait to write or to be read, each at most once.
//!
//! Invariant: `waiting[t]` says whether `t` is in `order`. Owned by a thread's load.

use std::collections::VecDeque;

/// A queue that contains each token at most once.
#[derive(Debug)]
pub(crate) struct Turns {
    order: VecDeque<usize>,
    waiting: Vec<bool>,
}

impl Turns {
    /// An empty queue for tokens below `peers`.
    pub(crate) fn new(peers: usize) -> Turns {
        Turns { order: VecDeque::new(), waiting: vec![false; peers] }
    }

    /// Adds a token; has no effect if it is in the queue already.
    pub(crate) fn push(&mut self, token: usize) {
        if !std::mem::replace(&mut self.waiting[token], true) {
            self.order.push_back(token);
        }
    }

    /// Removes the next token.
    pub(crate) fn pop(&mut self) -> Option<usize> {
        let token = self.order.pop_front()?;
        self.waiting[token] = false;
        Some(token)
    }

    /// Number of waiting tokens.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each token has one turn, in the order of the requests.
    #[test]
    fn turns_are_fair() {
        let mut turns = Turns::new(3);
        for token in [2, 0, 2, 1, 0] {
            turns.push(token);
        }
        let order: Vec<usize> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, [2, 0, 1]);
        turns.push(2);
        assert_eq!(turns.pop(), Some(2), "may ask again afterwards");
    }
}
