//! The params of a call, from the command line: `key=value`, `key:=JSON`, or JSON alone.
use rmpv::Value;

use crate::{args::Format, values};

/// One of the params as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    /// A member of the map of params: its key, which may lead into maps within, and its value.
    Member(Vec<String>, Value),
    /// All there is.
    Whole(Value),
    /// `-`: they come from the standard input.
    Input,
}

/// All of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Params {
    Value(Value),
    Input(Format),
}

impl Param {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Input);
        }
        if let Some(whole) = text.strip_prefix(":=") {
            return values::json(whole).map(Self::Whole);
        }
        let (key, value) = text
            .split_once('=')
            .ok_or("expected key=value, key:=JSON, :=JSON or -")?;
        let (key, value) = match key.strip_suffix(':') {
            Some(key) => (key, values::json(value)?),
            None => (key, typed(value)),
        };
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("{key:?} is no key: a part of it is empty"));
        }
        Ok(Self::Member(path, value))
    }
}

impl Params {
    /// Puts them together.
    pub(crate) fn of(params: &[Param], stdin: Option<Format>) -> Result<Self, String> {
        let mut members = Vec::new();
        for param in params {
            match param {
                Param::Member(path, value) => insert(&mut members, path, value)?,
                _ if params.len() > 1 => {
                    return Err("`:=JSON` and `-` are all params there can be".to_owned());
                }
                Param::Whole(value) => return Ok(Self::Value(value.clone())),
                Param::Input => return Ok(Self::Input(Format::Raw)),
            }
        }
        Ok(stdin.map_or(Self::Value(Value::Map(members)), Self::Input))
    }
}

/// A value as MessagePack.
pub(crate) fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = rmpv::encode::write_value(&mut bytes, value);
    bytes
}

/// As in the broker's command FIFO: `true`, `false`, integers and floats are such, anything else is a text.
fn typed(value: &str) -> Value {
    if let Ok(truth) = value.parse() {
        Value::Boolean(truth)
    } else if let Ok(integer) = value.parse::<i64>() {
        integer.into()
    } else if let Ok(integer) = value.parse::<u64>() {
        integer.into()
    } else if value.contains(['.', 'e', 'E'])
        && let Ok(float) = value.parse::<f64>()
        // `1e999` would be infinite.
        && float.is_finite()
    {
        Value::F64(float)
    } else {
        value.into()
    }
}

/// Puts a value where its path leads, through maps that are made on the way.
fn insert(members: &mut Vec<(Value, Value)>, path: &[String], value: &Value) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(());
    };
    let known = members.iter().position(|(other, _)| other.as_str() == Some(key));
    let at = known.unwrap_or(members.len());
    match (known, rest) {
        (Some(_), []) => return Err(format!("the param {key:?} is there twice")),
        (None, []) => members.push((key.as_str().into(), value.clone())),
        (None, _) => members.push((key.as_str().into(), Value::Map(Vec::new()))),
        (Some(_), _) => {}
    }
    match (&mut members[at].1, rest) {
        (_, []) => Ok(()),
        (Value::Map(inner), rest) => insert(inner, rest, value),
        _ => Err(format!("the param {key:?} is there twice, once as a map")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(words: &[&str]) -> Result<String, String> {
        let params: Result<Vec<_>, _> = words.iter().map(|word| Param::parse(word)).collect();
        match Params::of(&params?, None)? {
            Params::Value(value) => Ok(value.to_string()),
            Params::Input(format) => Ok(format!("{format:?}")),
        }
    }

    #[test]
    fn values_have_the_types_that_they_look_like() {
        for (text, value) in [
            ("true", Value::Boolean(true)),
            ("-1", (-1).into()),
            ("18446744073709551615", u64::MAX.into()),
            ("1.5", Value::F64(1.5)),
            ("2e3", Value::F64(2000.0)),
            ("", "".into()),
            ("inf", "inf".into()),
            ("null", "null".into()),
            ("1e5x", "1e5x".into()),
            ("99999999999999999999", "99999999999999999999".into()),
            ("1e400", "1e400".into()),
            ("x=y", "x=y".into()),
        ] {
            let expected = Param::Member(vec!["k".to_owned()], value);
            assert_eq!(Param::parse(&format!("k={text}")), Ok(expected), "{text}");
        }
    }

    #[test]
    fn dots_lead_into_maps_and_the_order_stays() {
        let words = [
            "z=1",
            "a.b=2",
            "y=x",
            "a.c.d=3",
            "l:=[1, {\"k\": null}]",
            "u=http://h?q:=1",
        ];
        let expected =
            r#"{"z": 1, "a": {"b": 2, "c": {"d": 3}}, "y": "x", "l": [1, {"k": nil}], "u": "http://h?q:=1"}"#;
        assert_eq!(params(&words), Ok(expected.to_owned()));
        assert_eq!(params(&[]), Ok("{}".to_owned()));
        assert_eq!(
            params(&["a:={\"b\": 1}", "a.c=2"]),
            Ok(r#"{"a": {"b": 1, "c": 2}}"#.to_owned())
        );
    }

    #[test]
    fn params_may_be_no_map() {
        assert_eq!(params(&[":=[1, 2]"]), Ok("[1, 2]".to_owned()));
        assert_eq!(params(&["-"]), Ok("Raw".to_owned()));
    }

    #[test]
    fn what_cannot_be_put_together_says_why() {
        for (words, why) in [
            (&["a"][..], "expected key=value"),
            (&["=1"], "\"\" is no key"),
            (&["a..b=1"], "\"a..b\" is no key"),
            (&["a:=x"], "not JSON: "),
            (&["a=1", "a=2"], "\"a\" is there twice"),
            (&["a=1", "a.b=2"], "\"a\" is there twice, once as a map"),
            (&["a.b=2", "a=1"], "\"a\" is there twice"),
            (&["a=1", ":=[]"], "are all params there can be"),
            (&["-", "a=1"], "are all params there can be"),
        ] {
            let error = params(words).unwrap_err();
            assert!(error.contains(why), "{words:?}: {error}");
        }
    }

    #[test]
    fn no_params_travel_as_an_empty_map() {
        assert_eq!(encoded(&Value::Map(Vec::new())), [0x80]);
    }
}
