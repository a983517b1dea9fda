//! The first words of a connection, up to the client's name.
//!
//! Exactly the greeting's bytes are read: those behind the name belong to the session.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Poll, ready},
};

use elbus_proto::{ClientName, Code, NameError, OK, greeting};
use tokio::{runtime::Handle, time::Instant};

use super::{Session, certificate::Certificate, goodbye};
use crate::{
    core::Core,
    outbox::{Outbox, Wire},
    peer::{Peer, Sink},
    registry::Refusal,
    socket::{Connection, Origin, Socket},
    users::Share,
};

/// A connection that has not said its name.
pub(crate) struct Newcomer {
    pub(crate) socket: Socket,
    pub(crate) origin: Origin,
    /// The certificate by which the other end proved who it is.
    pub(crate) certificate: Option<Certificate>,
    /// When it was accepted.
    pub(crate) since: Instant,
    /// The listener it came in on.
    pub(crate) port: Arc<str>,
}

/// Why a greeting failed.
#[derive(Debug, thiserror::Error)]
enum GreetingFailed {
    #[error("connection lost while greeting: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Greeting(#[from] greeting::GreetingError),
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("the name {0:?} starts with a dot: reserved for the broker's own clients")]
    Reserved(String),
    #[error("the name {0:?} is taken")]
    Taken(String),
    #[error("the primary of {0:?} is not registered")]
    NoPrimary(String),
    #[error("{0:?} comes from another user or host than its primary")]
    ForeignPrimary(String),
    #[error("the limit of {0} clients is reached")]
    TooManyClients(usize),
    #[error("the limit of {0} clients of one user is reached")]
    TooManyOfUser(usize),
    #[error("the access rules do not admit {0:?} from there")]
    Denied(String),
    #[error("the name {0:?} is not one that its certificate ({1}) is for, or under one")]
    NotCertified(String, Arc<str>),
}

impl GreetingFailed {
    fn refused(refusal: Refusal, name: &str, core: &Core) -> Self {
        match refusal {
            Refusal::Taken => Self::Taken(name.to_owned()),
            Refusal::NoPrimary => Self::NoPrimary(name.to_owned()),
            Refusal::ForeignPrimary => Self::ForeignPrimary(name.to_owned()),
            Refusal::TooManyClients => Self::TooManyClients(core.settings.clients()),
            Refusal::TooManyOfUser(limit) => Self::TooManyOfUser(limit),
            Refusal::Denied => Self::Denied(name.to_owned()),
        }
    }

    /// What the other side is told, if anything.
    const fn code(&self) -> Option<Code> {
        Some(match self {
            Self::Io(_) => return None,
            Self::Greeting(_) => Code::NotSupported,
            Self::Name(_) | Self::Reserved(_) => Code::Data,
            Self::NotCertified(..) => Code::Access,
            Self::Taken(_) => Refusal::Taken.code(),
            Self::NoPrimary(_) => Refusal::NoPrimary.code(),
            Self::ForeignPrimary(_) => Refusal::ForeignPrimary.code(),
            Self::TooManyClients(_) => Refusal::TooManyClients.code(),
            Self::TooManyOfUser(limit) => Refusal::TooManyOfUser(*limit).code(),
            Self::Denied(_) => Refusal::Denied.code(),
        })
    }
}

/// A greeting in progress, or a refused one whose connection lingers, counted while it lives.
pub(crate) struct Counted(Arc<Core>, Which);

#[derive(Clone, Copy)]
pub(crate) enum Which {
    Greeting,
    Refused,
}

impl Counted {
    /// Answers `None` when the limit is reached.
    pub(crate) fn new(core: &Arc<Core>, which: Which) -> Option<Self> {
        let counter = which.counter(core);
        if counter.fetch_add(1, Relaxed) >= core.settings.greetings() {
            counter.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Self(Arc::clone(core), which))
    }
}

