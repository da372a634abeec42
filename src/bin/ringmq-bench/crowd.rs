//! A thread's connections: their roles, connecting in waves, polling, and losses.
//!
//! Owned by the thread's load. Invariant: a peer's place in `peers` is its token with the poller;
//! a lost peer leaves [`Peer::Gone`] behind, so that places never move.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::belt::{Belt, Layout, Naming};
use crate::checker::Checker;
use crate::client::{Client, Fault, Greeting, Inbox, Route, Stage};
use crate::options::Options;
use crate::publisher::{Belts, Publisher, Terms};
use crate::stats::{Clock, STAMP_BYTES, Stats};
use crate::subscriber::Subscriber;
use crate::template;

/// Handshakes under way at once in a thread: below the listen backlog of every broker.
const WAVE: usize = 500;

/// Longest time without progress of any handshake.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Connections from one loopback address: Linux has 28,232 ephemeral ports by default.
const CONNECTIONS_PER_SOURCE: u32 = 25_000;

/// Bytes of all belts of a thread's publishers, so that stamping and copying stay in L2 ...
const BELTS_BYTES: usize = 1024 * 1024;

/// ... and the largest belt of one publisher: the bytes of one write.
const BELT_BYTES_MAX: usize = 64 * 1024;

/// Messages on a belt in an open loop: those that become due between two turns.
const SCHEDULED_MESSAGES: usize = 64;

/// Most events taken from the poller at once.
const EVENTS: usize = 1024;

/// One of a thread's connections.
#[derive(Debug)]
pub(crate) enum Peer {
    /// A publisher.
    Publisher(Box<Publisher>),
    /// A subscriber.
    Subscriber(Box<Subscriber>),
    /// An idle connection.
    Idle(Box<Client>),
    /// A lost connection.
    Gone,
}

/// The role of a connection.
#[derive(Clone, Copy, Debug)]
enum Role {
    Publisher(u32),
    Subscriber(u32),
    Idle(u32),
}

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// Publishers first, then subscribers, then idle connections.
    pub(crate) peers: Vec<Peer>,
    /// What subscribers have received: of each its own, of a group one.
    pub(crate) checkers: Vec<Checker>,
    /// The shared receive buffer.
    pub(crate) inbox: Inbox,
    /// The counters of all of them.
    pub(crate) stats: Stats,
    /// The run's clock.
    pub(crate) clock: Clock,
    /// Connections lost, and the first reason.
    pub(crate) lost: Lost,
    /// When the first connection was started.
    pub(crate) began_ns: u64,
    poll: Poll,
}

/// Connections that ended too early.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    /// How many.
    pub(crate) count: u64,
    /// Why the first one ended.
    pub(crate) reason: Option<String>,
}

/// The connections that belong to one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// The thread's number.
    pub(crate) thread: u32,
    /// Number of threads.
    pub(crate) threads: u32,
}

impl Share {
    /// The thread's numbers out of `0..count`.
    pub(crate) fn of(self, count: u32) -> impl Iterator<Item = u32> {
        (self.thread..count).step_by(self.threads as usize)
    }
}

impl Peer {
    fn client(&mut self) -> Option<&mut Client> {
        match self {
            Peer::Publisher(publisher) => Some(publisher.client()),
            Peer::Subscriber(subscriber) => Some(subscriber.client()),
            Peer::Idle(client) => Some(client),
            Peer::Gone => None,
        }
    }
}

