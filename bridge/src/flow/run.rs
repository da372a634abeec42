//! A flow from its configuration to its end, on its own thread.

use std::rc::Rc;

use log::{error, info};
use ringmq::mqtt::{TopicFilter, TopicName};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::budget::Budget;
use super::driver::{Driver, End};
use super::letters::Letters;
use super::positions::Positions;
use super::progress::Progress;
use crate::config::{Dead, Flow};
use crate::metrics::{FlowMetrics, State};
use crate::mqtt::Subscriber;
use crate::sinks::Sink;

/// Runs a flow until `stop` is true. It is called on the flow's thread.
pub fn run(flow: Flow, metrics: FlowMetrics, stop: watch::Receiver<bool>) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            metrics.set_state(State::Stopped);
            return error!("{}: has no runtime: {error}", flow.name);
        }
    };
    LocalSet::new().block_on(&runtime, drive(flow, metrics, stop));
}

async fn drive(flow: Flow, metrics: FlowMetrics, stop: watch::Receiver<bool>) {
    let positions = match &flow.positions {
        None => Ok(Positions::volatile()),
        Some(file) => Positions::open(file).map_err(|error| format!("{}: {error}", file.display())),
    };
    let positions = match positions {
        Ok(positions) => positions,
        Err(says) => {
            metrics.set_state(State::Stopped);
            return error!("{}: stopped: {says}", flow.name);
        }
    };
    info!(
        "{}: {} at {} → {}",
        flow.name,
        flow.input.filters.join(", "),
        flow.input.peer.address,
        flow.target.kind()
    );
    let reads_own = match &flow.dead {
        Dead::Topic(topic) => matches_any(&flow.input.filters, topic),
        Dead::Stop | Dead::Drop => false,
    };
    let progress = Rc::new(Progress::default());
    let budget = Budget::new(flow.buffer);
    let (sender, chunks) = mpsc::unbounded_channel();
    let subscriber = Subscriber::new(
        &flow.name,
        flow.input.clone(),
        sender,
        (progress.clone(), budget.clone()),
        metrics.clone(),
        positions,
    );
    let reader = tokio::task::spawn_local(subscriber.run());
    let mut driver = Driver {
        name: flow.name.clone(),
        sink: Sink::new(&flow.target, &flow.name),
        chunks,
        progress: progress.clone(),
        budget,
        metrics,
        limits: flow.batch,
        letters: Letters::new(flow.dead.clone(), flow.home.clone(), &flow.name, reads_own),
        stop,
        rest: None,
    };
    let end = driver.run().await;
    progress.close();
    // The reader acknowledges the confirmed messages and disconnects.
    let _ = reader.await;
    if end == End::Refused {
        // The flow stays as it is until the process ends, so that metrics show it.
        let _ = driver.stop.wait_for(|stop| *stop).await;
    }
}

fn matches_any(filters: &[String], topic: &str) -> bool {
    let Ok(topic) = TopicName::parse(topic) else { return false };
    let filters = filters.iter().filter_map(|filter| TopicFilter::parse(filter).ok());
    filters.into_iter().any(|filter| filter.matches(topic))
}
