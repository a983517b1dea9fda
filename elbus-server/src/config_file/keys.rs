//! Keys that are flags: read by what reads the command line, so that both have the same names, values and errors.
use std::{error::Error, ops::Range};

use clap::{Arg, ArgAction, CommandFactory, Parser};
use toml::{Spanned, de::DeValue};

use super::{Wrong, access, slow, unknown, value};
use crate::args::Args;

/// Flags that make no sense in a file.
const NOT_IN_A_FILE: [&str; 5] = ["config", "check_config", "in_background", "help", "version"];

fn is_key(arg: &Arg) -> bool {
    !NOT_IN_A_FILE.contains(&arg.get_id().as_str())
}

/// A key and its value as words of the command line, with the id of its argument.
pub(super) fn words(
    key: &str,
    at: Range<usize>,
    value: &Spanned<DeValue<'_>>,
) -> Result<(String, Vec<String>), Wrong> {
    let command = Args::command();
    let mut args = command.get_arguments().filter(|arg| is_key(arg));
    let Some(arg) = args.find(|arg| arg.get_long() == Some(key)) else {
        let flags = command.get_arguments().filter(|arg| is_key(arg));
        let valid =
            flags
                .filter_map(Arg::get_long)
                .chain([access::RULES, access::RESERVED, slow::SLOW_CONSUMERS]);
        return Err(unknown(key, at, valid));
    };
    let word = |text: &str| format!("--{key}={text}");
    let words = match arg.get_action() {
        ArgAction::SetTrue => match value::truth(value)? {
            true => vec![format!("--{key}")],
            false => Vec::new(),
        },
        ArgAction::Append => value::texts(value)?
            .into_iter()
            .filter_map(|text| text.get_ref().as_str())
            .map(word)
            .collect(),
        _ => vec![word(&of_kind(arg, value)?)],
    };
    for word in &words {
        Args::try_parse_from(["elbus-server", word])
            .map_err(|error| Wrong::new(value.span(), format!("{key}: {}", flag_error(&error))))?;
    }
    Ok((arg.get_id().to_string(), words))
}

/// What the help calls a value tells what kind of value it is.
fn of_kind(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
    let kind = arg.get_value_names().and_then(|names| names.first());
    match kind.map(|kind| kind.as_str()) {
        Some("MODE") => value::mode(value),
        Some("USER" | "GROUP") => value::name_or_number(value),
        Some("PATH" | "FILE" | "ADDRESS" | "CHOICE") => value::text(value).map(str::to_owned),
        _ => value::number(value),
    }
}

/// What is wrong with a value, without the words about the command line around it.
pub(crate) fn flag_error(error: &clap::Error) -> String {
    match error.source() {
        Some(reason) => reason.to_string(),
        None => {
            let whole = error.to_string();
            let first = whole.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}
