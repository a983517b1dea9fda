//! `broker`: the broker's own methods as tables and as JSON.
use serde_json::{Value, json};

use crate::support::{Broken, Bus, Ended};

fn asked(bus: &Bus, words: &[&str]) -> Ended {
    let ended = bus
        .cli(&[&["-n", "the.operator", "broker"], words].concat())
        .run();
    ended.expect_success();
    ended
}

/// The cells of a table below its heading.
fn rows(table: &str) -> Vec<Vec<String>> {
    let rows = table.lines().skip(2);
    rows.map(|row| row.split_whitespace().map(str::to_owned).collect())
        .collect()
}

fn json(bus: &Bus, words: &[&str]) -> Value {
    let ended = asked(bus, &[words, &["--json"]].concat());
    assert_eq!(ended.text().lines().count(), 1, "{ended:?}");
    serde_json::from_str(ended.text()).unwrap()
}

#[test]
fn the_broker_tells_of_itself() {
    let bus = Bus::start();
    let expected = "what  value\n------------\nok    true\n";
    assert_eq!(asked(&bus, &["test"]).text(), expected);
    let info = asked(&bus, &["info"]);
    assert!(
        info.text()
            .contains(&format!("version  {}", env!("CARGO_PKG_VERSION"))),
        "{info:?}"
    );
    let stats = rows(asked(&bus, &["stats"]).text());
    assert_eq!(stats[0][0], "uptime");
    assert_eq!(&stats[1][..2], ["frames", "read"]);

    assert_eq!(json(&bus, &["test"]), json!({"ok": true}));
    assert_eq!(json(&bus, &["info"])["version"], env!("CARGO_PKG_VERSION"));
    assert!(json(&bus, &["stats"])["r_frames"].as_u64() > Some(0));
}

#[test]
fn clients_are_listed_all_or_as_a_mask_says() {
    let bus = Bus::start();
    let _clients = ["plant.pump", "plant.hall.lamp", "office"].map(|name| bus.client(name));
    let names = |words: &[&str]| {
        let rows = rows(asked(&bus, words).text());
        rows.into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>()
    };
    let everybody = [
        ".broker",
        "office",
        "plant.hall.lamp",
        "plant.pump",
        "the.operator",
    ];
    assert_eq!(names(&["client.list"]), everybody);
    assert_eq!(names(&["client.list", "plant.*"]), everybody[2..4]);
    assert_eq!(names(&["client.list", "nobody.?"]), [""; 0]);
    let list = asked(&bus, &["client.list", "office"]);
    let heading = "name    kind       source  port";
    assert!(list.text().starts_with(heading), "{list:?}");

    let clients = json(&bus, &["client.list", "plant.?"]);
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1);
    assert_eq!(clients["clients"][0]["name"], "plant.pump");
    assert_eq!(clients["clients"][0]["kind"], "local_ipc");
}

#[test]
fn one_client_is_told_a_secondary_as_well() {
    let bus = Bus::start();
    let _primary = bus.client("plant.pump");
    let _secondary = bus.client("plant.pump%%1");
    let rows = rows(asked(&bus, &["client.get", "plant.pump"]).text());
    assert_eq!(
        (&rows[0][0][..], &rows[0][rows[0].len() - 1][..]),
        ("plant.pump", "2")
    );
    assert_eq!(
        json(&bus, &["client.get", "plant.pump%%1"])["name"],
        "plant.pump%%1"
    );
}

#[test]
fn subscriptions_are_listed_by_client_and_by_topic() {
    let bus = Bus::start();
    let mut pump = bus.client("plant.pump");
    pump.subscribe("order/#");
    pump.subscribe("alarm");
    let _listening = bus.listen_as("plant.panel", &["-t", "order/+", "-x", "order/9"]);
    let list = |words: &[&str]| {
        asked(&bus, &[&["subscription.list"], words].concat())
            .text()
            .to_owned()
    };
    let of_pump = "filter   is\n--------------------\nalarm    subscribed\norder/#  subscribed\n";
    assert_eq!(list(&["--client", "plant.pump"]), of_pump);
    let of_panel = "filter   is\n--------------------\norder/+  subscribed\norder/9  excluded\n";
    assert_eq!(list(&["--client", "plant.panel"]), of_panel);
    assert_eq!(
        list(&["--topic", "order/7"]),
        "client\n------------\nplant.panel\nplant.pump\n"
    );
    assert_eq!(list(&["--topic", "order/9"]), "client\n-----------\nplant.pump\n");
    let expected = json!({"client": "plant.pump", "subscriptions": ["alarm", "order/#"], "exclusions": []});
    assert_eq!(
        json(&bus, &["subscription.list", "--client", "plant.pump"]),
        expected
    );
    let expected = json!({"topic": "alarm", "clients": ["plant.pump"]});
    assert_eq!(json(&bus, &["subscription.list", "--topic", "alarm"]), expected);
}

#[test]
fn a_client_is_cut_off() {
    let bus = Bus::start();
    let mut pump = bus.client("plant.pump");
    assert_eq!(asked(&bus, &["client.disconnect", "plant.pump"]).text(), "");
    pump.expect_end();
    let mut pump = bus.client("plant.pump");
    assert_eq!(
        json(&bus, &["client.disconnect", "plant.pump"]),
        json!({"ok": true})
    );
    pump.expect_end();
}

#[test]
fn a_server_is_asked_to_read_its_configuration_again() {
    let bus = Bus::start();
    let refused = bus.cli(&["broker", "reload"]).run();
    refused.expect_failure(9, ".broker answers reload with error -32601 (no such method)");
    bus.reload(Ok(()));
    assert_eq!(asked(&bus, &["reload"]).text(), "");
    assert_eq!(json(&bus, &["reload"]), json!({"ok": true}));
    bus.reload(Err("unknown key \"bnd\""));
    let refused = bus.cli(&["broker", "reload"]).run();
    refused.expect_failure(
        9,
        ".broker answers reload with error -32603 (internal): unknown key \"bnd\"",
    );
    assert_eq!(refused.text(), "");
    let tcp = bus.listen_on_tcp().to_string();
    let ended = bus.cli(&[&tcp, "broker", "reload"]).run();
    ended.expect_failure(6, ".broker answers reload with error -32121 (access denied)");
}

#[test]
fn a_client_that_is_not_there_and_what_is_not_permitted_are_told() {
    let bus = Bus::start();
    for words in [
        &["client.get", "no.body"][..],
        &["client.disconnect", "no.body"],
        &["subscription.list", "--client", "no.body"],
    ] {
        let ended = bus.cli(&[&["broker"], words].concat()).run();
        ended.expect_failure(
            5,
            "with error -32001 (not found): no client named \"no.body\" is on the bus",
        );
    }
    let _pump = bus.client("plant.pump");
    let tcp = bus.listen_on_tcp().to_string();
    let ended = bus
        .cli(&[&tcp, "broker", "client.disconnect", "plant.pump"])
        .run();
    ended.expect_failure(
        6,
        ".broker answers client.disconnect with error -32121 (access denied)",
    );
    assert_eq!(rows(asked(&bus, &["client.list", "plant.*"]).text()).len(), 1);
}

#[test]
fn a_broker_that_answers_something_else_is_told() {
    let broker = Broken::that_replies(b"\x81\xa6author\xa1x");
    broker.cli(&["broker", "info"]).run().expect_failure(
        1,
        "the broker's answer to info is not understood: error while decoding value: missing field `version`",
    );
    let ended = Broken::that_never_answers()
        .cli(&["broker", "test", "--timeout", "4s"])
        .run();
    assert_eq!(ended.code, Some(7), "{ended:?}");
}