impl Crowd {
    /// Connects all of a thread's share. The error names the broker and its answer.
    pub(crate) fn connect(options: &Options, share: Share, clock: Clock) -> Result<Crowd, String> {
        let poll = Poll::new().map_err(|error| format!("epoll: {error}"))?;
        let mut crowd = Crowd {
            peers: Vec::new(),
            checkers: checkers(options, share),
            inbox: Inbox::new(),
            stats: Stats::new(),
            clock,
            lost: Lost::default(),
            began_ns: clock.now_ns(),
            poll,
        };
        let publishers = share.of(options.publishers).map(Role::Publisher);
        let subscribers = subscribers(options, share).of(options.subscribers).map(Role::Subscriber);
        let idle = share.of(options.idle).map(Role::Idle);
        let mut roles = publishers.chain(subscribers).chain(idle).peekable();
        let mut live = 0;
        let mut last_progress = Instant::now();
        let mut events = Events::with_capacity(EVENTS);
        while roles.peek().is_some() || live < crowd.peers.len() {
            let room = WAVE - (crowd.peers.len() - live);
            for role in roles.by_ref().take(room) {
                let token = crowd.peers.len();
                crowd.peers.push(Peer::Gone);
                crowd.open(options, share, token, role)?;
            }
            let now_live = crowd
                .shake_hands(&mut events, live)
                .map_err(|fault| format!("connecting to {}: {fault}", options.broker))?;
            if now_live > live {
                (live, last_progress) = (now_live, Instant::now());
            } else if last_progress.elapsed() > CONNECT_PATIENCE {
                let (open, seconds) = (crowd.peers.len(), CONNECT_PATIENCE.as_secs());
                let broker = &options.broker;
                return Err(format!("connecting to {broker}: {live} of {open} after {seconds} s"));
            }
        }
        Ok(crowd)
    }

    fn open(
        &mut self,
        options: &Options,
        share: Share,
        token: usize,
        role: Role,
    ) -> Result<(), String> {
        let route = Route {
            to: options.address,
            from: source(options, role),
            websocket: options.websocket,
        };
        let client = Client::open(route, greeting(options, role), options.tls.as_ref())
            .map_err(|error| format!("connecting to {}: {error}", options.broker))?;
        let mut peer = match role {
            Role::Publisher(p) => Peer::Publisher(Box::new(publisher(options, p, client))),
            Role::Subscriber(s) => {
                let subscriber =
                    Subscriber::new(client, checker_of(options, share, s), self.began_ns);
                Peer::Subscriber(Box::new(subscriber))
            }
            Role::Idle(_) => Peer::Idle(Box::new(client)),
        };
        if let Some(client) = peer.client() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            let registered = registry.register(client.socket(), Token(token), interest);
            registered.map_err(|error| format!("epoll: {error}"))?;
        }
        self.peers[token] = peer;
        Ok(())
    }

    /// Closes a member's connection without DISCONNECT; what was received and not read is lost.
    pub(crate) fn kill(&mut self, token: usize) {
        self.peers[token] = Peer::Gone;
    }

    /// Whether a member has not joined its group again after a kill.
    pub(crate) fn is_joining(&mut self, token: usize) -> bool {
        self.peers[token].client().is_some_and(|client| client.stage() != Stage::Live)
    }

    /// Connects member `s` again. Without memory or ports for that it is lost.
    pub(crate) fn restore(&mut self, options: &Options, share: Share, token: usize, s: u32) {
        if let Err(text) = self.open(options, share, token, Role::Subscriber(s)) {
            self.lost.count += 1;
            self.lost.reason.get_or_insert(text);
        }
    }

    /// Messages that subscribers have received more than once.
    pub(crate) fn duplicates(&self) -> u64 {
        self.checkers.iter().map(Checker::duplicates).sum()
    }

    /// Waits for events and continues handshakes; takes and returns the number of live connections.
    fn shake_hands(&mut self, events: &mut Events, mut live: usize) -> Result<usize, Fault> {
        self.wait(events, Duration::from_millis(100));
        for event in &*events {
            let Token(token) = event.token();
            let Some(client) = self.peers[token].client() else {
                continue;
            };
            client.handle_event(event)?;
            let was_live = client.stage() == Stage::Live;
            let mut more = client.is_readable() && !was_live;
            while more {
                self.receive(token)?;
                let client = self.peers[token].client().expect("nobody is lost in handshakes");
                more = client.is_readable() && client.stage() != Stage::Live;
                live += usize::from(client.stage() == Stage::Live);
            }
        }
        Ok(live)
    }

    /// Reads once from the connection `token`; returns the bytes received.
    pub(crate) fn receive(&mut self, token: usize) -> Result<usize, Fault> {
        let Crowd { peers, checkers, inbox, stats, clock, .. } = self;
        match &mut peers[token] {
            Peer::Publisher(publisher) => publisher.receive(inbox, clock, stats),
            Peer::Subscriber(subscriber) => {
                let checker = &mut checkers[subscriber.checker()];
                subscriber.receive(inbox, checker, clock, stats)
            }
            Peer::Idle(client) => receive_idle(client, inbox),
            Peer::Gone => Ok(0),
        }
    }

    /// Waits for events; the timeout is rounded up to milliseconds.
    pub(crate) fn wait(&mut self, events: &mut Events, timeout: Duration) {
        match self.poll.poll(events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => events.clear(),
            Err(error) => panic!("epoll_wait on our own descriptor: {error}"),
        }
    }

    /// Waits until there are events or the timeout is over, with microsecond precision: epoll_wait
    /// counts milliseconds only, which would turn a schedule into bursts.
    pub(crate) fn wait_precisely(&mut self, events: &mut Events, timeout: Duration) {
        let registry = self.poll.registry();
        let mut poller = [PollFd::new(registry, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).expect("waits are short");
        // Interruption and timeout need no distinction: the next turn checks for work.
        let _ = rustix::event::poll(&mut poller, Some(&timeout));
        self.wait(events, Duration::ZERO);
    }

    /// Passes an event to its connection; returns whether that may be read from.
    pub(crate) fn handle_event(&mut self, event: &mio::event::Event) -> bool {
        let Token(token) = event.token();
        let Some(client) = self.peers[token].client() else {
            return false;
        };
        match client.handle_event(event) {
            Ok(()) => client.is_readable(),
            Err(fault) => {
                self.lose(token, &fault);
                false
            }
        }
    }

    /// Whether the connection `token` may be read from.
    pub(crate) fn is_readable(&mut self, token: usize) -> bool {
        self.peers[token].client().is_some_and(|client| client.is_readable())
    }

    /// Drops a connection because of a fault.
    pub(crate) fn lose(&mut self, token: usize, fault: &Fault) {
        log::debug!("connection {token}: {fault}");
        self.lost.count += 1;
        self.lost.reason.get_or_insert_with(|| fault.to_string());
        self.peers[token] = Peer::Gone;
    }

    /// Sends DISCONNECT on every connection, as far as the sockets accept it.
    pub(crate) fn disconnect(&mut self) {
        for peer in &mut self.peers {
            // The broker would read bytes after half a packet as its payload.
            if matches!(peer, Peer::Publisher(publisher) if publisher.is_mid_packet()) {
                continue;
            }
            let Some(client) = peer.client() else {
                continue;
            };
            client.outbox().extend_from_slice(&crate::wire::DISCONNECT);
            let _ = client.flush();
        }
    }
}

