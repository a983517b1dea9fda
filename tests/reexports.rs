//! The facade: which names each feature brings. Built with every combination of features by `.ci/run`.
#![allow(unused_imports, reason = "that the names are there is the test")]

#[cfg(all(feature = "broker", feature = "tls"))]
use elbus::broker::TlsOptions;
#[cfg(feature = "broker")]
use elbus::broker::{Address, Broker, Config, ConfigError, ListenError, RegisterError, Stats};
#[cfg(any(feature = "ipc", feature = "rpc", feature = "broker"))]
use elbus::client::{
    Client, Code, Confirmation, ConnectError, Disconnect, Error, Event, Events, Frame, Inbox, Kind, Outcome,
    Payload, Qos, Sending,
};
#[cfg(feature = "ipc")]
use elbus::client::{Options, default_address::default_address};
#[cfg(all(feature = "ipc", feature = "tls"))]
use elbus::client::{TlsError, TlsFileError};
use elbus::proto::{ClientName, NameLimits, NameMask, Topic, TopicFilter, TopicLimits};
#[cfg(feature = "rpc")]
use elbus::rpc::RpcError;

/// A client of a broker in this process and one on a socket are the same type.
#[cfg(all(feature = "ipc", feature = "broker"))]
#[test]
fn clients_of_both_kinds_are_the_same_type() {
    fn by_socket() -> impl Future<Output = Result<(Client, Inbox), ConnectError>> {
        Client::connect("a.b")
    }
    fn in_process(broker: &Broker) -> Result<(Client, Inbox), RegisterError> {
        broker.client("a.b")
    }
    let _ = (by_socket, in_process);
}
