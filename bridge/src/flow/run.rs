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
use crate::config::{Dead, Flow, Input};
use crate::metrics::{FlowMetrics, State};
use crate::mqtt::Subscriber;
use crate::nats::NatsSource;
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
    let is_member = matches!(&flow.input, Input::Mqtt(input) if input.group.is_some());
    let positions = match &flow.positions {
        None if is_member => Ok(Positions::of_receipt()),
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
    let reads_own = match (&flow.dead, &flow.input) {
        (Dead::Topic(topic), Input::Mqtt(input)) => matches_any(&input.filters, topic),
        _ => false,
    };
    let progress = Rc::new(Progress::default());
    let budget = Budget::new(flow.buffer);
    let (sender, chunks) = mpsc::unbounded_channel();
    let shared = (progress.clone(), budget.clone());
    let reader = match flow.input {
        Input::Mqtt(input) => {
            let (from, kind) = (input.subscriptions().join(", "), flow.target.kind());
            info!("{}: {from} at {} → {kind}", flow.name, input.peer.address);
            let counts = metrics.clone();
            let reader = Subscriber::new(&flow.name, input, sender, shared, counts, positions);
            tokio::task::spawn_local(reader.run())
        }
        Input::Nats(input) => {
            info!("{}: {} of NATS → mqtt", flow.name, input.subjects.join(", "));
            let reader = NatsSource::new(&flow.name, input, sender, shared, metrics.clone());
            tokio::task::spawn_local(reader.run())
        }
    };
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
