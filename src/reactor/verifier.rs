//! The interface to the threads that verify passwords.

use crate::broker::{Answer, ConnId, PasswordCheck};

/// Verifies passwords in other threads, and wakes the shard when there is an answer.
pub trait Verifier: Send {
    /// Takes a password to verify; answers at once if possible.
    fn ask(&mut self, check: PasswordCheck) -> Option<Answer>;

    /// The next answer.
    fn next_answer(&mut self) -> Option<(ConnId, Answer)>;
}

/// Verifies each password at once in the shard's own thread; for simulations.
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
