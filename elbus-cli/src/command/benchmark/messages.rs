//! The stages that send messages: to nobody, or to the worker itself, which counts what it receives.
use std::collections::VecDeque;

use elbus_client::{Client, Confirmation, Error, Inbox, Kind, Qos};

use super::{
    latencies::Latencies,
    worker::{Payload, Share, Worker, by_nobody, failed, nobody},
};
use crate::error::CliError;

/// Of messages that are not acknowledged, every so-manieth is timed: to look at the clock takes about as long as to send
/// one.
const TIMED: u64 = 64;

/// Messages to nobody.
pub(super) async fn send(worker: Worker, qos: Qos) -> Result<Latencies, CliError> {
    let Worker { client, share, inbox } = worker;
    let target = nobody(&client);
    let mut latencies = Latencies::default();
    let mut sender = Sender::new(&client, &target, &share, qos);
    for number in 0..share.operations {
        sender.send(number, 0, Some(&mut latencies)).await?;
        share.note_done();
    }
    sender.finish(Some(&mut latencies)).await?;
    drop(inbox);
    Ok(latencies)
}

/// Messages of a worker to itself. One that is missing at the end is an error, and so is one out of order.
pub(super) async fn send_and_receive(worker: Worker, qos: Qos) -> Result<Latencies, CliError> {
    let Worker { client, share, inbox } = worker;
    let receiving = tokio::spawn(receive(inbox, client.name().to_owned(), share.clone()));
    let mut sender = Sender::new(&client, client.name(), &share, qos);
    for number in 0..share.operations {
        let is_timed = qos.is_acknowledged() || number % TIMED == 0;
        let time = if is_timed { share.clock.now() } else { 0 };
        sender.send(number, time, None).await?;
    }
    sender.finish(None).await?;
    match receiving.await {
        Ok(received) => received,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

struct Sender<'a> {
    client: &'a Client,
    target: &'a str,
    share: &'a Share,
    qos: Qos,
    payload: Payload,
    /// With the time at which each was sent.
    waiting: VecDeque<(Confirmation, u64)>,
}

impl<'a> Sender<'a> {
    fn new(client: &'a Client, target: &'a str, share: &'a Share, qos: Qos) -> Self {
        Self {
            client,
            target,
            share,
            qos,
            payload: share.payload(),
            waiting: VecDeque::new(),
        }
    }

    /// Sends a message, and waits for the verdict on an earlier one if as many as allowed are on the way.
    async fn send(
        &mut self,
        number: u64,
        time: u64,
        latencies: Option<&mut Latencies>,
    ) -> Result<(), CliError> {
        self.payload.stamp(number, time);
        let sending = self.client.send(self.target, &self.payload.0[..]).qos(self.qos);
        if !self.qos.is_acknowledged() {
            return sending.await.map_err(|error| failed(self.target, error));
        }
        let sent_at = self.share.clock.now();
        if self.share.in_flight == 1 {
            self.check(sending.await)?;
            self.note(sent_at, latencies);
            return Ok(());
        }
        let confirmation = sending.confirm().await;
        let confirmation = confirmation.map_err(|error| failed(self.target, error))?;
        self.waiting.push_back((confirmation, sent_at));
        if self.waiting.len() >= self.share.in_flight {
            self.confirm(latencies).await?;
        }
        Ok(())
    }

    /// Waits until the broker has everything. Of what was not acknowledged it shows that it did by its verdict on one
    /// message more: it takes what comes from one client in order.
    async fn finish(&mut self, mut latencies: Option<&mut Latencies>) -> Result<(), CliError> {
        while !self.waiting.is_empty() {
            self.confirm(latencies.as_deref_mut()).await?;
        }
        if self.qos.is_acknowledged() {
            return Ok(());
        }
        let nobody = nobody(self.client);
        by_nobody(&nobody, self.client.send(&nobody, &b""[..]).await)
    }

    async fn confirm(&mut self, latencies: Option<&mut Latencies>) -> Result<(), CliError> {
        let Some((confirmation, sent_at)) = self.waiting.pop_front() else {
            return Ok(());
        };
        self.check(confirmation.await)?;
        self.note(sent_at, latencies);
        Ok(())
    }

    fn check(&self, verdict: Result<(), Error>) -> Result<(), CliError> {
        if self.target == self.client.name() {
            return verdict.map_err(|error| failed(self.target, error));
        }
        by_nobody(self.target, verdict)
    }

    fn note(&self, sent_at: u64, latencies: Option<&mut Latencies>) {
        if let Some(latencies) = latencies {
            latencies.add(self.share.clock.now() - sent_at);
        }
    }
}

async fn receive(mut inbox: Inbox, own_name: String, share: Share) -> Result<Latencies, CliError> {
    let mut latencies = Latencies::default();
    let mut came = 0;
    while came < share.operations {
        let frame = match inbox.try_recv() {
            Some(frame) => Some(frame),
            None => tokio::time::timeout(share.patience, inbox.recv())
                .await
                .map_err(|_| CliError::Lost {
                    what: "messages",
                    missing: share.operations - came,
                    expected: share.operations,
                })?,
        };
        let frame = frame.ok_or_else(|| failed(&own_name, Error::ConnectionLost))?;
        if frame.kind() != Kind::Message || frame.sender() != own_name {
            continue;
        }
        let (number, time) = Payload::stamps(frame.payload());
        if let Some(number) = number.filter(|&number| number != came) {
            return Err(CliError::OutOfOrder {
                number,
                expected: came,
            });
        }
        if let Some(time) = time {
            latencies.add(share.clock.now() - time);
        }
        came += 1;
        share.note_done();
    }
    Ok(latencies)
}
