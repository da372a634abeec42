//! The targets, each with a link before it.

use super::super::harness::{
    Bridge, Broker, Client, Cluster, Edition, Host, Influx, Link, Nats, Postgres, SOCKET, Stored,
    TempDir, Way,
};
#[cfg(feature = "kafka")]
use super::super::harness::{Kafka, Tail};
use super::super::nats::open;
use super::{Arrivals, Fault, SLOW, TOPICS};

/// A target that is broken and then read.
pub(super) trait Target {
    fn name(&self) -> String;

    /// The table of the sink.
    fn sink(&self) -> String;

    /// Whether the page's table allows that messages come again.
    fn may_repeat(&self, fault: Fault) -> bool;

    /// SIGKILL of the target, or of one of its nodes.
    fn kill(&mut self, round: usize);

    fn start_again(&mut self, round: usize);

    /// Cuts, holds or slows the link.
    fn set_link(&mut self, fault: Fault);

    fn open_link(&mut self);

    /// A disk becomes full that is not on this host.
    fn fill(&mut self) {}

    /// Returns when the full disk has an effect.
    fn wait_until_full(&mut self, bridge: &Bridge) {
        bridge.expect_metric("target_up", "f", |value| value == 0.0);
    }

    /// An operator has made room.
    fn have_room(&mut self) {}

    /// Reads all that has come, in order of arrival, until it is complete.
    fn read(&mut self, arrivals: &mut Arrivals);
}

fn way(fault: Fault) -> Way {
    match fault {
        Fault::Cut => Way::Cut,
        Fault::Held => Way::Held,
        Fault::Slow => Way::Slow(SLOW),
        other => panic!("{other:?} is none of the link"),
    }
}

/// Streams of NATS.
pub(super) struct Jetstream {
    nodes: Vec<Nats>,
    servers: String,
    links: Vec<Link>,
    edition: Edition,
    is_batch: bool,
}

impl Jetstream {
    pub(super) fn single(directory: TempDir, edition: Edition, is_batch: bool) -> Self {
        let node = Nats::start_in(directory, edition);
        node.make_stream("all", "mq.>");
        let links = vec![Link::tcp(node.port())];
        Self::behind(links, vec![node], edition, is_batch)
    }

    pub(super) fn of_three(edition: Edition) -> Self {
        let (cluster, links) = Cluster::start_behind(edition);
        cluster.make_stream("all", "mq.>");
        Self::behind(links, cluster.nodes, edition, false)
    }

    fn behind(links: Vec<Link>, nodes: Vec<Nats>, edition: Edition, is_batch: bool) -> Self {
        let servers = links.iter().map(|link| format!("\"nats://127.0.0.1:{}\"", link.port()));
        let servers = servers.collect::<Vec<String>>().join(", ");
        Self { nodes, servers, links, edition, is_batch }
    }
}

impl Target for Jetstream {
    fn name(&self) -> String {
        let format = if self.is_batch { "batch" } else { "message" };
        format!("JetStream {format}, {} nodes, {:?}", self.nodes.len(), self.edition)
    }

    fn sink(&self) -> String {
        let keys = match self.is_batch {
            true => "format = \"batch\"\nsubject = \"mq.batch\"\nbytes = \"4KiB\"",
            false => "",
        };
        format!("[sink.nats]\nservers = [{}]\n{keys}", self.servers)
    }

    fn may_repeat(&self, fault: Fault) -> bool {
        self.is_batch && fault == Fault::Bridge
    }

    fn kill(&mut self, round: usize) {
        let count = self.nodes.len();
        self.nodes[round % count].kill();
    }

    fn start_again(&mut self, round: usize) {
        let count = self.nodes.len();
        self.nodes[round % count].start_again();
    }

    fn set_link(&mut self, fault: Fault) {
        self.links.iter().for_each(|link| link.set(way(fault)));
    }

    fn open_link(&mut self) {
        self.links.iter().for_each(|link| link.set(Way::Open));
    }

