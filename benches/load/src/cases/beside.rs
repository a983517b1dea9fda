//! Publications beside subscriptions of others that they do not match.
use std::{thread, time::Duration};

use elbus_proto::{Qos, delivery::Kind};

use super::{
    Bench, Sample,
    flood::{receive, send},
};
use crate::{
    control::Control,
    dialect::{Dialect, MOST_FILTERS},
    failure::Failure,
    stamp::{Batch, Flow},
    window::Window,
    wire::Connection,
};

const PAYLOAD: usize = 100;
const WINDOW: u64 = 4096;
const BUFFER: usize = 256 << 10;
/// Filters of one request.
const REQUEST: usize = 500;
/// How long the subscribing may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What is published beside what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Subscriptions of others.
    pub(crate) others: usize,
    /// Topics that are published to, one after the other.
    pub(crate) topics: usize,
    /// Levels of each, at least 4.
    pub(crate) levels: usize,
}

/// Runs one publisher and one subscriber for the measured time.
pub(crate) fn run(bench: &Bench, shape: Shape) -> Result<Sample, Failure> {
    let Shape {
        others,
        topics,
        levels,
    } = shape;
    if bench.target.dialect == Dialect::Zmtp {
        return Err(Failure::NotOffered("it has no wildcards"));
    }
    let control = Control::new(LIMIT);
    let _others = subscribe_others(bench, others, levels, &control)?;
    let flow = Flow {
        number: 0,
        sender: "load.publisher".into(),
        addresses: (0..topics).map(|number| topic(number, levels)).collect(),
        kind: Kind::Publication,
        qos: Qos::No,
        payload: PAYLOAD,
        dialect: bench.target.dialect,
    };
    let mut subscriber = Connection::client(&bench.target, "load.subscriber", "subscriber", BUFFER)?;
    subscriber.subscribe(&flow.addresses, 0, &control)?;
    let mut publisher = Connection::client(&bench.target, &flow.sender, "publisher", BUFFER)?;
    let window = Window::new(WINDOW);
    let control = bench.control();
    let sample = thread::scope(|scope| {
        let (flow, window, control) = (&flow, &window, &control);
        let (publisher, subscriber) = (&mut publisher, &mut subscriber);
        let batch = Batch::new(flow, WINDOW / 2);
        scope.spawn(move || control.guard(|| send(publisher, batch, window, control)));
        scope.spawn(move || control.guard(|| receive(subscriber, flow, window, control)));
        bench.measure(control, || window.received())
    });
    control.outcome()?;
    Ok(sample)
}

/// Clients with as many filters as one may have.
fn subscribe_others(
    bench: &Bench,
    others: usize,
    levels: usize,
    control: &Control,
) -> Result<Vec<Connection>, Failure> {
    let mut clients = Vec::new();
    for first in (0..others).step_by(MOST_FILTERS) {
        let name = format!("load.other{}", clients.len());
        let mut client = Connection::client(&bench.target, &name, "other subscriber", BUFFER)?;
        let end = others.min(first + MOST_FILTERS);
        for from in (first..end).step_by(REQUEST) {
            let numbers = from..end.min(from + REQUEST);
            let filters: Vec<String> = numbers.map(|number| filter(number, levels)).collect();
            client.subscribe(&filters, from - first, control)?;
        }
        clients.push(client);
    }
    Ok(clients)
}

/// A topic of so many levels, at least 4, that no filter of others matches; all are equally long.
fn topic(number: usize, levels: usize) -> String {
    let line = number % 97;
    format!("plant/line{line:02}/load{number:06}/{}state", deeper(levels))
}

/// Filter `number` of others: three in six exact, the others with wildcards at the end, in the middle and at the front.
fn filter(number: usize, levels: usize) -> String {
    let (line, deeper) = (number % 97, deeper(levels));
    match number % 6 {
        0..=2 => format!("plant/line{line:02}/device{number}/{deeper}state"),
        3 => format!("plant/line{line:02}/device{number}/#"),
        4 => format!("plant/+/device{number}/{deeper}state"),
        _ => format!("+/line{line:02}/device{number}/{deeper}state"),
    }
}

fn deeper(levels: usize) -> String {
    "part/".repeat(levels.saturating_sub(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_equally_long_and_as_deep_as_asked_for() {
        for levels in [4, 8, 32] {
            let topics: Vec<String> = (0..100).map(|number| topic(number, levels)).collect();
            assert!(topics.iter().all(|topic| topic.len() == topics[0].len()));
            assert!(topics.iter().all(|topic| topic.split('/').count() == levels));
        }
    }
}
