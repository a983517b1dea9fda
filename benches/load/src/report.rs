//! The table for people and the JSON file for scripts.
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    cases::{Case, Sample},
    cli::{Args, BrokerSpec},
    failure::Failure,
    figures::{Summary, short},
    machine,
};

/// Titles of the table's columns.
const COLUMNS: [&str; 11] = [
    "case",
    "broker",
    "figure",
    "spread",
    "ratio",
    "CPU each",
    "CPU ratio",
    "p50 / p99",
    "peak RSS",
    "load CPU",
    "failures",
];

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    brokers: Vec<(String, String)>,
    rounds: u32,
    seconds: f64,
    rows: Vec<Row>,
}

/// One broker in one case.
#[derive(Debug)]
struct Row {
    case: Case,
    broker: usize,
    /// With the number of their round.
    samples: Vec<(u32, Sample)>,
    failures: Vec<String>,
    /// Why the broker has nothing of the kind.
    not_offered: Option<String>,
}

impl Report {
    /// An empty report on what the arguments ask for.
    pub(crate) fn new(args: &Args, brokers: &[BrokerSpec]) -> Self {
        let named = |spec: &BrokerSpec| (spec.name.clone(), spec.command_line());
        Self {
            machine: machine::describe(),
            brokers: brokers.iter().map(named).collect(),
            rounds: args.rounds,
            seconds: args.time().as_secs_f64(),
            rows: Vec::new(),
        }
    }

    /// Takes the result of one run of `case` against the broker number `broker`.
    pub(crate) fn add(&mut self, case: &Case, broker: usize, round: u32, result: Result<Sample, Failure>) {
        let found = self
            .rows
            .iter()
            .position(|row| row.case == *case && row.broker == broker);
        let index = found.unwrap_or_else(|| {
            self.rows.push(Row {
                case: case.clone(),
                broker,
                samples: Vec::new(),
                failures: Vec::new(),
                not_offered: None,
            });
            self.rows.len() - 1
        });
        match result {
            Ok(sample) => self.rows[index].samples.push((round, sample)),
            Err(Failure::NotOffered(why)) => self.rows[index].not_offered = Some(why.to_owned()),
            Err(failure) => self.rows[index].failures.push(failure.to_string()),
        }
    }

