//! A client as the rest of the broker sees it.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use elbus_proto::ClientName;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::{
    access::{OwnRights, Rights},
    core::Core,
    index,
    mailbox::Mailbox,
    outbox::{Flushed, Hold, Outbox, Ticket, Written},
    socket::{Connection, Origin},
    users::{Share, User},
    writer,
};

/// Why a client is disconnected by the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    /// It took nothing for the stall time-out.
    Stalled = 1,
    /// Another connection took its name over.
    Replaced = 2,
    /// The embedding program or an operator asked for it.
    Disconnected = 3,
    /// A secondary whose primary left.
    PrimaryLeft = 4,
    /// Its connection broke.
    Broken = 5,
    /// The broker shuts down.
    Shutdown = 6,
    /// The access rules do not admit it any more.
    Denied = 7,
    /// It does not keep up, and is not to be waited for.
    Slow = 8,
}

impl Cut {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Stalled,
            2 => Self::Replaced,
            3 => Self::Disconnected,
            4 => Self::PrimaryLeft,
            5 => Self::Broken,
            6 => Self::Shutdown,
            7 => Self::Denied,
            8 => Self::Slow,
            _ => return None,
        })
    }
}

/// Where a client's frames go.
pub(crate) enum Sink {
    /// To a socket.
    Socket {
        connection: Connection,
        outbox: Outbox,
        runtime: Handle,
    },
    /// To a client in this process.
    Local(Mailbox),
}

/// A client of the bus.
pub(crate) struct Peer {
    /// Unique for the broker's life; later clients have larger ones.
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    pub(crate) origin: Origin,
    /// The subject of the certificate by which the other end proved who it is.
    pub(crate) certificate: Option<Arc<str>>,
    /// The listener it came in on; empty for clients in this process.
    pub(crate) port: Arc<str>,
    pub(crate) core: Arc<Core>,
    pub(crate) sink: Sink,
    /// Whether it wants the broker's warnings, as every client does from the start.
    pub(crate) warned: AtomicBool,
    pub(crate) read: Read,
    rights: OwnRights,
    session: Mutex<Option<Waker>>,
    cut: AtomicU8,
    held_on: Mutex<Option<Arc<Peer>>>,
    /// How often and for how long its session was held back because someone it sends to was full.
    held: HeldBack,
    /// Whose client it is, and its place among his, while it is on the bus.
    pub(crate) user: Option<Arc<User>>,
    pub(crate) share: Mutex<Option<Share>>,
}