    // A server that could not write does without JetStream until it is started again.
    fn have_room(&mut self) {
        self.kill(0);
        self.start_again(0);
    }

    fn read(&mut self, arrivals: &mut Arrivals) {
        self.nodes[0].visit("all", |Stored { subject, payload, is_last, .. }| {
            match self.is_batch {
                true => open(&payload).iter().for_each(|(topic, text)| arrivals.take(topic, text)),
                false => arrivals.take(&subject, std::str::from_utf8(&payload).expect("is text")),
            }
            !(is_last && arrivals.are_complete())
        });
    }
}

/// A table of PostgreSQL.
pub(super) struct Table {
    server: Postgres,
    link: Link,
    near: TempDir,
}

impl Table {
    pub(super) fn start(directory: TempDir) -> Self {
        let server = Postgres::start_in(directory);
        server.ask("CREATE TABLE t (id bigserial, topic text, body text)");
        let near = TempDir::new();
        let link = Link::unix(near.join(SOCKET), server.socket());
        Self { server, link, near }
    }
}

impl Target for Table {
    fn name(&self) -> String {
        "PostgreSQL".to_owned()
    }

    fn sink(&self) -> String {
        format!(
            "[sink.postgres]\nurl = \"host={} user=postgres dbname=postgres\"\ntable = \"t\"\n\
             columns = {{ topic = \"{{topic}}\", body = \"{{payload}}\" }}",
            self.near.path().display()
        )
    }

    fn may_repeat(&self, _: Fault) -> bool {
        false
    }

    fn kill(&mut self, _: usize) {
        self.server.crash();
    }

    fn start_again(&mut self, _: usize) {
        self.server.start_again();
    }

    fn set_link(&mut self, fault: Fault) {
        self.link.set(way(fault));
    }

    fn open_link(&mut self) {
        self.link.set(Way::Open);
    }

    fn have_room(&mut self) {
        if self.server.has_ended() {
            self.server.start_again();
        }
    }

    fn read(&mut self, arrivals: &mut Arrivals) {
        self.server.wait_for_rows("t", arrivals.messages());
        let rows = self.server.ask("SELECT topic, body FROM t ORDER BY id");
        for row in rows.lines() {
            let (topic, body) = row.split_once('|').expect("two columns");
            arrivals.take(topic, body);
        }
    }
}

/// Line protocol at InfluxDB. A line with the time of another replaces it.
pub(super) struct Line {
    server: Influx,
    link: Link,
}

impl Line {
    pub(super) fn start(directory: TempDir) -> Self {
        let server = Influx::start_in(directory);
        let link = Link::tcp(server.port);
        Self { server, link }
    }
}

impl Target for Line {
    fn name(&self) -> String {
        "InfluxDB".to_owned()
    }

    fn sink(&self) -> String {
        format!(
            "[sink.http]\nurl = \"http://127.0.0.1:{}/write?db=a\"\nmeasurement = \"{{1}}\"\n\
             tags = {{ line = \"{{2}}\" }}\nfields = {{ n = \"json:$.n:float8\" }}\n\
             time = \"json:$.n\"",
            self.link.port()
        )
    }

    fn may_repeat(&self, _: Fault) -> bool {
        false
    }

    fn kill(&mut self, _: usize) {
        self.server.kill();
    }

    fn start_again(&mut self, _: usize) {
        self.server.start_again();
    }

    fn set_link(&mut self, fault: Fault) {
        self.link.set(way(fault));
    }

    fn open_link(&mut self) {
        self.link.set(Way::Open);
    }

    // A server that could not write to its log never does again.
    fn have_room(&mut self) {
        self.server.kill();
        self.server.start_again();
    }

    fn read(&mut self, arrivals: &mut Arrivals) {
        let series = self.server.wait_for("f", arrivals.messages());
        assert_eq!(series.len(), TOPICS, "{series:?}");
        for (at, count, sum) in series {
            // Each time has one value: as many values with this sum are all numbers.
            assert_eq!(sum, count * (count - 1) / 2, "series {at} has {count} values");
            (0..count).for_each(|n| arrivals.take(&format!("f/{at}"), &format!("{{\"n\":{n}}}")));
        }
    }
}

