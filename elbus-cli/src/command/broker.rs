//! `broker`: the broker's own methods, as tables.
use std::collections::HashMap;

use elbus_proto::BROKER_NAME;
use elbus_rpc::Rpc;
use rmpv::Value;
use serde::{Deserialize, de::DeserializeOwned};

use super::rpc;
use crate::{
    args::{Args, Broker, Method, Which},
    bus,
    error::CliError,
    numbers::grouped,
    output::{
        Output, Style,
        table::{Column, Table},
    },
    params::encoded,
};

pub(crate) async fn run(args: &Args, broker: &Broker) -> Result<(), CliError> {
    let (method, params) = request(&broker.method);
    let rpc = rpc::join(args).await?;
    let answer = rpc.call_raw(BROKER_NAME, method, encoded(&params)).await;
    let answer = answer.map_err(|error| CliError::call(BROKER_NAME, method, error))?;
    bus::leave(rpc.client()).await;
    let mut output = Output::new(Style::of(broker.json, false)).map_err(CliError::Output)?;
    let printed = if broker.json {
        output.result(&answer)
    } else {
        let table = table(&broker.method, &answer).map_err(|reason| CliError::Answer { method, reason })?;
        table.map_or(Ok(()), |table| output.text(table))
    };
    printed.and_then(|()| output.flush()).map_err(CliError::Output)
}

/// How many frames the broker has read from each client.
pub(super) async fn frames_read(rpc: &Rpc) -> Result<HashMap<String, u64>, CliError> {
    let (method, params) = request(&Method::ClientList { mask: None });
    let answer = rpc.call_raw(BROKER_NAME, method, encoded(&params)).await;
    let answer = answer.map_err(|error| CliError::call(BROKER_NAME, method, error))?;
    let Clients { clients } = decoded(&answer).map_err(|reason| CliError::Answer { method, reason })?;
    Ok(clients
        .into_iter()
        .map(|client| (client.name, client.r_frames))
        .collect())
}

/// The method's name on the wire, and its params.
fn request(method: &Method) -> (&'static str, Value) {
    let name = match method {
        Method::Test => "test",
        Method::Info => "info",
        Method::Stats => "stats",
        Method::ClientList { .. } => "client.list",
        Method::ClientGet { .. } => "client.get",
        Method::ClientDisconnect { .. } => "client.disconnect",
        Method::Reload => "reload",
        Method::SubscriptionList(_) => "subscription.list",
    };
    let param = match method {
        Method::ClientList { mask } => ("mask", mask.as_ref()),
        Method::ClientGet { client } | Method::ClientDisconnect { client } => ("name", Some(client)),
        Method::SubscriptionList(Which {
            client: Some(client), ..
        }) => ("client", Some(client)),
        Method::SubscriptionList(Which { topic, .. }) => ("topic", topic.as_ref()),
        Method::Test | Method::Info | Method::Stats | Method::Reload => ("", None),
    };
    let pair = |value: &String| (param.0.into(), value.as_str().into());
    (name, Value::Map(param.1.map(pair).into_iter().collect()))
}

/// What published brokers answer as well; a number that one of them leaves out is 0.
#[derive(Deserialize)]
struct Client {
    name: String,
    kind: String,
    source: Option<String>,
    port: Option<String>,
    #[serde(default)]
    r_frames: u64,
    #[serde(default)]
    r_bytes: u64,
    #[serde(default)]
    w_frames: u64,
    #[serde(default)]
    w_bytes: u64,
    #[serde(default)]
    queue: u64,
    #[serde(default)]
    instances: u64,
}

#[derive(Deserialize)]
struct Clients {
    clients: Vec<Client>,
}

#[derive(Deserialize)]
struct Info {
    author: String,
    version: String,
}

#[derive(Deserialize)]
struct Stats {
    uptime: u64,
    r_frames: u64,
    r_bytes: u64,
    w_frames: u64,
    w_bytes: u64,
    /// Published brokers have none of what follows.
    usage: Option<Usage>,
    #[serde(default)]
    dropped: u64,
    #[serde(default)]
    denied: u64,
    #[serde(default)]
    ignored: u64,
    #[serde(default)]
    stalled: u64,
    #[serde(default)]
    slow: u64,
}

#[derive(Deserialize)]
struct Usage {
    clients: Use,
    greetings: Use,
    subscriptions: Use,
    queued: Use,
}

#[derive(Deserialize)]
struct Use {
    used: u64,
    limit: u64,
}

impl Use {
    fn text(&self) -> String {
        format!("{} of {}", grouped(self.used), grouped(self.limit))
    }
}

#[derive(Deserialize)]
struct Test {
    ok: bool,
}

#[derive(Deserialize)]
struct OfClient {
    subscriptions: Vec<String>,
    exclusions: Vec<String>,
}

