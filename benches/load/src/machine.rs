//! The machine that figures come from.
use std::fs;

use serde_json::{Value, json};

/// Its processor, cores, kernel and memory, and the day.
pub(crate) fn describe() -> Value {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
    };
    let cpus = read("/proc/cpuinfo");
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|kib| {
        let kib: f64 = kib.trim_end_matches(" kB").parse().ok()?;
        Some(format!("{:.1} GiB", kib / 1024.0 / 1024.0))
    });
    let mhz = field(&cpus, "cpu MHz").and_then(|mhz| mhz.parse::<f64>().ok());
    let cache = field(&cpus, "cache size");
    json!({
        "processor": field(&cpus, "model name"),
        "family and model": field(&cpus, "cpu family").zip(field(&cpus, "model\t")).map(|(f, m)| format!("{f}, {m}")),
        "clock": mhz.map(|mhz| format!("{:.1} GHz", mhz / 1000.0)),
        "cache": cache,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": memory,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load before": read("/proc/loadavg").split(' ').next(),
    })
}
