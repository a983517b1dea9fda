//! The end of a connection: nothing that is on its way is lost.
//!
//! A TCP socket that is closed with unread input sends a reset, which destroys what the other side has not read yet.
//! So an orderly end writes what is queued, says that nothing more will come, and then discards input until the
//! other side closes as well.
use std::{
    io,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::{End, Session};
use crate::{outbox::Outbox, peer::Peer, socket::Socket};

/// How long after the last byte the other side is given up.
const LINGER: Duration = Duration::from_secs(1);

impl Session {
    /// Takes the client off the bus and ends the connection.
    pub(super) async fn leave(mut self: Box<Self>, end: End) {
        let peer = Arc::clone(&self.peer);
        let Some(outbox) = peer.outbox() else {
            return;
        };
        self.router.finish_last();
        if !matches!(end, End::Drained) {
            self.core.unregister(&peer);
        }
        self.reading = None;
        let timeout = self.core.settings.timeout();
        match end {
            End::Broken | End::Cut => outbox.close(),
            End::Left => drain(&peer, outbox, timeout).await,
            End::Refused => {
                drain(&peer, outbox, timeout).await;
                linger(&self.socket, timeout).await;
            }
            End::Drained => {
                self.others_drained().await;
                self.core.unregister(&peer);
                drain(&peer, outbox, timeout).await;
                linger(&self.socket, timeout).await;
            }
        }
        outbox.close();
    }

    /// Waits until every session has read what had arrived: some of it may be for this client.
    async fn others_drained(&self) {
        let mut flushing = std::pin::pin!(self.core.flushing.cancelled());
        std::future::poll_fn(|cx| {
            self.peer.watch(cx.waker());
            if self.peer.cut_because().is_some() {
                Poll::Ready(())
            } else {
                flushing.as_mut().poll(cx)
            }
        })
        .await;
    }
}

/// Waits until everything queued is written, for so long.
async fn drain(peer: &Arc<Peer>, outbox: &Outbox, timeout: Duration) {
    peer.flush_now();
    let drained = std::future::poll_fn(|cx| outbox.poll_drained(cx));
    if tokio::time::timeout(timeout, drained).await.is_err() {
        tracing::warn!(client = %peer.name, ?timeout, queued = peer.waiting(), "left with frames not taken");
    }
}

/// Says that nothing more will come, and discards input until the other side closes, is silent for [`LINGER`], or
/// `timeout` has passed.
pub(super) async fn linger(socket: &Socket, timeout: Duration) {
    socket.shutdown_write();
    let end = Instant::now() + timeout;
    let mut discarded = [0; 1024];
    loop {
        let left = LINGER.min(end.saturating_duration_since(Instant::now()));
        let readable = std::future::poll_fn(|cx| socket.poll_readable(cx));
        match tokio::time::timeout(left, readable).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
        match socket.try_read(&mut discarded, false) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