#[derive(Deserialize)]
struct OfTopic {
    clients: Vec<String>,
}

/// The answer as a table; none where there is nothing to say but that it was done.
fn table(method: &Method, answer: &[u8]) -> Result<Option<Table>, String> {
    Ok(Some(match method {
        Method::Test => {
            let Test { ok } = decoded(answer)?;
            facts([("ok", ok.to_string())])
        }
        Method::Info => {
            let Info { author, version } = decoded(answer)?;
            facts([("author", author), ("version", version)])
        }
        Method::Stats => stats(&decoded(answer)?),
        Method::ClientList { .. } => clients(&decoded::<Clients>(answer)?.clients),
        Method::ClientGet { .. } => clients(&[decoded(answer)?]),
        Method::ClientDisconnect { .. } | Method::Reload => return Ok(None),
        Method::SubscriptionList(Which { client: Some(_), .. }) => of_client(&decoded(answer)?),
        Method::SubscriptionList(_) => of_topic(&decoded(answer)?),
    }))
}

fn decoded<T: DeserializeOwned>(mut answer: &[u8]) -> Result<T, String> {
    let value = rmpv::decode::read_value(&mut answer).map_err(|error| error.to_string())?;
    rmpv::ext::from_value(value).map_err(|error| error.to_string())
}

fn facts(facts: impl IntoIterator<Item = (&'static str, String)>) -> Table {
    let mut table = Table::new(&[Column::Text("what"), Column::Text("value")]);
    for (what, value) in facts {
        table.row([what, &value]);
    }
    table
}

fn stats(stats: &Stats) -> Table {
    let counted = [
        ("uptime", since(stats.uptime)),
        ("frames read", grouped(stats.r_frames)),
        ("bytes read", grouped(stats.r_bytes)),
        ("frames written", grouped(stats.w_frames)),
        ("bytes written", grouped(stats.w_bytes)),
    ];
    let used = stats.usage.iter().flat_map(|usage| {
        [
            ("clients", usage.clients.text()),
            ("greetings", usage.greetings.text()),
            ("subscriptions", usage.subscriptions.text()),
            ("bytes queued", usage.queued.text()),
            ("publications dropped", grouped(stats.dropped)),
            ("operations denied", grouped(stats.denied)),
            ("operations ignored", grouped(stats.ignored)),
            ("clients too slow", grouped(stats.stalled + stats.slow)),
        ]
    });
    facts(counted.into_iter().chain(used))
}

/// Read and written are the broker's words: `r` is what the client has sent.
fn clients(clients: &[Client]) -> Table {
    let mut table = Table::new(&[
        Column::Text("name"),
        Column::Text("kind"),
        Column::Text("source"),
        Column::Text("port"),
        Column::Number("r_frames"),
        Column::Number("r_bytes"),
        Column::Number("w_frames"),
        Column::Number("w_bytes"),
        Column::Number("queue"),
        Column::Number("instances"),
    ]);
    for client in clients {
        table.row([
            &client.name,
            &client.kind,
            client.source.as_deref().unwrap_or_default(),
            client.port.as_deref().unwrap_or_default(),
            &grouped(client.r_frames),
            &grouped(client.r_bytes),
            &grouped(client.w_frames),
            &grouped(client.w_bytes),
            &grouped(client.queue),
            &grouped(client.instances),
        ]);
    }
    table
}

fn of_client(list: &OfClient) -> Table {
    let mut table = Table::new(&[Column::Text("filter"), Column::Text("is")]);
    for (filters, is) in [
        (&list.subscriptions, "subscribed"),
        (&list.exclusions, "excluded"),
    ] {
        for filter in filters {
            table.row([filter, is]);
        }
    }
    table
}

fn of_topic(list: &OfTopic) -> Table {
    let mut table = Table::new(&[Column::Text("client")]);
    for client in &list.clients {
        table.row([client]);
    }
    table
}

/// `1 d 2 h 3 m 4 s`, from the first unit that counts.
fn since(seconds: u64) -> String {
    let units = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = units
        .iter()
        .position(|(count, _)| *count > 0)
        .unwrap_or(units.len() - 1);
    let words: Vec<_> = units[first..]
        .iter()
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_begins_with_its_largest_unit() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (3600, "1 h 0 m 0 s"),
            (93_784, "1 d 2 h 3 m 4 s"),
        ] {
            assert_eq!(since(seconds), words);
        }
    }

    #[test]
    fn an_answer_that_is_something_else_is_an_error_that_names_what_is_missing() {
        let error = table(&Method::Info, b"\x81\xa6author\xa1x")
            .map(|_| ())
            .unwrap_err();
        assert!(error.contains("version"), "{error}");
        assert!(table(&Method::Info, b"\xff\xff").is_err());
    }
}
