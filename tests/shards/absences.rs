//! Sessions whose clients are away, and clocks that are right, wrong and set.

use ringmq::broker::{ClientAddress, CloseReason, Context, Options, Shard};
use ringmq::chunk::Batch;
use ringmq::mqtt::{Packet, Version, decode, peek_frame};
use ringmq::store::{ClockReading, Request};

use super::disk::{Disk, open_store_at};
use super::net::{CONN, Rings, connect};

const EXPIRY_MS: u64 = 3_600_000;

const TODAY_MS: u64 = 1_800_000_000_000;

/// One shard, on a machine with clocks.
struct Home {
    shard: Shard,
    out: Rings,
    disk: Disk,
    now_ms: u64,
}

/// The readings of the clocks `boot_ms` after the first start of the machine.
fn clocks(boot_ms: u64) -> ClockReading {
    ClockReading { wall_ms: TODAY_MS + boot_ms, boot_ms, boot_id: 1 }
}

impl Home {
    fn new(disk: Disk, clocks: ClockReading) -> Self {
        let options = Options { session_expiry_ms: EXPIRY_MS, ..Options::single() };
        let shard = Shard::new(options, open_store_at(0, &disk, clocks));
        let mut home = Self { shard, out: Rings::new(1), disk, now_ms: 0 };
        let mut context = Context { now_ms: 0, peers: &mut home.out };
        home.shard.restore_bindings(&mut context);
        home.turn();
        home
    }

    /// The broker is killed, and started again when the clocks show this.
    fn restart(self, clocks: ClockReading) -> Self {
        Self::new(self.disk, clocks)
    }

    /// Does everything due, and serves the disk.
    fn turn(&mut self) {
        let mut context = Context { now_ms: self.now_ms, peers: &mut self.out };
        self.shard.on_deadline(&mut context);
        self.shard.end_turn(&mut context);
        self.shard.seal_promises(&self.out);
        // Records that no client waits for are written a little later.
        self.disk.serve(&mut self.shard, self.now_ms);
        self.disk.serve(&mut self.shard, self.now_ms + 1000);
        let mut context = Context { now_ms: self.now_ms, peers: &mut self.out };
        self.shard.keep_promises(&mut context);
    }

    /// Advances to a time, and does everything due on the way.
    fn run_to(&mut self, until_ms: u64) {
        while let Some(due_ms) = self.shard.next_deadline_ms().filter(|due_ms| *due_ms < until_ms) {
            self.now_ms = self.now_ms.max(due_ms);
            self.turn();
        }
        self.now_ms = until_ms;
    }

    /// Connects client `id` with a session that stays; whether there was one.
    fn connect(&mut self, id: u8) -> bool {
        self.shard.open(
            CONN,
            ClientAddress { local: true, ..ClientAddress::default() },
            self.now_ms,
        );
        let mut context = Context { now_ms: self.now_ms, peers: &mut self.out };
        let bytes = connect(false, id);
        let frame = peek_frame(Version::V311, &bytes, 1 << 20)
            .expect("it is a packet")
            .expect("a whole one");
        let packet: Packet<'_> = decode(Version::V311, frame, &bytes).expect("it is a packet");
        self.shard.handle_packet(CONN, &packet, &mut context);
        self.turn();
        let output = self.shard.take_output(CONN, Batch::default());
        let connack = output.slices().collect::<Vec<_>>().concat();
        assert_eq!([connack[0], connack[1], connack[3]], [0x20, 2, 0], "{connack:?}");
        connack[2] == 1
    }

    fn leave(&mut self) {
        let mut context = Context { now_ms: self.now_ms, peers: &mut self.out };
        self.shard.close(CONN, CloseReason::Disconnected, &mut context);
        self.shard.remove(CONN);
        self.turn();
    }
}

// The expiry of a session is checked when its client connects, not only by the next periodic check:
// after an absence of its whole time, including a restart, the client has none.
#[test]
fn a_client_that_comes_too_late_has_no_session() {
    for (ran_ms, down_ms, after_ms) in [
        (EXPIRY_MS - 1, 0, 0),
        (0, EXPIRY_MS - 1, 0),
        (1, 0, EXPIRY_MS - 2),
        (1000, EXPIRY_MS - 1001, 0),
        (1000, 1_000_000, EXPIRY_MS - 1_001_001),
    ] {
        for late_ms in [0, 1] {
            // The wall clock is of no concern.
            for set_ms in [0, 1_000_000_000_000] {
                let mut home = Home::new(Disk::default(), clocks(5));
                assert!(!home.connect(b'a'));
                home.leave();
                home.run_to(ran_ms);
                let mut shown = clocks(5 + ran_ms + down_ms);
                shown.wall_ms += set_ms;
                let mut home = home.restart(shown);
                home.run_to(after_ms + late_ms);
                assert_eq!(home.connect(b'a'), late_ms == 0, "{ran_ms} {down_ms} {after_ms}");
                let (expired, there) = home.shard.take_expired();
                assert_eq!((expired as u64, there), (late_ms, 1));
                assert_eq!(home.shard.stats().sessions_expired, late_ms);
            }
        }
    }
}

// No session ends because a clock was or is wrong, and each one ends when its time is over.
#[test]
fn clocks_that_are_wrong_end_no_session() {
    let decade_ms = 10 * 365 * 24 * EXPIRY_MS;
    for (left_wall_ms, found_wall_ms) in [
        (60_000, TODAY_MS),
        (TODAY_MS, 60_000),
        (TODAY_MS + decade_ms, TODAY_MS),
        (TODAY_MS, TODAY_MS + decade_ms),
    ] {
        for boot_id in [1, 2] {
            let shown = ClockReading { wall_ms: left_wall_ms, boot_ms: 60_000, boot_id: 1 };
            let mut home = Home::new(Disk::default(), shown);
            home.connect(b'a');
            home.leave();
            let shown = ClockReading { wall_ms: found_wall_ms, boot_ms: 60_000, boot_id };
            let mut home = home.restart(shown);
            // Looks at the clocks, until they are believed.
            for minute in 1..59 {
                home.run_to(minute * 60_000);
                let passed_ms = home.now_ms;
                let (wall_ms, boot_ms) = (shown.wall_ms + passed_ms, shown.boot_ms + passed_ms);
                home.shard.on_clocks(ClockReading { wall_ms, boot_ms, boot_id }, home.now_ms);
                home.turn();
            }
            assert_eq!(home.shard.stats().sessions_expired, 0, "{left_wall_ms} {found_wall_ms}");
            home.run_to(EXPIRY_MS + 60_001);
            assert_eq!(home.shard.stats().sessions_expired, 1, "{left_wall_ms} {found_wall_ms}");
        }
    }
}

// The clocks are asked for while there is a session, once a minute, and left alone else.
#[test]
fn clocks_are_looked_at_while_somebody_is_away() {
    let mut home = Home::new(Disk::default(), clocks(0));
    assert_eq!(home.shard.next_deadline_ms(), None);
    home.connect(b'a');
    home.leave();
    let mut looks = 0;
    while let Some(due_ms) = home.shard.next_deadline_ms() {
        home.now_ms = due_ms;
        let mut context = Context { now_ms: home.now_ms, peers: &mut home.out };
        home.shard.on_deadline(&mut context);
        let requests = std::iter::from_fn(|| home.shard.next_disk_request());
        looks += requests.filter(|request| *request == Request::Clocks).count();
        home.turn();
    }
    assert_eq!(home.shard.stats().sessions_expired, 1);
    assert_eq!(looks as u64, EXPIRY_MS / 60_000);
}
