//! The cases, by the lines of the table in `docs/reliability.md` that they belong to.
use std::{
    io, thread,
    time::{Duration, Instant},
};

use elbus_proto::{Op, request::RequestHeader};

use crate::{
    Outcome,
    subject::Subject,
    wire::{Got, Wire},
};

/// The line of the case that needs few file descriptors.
pub(crate) const OUT_OF_FILES: u32 = 4;

type Case = fn(&mut Subject) -> Outcome;

pub(crate) const CASES: [(u32, &str, Case); 14] = [
    (1, "a name of 27 dots", dots),
    (2, "a filter of 10,000 slashes", slashes),
    (3, "four headers that announce 4 GiB", headers),
    (OUT_OF_FILES, "no file descriptors left", out_of_files),
    (5, "names that are masks, or hold escape codes", strange_names),
    (5, "a name of 60,000 bytes", long_name),
    (6, "70,000 subscriptions of one client", subscriptions),
    (9, "NUL in a name", nul),
    (
        10,
        "a secondary over TCP of a primary on a UNIX socket",
        secondary,
    ),
    (14, "a publication under `.broker/`", as_the_broker),
    (18, "a second broker at the same socket", second),
    (
        20,
        "a client that hangs up before the last byte of the greeting, 50 times",
        hangs_up,
    ),
    (26, "a ping that asks for an acknowledgement", ping),
    (26, "a filter that is not UTF-8", bad_text),
];

fn fails(why: impl Into<String>) -> Outcome {
    Err(why.into())
}

/// Registers a client; a broker that does not serve one any more fails.
fn client(subject: &mut Subject, name: &str) -> Result<Wire, String> {
    match Wire::connect(subject).and_then(|wire| wire.register(name.as_bytes())) {
        Ok(wire) => Ok(wire),
        Err(_) if subject.ends() => Err("the broker has ended".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err("no client is served for 3 s".to_owned())
        }
        Err(error) => Err(format!("no client is served: {error}")),
    }
}

/// Expects that the broker lives and has not taken more memory than this.
fn unharmed(subject: &mut Subject, most: usize) -> Outcome {
    client(subject, "afterwards")?;
    let peak = subject.peak();
    if peak > most {
        return fails(format!("it took {peak} MiB"));
    }
    Ok(())
}

fn dots(subject: &mut Subject) -> Outcome {
    let name = format!("a{}", ".".repeat(27));
    // Refused or not: what it costs counts.
    let _kept = Wire::connect(subject).and_then(|wire| wire.register(name.as_bytes()));
    unharmed(subject, 100)
}

fn slashes(subject: &mut Subject) -> Outcome {
    let mut wire = client(subject, "subscriber")?;
    // Granted or not.
    let _ = wire.ask(1, Op::Subscribe, "/".repeat(10_000).as_bytes());
    unharmed(subject, 100)
}

fn headers(subject: &mut Subject) -> Outcome {
    let mut kept = Vec::new();
    for n in 0..4 {
        let mut wire = client(subject, &format!("greedy.{n}"))?;
        let header = RequestHeader::new(1, Op::Message, elbus_proto::Qos::No, u32::MAX).encode();
        wire.write(&header).map_err(|error| error.to_string())?;
        kept.push(wire);
        thread::sleep(Duration::from_millis(500)); // for what the header makes it do
    }
    unharmed(subject, 500)
}

fn out_of_files(subject: &mut Subject) -> Outcome {
    let crowd: Vec<_> = (0..64).map(|_| Wire::connect(subject)).collect();
    thread::sleep(Duration::from_millis(200)); // until it has accepted what it can
    let (cpu, log, start) = (subject.cpu(), subject.log().len(), Instant::now());
    thread::sleep(Duration::from_secs(1)); // what is measured is a second
    let share = 100.0 * (subject.cpu() - cpu).as_secs_f64() / start.elapsed().as_secs_f64();
    let log = (subject.log().len() - log) / 1024;
    drop(crowd);
    if share > 10.0 || log > 100 {
        return fails(format!("{share:.0} % of a processor, {log} KiB of log a second"));
    }
    Ok(())
}

fn refuses(subject: &Subject, name: &[u8]) -> bool {
    Wire::connect(subject)
        .and_then(|wire| wire.register(name))
        .is_err()
}

