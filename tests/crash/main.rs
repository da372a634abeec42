//! The broker is killed repeatedly while clients publish and subscribe; acknowledged messages must
//! survive.
//!
//! ```text
//! plan ─► start ─► publishers, subscribers, vagrants ─► SIGKILL ─► look into the directory ─┐
//!           ▲                                                                               │
//!           └───────────────────────────────────────────────────────────────────────────────┘
//!         in the end: start ─► all is sent and received ─► SIGTERM
//! ```
//! `scripts/crash-test` runs it; see there for its environment variables.

#[path = "../common/mod.rs"]
mod common;
mod daemon;
mod directory;
mod heirs;
mod ledger;
mod link;
mod plan;
mod publisher;
mod scene;
mod stage;
mod subscriber;
mod tail;
mod vagrant;

use plan::Plan;
use stage::Stage;

/// Acknowledged messages survive the broker, in order, as often as permitted, and no others are
/// delivered.
#[test]
fn what_is_acknowledged_outlives_the_broker() {
    let plan = Plan::from_env();
    let mut stage = Stage::new(&plan);
    stage.prepare();
    for round in 0..plan.rounds {
        stage.play(round);
    }
    stage.finish();
}
