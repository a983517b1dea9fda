//! Rules that many tests use.
use elbus_broker::access::{AccessRule, AccessRules, Source};
use elbus_proto::Code;

use crate::link::{Ask, Bus, Party};

/// A rule for a client, wherever it comes from.
pub(crate) fn rule(name: &str) -> AccessRule {
    AccessRule::new(name).from([Source::Any])
}

/// Rules made of these.
pub(crate) fn rules(rules: impl IntoIterator<Item = AccessRule>) -> AccessRules {
    let builder = AccessRules::builder();
    let builder = rules
        .into_iter()
        .fold(builder, |builder, rule| builder.rule(rule));
    builder.build().unwrap()
}

/// A rule by which everybody may do everything.
pub(crate) fn everything(name: &str) -> AccessRule {
    rule(name)
        .send(["*"])
        .broadcast(["*"])
        .publish(["#"])
        .subscribe(["#"])
        .manage(true)
}

/// Puts rules in force: this one for the client under test, and everything for everybody else whose name starts with
/// `other.`.
pub(crate) fn restrain(bus: &Bus, rule: AccessRule) {
    bus.test.broker.set_access(rules([rule, everything("other.*")]));
}

/// Expects that something is refused for lack of a right, and that the client may go on.
pub(crate) fn expect_denied(client: &mut dyn Party, ask: Ask<'_>) {
    let denied = format!("{ask:?}");
    assert_eq!(client.ask(ask), Err(Code::Access), "{denied}");
    client.expect_nothing();
}
