//! `send` and `publish`: one payload, or each line of the standard input.
use std::fmt;

use elbus_client::{Client, Payload, Qos};

use super::pipeline::Pipeline;
use crate::{
    args::{Args, Sending},
    bus,
    error::CliError,
    input::{self, Chunks, Lines},
    progress::Progress,
    say::Say,
};

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Client(String),
    Mask(String),
    Topic(String),
}

impl Destination {
    pub(crate) fn sending<'a>(
        &'a self,
        client: &'a Client,
        payload: impl Into<Payload<'a>>,
    ) -> elbus_client::Sending<'a> {
        match self {
            Self::Client(name) => client.send(name, payload),
            Self::Mask(mask) => client.broadcast(mask, payload),
            Self::Topic(topic) => client.publish(topic, payload),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(name) => write!(f, "client named {name}"),
            Self::Mask(mask) => write!(f, "clients that match {mask}"),
            Self::Topic(topic) => write!(f, "subscribers of {topic}"),
        }
    }
}

pub(crate) async fn run(
    args: &Args,
    destination: Destination,
    sending: &Sending,
    say: Say,
) -> Result<(), CliError> {
    // What was lost with a connection is lost: a sender that came back could not say of which messages that is true.
    let options = bus::options(args).never_reconnect();
    if sending.lines {
        let (client, _) = bus::join(options).await?;
        send_lines(Pipeline::new(&client, &destination, sending.qos), say).await?;
        return leave(&client, sending.qos).await;
    }
    let payload = input::payload(sending.payload.as_deref(), say).await?;
    let (client, _) = bus::join(options).await?;
    let sent = destination.sending(&client, payload).qos(sending.qos).await;
    sent.map_err(|error| CliError::Send {
        destination: destination.clone(),
        error,
    })?;
    leave(&client, sending.qos).await
}

/// Sends each line as it comes; what has been read is on its way before more is waited for.
async fn send_lines(mut pipeline: Pipeline<'_>, say: Say) -> Result<(), CliError> {
    let mut progress = Progress::of_input(say);
    let mut chunks = Chunks::of_input();
    let mut lines = Lines::default();
    loop {
        while let Some(line) = lines.next() {
            pipeline.send(line).await?;
        }
        if lines.unfinished().len() > bus::FRAME_LIMIT {
            let limit = bus::FRAME_LIMIT;
            return Err(pipeline.failed_behind_all(CliError::LineTooLong { limit }));
        }
        // An error of a line is said when it is known, not when the next line comes.
        let chunk = tokio::select! {
            biased;
            chunk = chunks.next() => chunk?,
            error = pipeline.failed() => return Err(error),
        };
        let Some(chunk) = chunk else { break };
        progress.advance(chunk.len(), pipeline.sent());
        lines.push(&chunk);
    }
    if !lines.unfinished().is_empty() {
        pipeline.send(lines.unfinished()).await?;
    }
    pipeline.finish().await?;
    progress.finish(pipeline.sent());
    Ok(())
}

/// Leaves the bus when everything sent is with the broker.
async fn leave(client: &Client, qos: Qos) -> Result<(), CliError> {
    if qos.is_acknowledged() {
        // Everything is: whatever becomes of the connection now, nothing is lost.
        let _ = client.close().await;
        return Ok(());
    }
    // Flushing goes on for as long as the broker takes anything; the time-out of closing comes after that.
    client.flush().await.map_err(CliError::Leave)?;
    client.close().await.map_err(CliError::Leave)
}
