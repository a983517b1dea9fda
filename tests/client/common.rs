//! What these tests share: clients of a test broker, a broker that comes back, a fake one, and patience.
use std::{pin::pin, sync::Arc, task::Poll, time::Duration};

use elbus_broker::{Broker, Config};
use elbus_client::{Client, Disconnect, Event, Events, Inbox, Options};
use elbus_proto::{Code, OK, Op, Qos, delivery, greeting, request::RequestHeader};
use elbus_testkit::{PATIENCE, TestBroker, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Runs a case over both kinds of socket, each with a broker and a runtime of its own.
pub(crate) fn on_every_socket<F: Future<Output = ()>>(case: impl Fn(Bus) -> F) {
    on_every_socket_with(|_| {}, case);
}

/// Runs a case over both kinds of socket, with a broker whose configuration is changed first.
pub(crate) fn on_every_socket_with<F: Future<Output = ()>>(
    change: impl Fn(&mut Config),
    case: impl Fn(Bus) -> F,
) {
    for transport in Transport::ALL {
        // Shown when the case fails.
        println!("over {transport:?}");
        let test = TestBroker::with(&change);
        block_on(case(Bus { test, transport }));
    }
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Options for tests: patient, and quick to come back.
pub(crate) fn options(name: &str) -> Options {
    Options::new(name)
        .timeout(PATIENCE)
        .backoff(Duration::from_millis(5), Duration::from_millis(50))
}

/// A broker, and which of its sockets clients use.
pub(crate) struct Bus {
    pub(crate) test: TestBroker,
    pub(crate) transport: Transport,
}

impl Bus {
    pub(crate) fn options(&self, name: &str) -> Options {
        options(name).address(self.test.address(self.transport).clone())
    }

    pub(crate) async fn client(&self, name: &str) -> (Client, Inbox) {
        self.options(name).connect().await.unwrap()
    }

    /// Ends the broker; clients are told so in an orderly way.
    pub(crate) async fn stop(&self) {
        soon("the broker's end", self.test.broker.shutdown()).await;
    }

    /// Starts another broker at the same addresses.
    pub(crate) async fn start_again(&self) -> Broker {
        let broker = Broker::new(Config::default()).unwrap();
        for transport in Transport::ALL {
            let address = self.test.address(transport);
            soon("an address that is free again", async {
                while broker.listen(address).await.is_err() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        broker
    }
}

/// Waits for something that must happen.
pub(crate) async fn soon<F: IntoFuture>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits for an event.
pub(crate) async fn event(events: &mut Events, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
    soon(what, async {
        loop {
            let event = events.recv().await.expect("the client is closed");
            if is_it(&event) {
                return event;
            }
        }
    })
    .await
}

pub(crate) async fn connected(events: &mut Events) {
    event(events, "a connection", |event| matches!(event, Event::Connected)).await;
}

/// Waits for the end of the connection; answers why it ended.
pub(crate) async fn disconnected(events: &mut Events) -> Arc<Disconnect> {
    let end = event(events, "the end of the connection", |event| {
        matches!(event, Event::Disconnected { .. })
    });
    match end.await {
        Event::Disconnected { why } => why,
        other => unreachable!("{other:?} was not matched"),
    }
}

/// Polls a future so many times, letting others run in between, and drops it. Answers its output if it was ready.
pub(crate) async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// A broker that does what a test says.
pub(crate) struct Fake {
    listener: TcpListener,
    address: String,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    pub(crate) fn options(&self, name: &str) -> Options {
        options(name).address(self.address.as_str())
    }

    /// Accepts a connection, says this and closes it.
    pub(crate) async fn answer(&self, bytes: &[u8]) {
        let (mut stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
    }

    /// Accepts a connection and answers its name with this byte.
    pub(crate) async fn accept(&self, answer: u8) -> Greeted {
        let (mut stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        stream.write_all(&greeting::GREETING).await.unwrap();
        let mut theirs = [0; greeting::LEN];
        stream.read_exact(&mut theirs).await.unwrap();
        stream.write_all(&[OK]).await.unwrap();
        let len = stream.read_u16_le().await.unwrap();
        let mut name = vec![0; len.into()];
        stream.read_exact(&mut name).await.unwrap();
        stream.write_all(&[answer]).await.unwrap();
        Greeted {
            stream,
            name: String::from_utf8(name).unwrap(),
        }
    }

    /// Connects a client, with the broker's end of the connection.
    pub(crate) async fn connect(&self, options: Options) -> (Client, Inbox, Greeted) {
        let (client, greeted) = tokio::join!(options.connect(), self.accept(OK));
        let (client, inbox) = client.unwrap();
        (client, inbox, greeted)
    }
}

/// The broker's end of a connection.
pub(crate) struct Greeted {
    pub(crate) stream: TcpStream,
    pub(crate) name: String,
}

/// A request as the broker reads it.
pub(crate) struct Requested {
    pub(crate) id: u32,
    pub(crate) op: Op,
    pub(crate) qos: Qos,
    pub(crate) body: Vec<u8>,
}

impl Greeted {
    /// The next request that is no sign of life, and no request for one, which is answered; `None` at the end of the
    /// connection.
    pub(crate) async fn next(&mut self) -> Option<Requested> {
        loop {
            let mut header = [0; 9];
            if let Err(error) = soon("a request", self.stream.read_exact(&mut header)).await {
                assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
                return None;
            }
            let header = RequestHeader::decode(&header).unwrap();
            let mut body = vec![0; header.body_len as usize];
            soon("a body", self.stream.read_exact(&mut body)).await.unwrap();
            let asks_for_life = header.op() == Some(Op::Subscribe) && body.is_empty();
            if asks_for_life {
                self.acknowledge(header.id, Ok(())).await;
            } else if !header.is_ping() {
                return Some(Requested {
                    id: header.id,
                    op: header.op().expect("an operation that is defined"),
                    qos: header.qos,
                    body,
                });
            }
        }
    }

    pub(crate) async fn request(&mut self) -> Requested {
        self.next().await.expect("the client closed the connection")
    }

    pub(crate) async fn acknowledge(&mut self, id: u32, result: Result<(), Code>) {
        self.write(&delivery::acknowledgement(id, result)).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        soon("a write", self.stream.write_all(bytes)).await.unwrap();
    }
}