    /// The table, a line for each case and broker.
    pub(crate) fn table(&self) -> String {
        let mut lines = vec![COLUMNS.map(String::from)];
        lines.extend(self.rows.iter().map(|row| self.line(row)));
        let widths: Vec<usize> = (0..COLUMNS.len())
            .map(|column| {
                lines
                    .iter()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut table = String::new();
        for line in &lines {
            let mut text = String::new();
            for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                // Names and reasons to the left, figures to the right.
                let _ = match column {
                    0 | 1 | 10 => write!(text, "{cell:<width$}  "),
                    _ => write!(text, "{cell:>width$}  "),
                };
            }
            table.push_str(text.trim_end());
            table.push('\n');
        }
        table
    }

    fn line(&self, row: &Row) -> [String; COLUMNS.len()] {
        let base = self.base(row);
        let headline = row.summary(|sample| Some(sample.headline));
        let cpu = row.summary(|sample| sample.cpu_ns);
        let own = row.summary(|sample| sample.own_cpu_ns);
        let figure = match headline {
            Some(summary) => format!("{} {}", short(summary.median), row.case.unit().label()),
            None if row.not_offered.is_some() => "–".into(),
            None => "failed".into(),
        };
        [
            row.case.to_string(),
            self.brokers[row.broker].0.clone(),
            figure,
            cell(headline, |summary| format!("{:.0} %", summary.spread() * 100.0)),
            ratio(headline, base.and_then(|base| base.summary(|s| Some(s.headline)))),
            cell(cpu, |cpu| duration(cpu.median)),
            ratio(cpu, base.and_then(|base| base.summary(|s| s.cpu_ns))),
            cell(row.summary(|s| s.p50_us).zip(row.summary(|s| s.p99_us)), times),
            cell(row.summary(|s| s.peak_rss_kib.map(|kib| kib as f64)), |kib| {
                format!("{:.1} MiB", kib.median / 1024.0)
            }),
            cell(own, |own| duration(own.median)),
            self.failures(row),
        ]
    }

    /// The first broker's row of the same case.
    fn base(&self, row: &Row) -> Option<&Row> {
        self.rows
            .iter()
            .find(|base| base.case == row.case && base.broker == 0)
    }

    fn failures(&self, row: &Row) -> String {
        let Some(reason) = row.failures.first() else {
            return row.not_offered.clone().unwrap_or_default();
        };
        format!("{} of {} failed: {reason}", row.failures.len(), self.rounds)
    }

    /// Every figure of every round, with the medians.
    pub(crate) fn json(&self) -> Value {
        let brokers: Vec<Value> = self
            .brokers
            .iter()
            .map(|(name, command)| json!({ "name": name, "command": command }))
            .collect();
        let results: Vec<Value> = self.rows.iter().map(|row| self.row_json(row)).collect();
        json!({
            "machine": self.machine,
            "brokers": brokers,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "cpus": std::thread::available_parallelism().map_or(0, usize::from),
            "results": results,
        })
    }

    fn row_json(&self, row: &Row) -> Value {
        let median = |figure: fn(&Sample) -> Option<f64>| row.summary(figure).map(|summary| summary.median);
        let headline = row.summary(|sample| Some(sample.headline));
        let samples: Vec<Value> = row
            .samples
            .iter()
            .map(|(round, sample)| sample_json(*round, sample))
            .collect();
        json!({
            "case": row.case.to_string(),
            "broker": self.brokers[row.broker].0,
            "unit": row.case.unit().label(),
            "more_is_better": row.case.unit().more_is_better(),
            "median": headline.map(|summary| summary.median),
            "min": headline.map(|summary| summary.min),
            "max": headline.map(|summary| summary.max),
            "cpu_ns": median(|sample| sample.cpu_ns),
            "p50_us": median(|sample| sample.p50_us),
            "p99_us": median(|sample| sample.p99_us),
            "samples": samples,
            "failures": row.failures,
            "not_offered": row.not_offered,
        })
    }
}

impl Row {
    fn summary(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Option<Summary> {
        Summary::of(self.samples.iter().filter_map(|(_, sample)| figure(sample)))
    }
}

/// One run in a few words, for the progress on stderr.
pub(crate) fn brief(case: &Case, result: &Result<Sample, Failure>) -> String {
    match result {
        Err(Failure::NotOffered(why)) => format!("– ({why})"),
        Err(failure) => format!("failed: {failure}"),
        Ok(sample) => {
            let cpu = sample.cpu_ns.map(|ns| format!(", CPU {}", duration(ns)));
            let figure = short(sample.headline);
            format!("{figure} {}{}", case.unit().label(), cpu.unwrap_or_default())
        }
    }
}

fn sample_json(round: u32, sample: &Sample) -> Value {
    json!({
        "round": round,
        "headline": sample.headline,
        "cpu_ns": sample.cpu_ns,
        "load_cpu_ns": sample.own_cpu_ns,
        "p50_us": sample.p50_us,
        "p99_us": sample.p99_us,
        "p999_us": sample.p999_us,
        "max_us": sample.max_us,
        "peak_rss_kib": sample.peak_rss_kib,
    })
}

fn cell<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or("–".into(), text)
}

fn ratio(value: Option<Summary>, base: Option<Summary>) -> String {
    let both = value.zip(base).filter(|(_, base)| base.median != 0.0);
    cell(both, |(value, base)| format!("{:.2}", value.median / base.median))
}

fn times((p50, p99): (Summary, Summary)) -> String {
    format!("{:.0} / {:.0} µs", p50.median, p99.median)
}

/// A time in ns, with its unit.
pub(crate) fn duration(ns: f64) -> String {
    match ns {
        ns if ns >= 99_500.0 => format!("{:.0} µs", ns / 1e3),
        ns if ns >= 9_995.0 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{ns:.0} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn sample(headline: f64) -> Sample {
        Sample {
            headline,
            cpu_ns: Some(headline / 2.0),
            peak_rss_kib: Some(2048),
            ..Sample::default()
        }
    }

    fn report() -> Report {
        let line = "elbus-load --rounds 2 --broker a={socket} --broker b={socket}";
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        let mut report = Report::new(&args, &args.brokers().unwrap());
        let case = Case::named("flood-100").unwrap();
        for (round, headline) in [(1, 100.0), (2, 300.0)] {
            report.add(case, 0, round, Ok(sample(headline)));
        }
        report.add(case, 1, 1, Ok(sample(100.0)));
        report.add(case, 1, 2, Err(Failure::Closed("receiver", 7)));
        report
    }

    #[test]
    fn medians_are_compared_with_the_first_broker_and_failures_told() {
        let table = report().table();
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| {
                let cells = line.split("  ").map(str::trim);
                cells.filter(|cell| !cell.is_empty()).collect()
            })
            .collect();
        assert_eq!(
            lines[1],
            [
                "flood-100",
                "a",
                "200 msg/s",
                "100 %",
                "1.00",
                "100 ns",
                "1.00",
                "–",
                "2.0 MiB",
                "–"
            ]
        );
        assert_eq!(lines[2][2..5], ["100 msg/s", "0 %", "0.50"]);
        assert_eq!(
            lines[2].last(),
            Some(&"1 of 2 failed: receiver disconnected after 7 messages")
        );
    }

    #[test]
    fn the_json_file_holds_every_round() {
        let json = report().json();
        assert_eq!(json["results"][0]["median"], 200.0);
        assert_eq!(json["results"][0]["samples"][1]["headline"], 300.0);
        assert_eq!(
            json["results"][1]["failures"][0],
            "receiver disconnected after 7 messages"
        );
    }
}
