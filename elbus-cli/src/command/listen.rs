//! `listen`: prints what arrives until a count, a time, a signal or the reader of the output ends it.
use std::{future::pending, time::Duration};

use elbus_client::{Client, Event, Events, Frame, Inbox};
use elbus_proto::{BROKER_WARN_TOPIC, Topic, TopicFilter, TopicLimits};
use tokio::time::Instant;

use crate::{
    args::{Args, Listen},
    bus,
    error::{CliError, connecting},
    output::{Output, Seen, Style, people},
    say::Say,
};

use super::rpc::Answers;

/// Frames printed before signals and time are looked at.
const BATCH: usize = 1_024;

/// Bytes of frames that wait to be printed. The connection is read on when they have been, so this is what a slow reader
/// of the output must get through within the broker's stall time-out (500 ms by default): here at 250 kB/s. More would
/// not make it faster.
const INBOX: usize = 64 * 1024;

/// With answers, it looks at what arrives with the eyes of RPC.
pub(crate) async fn run(
    args: &Args,
    listen: &Listen,
    answers: Option<Answers>,
    say: Say,
) -> Result<(), CliError> {
    let (client, inbox) = bus::join(bus::options(args).inbox_limit(INBOX)).await?;
    // From here on nothing that happens to the connection is missed.
    let events = client.events();
    subscribe(&client, listen).await?;
    say.line(readiness(&client, listen, answers.is_some()));
    let output = Output::new(Style::of(listen.json, listen.raw)).map_err(CliError::Output)?;
    let mut listening = Listening {
        client: &client,
        listen,
        answers,
        wants_warnings: listen.topics.iter().any(|filter| includes_warnings(filter)),
        say,
        output,
        came: 0,
    };
    listening.run(events, inbox).await?;
    bus::leave(&client).await;
    Ok(())
}

async fn subscribe(client: &Client, listen: &Listen) -> Result<(), CliError> {
    // Exclusions first: in between, a frame that is excluded must not slip through.
    for (filters, excluding) in [(&listen.exclude, true), (&listen.topics, false)] {
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        if filters.is_empty() {
            continue;
        }
        let sending = if excluding {
            client.exclude(&filters)
        } else {
            client.subscribe(&filters)
        };
        sending.await.map_err(CliError::Subscribe)?;
    }
    Ok(())
}

/// Says what is printed, and what is not.
fn readiness(client: &Client, listen: &Listen, is_rpc: bool) -> String {
    let name = client.name();
    let calls = if is_rpc { "calls, notifications, " } else { "" };
    let topics = match &listen.topics[..] {
        [] => "no topics: -t FILTER subscribes".to_owned(),
        topics => format!("topics {}", topics.join(" ")),
    };
    let except = match &listen.exclude[..] {
        [] => String::new(),
        filters => format!(" except {}", filters.join(" ")),
    };
    format!("listening as {name}: {calls}messages, broadcasts, {topics}{except}")
}

struct Listening<'a> {
    client: &'a Client,
    listen: &'a Listen,
    answers: Option<Answers>,
    /// The broker's warnings are among the topics asked for.
    wants_warnings: bool,
    say: Say,
    output: Output,
    came: u64,
}

impl Listening<'_> {
    async fn run(&mut self, mut events: Events, mut inbox: Inbox) -> Result<(), CliError> {
        let mut why_given_up = None;
        let gone = self.output.reader_gone();
        let over = over(self.listen.duration);
        tokio::pin!(gone, over);
        loop {
            tokio::select! {
                biased;
                () = &mut gone => return Err(CliError::Output(std::io::ErrorKind::BrokenPipe.into())),
                () = &mut over => return self.time_over(),
                Some(event) = events.recv() => {
                    self.tell(&event);
                    if let Event::GaveUp { why } = event {
                        why_given_up = Some(why);
                    }
                }
                frame = inbox.recv() => {
                    let Some(frame) = frame else {
                        self.flush()?;
                        return why_given_up.map_or(Ok(()), |why| Err(CliError::Connect(why)));
                    };
                    if self.print_batch(frame, &mut inbox).await? {
                        return self.flush();
                    }
                    // The select above finds a busy inbox ready each time; signals are waited for outside of it.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Prints a frame and those that have arrived behind it; true when enough have been printed.
    async fn print_batch(&mut self, first: Frame, inbox: &mut Inbox) -> Result<bool, CliError> {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(frame) = next else {
                // Nothing more at the moment: whoever reads the output sees all of it.
                self.flush()?;
                return Ok(false);
            };
            if self.print(&frame).await? {
                return Ok(true);
            }
            next = inbox.try_recv();
        }
        match next {
            Some(frame) => self.print(&frame).await,
            None => Ok(false),
        }
    }

    async fn print(&mut self, frame: &Frame) -> Result<bool, CliError> {
        // Every client gets them; among what was asked for they would be in the way.
        if !self.wants_warnings && frame.topic() == Some(BROKER_WARN_TOPIC) {
            self.say
                .line(format_args!("the broker announces {}", people::in_a_line(frame)));
            return Ok(false);
        }
        let seen = match self.answers {
            Some(_) => Seen::by_rpc(frame),
            None => Seen::Frame,
        };
        self.output.frame(frame, &seen).map_err(CliError::Output)?;
        if let Some(answers) = &self.answers {
            answers.answer(self.client, frame, &seen).await;
        }
        self.came += 1;
        Ok(self.listen.count.is_some_and(|count| self.came >= count.get()))
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Disconnected { why } => {
                // A pause: what was printed until now is complete.
                let _ = self.flush();
                self.say
                    .line(format_args!("off the bus, trying to get back: {why}"));
            }
            Event::Retrying { why } => self
                .say
                .line(format_args!("still off the bus: {}", connecting(why))),
            Event::Connected => self
                .say
                .line("back on the bus; what was sent in between is missed"),
            _ => {}
        }
    }

    fn time_over(&mut self) -> Result<(), CliError> {
        self.flush()?;
        match self.listen.count {
            Some(wanted) => Err(CliError::TimeOver {
                came: self.came,
                wanted,
            }),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), CliError> {
        self.output.flush().map_err(CliError::Output)
    }
}

fn includes_warnings(filter: &str) -> bool {
    let filter = TopicFilter::parse(filter.as_bytes(), TopicLimits::default());
    let topic = Topic::parse(BROKER_WARN_TOPIC.as_bytes(), TopicLimits::default());
    matches!((filter, topic), (Ok(filter), Ok(topic)) if filter.matches(topic))
}

async fn over(duration: Option<Duration>) {
    match duration.and_then(|duration| Instant::now().checked_add(duration)) {
        Some(end) => tokio::time::sleep_until(end).await,
        None => pending().await,
    }
}
