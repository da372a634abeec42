//! The bridge as a client of MQTT brokers: one connection reads with a durable session, another
//! publishes and waits for the acknowledgements. The codec is ringmq's.

mod connection;
mod publisher;
mod stream;
mod subscriber;
mod told;

pub use publisher::{Interrupted, Outgoing, Publisher};
pub(crate) use stream::secure;
pub use subscriber::Subscriber;
pub(crate) use subscriber::now_ms;
