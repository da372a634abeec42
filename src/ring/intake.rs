//! [`Intake`]: how many bytes a turn should receive.
//!
//! What a turn receives causes output, and both should be in the cache until the kernel has copied
//! them. From one client to one, about as much goes out as comes in; from one to 50, it is 50 times
//! as much. So a turn receives no more than [`RECEIVED_BYTES`], and less if more than
//! [`OUTPUT_BYTES`] go out for it.

/// The most bytes for a turn to receive. With as much output they stay in a second-level cache of
/// 1 MiB.
const RECEIVED_BYTES: u64 = 256 * 1024;

/// The least bytes for a turn to receive. With less, the sends to many subscribers are so small
/// that the kernel's work for each costs more than the cache saves.
const RECEIVED_BYTES_MIN: u64 = 64 * 1024;

/// The bytes that should go out for what a turn receives.
const OUTPUT_BYTES: u64 = 4 * 1024 * 1024;

/// Each time the kernel is entered, this part of the sums is forgotten. Output follows some turns
/// after what caused it, so the sums are of many.
const FORGOTTEN: u64 = 64;

/// Sums of bytes, of late.
#[derive(Default, Debug)]
pub(super) struct Intake {
    received: u64,
    sent: u64,
}

impl Intake {
    #[inline]
    pub(super) fn note_received(&mut self, bytes: u32) {
        self.received += u64::from(bytes);
    }

    #[inline]
    pub(super) fn note_sent(&mut self, bytes: u32) {
        self.sent += u64::from(bytes);
    }

    /// The kernel is entered.
    pub(super) fn forget(&mut self) {
        self.received -= self.received / FORGOTTEN;
        self.sent -= self.sent / FORGOTTEN;
    }

    /// About so many bytes should be received until the output for them is sent.
    pub(super) fn bytes(&self) -> u32 {
        let for_output = (OUTPUT_BYTES * self.received).checked_div(self.sent);
        let bytes = for_output.unwrap_or(RECEIVED_BYTES);
        let bytes = bytes.clamp(RECEIVED_BYTES_MIN, RECEIVED_BYTES);
        u32::try_from(bytes).expect("at most the constant")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a turn may receive, if for each byte so many are sent.
    fn bytes_at(times: u32) -> u32 {
        let mut intake = Intake::default();
        for _ in 0..100 {
            let received = intake.bytes();
            intake.note_received(received);
            intake.note_sent(received * times);
            intake.forget();
        }
        intake.bytes()
    }

    /// The more goes out for what comes in, the less comes in.
    #[test]
    fn output_bounds_it() {
        for times in [0, 1, 16] {
            assert_eq!(u64::from(bytes_at(times)), RECEIVED_BYTES, "{times}");
        }
        for times in [20, 50] {
            let (bytes, wanted) = (u64::from(bytes_at(times)), OUTPUT_BYTES / u64::from(times));
            assert!(bytes.abs_diff(wanted) <= wanted / 16, "{times}: {bytes}, not {wanted}");
        }
        assert_eq!(u64::from(bytes_at(200)), RECEIVED_BYTES_MIN);
    }

    /// A long replay, during which nothing is received, is soon forgotten.
    #[test]
    fn replay_is_forgotten() {
        let mut intake = Intake::default();
        intake.note_sent(1 << 30);
        for _ in 0..500 {
            intake.note_received(16 * 1024);
            intake.note_sent(16 * 1024);
            intake.forget();
        }
        assert!(intake.bytes() > 200 * 1024, "{}", intake.bytes());
    }
}
