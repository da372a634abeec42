//! The message number of a packet identifier.
//!
//! A session numbers its messages, and the identifier is the number modulo 65,535, plus 1 (ringmq's
//! rule; the standard only demands that a message keeps its identifier). At most
//! [`WINDOW_MAX`](crate::limits::WINDOW_MAX) messages are in flight, less than half of that, so the
//! number nearest to a known one is the right one, even if messages in between were dropped.

/// The number of packet identifiers.
const IDENTIFIERS: u64 = 65_535;

/// The number of a message that was sent before (DUP): of the numbers with this identifier, the
/// nearest to `known`, the number of a message that was in flight with it.
pub(super) fn nearest(known: u64, packet_id: u16) -> u64 {
    let next = following(known, packet_id);
    match next.checked_sub(IDENTIFIERS) {
        Some(before) if known - before < next - known => before,
        _ => next,
    }
}

/// The first number, `least` or higher, with this identifier.
pub(super) fn following(least: u64, packet_id: u16) -> u64 {
    let wanted = u64::from(packet_id) - 1;
    least + (wanted + IDENTIFIERS - least % IDENTIFIERS) % IDENTIFIERS
}

#[cfg(test)]
mod tests {
    use super::*;

    // A number within the window on either side is found by its identifier.
    #[test]
    fn numbers_are_found() {
        let window = u64::from(crate::limits::WINDOW_MAX);
        let packet_id = |number: u64| u16::try_from(number % IDENTIFIERS + 1).expect("below");
        for known in [0, 1, window, 65_534, 65_535, 65_536, 1 << 40] {
            for delta in [0, 1, 2, window - 1, window] {
                let later = known + delta;
                assert_eq!(nearest(known, packet_id(later)), later, "{known} + {delta}");
                assert_eq!(following(known, packet_id(later)), later, "{known} + {delta}");
                if let Some(earlier) = known.checked_sub(delta) {
                    assert_eq!(nearest(known, packet_id(earlier)), earlier, "{known} - {delta}");
                }
            }
            assert_eq!(following(known + 1, packet_id(known)), known + IDENTIFIERS);
        }
    }
}
