//! Values of the command line, checked once: what is wrong is said before anything is started.
use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use elbus_client::{Address, AddressError, Qos};
use elbus_proto::{ClientName, NameLimits, NameMask, Topic, TopicFilter, TopicLimits};

use crate::{command::send::Destination, output::safe};

/// Longest `--for`: more than a century, and far from where the clock overflows.
const LONGEST_PERIOD: Duration = Duration::from_secs(1_000_000 * 3600);

/// An address; a single word that is none may have been meant as a command.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error: AddressError| {
        if text.chars().all(|c| c.is_alphanumeric() || c == '-') && !text.is_empty() {
            "it is neither a command (send, publish, listen, rpc, broker, benchmark) nor an address (/path, \
             name.sock, host:port)"
                .to_owned()
        } else {
            error.to_string()
        }
    })
}

pub(crate) fn client_name(text: &str) -> Result<String, String> {
    match ClientName::parse(text.as_bytes(), NameLimits::default()) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The name to register.
pub(crate) fn own_name(text: &str) -> Result<String, String> {
    if text.starts_with('.') {
        return Err("names that begin with a dot are the broker's own: leave the dot out".to_owned());
    }
    client_name(text)
}

/// A client's name, or a mask if there is a `?` or a `*` in it.
pub(crate) fn target(text: &str) -> Result<Destination, String> {
    if text.contains(['?', '*']) {
        return mask(text).map(Destination::Mask);
    }
    client_name(text).map(Destination::Client)
}

pub(crate) fn mask(text: &str) -> Result<String, String> {
    match NameMask::parse(text.as_bytes(), NameLimits::default()) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn topic(text: &str) -> Result<Destination, String> {
    topic_name(text).map(Destination::Topic)
}

pub(crate) fn topic_name(text: &str) -> Result<String, String> {
    match Topic::parse(text.as_bytes(), TopicLimits::default()) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A method's name, which ends at the first NUL on the wire.
pub(crate) fn method(text: &str) -> Result<String, String> {
    match text {
        "" => Err("the name is empty".to_owned()),
        _ if text.contains('\0') => Err("the name holds a NUL".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// JSON, whose numbers, order and repeated keys stay what they are.
pub(crate) fn json(text: &str) -> Result<rmpv::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

pub(crate) fn filter(text: &str) -> Result<String, String> {
    match TopicFilter::parse(text.as_bytes(), TopicLimits::default()) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn qos(text: &str) -> Result<Qos, String> {
    Ok(match text {
        "0" | "no" => Qos::No,
        "1" | "processed" => Qos::Processed,
        "2" | "realtime" => Qos::Realtime,
        "3" | "realtime-processed" => Qos::RealtimeProcessed,
        _ => return Err("expected 0 (no), 1 (processed), 2 (realtime) or 3 (realtime-processed)".to_owned()),
    })
}

/// What the client library takes as its time-out.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    if (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&timeout) {
        Ok(timeout)
    } else {
        Err("expected from 10ms to 1h".to_owned())
    }
}

/// How many frames.
pub(crate) fn count(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| {
        format!(
            "expected a whole number from 1 to {}; our name is --name here",
            u64::MAX
        )
    })
}

/// A filter where none belongs.
pub(crate) fn stray_filter(text: &str) -> Result<String, String> {
    let text = safe::shortened(text);
    Err(format!("a topic is asked for with -t: listen -t '{text}'"))
}

/// How many operations a benchmark does.
pub(crate) fn iterations(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("expected a whole number from 1 to {}", u32::MAX))
}

/// For how long something goes on.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    Some(duration(text)?)
        .filter(|period| *period <= LONGEST_PERIOD)
        .ok_or_else(|| "expected at most 1000000h".to_owned())
}

/// A number and a unit; seconds if there is none.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time of 0 or more, such as 5, 0.5, 300ms, 2m or 1h".to_owned();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    // What is too large for a duration is beyond every limit as well.
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("2", 2000),
            ("0.5", 500),
            ("300ms", 300),
            ("2s", 2000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1", "1d", "1.2.3", "1e3", "soon", "5 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["99999999999999999999h", "1000001h"] {
            assert!(timeout(text).is_err() && period(text).is_err(), "{text}");
        }
        assert!(period("0").is_ok() && period("1000000h").is_ok());
    }

    #[test]
    fn a_quality_of_service_is_a_number_or_a_word() {
        for (number, word, expected) in [
            ("0", "no", Qos::No),
            ("1", "processed", Qos::Processed),
            ("2", "realtime", Qos::Realtime),
            ("3", "realtime-processed", Qos::RealtimeProcessed),
        ] {
            assert_eq!((qos(number), qos(word)), (Ok(expected), Ok(expected)));
        }
        assert!(qos("4").is_err());
    }

    #[test]
    fn a_target_with_wildcards_is_a_mask() {
        assert_eq!(target("a.b"), Ok(Destination::Client("a.b".into())));
        assert_eq!(target("a.*"), Ok(Destination::Mask("a.*".into())));
        assert_eq!(target("?"), Ok(Destination::Mask("?".into())));
        assert!(target("a.*.b").is_err());
    }
}
