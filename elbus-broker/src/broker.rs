//! The handle of a broker: what an embedding program holds.
#[cfg(feature = "tls")]
use std::sync::Weak;
use std::{fmt, sync::Arc};
#[cfg(target_os = "linux")]
use std::{io, path::Path};

#[cfg(feature = "tls")]
use elbus_client::tls::TlsFileError;
use elbus_client::{Address, Client, Inbox};
use elbus_proto::{BROKER_NAME, ClientName, NameError};

#[cfg(target_os = "linux")]
use crate::listener::fifo::{self, Fifo};
#[cfg(feature = "tls")]
use crate::listener::tls::{Tls, TlsOptions};
use crate::{
    access::AccessRules,
    announce,
    config::{Config, ConfigError},
    core::Core,
    listener::{ListenError, Listener, SocketOptions},
    local,
    mailbox::Mailbox,
    methods::reload::ReloadRequests,
    peer::{Cut, Peer, Sink},
    registry::Refusal,
    socket::Origin,
    stats::{ClientInfo, Stats, Usage},
};

/// A broker: routes between the clients in this process and those that connect to its listeners.
///
/// Cloning is cheap; all clones are the same broker. It runs until [`shutdown`](Self::shutdown), also when every
/// handle is dropped.
///
/// ```
/// use elbus_broker::{Broker, Config};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::new(Config::default())?;
/// let (pump, _) = broker.client("plant.pump")?;
/// let (_, mut inbox) = broker.client("plant.panel")?;
///
/// pump.send("plant.panel", "running").await?;
///
/// let frame = inbox.recv().await.ok_or("closed")?;
/// assert_eq!((frame.sender(), &frame.payload()[..]), ("plant.pump", &b"running"[..]));
/// broker.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Broker {
    core: Arc<Core>,
}