/// Frames and bytes that came from a client. On a socket only its own session adds to them, so that they do not bounce
/// between caches.
#[derive(Default)]
pub(crate) struct Read {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Read {
    pub(crate) fn add(&self, frames: u64, bytes: u64) {
        self.frames.fetch_add(frames, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn totals(&self) -> Written {
        Written {
            frames: self.frames.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

#[derive(Default)]
struct HeldBack {
    times: AtomicU64,
    micros: AtomicU64,
}

impl index::Handle for Arc<Peer> {
    fn id(&self) -> u64 {
        self.id
    }
}

impl Peer {
    pub(crate) fn new(
        core: &Arc<Core>,
        name: &str,
        origin: Origin,
        certificate: Option<Arc<str>>,
        port: Arc<str>,
        sink: Sink,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: core.next_id(),
            name: name.into(),
            origin,
            certificate,
            rights: OwnRights::default(),
            port,
            core: Arc::clone(core),
            sink,
            warned: AtomicBool::new(true),
            read: Read::default(),
            session: Mutex::new(None),
            cut: AtomicU8::new(0),
            held_on: Mutex::new(None),
            held: HeldBack::default(),
            user: core.users.find(origin),
            share: Mutex::default(),
        })
    }

    /// The name, as one that was checked when the client registered.
    pub(crate) fn client_name(&self) -> ClientName<'_> {
        ClientName::assume_checked(&self.name)
    }

    /// The name of the primary: the client's own unless it is a secondary.
    pub(crate) fn primary(&self) -> &str {
        self.client_name().primary()
    }

    pub(crate) fn is_secondary(&self) -> bool {
        self.client_name().is_secondary()
    }

    /// Whether another client comes from the same process, user or host, with the same proof.
    pub(crate) fn is_same_peer(&self, other: &Self) -> bool {
        self.origin.is_same_peer(other.origin) && self.certificate == other.certificate
    }

    /// Whether another client is of the same UNIX user.
    pub(crate) fn is_same_user(&self, other: &Self) -> bool {
        match (&self.user, &other.user) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// What the access rules in force give this client.
    pub(crate) fn rights(&self) -> Arc<Rights> {
        self.rights.of(self)
    }

    /// Where it comes from, and who it proved to be.
    pub(crate) fn source(&self) -> String {
        match &self.certificate {
            Some(subject) => format!("{} {subject}", self.origin),
            None => self.origin.to_string(),
        }
    }

    pub(crate) const fn outbox(&self) -> Option<&Outbox> {
        match &self.sink {
            Sink::Socket { outbox, .. } => Some(outbox),
            Sink::Local(_) => None,
        }
    }

    /// Writes what waits for this client; real-time frames and full blocks at once, others after the time set for
    /// gathering.
    pub(crate) fn flush(self: &Arc<Self>) {
        if self.core.settings.buf_ttl().is_zero() {
            self.flush_now()
        } else {
            self.flush_later()
        }
    }

    /// Writes what waits once the time set for gathering is over. Without one a task of its own does it at once, so
    /// that many sends of one task become one write.
    pub(crate) fn flush_later(self: &Arc<Self>) {
        let Sink::Socket { outbox, runtime, .. } = &self.sink else {
            return;
        };
        let hold = outbox.lock().may_wait();
        match hold {
            Hold::No => self.flush_now(),
            Hold::Already => {}
            Hold::Yes => {
                let peer = Arc::clone(self);
                runtime.spawn(async move {
                    let ttl = peer.core.settings.buf_ttl();
                    if !ttl.is_zero() {
                        tokio::time::sleep(ttl).await;
                    }
                    peer.end_hold();
                });
            }
        }
    }

    fn end_hold(self: &Arc<Self>) {
        if let Some(outbox) = self.outbox() {
            outbox.lock().hold_is_over();
            self.flush_now();
        }
    }

    /// Writes what waits for this client, without blocking.
    pub(crate) fn flush_now(self: &Arc<Self>) {
        let Sink::Socket {
            connection,
            outbox,
            runtime,
        } = &self.sink
        else {
            return;
        };
        let socket = connection.socket();
        let Some(socket) = &*socket else {
            return;
        };
        let flushed = outbox.flush(&**socket, |batch| {
            runtime.spawn(writer::run(Arc::clone(self), batch));
        });
        if flushed == Flushed::Broken {
            self.broke();
        }
    }

    /// Notes that nothing can be written to this client any more. Its session carries out what it had sent and ends.
    pub(crate) fn broke(&self) {
        self.cut(Cut::Broken);
    }

    /// Disconnects a client that does not keep up and is not to be waited for. It leaves the bus when its session ends,
    /// which is about to: whoever finds it slow may be telling others that somebody has left.
    pub(crate) fn cut_as_slow(&self) {
        if self.condemn(Cut::Slow) {
            self.core.totals.count_slow();
            let queued = self.waiting();
            tracing::warn!(client = %self.name, queued, "does not keep up: disconnected");
        }
        self.cut(Cut::Slow);
    }

    /// Refuses frames from now on; what is queued is still delivered.
    pub(crate) fn seal(&self) {
        match &self.sink {
            Sink::Socket { outbox, .. } => outbox.seal(),
            Sink::Local(mailbox) => mailbox.close(),
        }
    }

    /// Whether frames are refused.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.sink {
            Sink::Socket { outbox, .. } => !outbox.lock().is_open(),
            Sink::Local(mailbox) => mailbox.is_closed(),
        }
    }

    /// Notes why the client is about to be disconnected; the first reason stands, and false is answered to others.
    pub(crate) fn condemn(&self, why: Cut) -> bool {
        self.cut.compare_exchange(0, why as u8, Relaxed, Relaxed).is_ok()
    }

    /// Disconnects the client: its queued bytes are freed, its session ends.
    pub(crate) fn cut(&self, why: Cut) {
        self.condemn(why);
        match &self.sink {
            Sink::Socket { outbox, .. } => outbox.close(),
            Sink::Local(mailbox) => mailbox.close(),
        }
        self.wake_session();
    }

    /// Why the broker disconnected this client, if it did.
    #[inline]
    pub(crate) fn cut_because(&self) -> Option<Cut> {
        Cut::from_byte(self.cut.load(Relaxed))
    }

    /// Whether the broker took this client off the bus, so that nothing more is carried out for it.
    #[inline]
    pub(crate) fn is_ejected(&self) -> bool {
        self.cut_because().is_some_and(|why| why != Cut::Broken)
    }

    /// Notes whom to wake when the client is disconnected or the broker shuts down.
    pub(crate) fn watch(&self, waker: &Waker) {
        let mut session = self.session.lock();
        if !session.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *session = Some(waker.clone());
        }
    }

