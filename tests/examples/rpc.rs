//! Examples that call and serve.
use std::{env, process::Command};

use elbus_client::default_address::VARIABLE;
use elbus_testkit::{TestBroker, Transport};

use crate::process::{Example, built};

const README: &str = include_str!("../../README.md");

/// The README promises that its service is short; what it shows of calls to it is what they print.
#[test]
fn the_service_of_the_readme_has_forty_lines_at_most_and_is_called_from_the_shell() {
    let example = include_str!("../../examples/service.rs");
    let program = &example[example.find("use elbus::").unwrap()..];
    assert!(program.lines().count() <= 40);
    assert!(README.contains(program), "the README shows another program");

    let bus = TestBroker::start();
    let address = bus.address(Transport::Unix);
    let _service = Example::on(address, "service");
    bus.eventually("the service is on the bus", |broker| {
        broker.clients().iter().any(|client| client.name == "calculator")
    });
    let mut calls = 0;
    for (command, shown) in commands(README) {
        if !command.starts_with("elbus-cli rpc ") {
            continue;
        }
        let programs = built("elbus-cli");
        let path = format!(
            "{}:{}",
            programs.parent().unwrap().display(),
            env::var("PATH").unwrap()
        );
        let ended = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .env("PATH", path)
            .env(VARIABLE, address.to_string())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), shown, "$ {command}");
        calls += 1;
    }
    assert!(calls >= 3, "the README has lost its calls");
}

/// The commands of the console blocks, each with what it prints.
fn commands(document: &str) -> Vec<(&str, String)> {
    let blocks = document.split("```console\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, shown))) => shown.push_str(&format!("{line}\n")),
            (None, None) => panic!("a block begins with a command, not with {line:?}"),
        }
    }
    commands
}

#[test]
fn the_service_is_its_own_caller() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let address = bus.address(transport);
        let _service = Example::on(address, "service");
        bus.eventually("the service is on the bus", |broker| {
            broker.clients().iter().any(|client| client.name == "calculator")
        });
        let mut caller = Example::on_with(address, "service", &["call"]);
        caller.says("1 + 2 = 3");
        caller.ends();
    }
}

#[test]
fn a_method_is_added_to_the_broker() {
    let mut example = Example::start("broker_method", &[]);
    let uptime = example.line().unwrap();
    let number = uptime
        .strip_prefix("up for ")
        .and_then(|rest| rest.strip_suffix(" ms"));
    assert!(
        number.is_some_and(|number| number.parse::<u64>().is_ok()),
        "{uptime}"
    );
    example.says("uptime.text: For how long the broker has been there.");
    example.ends();
}

#[test]
fn a_large_result_is_paged_through() {
    let mut example = Example::start("cursor", &[]);
    for id in 1..=3 {
        example.says(&format!("{id}: Customer {id}"));
    }
    example.says("100000 customers, a thousand at a time");
    example.ends();
}
