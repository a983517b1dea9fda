//! Settings that make no sense are refused, and the refusal names the field.
use std::time::Duration;

use elbus_broker::{Broker, Config, ConfigError};

fn refused(change: impl FnOnce(&mut Config)) -> Option<ConfigError> {
    let mut config = Config::default();
    change(&mut config);
    Broker::new(config).err()
}

#[test]
fn a_setting_that_makes_no_sense_is_refused_by_its_name() {
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 18] = [
        ("high_water", |config| config.high_water = 0),
        ("stall_timeout", |config| config.stall_timeout = Duration::ZERO),
        ("stall_timeout", |config| config.stall_timeout = Duration::MAX),
        ("timeout", |config| config.timeout = Duration::ZERO),
        ("keep_alive", |config| config.keep_alive = Duration::from_secs(2)),
        ("keep_alive", |config| config.keep_alive = Duration::MAX),
        ("frame_limit", |config| config.frame_limit = 0),
        ("names.bytes", |config| config.names.bytes = 0),
        ("names.bytes", |config| config.names.bytes = 65_536),
        ("names.parts", |config| config.names.parts = 0),
        ("topics.bytes", |config| config.topics.bytes = 0),
        ("topics.levels", |config| config.topics.levels = 0),
        ("clients", |config| config.clients = 0),
        ("greetings", |config| config.greetings = 0),
        ("queue_size", |config| config.queue_size = 0),
        ("cached_routes", |config| config.cached_routes = 0),
        ("read_size", |config| config.read_size = 0),
        ("buf_ttl", |config| config.buf_ttl = Duration::from_secs(2)),
    ];
    for (field, change) in cases {
        let error = refused(change).unwrap_or_else(|| panic!("{field} is not refused"));
        assert_eq!(error.field, field);
        assert!(error.to_string().starts_with(field), "{error}");
    }
    assert_eq!(refused(|_| {}), None);
    // Left to the system.
    assert_eq!(refused(|config| config.keep_alive = Duration::ZERO), None);
}

/// A delivery carries a sender's name and a topic beside the payload: its length must fit 32 bits too.
#[test]
fn a_frame_limit_whose_deliveries_would_not_fit_32_bits_is_refused() {
    let largest = 1 << 31;
    assert_eq!(refused(|config| config.frame_limit = largest), None);
    for limit in [largest + 1, u32::MAX as usize, usize::MAX] {
        let error = refused(|config| config.frame_limit = limit).unwrap();
        assert_eq!((error.field, error.value), ("frame_limit", limit.to_string()));
    }
}
