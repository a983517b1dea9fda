//! What the broker itself publishes.
use serde::Deserialize;

use crate::{Bus, Got, Party};

/// A client that subscribes to `.broker/info` hears who comes and goes.
pub fn arrivals_and_departures_are_announced(bus: &Bus<'_>) {
    let mut a = bus.near("a");
    assert_eq!(a.subscribe(&[".broker/info"]), Ok(()));
    let b = bus.far("b");
    let name = b.name().to_owned();
    expect_announcement(&mut *a, "reg", &name);
    drop(b);
    expect_announcement(&mut *a, "unreg", &name);
}

/// Waits for an announcement about this client. Others come and go as well: theirs are passed over.
fn expect_announcement(party: &mut dyn Party, subject: &str, name: &str) {
    loop {
        let announcement = Announcement::of(&party.frame(), ".broker/info");
        if announcement.subject == subject && announcement.data.as_deref() == Some(name) {
            return;
        }
    }
}

/// Waits for the warning that the broker ends.
pub fn expect_shutdown_warning(party: &mut dyn Party) {
    let announcement = Announcement::of(&party.frame(), ".broker/warn");
    assert_eq!(announcement.subject, "shutdown");
    assert_eq!(announcement.data, None);
}

#[derive(Debug, Deserialize)]
struct Announcement {
    #[serde(rename = "s")]
    subject: String,
    #[serde(rename = "d", default)]
    data: Option<String>,
    /// UNIX time in nanoseconds.
    #[serde(rename = "t")]
    time: u64,
}

impl Announcement {
    fn of(got: &Got, topic: &str) -> Self {
        assert_eq!(*got, Got::publication(".broker", topic, &got.payload));
        let announcement: Self = rmp_serde::from_slice(&got.payload).unwrap();
        assert!(announcement.time > 1_600_000_000_000_000_000, "{announcement:?}");
        announcement
    }
}
