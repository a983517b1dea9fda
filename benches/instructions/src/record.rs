//! The file in the repository, and what changed since it was written.
use std::{collections::BTreeMap, fmt::Write as _, io::ErrorKind, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{callgrind::Count, cases::Case};

/// What was counted, and with which tools.
#[derive(Debug, Default)]
pub(crate) struct Record {
    tools: String,
    counts: BTreeMap<String, Counted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Counted {
    unit: String,
    count: Count,
}

impl Record {
    /// Nothing counted yet.
    pub(crate) fn empty(valgrind: &str) -> Self {
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let rustc = rustc.unwrap_or_else(|_| "rustc unknown".into());
        Self {
            tools: format!("{rustc}, {valgrind}, {}", std::env::consts::ARCH),
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, case: &Case, count: Count) {
        let unit = case.unit.to_owned();
        self.counts.insert(case.name.into(), Counted { unit, count });
    }

    /// What was kept; nothing if there is no file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        Self::parse(&text).map_err(|what| format!("{}: {what}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let cases = value["cases"].as_object().ok_or("no \"cases\"")?;
        let counts = cases.iter().map(|(name, case)| {
            let number = |key| case[key].as_u64().filter(|&number| number > 0);
            let (instructions, messages) = number("instructions")
                .zip(number("messages"))
                .ok_or(format!("{name}: no counts"))?;
            let counted = Counted {
                unit: case["unit"].as_str().unwrap_or_default().into(),
                count: Count {
                    instructions,
                    messages,
                },
            };
            Ok((name.clone(), counted))
        });
        Ok(Self {
            tools: value["tools"].as_str().unwrap_or_default().into(),
            counts: counts.collect::<Result<_, String>>()?,
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        std::fs::write(path, self.json()).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn json(&self) -> String {
        let counted = |(name, Counted { unit, count }): (&String, &Counted)| {
            let each = (count.each() * 100.0).round() / 100.0;
            let Count {
                instructions,
                messages,
            } = count;
            let value =
                json!({ "each": each, "unit": unit, "instructions": instructions, "messages": messages });
            (name.clone(), value)
        };
        let cases: serde_json::Map<_, _> = self.counts.iter().map(counted).collect();
        format!("{:#}\n", json!({ "tools": self.tools, "cases": cases }))
    }

    /// This record with the figures of another where it has them.
    pub(crate) fn updated_with(mut self, new: Self) -> Self {
        self.tools = new.tools;
        self.counts.extend(new.counts);
        self
    }

    /// A table of what was counted now and before.
    pub(crate) fn compared_with(&self, old: &Self) -> String {
        let mut table = String::new();
        if !old.tools.is_empty() && old.tools != self.tools {
            let _ = writeln!(
                table,
                "counted before with {}, now with {}",
                old.tools, self.tools
            );
        }
        let _ = writeln!(
            table,
            "{:<24} {:>12} {:>12} {:>9}  a",
            "case", "before", "now", "change"
        );
        for (name, now) in &self.counts {
            let before = old.counts.get(name).map(|before| before.count);
            let change = match before {
                None => "new".into(),
                Some(before) if before == now.count => "same".into(),
                Some(before) => format!("{:+.2} %", percent(before, now.count)),
            };
            let before = before.map_or("–".into(), |before| format!("{:.2}", before.each()));
            let (each, unit) = (now.count.each(), &now.unit);
            let _ = writeln!(table, "{name:<24} {before:>12} {each:>12.2} {change:>9}  {unit}");
        }
        table
    }

    /// The cases that cost over `threshold` per cent more than before, a line each.
    pub(crate) fn over(&self, old: &Self, threshold: f64) -> Vec<String> {
        let counts = self.counts.iter();
        counts
            .filter_map(|(name, now)| {
                let change = percent(old.counts.get(name)?.count, now.count);
                (change > threshold)
                    .then(|| format!("{name} costs {change:.2} % more than before, over {threshold} %"))
            })
            .collect()
    }
}

fn percent(before: Count, now: Count) -> f64 {
    (now.each() / before.each() - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cases: &[(&str, u64)]) -> Record {
        let mut record = Record::default();
        for &(name, instructions) in cases {
            let unit = "message".to_owned();
            let count = Count {
                instructions,
                messages: 100,
            };
            record.counts.insert(name.into(), Counted { unit, count });
        }
        record
    }

    #[test]
    fn a_case_may_cost_as_much_more_as_the_threshold_and_no_more() {
        let old = record(&[("a", 10_000), ("b", 10_000), ("c", 10_000)]);
        let new = record(&[("a", 12_500), ("b", 12_501), ("c", 9_000), ("new", 1)]);
        let worse = new.over(&old, 25.0);
        assert_eq!(worse.len(), 1, "{worse:?}");
        assert!(worse[0].starts_with("b costs 25.01 % more"), "{worse:?}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = record(&[("a", 12_345), ("b", 1)]);
        let read = Record::parse(&written.json()).unwrap();
        assert_eq!(read.counts, written.counts);
    }

    #[test]
    fn cases_that_were_not_counted_stay_as_they_were() {
        let updated = record(&[("a", 1), ("b", 2)]).updated_with(record(&[("b", 3), ("c", 4)]));
        assert_eq!(updated.counts, record(&[("a", 1), ("b", 3), ("c", 4)]).counts);
    }

    #[test]
    fn the_table_says_what_is_the_same_what_changed_and_what_is_new() {
        let table = record(&[("a", 10_000), ("b", 9_000), ("c", 1)])
            .compared_with(&record(&[("a", 10_000), ("b", 10_000)]));
        let lines: Vec<&str> = table.lines().collect();
        assert!(
            lines[1].contains("same") && lines[1].contains("100.00"),
            "{table}"
        );
        assert!(lines[2].contains("-10.00 %"), "{table}");
        assert!(lines[3].contains("new"), "{table}");
    }
}
