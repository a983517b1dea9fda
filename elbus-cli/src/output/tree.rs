//! JSON, or what is written in the like of it, laid out for people: in one line or indented.
//!
//! JSON is laid out as the text it is, token by token, so that numbers, order and repeated keys are what was sent.
use std::fmt::Write;

use serde::de::IgnoredAny;

use super::safe;

/// Levels that are indented; beyond them everything stays in the line.
const DEEPEST: usize = 32;

/// How a tree is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Line,
    Indented,
}

/// A text as it is, if it is a JSON object or array.
pub(super) fn json(text: &str) -> Option<&str> {
    let is_tree = text.trim_start().starts_with(['{', '[']);
    (is_tree && serde_json::from_str::<IgnoredAny>(text).is_ok()).then_some(text)
}

/// Lays out a text whose strings are quoted as those of JSON; stops when `limit` bytes are reached.
pub(super) fn laid_out(text: &str, layout: Layout, limit: usize) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next()
        && out.len() < limit
    {
        let breaks = layout == Layout::Indented && depth <= DEEPEST;
        match c {
            '"' => {
                out.push('"');
                copy_string(&mut out, &mut chars);
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(end) = chars.next_if(|&end| end == '}' || end == ']') {
                    out.push(end);
                    continue;
                }
                depth += 1;
                if layout == Layout::Indented && depth <= DEEPEST {
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if breaks {
                    new_line(&mut out, depth);
                }
                out.push(c);
            }
            ',' if breaks => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ',' | ':' => {
                out.push(c);
                out.push(' ');
            }
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// Copies what is left of a string with its closing quote.
fn copy_string(out: &mut String, chars: &mut impl Iterator<Item = char>) {
    while let Some(c) = chars.next() {
        if safe::is_unsafe(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
            continue;
        }
        out.push(c);
        match c {
            '"' => return,
            '\\' => out.extend(chars.next()),
            _ => {}
        }
    }
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        laid_out(text, Layout::Line, usize::MAX)
    }

    fn indented(text: &str) -> String {
        laid_out(text, Layout::Indented, usize::MAX)
    }

    #[test]
    fn json_keeps_its_tokens_and_gets_other_space_between_them() {
        let text = " { \"b\" :1.10,\"a\":[1e400 , {}, [ ],\"x , y:{\\\"\"],\n\"b\":null}";
        assert_eq!(json(text), Some(text));
        assert_eq!(
            line(text),
            r#"{"b": 1.10, "a": [1e400, {}, [], "x , y:{\""], "b": null}"#
        );
        let expected = "{\n  \"b\": 1.10,\n  \"a\": [\n    1e400,\n    {},\n    [],\n    \"x , y:{\\\"\"\n  ],\n  \"b\": null\n}";
        assert_eq!(indented(text), expected);
    }

    #[test]
    fn what_only_looks_like_json_is_none() {
        for text in ["", "[1", "{a}", "21.5", "\"text\"", "[1] and more", "[door open]"] {
            assert_eq!(json(text), None, "{text}");
        }
    }

    #[test]
    fn unsafe_characters_in_a_string_are_escaped_as_json_does() {
        assert_eq!(line("[\"\u{9b}\u{7f}\"]"), "[\"\\u009b\\u007f\"]");
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_indents_without_end() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(json(&deep).is_some());
        assert!(indented(&deep).len() < 250_000);
    }
}
