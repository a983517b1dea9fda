//! `[[slow-consumers]]`: how clients that do not keep up are treated, by name.
use elbus_broker::{NameLimits, SlowConsumer};
use elbus_proto::NameMask;
use toml::{Spanned, de::DeValue};

use super::{Wrong, known, required, tables, value::text};

pub(super) const SLOW_CONSUMERS: &str = "slow-consumers";

/// The limits in force stand elsewhere, maybe below: the broker checks them.
const LARGEST: NameLimits = NameLimits {
    bytes: usize::MAX,
    parts: usize::MAX,
};

const KEYS: [&str; 2] = ["name", "choice"];

/// Name masks and choices, in their order.
pub(super) fn choices(value: &Spanned<DeValue<'_>>) -> Result<Vec<(String, SlowConsumer)>, Wrong> {
    let mut choices = Vec::new();
    for (at, table) in tables(SLOW_CONSUMERS, value)? {
        known(table, &KEYS)?;
        let name = required("name", at.clone(), table)?;
        let mask = text(name)?;
        NameMask::parse(mask.as_bytes(), LARGEST)
            .map_err(|reason| Wrong::new(name.span(), format!("{mask:?}: {reason}")))?;
        let choice = required("choice", at, table)?;
        let parsed = text(choice)?.parse::<SlowConsumer>();
        let parsed = parsed.map_err(|reason| Wrong::new(choice.span(), reason.to_string()))?;
        choices.push((mask.to_owned(), parsed));
    }
    Ok(choices)
}
