//! Random lives of a queue, with restarts in them.

use super::harness::Harness;
use super::random::Random;

// Whatever happens in whatever order, the queue is the model, and holds what it needs.
#[test]
fn equals_a_plain_model() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let tail_bytes_max = 30 + 30 * usize::from(seed % 4);
        let volatile = seed % 6 == 0;
        let mut harness = Harness::new(volatile, tail_bytes_max);
        for step in 0..3_000 {
            let pushes = [3, 9, 14, 6][step / 250 % 4];
            harness.step(&mut random, pushes);
            match random.below(200) {
                0 => harness.turn(true),
                1 => harness.turn(false),
                2 => harness.lose(&mut random),
                3..20 => harness.commit(),
                20..40 => harness.check(),
                40 if !volatile => harness.clean(&mut random),
                41 if random.below(20) == 0 => harness.drain(),
                _ => {}
            }
        }
        harness.check();
        if seed % 2 == 0 { harness.drain() } else { harness.finish() }
    }
}

// Rebuilt from any state and what the log has behind it, the queue is as it was told.
#[test]
fn comes_back_as_it_was_told() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let tail_bytes_max = 30 + 30 * usize::from(seed % 4);
        let mut harness = Harness::new(false, tail_bytes_max);
        let mut restarts = 0;
        for step in 0..1_500 {
            let pushes = [3, 9, 14, 6][step / 150 % 4];
            harness.step(&mut random, pushes);
            match random.below(300) {
                0..2 => harness.turn(true),
                2 => harness.turn(false),
                3..40 => harness.commit(),
                40..43 => harness.clean(&mut random),
                43 => harness.capture(&mut random),
                44 => {
                    if random.below(4) > 0 {
                        harness.commit();
                    }
                    harness.restart(&mut random);
                    restarts += 1;
                }
                45 => harness.lose(&mut random),
                46 if random.below(20) == 0 => harness.drain(),
                _ => {}
            }
        }
        assert!(restarts > 0 || seed > 0);
        harness.commit();
        harness.restart(&mut random);
        harness.finish();
    }
}
