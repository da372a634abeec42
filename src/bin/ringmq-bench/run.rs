//! The main thread: it starts the loads, sends the plan, samples processes and collects outcomes.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::crowd::{Crowd, Share};
use crate::load::{Command, Event, Line, Load, Outcome, Plan};
use crate::options::Options;
use crate::procfs::Sample;
use crate::report::{Processes, Report};
use crate::stats::{Clock, Tally, nanoseconds};

/// The running threads.
struct Crew {
    options: Arc<Options>,
    clock: Clock,
    events: Receiver<Event>,
    commands: Vec<Sender<Command>>,
    progress: Progress,
    outcomes: Vec<Outcome>,
    ready: usize,
    through: usize,
}

/// Executes the options. The error is the text for the user.
pub(crate) fn run(options: Options) -> Result<Report, String> {
    let options = Arc::new(options);
    let mut processes = Processes { before: sample(&options)?, ..Processes::default() };
    let mut crew = Crew::start(Arc::clone(&options))?;
    let began_ns = crew.clock.now_ns();
    let threads = crew.commands.len();
    crew.listen(None, |crew| crew.ready == threads)?;
    let connecting_ns = crew.clock.now_ns() - began_ns;
    processes.connected = sample(&options)?;

    let plan = plan(&options, crew.clock.now_ns());
    crew.command(Command::Start(plan));
    crew.listen(Some(plan.measure_ns), |_| false)?;
    let (from, own_from, from_ns) = (sample(&options)?, own_sample()?, crew.clock.now_ns());
    if options.messages.is_none() {
        crew.listen(Some(plan.stop_ns), |_| false)?;
    } else {
        // Late deliveries count as well: everything has ended before the second sample.
        crew.listen(Some(plan.stop_ns), |crew| crew.through == threads)?;
        processes.filled = sample(&options)?;
        crew.command(Command::Drain);
        crew.listen(None, |crew| crew.outcomes.len() == threads)?;
    }
    let until_ns = crew.clock.now_ns();
    processes.until = sample(&options)?;
    processes.from = from;
    processes.span_s = (until_ns - from_ns) as f64 / 1e9;
    processes.own_cpu_s = own_sample()?.cpu_s - own_from.cpu_s;
    crew.command(Command::Close);
    crew.listen(None, |crew| crew.outcomes.len() == threads)?;
    let lag = crew.progress.lag_max;
    Ok(Report::new(&options, crew.outcomes, processes, connecting_ns as f64 / 1e9).with_lag(lag))
}

fn plan(options: &Options, start_ns: u64) -> Plan {
    let measure_ns = start_ns + nanoseconds(options.warmup);
    let length = options.duration.map(nanoseconds);
    Plan { start_ns, measure_ns, stop_ns: length.map_or(u64::MAX, |length| measure_ns + length) }
}

fn sample(options: &Options) -> Result<Option<Sample>, String> {
    let Some(pid) = options.broker_pid else {
        return Ok(None);
    };
    Sample::of(pid).map(Some).map_err(|error| format!("--broker-pid {pid}: {error}"))
}

fn own_sample() -> Result<Sample, String> {
    Sample::of(std::process::id()).map_err(|error| format!("/proc/self: {error}"))
}

impl Crew {
    fn start(options: Arc<Options>) -> Result<Crew, String> {
        let clock = Clock::start();
        let (to_main, events) = mpsc::channel();
        let mut commands = Vec::new();
        for thread in 0..options.threads {
            let share = Share { thread, threads: options.threads };
            let (command, from_main) = mpsc::channel();
            let line = Line { events: to_main.clone(), commands: from_main };
            let options = Arc::clone(&options);
            let builder = thread::Builder::new().name(format!("load-{thread}"));
            let spawned = builder.spawn(move || work(&options, share, clock, line));
            // The handle is not needed: every thread reports its end as an event.
            spawned.map_err(|error| format!("starting a thread: {error}"))?;
            commands.push(command);
        }
        let progress = Progress::new(&options);
        let outcomes = Vec::new();
        Ok(Crew { options, clock, events, commands, progress, outcomes, ready: 0, through: 0 })
    }

    fn command(&self, command: Command) {
        for load in &self.commands {
            // A load that has ended needs no command; its outcome has the reason.
            let _ = load.send(command);
        }
    }

    /// Processes events until the time is over or the condition holds.
    fn listen(
        &mut self,
        until_ns: Option<u64>,
        enough: impl Fn(&Crew) -> bool,
    ) -> Result<(), String> {
        while !enough(self) {
            let left_ns = until_ns.map_or(u64::MAX, |ns| ns.saturating_sub(self.clock.now_ns()));
            match self.events.recv_timeout(Duration::from_nanos(left_ns)) {
                Ok(event) => self.handle(event)?,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Ready => self.ready += 1,
            Event::Failed(text) => return Err(text),
            Event::Through => self.through += 1,
            Event::Ended(outcome) => self.outcomes.push(*outcome),
            Event::Progress(share, tally, again) => {
                let line = self.progress.note(share, tally, again);
                if let Some(line) = line.filter(|_| self.options.progress) {
                    eprintln!("{}: {line}", self.options.broker);
                }
            }
        }
        Ok(())
    }
}

/// Runs one thread.
fn work(options: &Options, share: Share, clock: Clock, line: Line) {
    if options.rate.is_some() {
        // The default timer slack of 50 µs would be visible in every latency. If it cannot be set,
        // the run continues.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
    }
    let crowd = match Crowd::connect(options, share, clock) {
        Ok(crowd) => crowd,
        Err(text) => {
            let _ = line.events.send(Event::Failed(text));
            return;
        }
    };
    // Sending fails only if the main thread has given up, and then the process ends.
    let _ = line.events.send(Event::Ready);
    let Ok(Command::Start(plan)) = line.commands.recv() else {
        return;
    };
    let events = line.events.clone();
    let outcome = Load::new(options, share, crowd, plan, line).run();
    let _ = events.send(Event::Ended(Box::new(outcome)));
}

/// Makes one line a second from the counters of all threads.
struct Progress {
    latest: Vec<Tally>,
    before: Tally,
    seconds: u64,
    /// Messages that groups had received more than once, when they were last counted.
    again: u64,
    /// Groups that each get all messages; 0: subscribers are no members.
    groups: u32,
    /// The most messages that were published and that groups had not.
    lag_max: u64,
}

impl Progress {
    fn new(options: &Options) -> Progress {
        let latest = vec![Tally::default(); options.threads as usize];
        let groups = options.group.as_ref().map_or(0, |group| group.groups(options.subscribers));
        Progress { latest, before: Tally::default(), seconds: 0, again: 0, groups, lag_max: 0 }
    }

    /// Records a thread's counters; those of the first thread print the line.
    fn note(&mut self, share: Share, tally: Tally, again: u64) -> Option<String> {
        self.latest[share.thread as usize] = tally;
        if share.thread != 0 {
            return None;
        }
        let mut total = Tally::default();
        for tally in &self.latest {
            total += *tally;
        }
        let second = total - self.before;
        self.before = total;
        self.seconds += 1;
        let Tally { published, acked, delivered, .. } = second;
        let seconds = self.seconds;
        let mut line =
            format!("{seconds} s, {published} published, {acked} acked, {delivered} delivered");
        if self.groups > 0 {
            // The first thread, whose counters these are, has all members.
            let due = total.published * u64::from(self.groups);
            let lag = (due + again).saturating_sub(total.delivered);
            self.lag_max = self.lag_max.max(lag);
            line.push_str(&format!(", lag {lag}, {} again", again - self.again));
            self.again = again;
        }
        Some(line)
    }
}