impl Which {
    fn counter(self, core: &Core) -> &AtomicUsize {
        match self {
            Self::Greeting => &core.greetings,
            Self::Refused => &core.refused,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.counter(&self.0).fetch_sub(1, Relaxed);
    }
}

/// Tells a connection that comes when too many greet already.
pub(crate) fn turn_away(socket: &Socket) {
    let [a, b, c] = greeting::GREETING;
    // It is told as far as it listens.
    let _ = socket.write(&[io::IoSlice::new(&[a, b, c, Code::Busy.byte()])]);
    socket.shutdown_write();
}

impl Newcomer {
    /// Greets and registers the connection; answers its session, or `None` when there is none.
    pub(crate) async fn greet(self, core: &Arc<Core>, counted: (Counted, Option<Share>)) -> Option<Session> {
        let timeout = core.settings.timeout();
        let named = tokio::select! {
            named = tokio::time::timeout_at(self.since + timeout, self.hear_name(core)) => named,
            () = core.stop.cancelled() => return None,
        };
        let Ok(named) = named else {
            tracing::info!(from = %self.origin, limit = ?timeout, "greeting not finished in time");
            return None;
        };
        drop(counted);
        match named {
            Ok(name) => {
                let origin = self.origin;
                match self.register(core, &name) {
                    Ok(session) => return Some(session),
                    Err((socket, failed)) => refuse(core, &socket, origin, &failed).await,
                }
            }
            Err(failed) => refuse(core, &self.socket, self.origin, &failed).await,
        }
        None
    }

    /// Reads up to the name and checks it.
    async fn hear_name(&self, core: &Core) -> Result<String, GreetingFailed> {
        self.say(&greeting::GREETING)?;
        let mut theirs = [0; greeting::LEN];
        self.hear(&mut theirs).await?;
        greeting::check(theirs)?;
        self.say(&[OK])?;
        let mut len = [0; greeting::NAME_LENGTH_LEN];
        self.hear(&mut len).await?;
        let len = usize::from(u16::from_le_bytes(len));
        let limits = core.settings.names();
        if len > limits.bytes {
            return Err(NameError::TooLong {
                len,
                limit: limits.bytes,
            }
            .into());
        }
        let mut name = vec![0; len];
        self.hear(&mut name).await?;
        let name = ClientName::parse(&name, limits)?;
        if name.is_reserved() {
            return Err(GreetingFailed::Reserved(name.as_str().to_owned()));
        }
        if let Some(certificate) = &self.certificate
            && !certificate.admits(&name)
        {
            let subject = Arc::clone(&certificate.subject);
            return Err(GreetingFailed::NotCertified(name.as_str().to_owned(), subject));
        }
        Ok(name.as_str().to_owned())
    }

    /// Puts the client on the bus. The final `01` is in its outbox before its name is visible, so nothing can
    /// precede it.
    fn register(self, core: &Arc<Core>, name: &str) -> Result<Session, (Arc<Socket>, GreetingFailed)> {
        let choice = core.settings.slow_consumer(ClientName::assume_checked(name));
        let outbox = Outbox::new(
            core.settings.high_water(),
            choice,
            core.users.room(core.users.find(self.origin).as_ref()),
        );
        outbox.lock().append([&[OK], b"", b""], 0);
        let socket = Arc::new(self.socket);
        let sink = Sink::Socket {
            connection: Connection::new(Arc::clone(&socket)),
            outbox,
            runtime: Handle::current(),
        };
        let certificate = self.certificate.map(|certificate| certificate.subject);
        let peer = Peer::new(core, name, self.origin, certificate, self.port, sink);
        match core.register(&peer) {
            Ok(()) => {
                peer.flush_now();
                Ok(Session::new(core, &peer, socket))
            }
            Err(refusal) => Err((socket, GreetingFailed::refused(refusal, name, core))),
        }
    }

    /// A handful of bytes fits into the buffer of any new connection.
    fn say(&self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.write(&[io::IoSlice::new(bytes)])? {
            n if n == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    async fn hear(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut heard = 0;
        std::future::poll_fn(|cx| {
            while heard < buffer.len() {
                ready!(self.socket.poll_readable(cx))?;
                match self.socket.try_read(&mut buffer[heard..], false) {
                    Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Ok(n) => heard += n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// Tells the other side why it is refused, as far as the protocol has a word for it.
async fn refuse(core: &Arc<Core>, socket: &Socket, origin: Origin, failed: &GreetingFailed) {
    let Some(code) = failed.code() else {
        // Gone before it said its name, as port scanners are: nothing that an operator has to know.
        tracing::debug!(from = %origin, reason = %failed, "greeting ended");
        return;
    };
    tracing::info!(from = %origin, reason = %failed, "greeting refused");
    // It is told as far as it listens.
    let _ = socket.write(&[io::IoSlice::new(&[code.byte()])]);
    // Whoever comes to be refused by the thousand is not waited for.
    if let Some(_counted) = Counted::new(core, Which::Refused) {
        goodbye::linger(socket, core.settings.timeout()).await;
    }
}
