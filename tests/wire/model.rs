//! Random operations, compared with a simple model: a list of filters, a map of topics.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Broker, Client, Publish, Random, publish};

const LEVELS: [&str; 4] = ["a", "b", "", "$c"];

/// Whether `filter` matches `topic`, by 4.7, level by level.
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let filter: Vec<_> = filter.split('/').collect();
    let topic: Vec<_> = topic.split('/').collect();
    let is_open = filter.last() == Some(&"#");
    let fixed = filter.len() - usize::from(is_open);
    let is_long_enough = if is_open { topic.len() >= fixed } else { topic.len() == fixed };
    is_long_enough && filter.iter().zip(&topic).take(fixed).all(|(f, t)| *f == "+" || f == t)
}

/// A topic name of one to four levels.
fn topic(random: &mut Random) -> String {
    loop {
        let levels: Vec<_> = (0..=random.below(4)).map(|_| LEVELS[random.below(4)]).collect();
        let topic = levels.join("/");
        if !topic.is_empty() {
            return topic;
        }
    }
}

/// A topic filter, often with wildcards.
fn filter(random: &mut Random) -> String {
    let mut levels: Vec<_> = topic(random).split('/').map(str::to_owned).collect();
    for level in &mut levels {
        if random.below(3) == 0 {
            "+".clone_into(level);
        }
    }
    if random.below(3) == 0 {
        "#".clone_into(levels.last_mut().expect("at least one"));
    }
    levels.join("/")
}

/// The receivers of a message are those of the model, after any sequence of SUBSCRIBE and
/// UNSUBSCRIBE.
#[test]
fn routing_equals_the_model() {
    let seed = Random::seed(0x5eed_0001);
    for shards in [1, 2, 4] {
        let mut random = Random::new(seed);
        let broker = Broker::start(shards);
        let mut publisher = Client::connect(&broker, "publisher");
        let mut clients: Vec<(Client, BTreeMap<String, u8>)> = (0..5)
            .map(|number| {
                let mut client = Client::connect(&broker, &format!("client-{number}"));
                client.subscribe("the end/+", 2);
                (client, BTreeMap::new())
            })
            .collect();
        for round in 0..300_u16 {
            let (client, filters) = &mut clients[random.below(5)];
            if random.below(3) > 0 {
                let (filter, qos) = (filter(&mut random), random.byte() % 3);
                client.subscribe(&filter, qos);
                filters.insert(filter, qos);
            } else {
                let removed = match filters.keys().nth(random.below(filters.len().max(1))) {
                    Some(one) if random.below(4) > 0 => one.clone(),
                    _ => filter(&mut random),
                };
                client.unsubscribe(&removed);
                filters.remove(&removed);
            }
            let topic = topic(&mut random);
            let published = random.byte() % 3;
            let message = publish(&topic, round.to_string()).at(published);
            let id = if published == 0 { 0 } else { round + 1 };
            publisher.publish(&Publish { id, ..message.clone() });
            publisher.publish(&publish("the end/x", "x").qos2(round + 1));
            for (client, filters) in &mut clients {
                let granted = filters.iter().filter(|(f, _)| matches(f, &topic)).map(|(_, q)| *q);
                // `#` matches the end, too: one copy all the same, at QoS 2.
                let mut due = vec![publish("the end/x", "x").at(2)];
                if let Some(qos) = granted.max() {
                    println!("round {round}: {topic:?} at QoS {published} by {filters:?}");
                    due.insert(0, message.clone().at(qos.min(published)));
                }
                let ids: Vec<_> = due.iter().map(|due| client.expect_unacked(due)).collect();
                due.iter().zip(ids).for_each(|(due, id)| client.acknowledge(due.qos, id));
            }
        }
    }
}

/// A new subscription gets the retained messages of the model, after any sequence of retained and
/// empty messages.
#[test]
fn retained_equals_the_model() {
    let seed = Random::seed(0x5eed_0002);
    for shards in [1, 2, 4] {
        let mut random = Random::new(seed);
        let broker = Broker::start(shards);
        let mut publisher = Client::connect(&broker, "publisher");
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for round in 0..300_u16 {
            let topic = topic(&mut random);
            let payload = if random.below(3) == 0 { String::new() } else { round.to_string() };
            publisher.publish(&publish(&topic, &payload).qos1(round + 1).retained());
            if payload.is_empty() {
                model.remove(&topic);
            } else {
                model.insert(topic, payload);
            }
            let filter = filter(&mut random);
            let mut reader = Client::connect(&broker, &format!("reader-{}", round % 8));
            reader.subscribe(&filter, 0);
            let due: BTreeSet<_> = model
                .iter()
                .filter(|(topic, _)| matches(&filter, topic))
                .map(|(topic, payload)| (topic.clone().into_bytes(), payload.clone().into_bytes()))
                .collect();
            let came: BTreeSet<_> = due
                .iter()
                .map(|_| {
                    let message = reader.read_publish();
                    assert!(message.retain, "{message:?}");
                    (message.topic, message.payload)
                })
                .collect();
            assert_eq!(came, due, "round {round}, {filter:?}");
            reader.expect_silence();
        }
    }
}

/// The model itself knows the standard's examples.
#[test]
fn model_knows_the_examples() {
    for (filter, topic, is_match) in [
        ("sport/#", "sport", true),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/x", false),
        ("$SYS/#", "$SYS/x", true),
        ("a/b", "a/b/c", false),
        ("a/b/c", "a/b", false),
    ] {
        assert_eq!(matches(filter, topic), is_match, "{filter} {topic}");
    }
}