fn strange_names(subject: &mut Subject) -> Outcome {
    let accepted: Vec<&str> = ["*", "?", "a.*", "\u{1b}[31mred", "a\nb"]
        .into_iter()
        .filter(|name| !refuses(subject, name.as_bytes()))
        .collect();
    if accepted.is_empty() {
        return unharmed(subject, 100);
    }
    fails(format!(
        "it accepts {}",
        accepted
            .iter()
            .map(|name| format!("{name:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    ))
}

fn long_name(subject: &mut Subject) -> Outcome {
    if refuses(subject, "x".repeat(60_000).as_bytes()) {
        return unharmed(subject, 100);
    }
    fails("it is accepted")
}

fn subscriptions(subject: &mut Subject) -> Outcome {
    let mut wire = client(subject, "subscriber")?;
    for id in 1..=70 {
        let filters: Vec<String> = (0..1_000).map(|n| format!("{id}/{n}")).collect();
        match wire.ask(id, Op::Subscribe, filters.join("\0").as_bytes()) {
            Ok(true) => {}
            Ok(false) => return unharmed(subject, 500),
            Err(error) => return fails(error.to_string()),
        }
    }
    fails("there is no limit")
}

fn nul(subject: &mut Subject) -> Outcome {
    let Ok(mut forger) = Wire::connect(subject).and_then(|wire| wire.register(b"admin\0fake")) else {
        return unharmed(subject, 100);
    };
    let mut receiver = client(subject, "receiver")?;
    forger
        .send(1, Op::Message, b"receiver\0x")
        .map_err(|error| error.to_string())?;
    match receiver.got() {
        Ok(Got::Frame { sender, .. }) => fails(format!("a message arrives from {sender:?}")),
        other => fails(format!("the name is accepted; {other:?}")),
    }
}

fn secondary(subject: &mut Subject) -> Outcome {
    let _primary = client(subject, "victim")?;
    let intruder = Wire::connect_tcp(subject).and_then(|wire| wire.register(b"victim%%x"));
    match intruder {
        Err(_) => unharmed(subject, 100),
        Ok(_) => fails("it is accepted"),
    }
}

fn as_the_broker(subject: &mut Subject) -> Outcome {
    let mut watcher = client(subject, "watcher")?;
    let io = |error: io::Error| error.to_string();
    watcher.ask(1, Op::Subscribe, b".broker/forged").map_err(io)?;
    let mut forger = client(subject, "forger")?;
    // Granted or not: whether it arrives counts.
    let _ = forger.ask(1, Op::Publish, b".broker/forged\0x");
    watcher.send(2, Op::Subscribe, b"other").map_err(io)?;
    loop {
        match watcher.got().map_err(io)? {
            Got::Frame { topic, sender } if topic == ".broker/forged" => {
                return fails(format!("it is delivered, from {sender:?}"));
            }
            Got::Acknowledgement(2, _) => return Ok(()),
            _ => {}
        }
    }
}

fn second(subject: &mut Subject) -> Outcome {
    let _first = client(subject, "first")?;
    let runs = subject.second_runs();
    // On the broker that was there, the name is taken.
    if Wire::connect(subject)
        .and_then(|wire| wire.register(b"first"))
        .is_ok()
        || runs
    {
        return fails("the second takes the socket away from the first");
    }
    match Wire::connect(subject) {
        Ok(_) => Ok(()),
        Err(error) => fails(format!("the first is not reached any more: {error}")),
    }
}

fn hangs_up(subject: &mut Subject) -> Outcome {
    for n in 0..50 {
        let mut wire = Wire::connect(subject).map_err(|error| error.to_string())?;
        wire.say_name(format!("hasty.{n}").as_bytes())
            .map_err(|error| error.to_string())?;
    }
    thread::sleep(Duration::from_secs(1)); // long enough for what is still to be tidied up
    let busy = (0..50)
        .filter(|n| refuses(subject, format!("hasty.{n}").as_bytes()))
        .count();
    if busy > 0 {
        return fails(format!("{busy} of 50 names stay taken"));
    }
    Ok(())
}

/// What becomes of a request that has to be acknowledged, and of its connection.
fn acknowledged(subject: &mut Subject, request: &[u8], id: u32) -> Outcome {
    let mut wire = client(subject, "asker")?;
    wire.write(request).map_err(|error| error.to_string())?;
    match wire.got() {
        Ok(Got::Acknowledgement(answered, _)) if answered == id => {}
        Ok(got) => return fails(format!("{got:?} is the answer")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return fails("the client is disconnected without an answer");
        }
        Err(error) => return fails(format!("no answer: {error}")),
    }
    match wire.ask(9, Op::Subscribe, b"a") {
        Ok(true) => Ok(()),
        other => fails(format!("afterwards the connection is of no use: {other:?}")),
    }
}

fn ping(subject: &mut Subject) -> Outcome {
    let header = RequestHeader::new(7, Op::Nop, elbus_proto::Qos::Processed, 0);
    acknowledged(subject, &header.encode(), 7)
}

fn bad_text(subject: &mut Subject) -> Outcome {
    let header = RequestHeader::new(8, Op::Subscribe, elbus_proto::Qos::Processed, 1);
    acknowledged(subject, &[&header.encode()[..], b"\xff"].concat(), 8)
}
