//! The broker is killed again and again while clients publish and subscribe; what it has
//! acknowledged is there afterwards.
//!
//! ```text
//! plan ─► start ─► publishers, subscribers, vagrants ─► SIGKILL ─► look into the directory ─┐
//!           ▲                                                                               │
//!           └───────────────────────────────────────────────────────────────────────────────┘
//!         in the end: start ─► all is sent and received ─► SIGTERM
//! ```
//! Run by `scripts/crash-test`, which see for the environment that it reads.

#[path = "../common/mod.rs"]
mod common;
mod daemon;
mod directory;
mod heirs;
mod ledger;
mod link;
mod member;
mod plan;
mod publisher;
mod scene;
mod stage;
mod subscriber;
mod tail;
mod vagrant;

use plan::Plan;
use stage::Stage;

/// What the broker acknowledged outlives it, in order, as often as it may, and nothing else comes.
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
