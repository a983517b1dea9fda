//! `benchmark`: figures that are complete, and an error when anything is missing.
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Broken, Bus};

const STAGES: [&str; 7] = [
    "send.qos.no",
    "send.qos.processed",
    "send+recv.qos.no",
    "send+recv.qos.processed",
    "rpc.call",
    "rpc.call+handle",
    "rpc.call0",
];

fn measured(bus: &Bus, arguments: &[&str]) -> Value {
    let ended = bus.cli(&[&["benchmark", "--json"], arguments].concat()).run();
    ended.expect_success();
    serde_json::from_str(ended.text()).unwrap()
}

#[test]
fn every_stage_is_in_the_table() {
    let bus = Bus::start();
    let ended = bus.cli(&["benchmark", "-w", "2", "-i", "1000"]).run();
    ended.expect_success();
    let mut lines = ended.text().lines();
    let heading: Vec<_> = lines
        .next()
        .unwrap()
        .split("  ")
        .filter(|title| !title.is_empty())
        .collect();
    assert_eq!(heading[..2], ["stage", "operations"]);
    let rows: Vec<Vec<_>> = lines
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), STAGES);
    assert!(
        rows.iter().all(|row| row.len() == 9 && row[1] == "1,000"),
        "{ended:?}"
    );
    assert_eq!(bus.clients(), [""; 0]);
}

#[test]
fn the_figures_of_every_stage_are_in_the_json() {
    let bus = Bus::start();
    let report = measured(
        &bus,
        &[
            "-w",
            "3",
            "-i",
            "1000",
            "--in-flight",
            "8",
            "--payload-size",
            "50",
            "--threads",
            "1",
        ],
    );
    for (member, value) in [
        ("workers", 3),
        ("iterations", 1000),
        ("in_flight", 8),
        ("payload_size", 50),
    ] {
        assert_eq!(report[member], value, "{member}");
    }
    let stages = report["stages"].as_array().unwrap();
    assert_eq!(
        stages
            .iter()
            .map(|stage| stage["stage"].as_str().unwrap())
            .collect::<Vec<_>>(),
        STAGES
    );
    for stage in stages {
        assert_eq!(stage["operations"], 1000);
        let (seconds, rate) = (
            stage["seconds"].as_f64().unwrap(),
            stage["per_second"].as_f64().unwrap(),
        );
        assert!((rate * seconds - 1000.0).abs() < 1e-6, "{stage}");
        let latency = &stage["latency_us"];
        if stage["stage"] == "send.qos.no" {
            assert_eq!(*latency, Value::Null);
            continue;
        }
        let parts = ["p50", "p90", "p99", "p999", "max"].map(|part| latency[part].as_f64().unwrap());
        assert!(
            parts[0] > 0.0 && parts.is_sorted() && parts[4] < seconds * 1e6,
            "{stage}"
        );
    }
}

#[test]
fn nothing_is_lost_whatever_the_load_is() {
    let bus = Bus::start();
    for arguments in [
        // Fewer messages than workers, and no room for a number in them.
        &["-w", "4", "-i", "2", "--payload-size", "0"][..],
        &[
            "-w",
            "3",
            "-i",
            "1001",
            "--payload-size",
            "8",
            "--in-flight",
            "500",
        ],
        &["-w", "2", "-i", "300", "--payload-size", "100000"],
        // More than the marks of broker and client hold.
        &[
            "-w",
            "2",
            "-i",
            "200000",
            "--stage",
            "send+recv.qos.no",
            "--stage",
            "send.qos.no",
        ],
        &[
            "-w",
            "2",
            "-i",
            "50000",
            "--in-flight",
            "4000",
            "--stage",
            "rpc.call+handle",
        ],
    ] {
        let report = measured(&bus, arguments);
        let iterations = report["iterations"].clone();
        let complete = |stage: &Value| stage["operations"] == iterations;
        assert!(
            report["stages"].as_array().unwrap().iter().all(complete),
            "{arguments:?}: {report}"
        );
    }
}

#[test]
fn only_the_stages_asked_for_run_in_their_order() {
    let bus = Bus::start();
    let report = measured(
        &bus,
        &["-i", "10", "--stage", "rpc.call", "--stage", "send.qos.no"],
    );
    let stages = report["stages"].as_array().unwrap();
    assert_eq!(
        (&stages[0]["stage"], &stages[1]["stage"]),
        (&"send.qos.no".into(), &"rpc.call".into())
    );
}

#[test]
fn messages_that_do_not_arrive_are_an_error_with_exit_code_10() {
    let stage = |stage| {
        [
            "benchmark",
            "-w",
            "2",
            "-i",
            "10",
            "--timeout",
            "4s",
            "--stage",
            stage,
        ]
    };
    for name in ["send+recv.qos.no", "send+recv.qos.processed"] {
        let ended = Broken::that_swallows_messages().cli(&stage(name)).run();
        ended.expect_failure(10, &format!("{name}: 5 of 5 messages are missing"));
        assert_eq!(ended.text(), "");
    }
    // The broker counts the frames of nobody; each worker has sent one more than its share.
    let ended = Broken::that_swallows_messages().cli(&stage("send.qos.no")).run();
    ended.expect_failure(10, "send.qos.no: 12 of 12 messages are missing");
}

#[test]
fn replies_that_do_not_come_or_are_others_are_errors() {
    let call = ["benchmark", "-i", "10", "--timeout", "4s", "--stage", "rpc.call"];
    let ended = Broken::that_swallows_calls().cli(&call).run();
    ended.expect_failure(7, "rpc.call: no reply from .broker within 4s");
    let ended = Broken::that_replies(b"another").cli(&call).run();
    ended.expect_failure(10, "rpc.call: a reply is not what the call was about");
}

#[test]
fn a_name_that_is_taken_and_a_bus_that_is_not_there_are_told() {
    let bus = Bus::start();
    let _taken = bus.client("my.name.2");
    let ended = bus
        .cli(&["-n", "my.name", "benchmark", "-w", "2", "-i", "10"])
        .run();
    ended.expect_failure(4, "send.qos.no: the broker does not register \"my.name.2\"");
    bus.stop();
    bus.cli(&["benchmark"])
        .run()
        .expect_failure(3, "nothing listens at");
}

#[test]
fn a_broker_that_goes_in_the_middle_is_told_with_the_stage() {
    let bus = Bus::start();
    for stage in STAGES {
        // What the one before has left may still be there for a moment: each has a name of its own.
        let worker = format!("{stage}.1");
        let running = bus
            .cli(&["-n", stage, "benchmark", "-i", "4000000000", "--stage", stage])
            .spawn();
        bus.wait_for(&worker);
        bus.cut(&worker);
        running
            .end()
            .expect_failure(7, &format!("{stage}: the connection to the broker was lost"));
    }
}

#[test]
fn a_signal_ends_it_quietly() {
    let bus = Bus::start();
    for (signal, code, name) in [(Signal::INT, 130, "one"), (Signal::TERM, 143, "another")] {
        let running = bus.cli(&["-n", name, "benchmark", "-i", "4000000000"]).spawn();
        bus.wait_for(&format!("{name}.1"));
        running.signal(signal);
        let ended = running.end();
        assert_eq!(
            (ended.code, &ended.errors[..], ended.text()),
            (Some(code), "", ""),
            "{ended:?}"
        );
    }
}

#[test]
fn figures_that_nobody_reads_end_it_quietly() {
    let bus = Bus::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = bus.cli(&["benchmark", "-i", "10"]).stdout(writer).run();
    assert_eq!((ended.code, &ended.errors[..]), (Some(141), ""));
}
