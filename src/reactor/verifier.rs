//! The interface to the threads that verify passwords.

use crate::broker::{Answer, ConnId, PasswordCheck};

/// Verifies passwords off the shard's thread, and wakes the shard when an answer is there.
pub trait Verifier: Send {
    /// Takes a password to be checked; answers at once if it can.
    fn ask(&mut self, check: PasswordCheck) -> Option<Answer>;

    /// An answer that came.
    fn next_answer(&mut self) -> Option<(ConnId, Answer)>;
}

/// Verifies each password at once, in the shard's own thread: for simulations.
#[derive(Clone, Copy, Debug)]
pub struct InlineVerifier;

impl Verifier for InlineVerifier {
    fn ask(&mut self, check: PasswordCheck) -> Option<Answer> {
        Some(if check.question.verify() { Answer::Right } else { Answer::Wrong })
    }

    fn next_answer(&mut self) -> Option<(ConnId, Answer)> {
        None
    }
}
