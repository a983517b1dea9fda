//! Many messages in flight, in order: the acknowledgement of one is not waited for before the next is sent.
use std::{collections::VecDeque, future::pending};

use elbus_client::{Client, Confirmation, Error, Qos};

use super::send::Destination;
use crate::error::CliError;

/// Messages, and bytes of them, that wait for their acknowledgement at most. A receiver of 250 kB/s, which the broker
/// bears, has taken as much within a second, so that none waits for as long as the time-out.
const MESSAGES: usize = 4_096;
const BYTES: usize = 256 * 1024;

/// Sends one message after the other to one destination.
pub(super) struct Pipeline<'a> {
    client: &'a Client,
    destination: &'a Destination,
    qos: Qos,
    waiting: VecDeque<Waiting>,
    /// In the messages that wait.
    bytes: usize,
    sent: u64,
}

struct Waiting {
    bytes: usize,
    confirmation: Confirmation,
}

impl<'a> Pipeline<'a> {
    pub(super) fn new(client: &'a Client, destination: &'a Destination, qos: Qos) -> Self {
        Self {
            client,
            destination,
            qos,
            waiting: VecDeque::new(),
            bytes: 0,
            sent: 0,
        }
    }

    /// Messages sent so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends a message when there is room for it.
    pub(super) async fn send(&mut self, payload: &[u8]) -> Result<(), CliError> {
        while self.waiting.len() >= MESSAGES || !self.waiting.is_empty() && self.bytes + payload.len() > BYTES
        {
            self.first_confirmed().await?;
        }
        let sending = self.destination.sending(self.client, payload).qos(self.qos);
        if !self.qos.is_acknowledged() {
            sending
                .await
                .map_err(|error| self.failed_behind_all(self.of(error)))?;
            self.sent += 1;
            return Ok(());
        }
        match sending.confirm().await {
            Ok(confirmation) => {
                let bytes = payload.len();
                self.waiting.push_back(Waiting { bytes, confirmation });
                self.bytes += bytes;
                self.sent += 1;
                Ok(())
            }
            Err(error) => {
                // Those before it may have failed for the same reason, and are told first.
                self.finish().await?;
                Err(self.failed_behind_all(self.of(error)))
            }
        }
    }

    /// Waits until everything is acknowledged.
    pub(super) async fn finish(&mut self) -> Result<(), CliError> {
        while !self.waiting.is_empty() {
            self.first_confirmed().await?;
        }
        Ok(())
    }

    /// Waits for a message that fails. Cancel-safe.
    pub(super) async fn failed(&mut self) -> CliError {
        match self.finish().await {
            Ok(()) => pending().await,
            Err(error) => error,
        }
    }

    /// The error of the message behind all that were sent.
    pub(super) fn failed_behind_all(&self, failure: CliError) -> CliError {
        CliError::Line {
            number: self.sent + 1,
            failure: Box::new(failure),
            acknowledged: self.qos.is_acknowledged(),
            behind: 0,
        }
    }

    async fn first_confirmed(&mut self) -> Result<(), CliError> {
        let Some(first) = self.waiting.front_mut() else {
            return Ok(());
        };
        let result = (&mut first.confirmation).await;
        let behind = self.waiting.len() as u64 - 1;
        let number = self.sent - behind;
        if let Some(first) = self.waiting.pop_front() {
            self.bytes -= first.bytes;
        }
        result.map_err(|error| CliError::Line {
            number,
            failure: Box::new(self.of(error)),
            acknowledged: true,
            behind,
        })
    }

    fn of(&self, error: Error) -> CliError {
        CliError::Send {
            destination: self.destination.clone(),
            error,
        }
    }
}
