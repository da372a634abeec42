//! The bridge's program: options, logging, a thread for each flow, and the end by a signal.

mod options;

use std::process::ExitCode;
use std::thread;

use clap::Parser;
use log::{error, info};
use ringmq_bridge::config::{self, Config};
use ringmq_bridge::flow;
use ringmq_bridge::metrics::FlowMetrics;
use ringmq_bridge::{backlog, http, notify, terminal};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use options::{Command, Options};

fn main() -> ExitCode {
    let levels = env_logger::Env::new().filter_or("RINGMQ_BRIDGE_LOG", "info");
    env_logger::Builder::from_env(levels).init();
    match Options::parse().command {
        Command::Check { file } => match config::load(&file) {
            Ok(config) => {
                println!("{}: {} flows, no fault", file.display(), config.flows.len());
                ExitCode::SUCCESS
            }
            Err(faults) => tell(&faults),
        },
        Command::Run { file } => match config::load(&file) {
            Ok(config) => run(config),
            Err(faults) => tell(&faults),
        },
    }
}

fn tell(faults: &[config::Fault]) -> ExitCode {
    for fault in faults {
        eprintln!("{fault}");
    }
    ExitCode::FAILURE
}

fn run(config: Config) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("there is no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (stop, stopped) = watch::channel(false);
    let metrics: Vec<FlowMetrics> =
        config.flows.iter().map(|flow| FlowMetrics::new(&flow.name, flow.target.kind())).collect();
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        if let Some(address) = config.http {
            let address = http::listen(address, metrics.clone()).await?;
            info!("operators' HTTP at http://{address}");
        }
        if let Some(admin) = config.admin {
            let backlogs = backlog::backlogs(&config.flows, &metrics);
            tokio::spawn(backlog::watch(admin, backlogs));
        }
        let mut threads = Vec::new();
        for (flow, metrics) in config.flows.into_iter().zip(&metrics) {
            let (metrics, stopped) = (metrics.clone(), stopped.clone());
            let builder = thread::Builder::new().name(flow.name.clone());
            threads.push(builder.spawn(move || flow::run(flow, metrics, stopped))?);
        }
        notify::tell("READY=1");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = terminal::show(&metrics) => {}
        }
        info!("stops: batches under way are finished");
        notify::tell("STOPPING=1");
        Ok::<_, std::io::Error>(threads)
    });
    let threads = match outcome {
        Ok(threads) => threads,
        Err(error) => {
            error!("does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // The flows may have ended already.
    let _ = stop.send(true);
    for thread in threads {
        if thread.join().is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
