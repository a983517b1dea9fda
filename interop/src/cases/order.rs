//! What one client sends to another arrives in the order sent.
use busrt::FrameKind;

use super::QUALITIES;
use crate::{Ask, Bus, Pending};

/// Half of what the libraries keep for a user who does not look.
const COUNT: usize = 4_000;

/// Thousands of frames of every kind and quality of service arrive in the order sent, with all acknowledgements in
/// flight meanwhile.
pub fn frames_arrive_in_the_order_sent(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    let (topic, mask) = (bus.within("/topic"), bus.within(".b"));
    assert_eq!(b.subscribe(&[&topic]), Ok(()));
    let asked: Vec<Pending> = (0..COUNT)
        .map(|n| {
            let (payload, qos) = (payload(n), QUALITIES[n % QUALITIES.len()]);
            match kind(n) {
                FrameKind::Broadcast => a.ask(Ask::Broadcast(&mask, &payload), qos),
                FrameKind::Publish => a.ask(Ask::Publish(&topic, &payload), qos),
                _ => a.ask(Ask::Send(b.name(), &payload), qos),
            }
        })
        .collect();
    for n in 0..COUNT {
        let got = b.frame();
        assert_eq!((got.kind, got.payload), (kind(n), payload(n)), "frame {n}");
        assert_eq!(
            got.realtime,
            QUALITIES[n % QUALITIES.len()].is_realtime(),
            "frame {n}"
        );
    }
    for pending in asked {
        assert_eq!(pending.verdict(), Ok(()));
    }
}

/// Five in a row against four qualities: every kind goes with every quality.
const fn kind(n: usize) -> FrameKind {
    match n % 5 {
        1 => FrameKind::Broadcast,
        2 => FrameKind::Publish,
        _ => FrameKind::Message,
    }
}

fn payload(n: usize) -> Vec<u8> {
    let mut payload = vec![b'.'; 8 + n % 300];
    payload[..8].copy_from_slice(&n.to_be_bytes());
    payload
}
