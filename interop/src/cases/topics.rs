//! Publish and subscribe.
use busrt::QoS;

use super::QUALITIES;
use crate::{Ask, Bus, Got, Party};

/// Publications reach those whose filters match, once each.
pub fn publications_reach_their_subscribers_once(bus: &Bus<'_>) {
    let mut stage = Stage::new(bus);
    stage.published("/nobody", false, false);
    stage.b_subscribes(&["/exact", "/+/plus", "/hash/#"]);
    stage.published("/exact", false, true);
    stage.published("/any/plus", false, true);
    stage.published("//plus", false, true);
    stage.published("/any/any/plus", false, false);
    stage.published("/hash/any", false, true);
    stage.published("/hash/any/any", false, true);

    // Whoever matches several of its own filters gets one copy; a publisher that is subscribed gets its own.
    stage.b_subscribes(&["/exact/#", "/#"]);
    stage.published("/exact", false, true);
    let exact = bus.within("/exact");
    assert_eq!(stage.a.subscribe(&[&exact]), Ok(()));
    stage.published("/exact", true, true);

    let all = bus.within("/#");
    assert_eq!(stage.b.unsubscribe(&[&all, &exact]), Ok(()));
    stage.published("/exact", true, false);
    stage.published("/any/plus", false, true);
    assert_eq!(stage.a.unsubscribe(&[&exact]), Ok(()));
    stage.published("/exact", false, false);
}

/// Publications of every quality of service arrive, and are acknowledged if that was asked for.
pub fn publications_are_acknowledged(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    let topic = bus.within("/topic");
    assert_eq!(b.subscribe(&[&topic]), Ok(()));
    for qos in QUALITIES {
        assert_eq!(a.does(Ask::Publish(&topic, b"news"), qos), Ok(()));
        b.expect(&Got::publication(a.name(), &topic, b"news").with(qos));
    }
}

/// Subscribing and unsubscribing work without an acknowledgement too: what follows on the connection comes after it.
pub fn subscriptions_need_no_acknowledgement(bus: &Bus<'_>) {
    let mut stage = Stage::new(bus);
    let [one, two] = ["/one", "/two"].map(|topic| bus.within(topic));
    let _ = stage.b.ask(Ask::Subscribe(&[&one, &two]), QoS::No);
    stage.b.expect_nothing();
    stage.published("/one", false, true);
    stage.published("/two", false, true);
    let _ = stage.b.ask(Ask::Unsubscribe(&[&one]), QoS::Realtime);
    stage.b.expect_nothing();
    stage.published("/one", false, false);
    stage.published("/two", false, true);
}

/// What is excluded does not come although it is subscribed to, until it is included again.
pub fn excluded_topics_do_not_come(bus: &Bus<'_>) {
    let mut stage = Stage::new(bus);
    stage.b_subscribes(&["/#"]);
    let [debug, trace, one] = ["/debug/#", "/trace", "/+/one"].map(|topic| bus.within(topic));
    assert_eq!(
        stage.b.does(Ask::Exclude(&[&debug, &trace]), QoS::Processed),
        Ok(())
    );
    assert_eq!(
        stage.b.does(Ask::Exclude(&[&one]), QoS::RealtimeProcessed),
        Ok(())
    );
    stage.published("/info", false, true);
    stage.published("/debug/any", false, false);
    stage.published("/trace", false, false);
    stage.published("/any/one", false, false);
    assert_eq!(stage.b.does(Ask::Unexclude(&[&debug]), QoS::Processed), Ok(()));
    stage.published("/debug/any", false, true);
    stage.published("/debug/one", false, false);
    assert_eq!(
        stage.b.does(Ask::Unexclude(&[&trace, &one]), QoS::Processed),
        Ok(())
    );
    stage.published("/trace", false, true);
    stage.published("/debug/one", false, true);
}

/// A publisher, a subscriber, and who of them gets what.
struct Stage<'a> {
    bus: &'a Bus<'a>,
    a: Box<dyn Party>,
    b: Box<dyn Party>,
}

impl<'a> Stage<'a> {
    fn new(bus: &'a Bus<'a>) -> Self {
        let (a, b) = bus.two();
        Self { bus, a, b }
    }

    fn b_subscribes(&mut self, filters: &[&str]) {
        let filters: Vec<String> = filters.iter().map(|filter| self.bus.within(filter)).collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        assert_eq!(self.b.subscribe(&filters), Ok(()));
    }

    /// Publishes, and looks who gets it.
    #[track_caller]
    fn published(&mut self, topic: &str, a_does: bool, b_does: bool) {
        let topic = self.bus.within(topic);
        assert_eq!(self.a.publish(&topic, topic.as_bytes()), Ok(()));
        let expected = Got::publication(self.a.name(), &topic, topic.as_bytes());
        for (party, does) in [(&mut self.a, a_does), (&mut self.b, b_does)] {
            if does {
                party.expect(&expected);
            }
            party.expect_nothing();
        }
    }
}
