//! Values of the configuration file.
use toml::{Spanned, de::DeValue};

use super::Wrong;

/// The refusal of a value of another kind.
pub(super) fn expected(what: &str, value: &Spanned<DeValue<'_>>) -> Wrong {
    let kind = value.get_ref().type_str();
    Wrong::new(value.span(), format!("expected {what}, not a TOML {kind}"))
}

/// A text.
pub(super) fn text<'a>(value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, Wrong> {
    value.get_ref().as_str().ok_or_else(|| expected("a text", value))
}

/// One text, or an array of them.
pub(super) fn texts<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Result<Vec<&'a Spanned<DeValue<'i>>>, Wrong> {
    let texts = match value.get_ref() {
        DeValue::Array(texts) => texts.iter().collect(),
        _ => vec![value],
    };
    match texts.iter().find(|text| !text.get_ref().is_str()) {
        None => Ok(texts),
        Some(wrong) => Err(expected("texts", wrong)),
    }
}

/// `true` or `false`.
pub(super) fn truth(value: &Spanned<DeValue<'_>>) -> Result<bool, Wrong> {
    value
        .get_ref()
        .as_bool()
        .ok_or_else(|| expected("true or false", value))
}

/// A number as the command line has it: in plain digits, whatever its base was.
pub(super) fn number(value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err(expected("a number of at most 64 bits", value)),
        },
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        _ => Err(expected("a number", value)),
    }
}

/// Permission bits: a text of octal digits, or an octal number.
pub(super) fn mode(value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::String(digits) => Ok(digits.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 8 => Ok(number.as_str().to_owned()),
        _ => Err(expected("permission bits such as \"660\" or 0o660", value)),
    }
}

/// A user or a group: a name, or a number.
pub(super) fn name_or_number(value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::String(name) => Ok(name.clone().into_owned()),
        DeValue::Integer(_) => number(value),
        _ => Err(expected("a name or a number", value)),
    }
}
