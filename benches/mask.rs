//! Unmasking of WebSocket frames beside a copy: nanoseconds for each payload, and its rate.
//!
//! Prints the best and the median of many short runs, as `codec` does. Run with `cargo bench
//! --bench mask`.

use std::hint::black_box;
use std::time::Instant;

use ringmq::transport::websocket::mask::{unmask, unmask_down};

const RUNS: usize = 100;

/// Bytes that one run handles.
const RUN_BYTES: usize = 16 * 1024 * 1024;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn measure(name: &str, bytes: usize, mut call: impl FnMut()) {
    let calls = RUN_BYTES / bytes;
    let mut runs: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..calls {
                call();
            }
            #[expect(clippy::cast_precision_loss, reason = "a million has few digits")]
            let count = calls as f64;
            start.elapsed().as_secs_f64() * 1e9 / count
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "sizes have few digits")]
    let rate = bytes as f64 / runs[0];
    let median = runs[RUNS / 2];
    println!("{name:28} {:9.1} ns best {median:9.1} ns median {rate:6.1} GB/s", runs[0]);
}

fn main() {
    for bytes in [74, 1024, 16 * 1024, 256 * 1024] {
        let source = vec![0x41; bytes + 6];
        let mut target = source.clone();
        measure(&format!("copy {bytes} B"), bytes, || {
            target[..bytes].copy_from_slice(black_box(&source[..bytes]));
            black_box(&mut target);
        });
        measure(&format!("unmask {bytes} B"), bytes, || {
            unmask(black_box(&mut target[..bytes]), black_box(MASK));
        });
        measure(&format!("unmask and move {bytes} B"), bytes, || {
            unmask_down(black_box(&mut target), 6, 0, bytes, black_box(MASK));
        });
    }
}
