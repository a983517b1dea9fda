//! The receiving side of a client.
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{Frame, link::Source};

/// The frames a client receives, in the order they arrived.
///
/// Dropping the inbox discards what comes later; the client goes on sending. It is a [`Stream`] as well.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = elbus_broker::Broker::new(Default::default())?;
/// # let (client, mut inbox) = broker.client("panel")?;
/// # client.send("panel", "hello").await?;
/// # broker.shutdown().await;
/// # inbox.recv().await;
/// while let Some(frame) = inbox.recv().await {
///     println!("{}: {} bytes", frame.sender(), frame.payload().len());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Inbox {
    source: Box<dyn Source>,
    batch: VecDeque<Frame>,
}

impl Inbox {
    /// An inbox that takes its frames from a link.
    #[must_use]
    pub fn new(source: Box<dyn Source>) -> Self {
        Self {
            source,
            batch: VecDeque::new(),
        }
    }

    /// Waits for the next frame; `None` once the connection is closed and everything received has been handed out.
    ///
    /// Cancel-safe: a dropped future takes no frame with it.
    pub async fn recv(&mut self) -> Option<Frame> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next frame if one is there already.
    pub fn try_recv(&mut self) -> Option<Frame> {
        if self.batch.is_empty() {
            self.source.try_fill(&mut self.batch);
        }
        self.batch.pop_front()
    }

    /// [`recv`](Self::recv) for those who poll.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        if self.batch.is_empty() {
            std::task::ready!(self.source.poll_fill(cx, &mut self.batch));
        }
        Poll::Ready(self.batch.pop_front())
    }
}

impl Stream for Inbox {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.poll_recv(cx)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}