impl Broker {
    /// A broker with this configuration, so far without listeners.
    ///
    /// # Errors
    /// The first field with a value that makes no sense.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            core: Core::new(config),
        })
    }

    /// Puts another configuration in force, as far as that can be done while the broker runs, and answers the fields that
    /// are different from those the broker was made with and cannot change: `names`, `topics`, `read_size` and
    /// `fifo_line`. Nobody is disconnected: where there is more than a new limit allows, nothing is added until there is
    /// less. `high_water`, `queue_size` and `slow_consumers` hold for clients that come from now on.
    ///
    /// ```
    /// use elbus_broker::{Broker, Config, ConfigError};
    ///
    /// let broker = Broker::new(Config::default())?;
    /// let mut config = Config::default();
    /// config.clients = 1;
    /// config.read_size = 4096;
    /// assert_eq!(broker.reconfigure(&config)?, ["read_size"]);
    ///
    /// let only = broker.client("only")?;
    /// assert!(broker.client("one.too.many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first field with a value that makes no sense; then nothing is changed.
    pub fn reconfigure(&self, config: &Config) -> Result<Vec<&'static str>, ConfigError> {
        config.check()?;
        self.core.users.limit(config);
        Ok(self.core.settings.change(config))
    }

    /// Listens at an address and answers where it listens: for TCP port 0, the port the system chose.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = elbus_broker::Broker::new(Default::default())?;
    /// let address = broker.listen(&"127.0.0.1:0".parse()?).await?;
    /// println!("listening at {address}");
    /// # broker.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a live server listens there already, the path is something else than a socket, or the system refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn listen(&self, address: &Address) -> Result<Address, ListenError> {
        self.listen_with(address, &SocketOptions::default()).await
    }

    /// [`listen`](Self::listen), with a say in how the file of a UNIX socket is made.
    ///
    /// # Errors
    /// As `listen`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn listen_with(
        &self,
        address: &Address,
        options: &SocketOptions,
    ) -> Result<Address, ListenError> {
        if self.core.stop.is_cancelled() {
            return Err(ListenError::ShuttingDown);
        }
        let listener = Listener::bind(address, options).await?;
        listener.warn_if_open(&self.core);
        let bound = listener.address();
        self.core.tasks.spawn(listener.run(Arc::clone(&self.core)));
        Ok(bound)
    }

    /// Listens at an address `tls://host:port`, with certificates from files, and answers where it listens.
    ///
    /// ```no_run
    /// use elbus_broker::{Broker, Config, TlsOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = Broker::new(Config::default())?;
    /// let mut tls = TlsOptions::new("broker.pem", "broker.key");
    /// tls.client_ca = Some("ca.pem".into());
    /// broker.listen_tls(&"tls://0.0.0.0:7778".parse()?, &tls).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`listen`](Self::listen), and when the files cannot be used.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[cfg(feature = "tls")]
    pub async fn listen_tls(&self, address: &Address, options: &TlsOptions) -> Result<Address, ListenError> {
        if self.core.stop.is_cancelled() {
            return Err(ListenError::ShuttingDown);
        }
        let (listener, tls) = Listener::bind_tls(address, options).await?;
        let bound = listener.address();
        self.core.tls.lock().push(Arc::downgrade(&tls));
        self.core.tasks.spawn(listener.run(Arc::clone(&self.core)));
        Ok(bound)
    }

    /// Reads the files of all TLS listeners again: connections from now on are secured with what is in them now. Those
    /// there are stay as they are.
    ///
    /// # Errors
    /// The first file that cannot be used. Then nothing changes, for any listener.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[cfg(feature = "tls")]
    pub async fn reload_tls(&self) -> Result<(), TlsFileError> {
        let listeners: Vec<_> = self.core.tls.lock().iter().filter_map(Weak::upgrade).collect();
        let read = tokio::task::spawn_blocking(|| {
            let read = listeners.into_iter().map(Tls::reload);
            read.collect::<Result<Vec<_>, _>>()
        });
        // The task ends early only with its runtime: then nobody connects any more.
        for reloaded in read.await.unwrap_or(Ok(Vec::new()))? {
            reloaded.use_it();
        }
        Ok(())
    }

    /// Listens at a command FIFO, which is made if it is not there: a named pipe from which one command a line is carried
    /// out under the name `.fifo`.
    ///
    /// | line | does |
    /// | --- | --- |
    /// | `TARGET MESSAGE` | sends the rest of the line; broadcasts it when there is a `?` or `*` in the target |
    /// | `=TOPIC MESSAGE` | publishes |
    /// | `TARGET .MESSAGE` | notifies, as RPC has it |
    /// | `TARGET :METHOD k=v k=v` | calls, without a reply; params are a MessagePack map, `true`, `false`, integers and floats are such, everything else is a text |
    ///
    /// Bad lines are logged with the reason and left out. Linux only.
    ///
    /// # Errors
    /// When another server reads the FIFO, the path is something else, or the system refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[cfg(target_os = "linux")]
    pub async fn listen_fifo(&self, path: &Path, options: &SocketOptions) -> Result<(), ListenError> {
        if self.core.stop.is_cancelled() {
            return Err(ListenError::ShuttingDown);
        }
        let (made, options) = (path.to_owned(), options.clone());
        let fifo = tokio::task::spawn_blocking(move || Fifo::new(&made, &options)).await;
        // The task ends early only with its runtime.
        let fifo = fifo.map_err(|_| ListenError::ShuttingDown)??;
        let client = self.fifo_client().map_err(|reason| ListenError::Bind {
            address: fifo::address(path),
            source: io::Error::other(reason),
        })?;
        let core = Arc::clone(&self.core);
        let reading = self.core.readers.token();
        self.core.tasks.spawn(async move {
            fifo.run(core, client).await;
            drop(reading);
        });
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn fifo_client(&self) -> Result<Arc<Client>, RegisterError> {
        let mut shared = self.core.fifo.lock();
        if let Some(client) = shared.upgrade() {
            return Ok(client);
        }
        // Nobody reads what is sent to it.
        let (client, _) = self.register(fifo::NAME, Origin::Fifo)?;
        let client = Arc::new(client);
        *shared = Arc::downgrade(&client);
        Ok(client)
    }

    /// Registers a client in this process. It leaves the bus when the inbox and every clone of the `Client` are
    /// dropped, or at once with [`Client::close`].
    ///
    /// It works on every executor as long as nothing is full; a send that has to wait for room needs a tokio runtime
    /// with time enabled, and panics without one.
    ///
    /// # Errors
    /// When the name is malformed, reserved or taken, or the limit of clients is reached.
    pub fn client(&self, name: &str) -> Result<(Client, Inbox), RegisterError> {
        let limits = self.core.settings.names();
        let parsed = ClientName::parse(name.as_bytes(), limits).map_err(|reason| RegisterError::Name {
            name: name.to_owned(),
            reason,
        })?;
        if parsed.is_reserved() {
            return Err(RegisterError::Reserved {
                name: name.to_owned(),
            });
        }
        self.register(name, Origin::Process)
    }

    fn register(&self, name: &str, origin: Origin) -> Result<(Client, Inbox), RegisterError> {
        if self.core.stop.is_cancelled() {
            return Err(RegisterError::ShuttingDown);
        }
        let sink = Sink::Local(Mailbox::new(self.core.settings.queue_size()));
        let peer = Peer::new(&self.core, name, origin, None, "".into(), sink);
        self.core
            .register(&peer)
            .map_err(|refusal| RegisterError::of(refusal, name, &self.core))?;
        if self.core.stop.is_cancelled() {
            // Shutdown may have looked before this one was there.
            self.core.unregister(&peer);
            return Err(RegisterError::ShuttingDown);
        }
        let (link, source) = local::halves(&self.core, peer);
        Ok((Client::new(Arc::new(link)), Inbox::new(Box::new(source))))
    }

    /// Registers the broker's own client, `.broker`, in this process: calls of methods that the broker does not have
    /// itself, and whatever else is sent to that name, come to its inbox. Mount an RPC service on it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = elbus_broker::Broker::new(Default::default())?;
    /// let (_own, mut inbox) = broker.own_client()?;
    /// let (client, _) = broker.client("client")?;
    ///
    /// client.send(".broker", "what the broker does not know").await?;
    /// assert_eq!(inbox.recv().await.ok_or("closed")?.sender(), "client");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is registered already, or the limit of clients is reached.
    pub fn own_client(&self) -> Result<(Client, Inbox), RegisterError> {
        self.register(BROKER_NAME, Origin::Process)
    }

    /// Puts access rules in force, in place of those there were; see [`access`](crate::access). They hold for clients
    /// that are connected already: those who may not be any more are disconnected, and subscriptions that are not
    /// admitted any more are removed. What was carried out before stays so.
    ///
    /// When this returns, nothing more is carried out by the rules there were, except what a client had begun before.
    pub fn set_access(&self, rules: AccessRules) {
        self.core.set_access(rules);
    }

    /// The access rules in force.
    #[must_use]
    pub fn access(&self) -> AccessRules {
        AccessRules::clone(&self.core.access.rules())
    }

    /// Has the broker's method `reload` end up here, for a program that has a configuration to read again: clients that
    /// may manage the broker call it. Without this the broker has no such method. Whoever asked for the requests last
    /// gets them.
    #[must_use]
    pub fn reload_requests(&self) -> ReloadRequests {
        self.core.reloading.requests()
    }

    /// The broker's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.core)
    }

    /// The clients on the bus by name, secondaries left out (their primaries count them as instances).
    #[must_use]
    pub fn clients(&self) -> Vec<ClientInfo> {
        let peers = self.core.registry.all();
        let primaries = peers.iter().filter(|peer| !peer.is_secondary());
        let mut clients: Vec<_> = primaries.map(|peer| ClientInfo::of(&self.core, peer)).collect();
        clients.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        clients
    }

    /// What the clients of each UNIX user use together, by user id: of every user that was on the bus since it began.
    pub fn users(&self) -> Vec<(u32, Usage)> {
        self.core.users.usage()
    }

    /// Disconnects a client and frees its name. What is queued for it is dropped if it is connected over a socket; a
    /// client in this process still finds it in its inbox. Answers whether it was there.
    pub fn disconnect(&self, name: &str) -> bool {
        let found = self.core.registry.find(name);
        if let Some(peer) = &found {
            self.core.cut(peer, Cut::Disconnected);
        }
        found.is_some()
    }

    /// Shuts down without losing what is on its way: stops accepting, tells every client on `.broker/warn`, carries
    /// out what has arrived, writes what is queued and says goodbye. A client that does not take its frames is given
    /// up after the configured time-out; then this returns.
    pub async fn shutdown(&self) {
        let core = &self.core;
        core.stop.cancel();
        announce::shutdown(core);
        let timeout = core.settings.timeout();
        #[cfg(feature = "tls")]
        {
            // What has arrived over TLS is passed on to its sessions first; those that are held up are not waited for.
            core.relays.close();
            let _ = tokio::time::timeout(timeout / 4, core.relays.wait()).await;
        }
        core.read_the_last();
        core.readers.close();
        if tokio::time::timeout(timeout, core.readers.wait()).await.is_err() {
            tracing::warn!(?timeout, "not everything that had arrived could be carried out");
        }
        core.flushing.cancel();
        for peer in core.registry.all() {
            if peer.origin.is_inside() {
                core.unregister(&peer);
            }
        }
        core.tasks.close();
        // Writing what is queued and lingering are bounded by the time-out each.
        if tokio::time::timeout(timeout * 2, core.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some connections did not end in time");
        }
        for peer in core.registry.all() {
            core.cut(&peer, Cut::Shutdown);
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}

/// Why a client in this process cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Not a client's name.
    #[error("{name:?} cannot be registered: {reason}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// The name starts with a dot.
    #[error("{name:?} cannot be registered: names with a leading dot are the broker's own")]
    Reserved {
        /// The name.
        name: String,
    },
    /// Another client has the name.
    #[error("the name {name:?} is taken")]
    Taken {
        /// The name.
        name: String,
    },
    /// A secondary whose primary is not on the bus.
    #[error("the primary of {name:?} is not registered")]
    NoPrimary {
        /// The secondary's name.
        name: String,
    },
    /// A secondary whose primary is not in this process.
    #[error("the primary of {name:?} is not in this process")]
    ForeignPrimary {
        /// The secondary's name.
        name: String,
    },
    /// The limit of clients is reached.
    #[error("the limit of {limit} clients is reached")]
    TooManyClients {
        /// The limit.
        limit: usize,
    },
    /// The access rules do not admit it.
    #[error("the access rules do not admit {name:?} in this process")]
    Denied {
        /// The name.
        name: String,
    },
    /// The broker is shutting down.
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl RegisterError {
    fn of(refusal: Refusal, name: &str, core: &Core) -> Self {
        let name = name.to_owned();
        match refusal {
            Refusal::Taken => Self::Taken { name },
            Refusal::NoPrimary => Self::NoPrimary { name },
            Refusal::ForeignPrimary => Self::ForeignPrimary { name },
            Refusal::Denied => Self::Denied { name },
            Refusal::TooManyClients => Self::TooManyClients {
                limit: core.settings.clients(),
            },
            // Clients in this process are nobody's.
            Refusal::TooManyOfUser(limit) => Self::TooManyClients { limit },
        }
    }
}