/// Another ringmq, with a durable session that has all.
pub(super) struct Other {
    server: Broker,
    link: Link,
    near: TempDir,
}

impl Other {
    pub(super) fn start(directory: TempDir) -> Self {
        let server = Broker::start_in(directory, Host::own(), &[]);
        Client::unix(&server.socket(), "reader", true).subscribe("f/#");
        let near = TempDir::new();
        let link = Link::unix(near.join("mqtt.sock"), server.socket());
        Self { server, link, near }
    }
}

impl Target for Other {
    fn name(&self) -> String {
        "ringmq".to_owned()
    }

    fn sink(&self) -> String {
        format!("[sink.mqtt]\nurl = \"unix:{}\"", self.near.join("mqtt.sock").display())
    }

    fn may_repeat(&self, fault: Fault) -> bool {
        matches!(fault, Fault::Bridge | Fault::Target | Fault::Cut)
    }

    fn kill(&mut self, _: usize) {
        self.server.kill();
    }

    fn start_again(&mut self, _: usize) {
        self.server.start_again();
    }

    fn set_link(&mut self, fault: Fault) {
        self.link.set(way(fault));
    }

    fn open_link(&mut self) {
        self.link.set(Way::Open);
    }

    fn wait_until_full(&mut self, _: &Bridge) {
        self.server.process.wait_for_line("publishers that need the disk wait");
    }

    fn read(&mut self, arrivals: &mut Arrivals) {
        let mut reader = Client::unix(&self.server.socket(), "reader", true);
        while !arrivals.are_complete() {
            let received = reader.receive();
            arrivals.take(&received.topic, &received.payload);
        }
    }
}

/// Topics of Kafka, at the mock brokers. Their logs are short, so they are read all the time.
#[cfg(feature = "kafka")]
pub(super) struct Records {
    cluster: Kafka,
    tail: Tail,
}

#[cfg(feature = "kafka")]
impl Records {
    pub(super) fn start() -> Self {
        let cluster = Kafka::start();
        cluster.make_topic("t");
        let tail = cluster.tail("t");
        Self { cluster, tail }
    }
}

#[cfg(feature = "kafka")]
impl Target for Records {
    fn name(&self) -> String {
        "Kafka (mock)".to_owned()
    }

    fn sink(&self) -> String {
        let servers = self.cluster.servers();
        format!("[sink.kafka]\nservers = [{servers}]\ntopic = \"t\"\ntimeout = \"10s\"")
    }

    fn may_repeat(&self, fault: Fault) -> bool {
        // The mock brokers may forget a request and keep the connection.
        !matches!(fault, Fault::Broker)
    }

    fn kill(&mut self, round: usize) {
        self.cluster.take_down_one(round);
    }

    fn start_again(&mut self, round: usize) {
        self.cluster.bring_up_one(round);
    }

    fn set_link(&mut self, fault: Fault) {
        match fault {
            Fault::Cut => self.cluster.take_down(),
            // Answers that are held come too late for anybody.
            Fault::Held => self.cluster.answer_after(std::time::Duration::from_secs(3600)),
            _ => self.cluster.answer_after(std::time::Duration::from_millis(500)),
        }
    }

    fn open_link(&mut self) {
        self.cluster.bring_up();
        self.cluster.answer_after(std::time::Duration::ZERO);
    }

    fn fill(&mut self) {
        let full = rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR;
        self.cluster.answer_produce(&[full; 20]);
    }

    // Its client tries again by itself.
    fn wait_until_full(&mut self, _: &Bridge) {}

    fn read(&mut self, arrivals: &mut Arrivals) {
        while !arrivals.are_complete() {
            let (topic, payload) = self.tail.next();
            arrivals.take(&topic, &payload);
        }
    }
}