fn receive_idle(client: &mut Client, inbox: &mut Inbox) -> Result<usize, Fault> {
    let received = client.receive(inbox)?;
    let mut at = 0;
    while let Some((packet, size)) = crate::wire::split(&inbox.bytes()[at..], client.version())? {
        at += size;
        client.handle_control(&packet)?;
    }
    client.carry_over(inbox, at);
    Ok(received)
}

fn greeting(options: &Options, role: Role) -> Greeting {
    let (kind, number) = match role {
        Role::Publisher(p) => ('p', p),
        Role::Subscriber(s) => ('s', s),
        Role::Idle(i) => ('i', i),
    };
    let subscription = match role {
        Role::Subscriber(s) => {
            let filter = options.filter.render(|_| s);
            let of_group = options.group.as_ref().map(|group| group.filter(s, &filter));
            Some((of_group.unwrap_or(filter), options.sub_qos))
        }
        _ => None,
    };
    let client_id = format!("{}{kind}{number}", options.client_prefix);
    let (clean_session, login) = (options.clean_session, options.login.clone());
    let (version, takes_aliases) = (options.version, options.topic_alias);
    Greeting { version, takes_aliases, client_id, clean_session, login, subscription }
}

/// Spreads many connections over the loopback's addresses, each with its own ports.
fn source(options: &Options, role: Role) -> Option<IpAddr> {
    let place = match role {
        Role::Publisher(p) => p,
        Role::Subscriber(s) => options.publishers + s,
        Role::Idle(i) => options.publishers + options.subscribers + i,
    };
    let IpAddr::V4(to) = options.address.ip() else {
        return None;
    };
    if !to.is_loopback() || options.connections() <= CONNECTIONS_PER_SOURCE {
        return None;
    }
    let first = u32::from(Ipv4Addr::new(127, 0, 0, 2));
    Some(Ipv4Addr::from(first + place / CONNECTIONS_PER_SOURCE).into())
}