    pub(crate) fn wake_session(&self) {
        let waker = self.session.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whose full outbox holds this client's session back.
    pub(crate) fn held_on(&self) -> Option<Arc<Self>> {
        self.held_on.lock().clone()
    }

    /// Notes that this client's session is held back by `other`, until the guard is dropped.
    pub(crate) fn hold_on<'a>(&'a self, other: &Arc<Self>) -> HeldOn<'a> {
        *self.held_on.lock() = Some(Arc::clone(other));
        self.held.times.fetch_add(1, Relaxed);
        HeldOn(self, Instant::now())
    }

    /// How often and for how long its session was held back so far; what lasts is not in the time yet.
    pub(crate) fn held_back(&self) -> (u64, Duration) {
        let time = Duration::from_micros(self.held.micros.load(Relaxed));
        (self.held.times.load(Relaxed), time)
    }

    /// Ready when the holder of `ticket` may append, or will be told why not.
    pub(crate) fn poll_room(&self, ticket: &mut Option<Ticket>, cx: &mut Context<'_>) -> Poll<()> {
        match &self.sink {
            Sink::Socket { outbox, .. } => outbox.poll_room(ticket, cx),
            Sink::Local(mailbox) => mailbox.poll_room(ticket, cx),
        }
    }

    pub(crate) fn leave_line(&self, ticket: Ticket) {
        match &self.sink {
            Sink::Socket { outbox, .. } => outbox.leave_line(ticket),
            Sink::Local(mailbox) => mailbox.leave_line(ticket),
        }
    }

    /// What waits for this client: frames in this process, bytes on a socket.
    pub(crate) fn waiting(&self) -> usize {
        match &self.sink {
            Sink::Socket { outbox, .. } => outbox.lock().waiting(),
            Sink::Local(mailbox) => mailbox.waiting(),
        }
    }

    /// What was queued for this client so far.
    pub(crate) fn written(&self) -> Written {
        match &self.sink {
            Sink::Socket { outbox, .. } => outbox.lock().written(),
            Sink::Local(mailbox) => mailbox.written(),
        }
    }

    /// Publications left out because the client does not keep up.
    pub(crate) fn dropped(&self) -> u64 {
        self.outbox().map_or(0, |outbox| outbox.lock().dropped())
    }

    /// Frames shed because a client in this process did not read.
    pub(crate) fn shed(&self) -> u64 {
        match &self.sink {
            Sink::Socket { .. } => 0,
            Sink::Local(mailbox) => mailbox.shed(),
        }
    }
}

/// While it lives, a session is held back.
pub(crate) struct HeldOn<'a>(&'a Peer, Instant);

impl Drop for HeldOn<'_> {
    fn drop(&mut self) {
        // A client that the broker did not read from may have stopped reading for that reason alone. First the clock,
        // so that nobody finds it free with the time it was held.
        if let Some(outbox) = self.0.outbox() {
            outbox.forgive();
        }
        *self.0.held_on.lock() = None;
        let micros = u64::try_from(self.1.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.held.micros.fetch_add(micros, Relaxed);
    }
}
