//! What a case is given: a broker, and two places on it from which clients join.
use std::sync::atomic::{AtomicUsize, Ordering};

use busrt::ErrorKind;

use crate::{Broker, Library, Party, Transport, eventually, libraries::Settings};

/// A library, and how its clients are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The library.
    pub library: Library,
    /// The kind of socket.
    pub transport: Transport,
}

impl Place {
    /// Every one of these libraries over every transport.
    pub fn all(libraries: &[Library]) -> impl Iterator<Item = Self> + Clone {
        libraries
            .iter()
            .flat_map(|&library| Transport::ALL.map(|transport| Self { library, transport }))
    }
}

/// Two places on a broker.
pub struct Bus<'a> {
    broker: &'a Broker,
    group: String,
    /// Where the client joins that as a rule sends.
    pub near: Place,
    /// Where the client joins that as a rule receives.
    pub far: Place,
}

impl<'a> Bus<'a> {
    /// Two places whose clients have a group of names to themselves.
    #[must_use]
    pub fn new(broker: &'a Broker, near: Place, far: Place) -> Self {
        static GROUPS: AtomicUsize = AtomicUsize::new(0);
        let group = format!("g{}", GROUPS.fetch_add(1, Ordering::Relaxed));
        // Shown when the case fails.
        println!("{group}: {broker:?}, near end {near:?}, far end {far:?}");
        Self {
            broker,
            group,
            near,
            far,
        }
    }

    /// A name in the group.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.group)
    }

    /// A topic, filter or mask in the group, written with the separator of its kind.
    #[must_use]
    pub fn within(&self, rest: &str) -> String {
        format!("{}{rest}", self.group)
    }

    /// A client at the near end with a name in the group.
    #[must_use]
    pub fn near(&self, name: &str) -> Box<dyn Party> {
        self.join(self.near, name)
    }

    /// A client at the far end with a name in the group.
    #[must_use]
    pub fn far(&self, name: &str) -> Box<dyn Party> {
        self.join(self.far, name)
    }

    /// One client at each end: `a` and `b`.
    #[must_use]
    pub fn two(&self) -> (Box<dyn Party>, Box<dyn Party>) {
        (self.near("a"), self.far("b"))
    }

    fn join(&self, place: Place, name: &str) -> Box<dyn Party> {
        let name = self.name(name);
        self.try_join(place, &name)
            .unwrap_or_else(|error| panic!("{name:?} is refused: {error}"))
    }

    /// Tries to join with a full name.
    pub fn try_join(&self, place: Place, name: &str) -> Result<Box<dyn Party>, ErrorKind> {
        self.connect(place, name, true)
    }

    /// A client with the time-outs that its library has by default. Where a loaded machine takes longer for the greeting,
    /// it tries again.
    #[must_use]
    pub fn impatient(&self, place: Place, name: &str) -> Box<dyn Party> {
        let name = self.name(name);
        let mut joined = Err(ErrorKind::Timeout);
        eventually("it joins", || {
            joined = self.connect(place, &name, false);
            !matches!(joined, Err(ErrorKind::Timeout | ErrorKind::Busy))
        });
        joined.unwrap()
    }

    fn connect(&self, place: Place, name: &str, patient: bool) -> Result<Box<dyn Party>, ErrorKind> {
        place.library.connect(&Settings {
            address: self.address(place.transport),
            name,
            patient,
        })
    }

    pub(crate) fn address(&self, transport: Transport) -> &str {
        self.broker.address(transport)
    }
}