fn topic(options: &Options, stream: u32) -> String {
    let (p, n) = (stream / options.topics, stream % options.topics);
    options.topic.render(|place| if place == 'p' { p } else { n })
}

fn publisher(options: &Options, p: u32, client: Client) -> Publisher {
    let first_stream = p * options.topics;
    let streams = first_stream..first_stream + options.topics;
    let topics: Vec<String> = streams.map(|stream| topic(options, stream)).collect();
    let local = options.publishers.div_ceil(options.threads);
    let window = (options.qos == 1).then_some(options.window);
    // A window goes out in pieces as PUBACKs come; a belt of several windows seldom cuts a piece.
    let windows = match options.window {
        1 => 1,
        window => 4 * usize::from(window),
    };
    let messages_max = match (window, options.rate) {
        (Some(_), _) => windows,
        (None, Some(_)) => SCHEDULED_MESSAGES,
        (None, None) => usize::MAX,
    };
    let layout = Layout {
        topics: &topics,
        first_stream,
        naming: if options.topic_alias { Naming::Alias } else { Naming::Name },
        qos: options.qos,
        version: options.version,
        user_properties: options.user_properties,
        payload_bytes: options.payload_bytes,
        bytes_max: (BELTS_BYTES / local as usize).min(BELT_BYTES_MAX),
        messages_max,
    };
    let introduction = options.topic_alias.then(|| {
        let round = Layout { naming: Naming::Introduce, bytes_max: 0, messages_max: 0, ..layout };
        Belt::new(&round)
    });
    let belts = Belts { introduction, belt: Belt::new(&layout) };
    let stamped = options.payload_bytes >= STAMP_BYTES;
    Publisher::new(client, belts, &Terms { window, stamped, topics: topics.len() })
}

/// How subscribers are dealt out: the first thread has all members of groups.
pub(crate) fn subscribers(options: &Options, share: Share) -> Share {
    if options.group.is_none() {
        return share;
    }
    let first = share.thread == 0;
    Share { thread: if first { 0 } else { u32::MAX }, threads: 1 }
}

/// Checkers of a thread: one for each of its subscribers, or for each group.
fn checkers(options: &Options, share: Share) -> Vec<Checker> {
    let share = subscribers(options, share);
    let groups = options.group.as_ref().map(|group| group.groups(options.subscribers));
    share.of(groups.unwrap_or(options.subscribers)).map(|s| checker(options, s)).collect()
}

/// The number of a subscriber's checker.
fn checker_of(options: &Options, share: Share, s: u32) -> usize {
    let number = match &options.group {
        Some(group) => group.group_of(s),
        None => s / share.threads,
    };
    number as usize
}

fn checker(options: &Options, s: u32) -> Checker {
    let all = options.publishers * options.topics;
    if options.pair {
        // Publisher s's topics and no others, without matching all against all.
        let first = s.saturating_mul(options.topics).min(all);
        return Checker::new(first..all.min(first + options.topics), |_| true);
    }
    let filter = options.filter.render(|_| s);
    let matched = |stream: u32| template::matches(&filter, &topic(options, stream));
    let hits = || (0..all).filter(|&stream| matched(stream));
    match hits().next().zip(hits().next_back()) {
        Some((first, last)) => Checker::new(first..last + 1, matched),
        None => Checker::new(0..0, matched),
    }
}
