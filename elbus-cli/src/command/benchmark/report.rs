//! The figures, as a table and as JSON.
use std::time::Duration;

use serde::Serialize;

use super::latencies::Latencies;
use crate::{
    args::Benchmark,
    numbers::grouped,
    output::table::{Column, Table},
};

/// What a stage has shown.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    stage: String,
    operations: u64,
    seconds: f64,
    per_second: f64,
    /// `None`: nothing tells when an operation is done.
    latency_us: Option<Percentiles>,
}

/// In microseconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    workers: u32,
    iterations: u32,
    payload_size: u32,
    in_flight: u32,
    stages: &'a [Figures],
}

impl Figures {
    pub(super) fn new(stage: String, operations: u64, took: Duration, latencies: &Latencies) -> Self {
        let seconds = took.as_secs_f64();
        Self {
            stage,
            operations,
            seconds,
            per_second: operations as f64 / seconds,
            latency_us: Percentiles::of(latencies),
        }
    }
}

impl Percentiles {
    fn of(latencies: &Latencies) -> Option<Self> {
        let microseconds = |part| Some(latencies.percentile(part)? as f64 / 1e3);
        Some(Self {
            p50: microseconds(0.5)?,
            p90: microseconds(0.9)?,
            p99: microseconds(0.99)?,
            p999: microseconds(0.999)?,
            max: latencies.longest()? as f64 / 1e3,
        })
    }
}

impl<'a> Report<'a> {
    pub(super) const fn new(benchmark: &Benchmark, stages: &'a [Figures]) -> Self {
        Self {
            workers: benchmark.workers,
            iterations: benchmark.iterations.get(),
            payload_size: benchmark.payload_size,
            in_flight: benchmark.in_flight,
            stages,
        }
    }
}

pub(super) fn table(all: &[Figures]) -> Table {
    let mut table = Table::new(&[
        Column::Text("stage"),
        Column::Number("operations"),
        Column::Number("seconds"),
        Column::Number("a second"),
        Column::Number("p50 µs"),
        Column::Number("p90 µs"),
        Column::Number("p99 µs"),
        Column::Number("p99.9 µs"),
        Column::Number("max µs"),
    ]);
    for figures in all {
        let mut cells = vec![
            figures.stage.clone(),
            grouped(figures.operations),
            format!("{:.3}", figures.seconds),
            grouped(figures.per_second as u64),
        ];
        cells.extend(match &figures.latency_us {
            Some(Percentiles {
                p50,
                p90,
                p99,
                p999,
                max,
            }) => [p50, p90, p99, p999, max].map(microseconds),
            None => ["-"; 5].map(str::to_owned),
        });
        table.row(cells);
    }
    table
}

fn microseconds(value: &f64) -> String {
    if *value < 100.0 {
        format!("{value:.1}")
    } else {
        grouped(*value as u64)
    }
}
