//! The writer task: writes to a client whose socket is full, and notices when it takes nothing any more.
//!
//! It exists only while the socket is full; it holds the outbox's writer token and what is left to write.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use elbus_client::readiness::Room;
use tokio::time::Sleep;

use crate::{
    outbox::{Batch, Next, Outbox, WriteError, WriterView},
    peer::{Peer, Sink},
    socket::{Socket, Waited},
    stall,
};

/// How often a socket is tried over the high-water mark although it is not reported writable: a UNIX socket takes
/// bytes long before that, and a slow receiver must not look like a dead one.
const PROBE: Duration = Duration::from_millis(50);

/// Bytes a write over the high-water mark, at least and at most. The system frees a UNIX socket's buffer only in the
/// pieces in which it was filled, so small ones make small progress visible; a faster receiver gets larger ones.
const SMALLEST_PIECE: usize = 2 * 1024;
const LARGEST_PIECE: usize = 64 * 1024;

/// Bytes a turn, after which the outbox is told and waiting sessions go on.
const TURN: usize = 256 * 1024;

/// Turns before other tasks of the worker get theirs.
const TURNS: usize = 4;

enum Woken {
    /// The socket may be writable.
    Writable,
    /// It is worth a try, whatever is reported.
    Probe,
    /// Over.
    Ended,
}

/// Writes until everything is written or the outbox is closed.
pub(crate) async fn run(peer: Arc<Peer>, batch: Batch) {
    let Sink::Socket {
        connection, outbox, ..
    } = &peer.sink
    else {
        return;
    };
    let Some(socket) = connection.socket().clone() else {
        return;
    };
    if !write_out(&peer, &socket, outbox, batch).await {
        peer.broke();
    }
}

/// Answers false when the connection is broken.
async fn write_out(peer: &Arc<Peer>, socket: &Socket, outbox: &Outbox, mut batch: Batch) -> bool {
    let mut room = Room::default();
    let mut timer = None;
    // What the receiver took in the last turn.
    let mut taken = 0;
    for turn in 1_usize.. {
        let woken =
            std::future::poll_fn(|cx| poll_woken(peer, socket, &mut room, outbox, &mut timer, cx)).await;
        let piece = match outbox.is_over() {
            true => (taken / 8).clamp(SMALLEST_PIECE, LARGEST_PIECE),
            false => usize::MAX,
        };
        let result = match woken {
            Woken::Writable => batch.write(&Waited(socket, &room), piece, TURN),
            Woken::Probe => batch.write(socket, piece, TURN),
            Woken::Ended => return true,
        };
        if let Ok(n) | Err(WriteError::Full(n)) = result {
            taken = n;
        }
        match result {
            Ok(n) => match outbox.wrote(batch, n) {
                Next::Released => return true,
                Next::More(more) => batch = more,
            },
            Err(WriteError::Full(0)) => stall::check(peer),
            Err(WriteError::Full(n)) => outbox.progressed(n),
            Err(WriteError::Broken) => return false,
        }
        if turn % TURNS == 0 {
            tokio::task::yield_now().await;
        }
    }
    true
}

fn poll_woken(
    peer: &Peer,
    socket: &Socket,
    room: &mut Room,
    outbox: &Outbox,
    timer: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<Woken> {
    let view = outbox.writer_view(cx.waker());
    if view == WriterView::Closed {
        return Poll::Ready(Woken::Ended);
    }
    if let Poll::Ready(ready) = room.poll(socket, cx) {
        return Poll::Ready(ready.map_or(Woken::Ended, |()| Woken::Writable));
    }
    if view == WriterView::Below {
        *timer = None;
        return Poll::Pending;
    }
    let timer = timer.get_or_insert_with(|| {
        let soon = PROBE.min(peer.core.settings.stall_timeout() / 4);
        Box::pin(tokio::time::sleep_until((Instant::now() + soon).into()))
    });
    std::task::ready!(timer.as_mut().poll(cx));
    let soon = PROBE.min(peer.core.settings.stall_timeout() / 4);
    timer.as_mut().reset((Instant::now() + soon).into());
    Poll::Ready(Woken::Probe)
}
