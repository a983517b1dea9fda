//! The configuration file: TOML whose keys are the flags, and the rules of access control.
mod access;
mod keys;
mod slow;
mod value;

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use elbus_broker::{SlowConsumer, access::AccessRules};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(crate) use keys::flag_error;
use value::expected;

/// What a configuration file says.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// Its keys as words of the command line, by the id of their argument.
    pub(crate) words: Vec<(String, Vec<String>)>,
    pub(crate) rules: AccessRules,
    /// How clients that do not keep up are treated, by name mask.
    pub(crate) slow: Vec<(String, SlowConsumer)>,
}

/// Why a configuration file is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), Line(*line))]
pub(crate) struct ConfigFileError {
    path: PathBuf,
    /// Where, if it is about a place in the file.
    line: Option<usize>,
    reason: String,
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, ", line {line}"),
            None => Ok(()),
        }
    }
}

/// What is wrong, and where in the text.
struct Wrong {
    at: Range<usize>,
    reason: String,
}

impl Wrong {
    fn new(at: Range<usize>, reason: impl Into<String>) -> Self {
        Self {
            at,
            reason: reason.into(),
        }
    }
}

impl ConfigFile {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigFileError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigFileError {
            path: path.to_owned(),
            line: None,
            reason: format!("cannot be read: {error}"),
        })?;
        Self::parse(&text).map_err(|Wrong { at, reason }| ConfigFileError {
            path: path.to_owned(),
            line: Some(
                1 + text.as_bytes()[..at.start.min(text.len())]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count(),
            ),
            reason,
        })
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        let table = DeTable::parse(text)
            .map_err(|error| Wrong::new(error.span().unwrap_or(0..0), error.message()))?;
        let mut file = Self {
            words: Vec::new(),
            rules: AccessRules::default(),
            slow: Vec::new(),
        };
        let mut rules = access::Rules::default();
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                access::RULES => rules.add_rules(value)?,
                access::RESERVED => rules.add_reservations(value)?,
                slow::SLOW_CONSUMERS => file.slow = slow::choices(value)?,
                name => file.words.push(keys::words(name, key.span(), value)?),
            }
        }
        file.rules = rules.build()?;
        Ok(file)
    }
}

/// The tables of an array of tables.
fn tables<'a, 'i>(
    name: &str,
    value: &'a Spanned<DeValue<'i>>,
) -> Result<impl Iterator<Item = (Range<usize>, &'a DeTable<'i>)>, Wrong> {
    let all = value
        .get_ref()
        .as_array()
        .map(|tables| tables.iter().collect::<Vec<_>>())
        .filter(|tables| tables.iter().all(|table| table.get_ref().is_table()))
        .ok_or_else(|| expected(&format!("tables that begin with [[{name}]]"), value))?;
    Ok(all
        .into_iter()
        .filter_map(|table| Some((table.span(), table.get_ref().as_table()?))))
}

/// Refuses a table with other keys than these.
fn known(table: &DeTable<'_>, keys: &[&str]) -> Result<(), Wrong> {
    let wrong = table.keys().find(|key| !keys.contains(&key.get_ref().as_ref()));
    match wrong {
        None => Ok(()),
        Some(key) => Err(unknown(key.get_ref(), key.span(), keys.iter().copied())),
    }
}

/// The value of a key that a table has to have.
fn required<'a, 'i>(
    key: &str,
    at: Range<usize>,
    table: &'a DeTable<'i>,
) -> Result<&'a Spanned<DeValue<'i>>, Wrong> {
    table
        .get(key)
        .ok_or_else(|| Wrong::new(at, format!("there is no {key:?}, and nothing stands for it")))
}

/// The refusal of a key that there is not.
fn unknown<'a>(key: &str, at: Range<usize>, valid: impl Iterator<Item = &'a str>) -> Wrong {
    let nearest = valid.min_by_key(|valid| strsim::damerau_levenshtein(key, valid));
    let reason = match nearest {
        Some(nearest) => format!("there is no key {key:?}; the nearest one is {nearest:?}"),
        None => format!("there is no key {key:?}"),
    };
    Wrong::new(at, reason)
}
