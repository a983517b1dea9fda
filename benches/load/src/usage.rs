//! What a process uses: CPU time and memory, read from `/proc`.
use std::{collections::HashMap, fs};

/// The CPU time of a process's threads at one moment.
#[derive(Debug, Default)]
pub(crate) struct CpuTime(HashMap<u32, u64>);

impl CpuTime {
    /// Reads the time every thread of `pid` has spent on a CPU, in ns. `/proc/PID/stat` would do, but it counts
    /// in ticks of 10 ms; a kernel without `schedstat` gives an empty reading.
    pub(crate) fn of(pid: u32) -> Self {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            return Self::default();
        };
        let times = tasks.flatten().filter_map(|task| {
            let tid = task.file_name().to_str()?.parse().ok()?;
            let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((tid, schedstat.split_whitespace().next()?.parse().ok()?))
        });
        Self(times.collect())
    }

    /// The ns spent since `earlier`; `None` when nothing could be read. A thread that ended in between counts
    /// nothing.
    pub(crate) fn since(&self, earlier: &Self) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        let spent = self.0.iter().map(|(tid, now)| {
            let before = earlier.0.get(tid).copied().unwrap_or(0);
            now.saturating_sub(before)
        });
        Some(spent.sum())
    }
}

/// The resident memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Now, in KiB.
    pub(crate) resident_kib: u64,
    /// The most so far, in KiB.
    pub(crate) peak_kib: u64,
}

/// Reads the resident memory of `pid`; `None` when the process is gone.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    parse_memory(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_memory(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    Some(Memory {
        resident_kib: field("VmRSS:")?,
        peak_kib: field("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_file() {
        let status = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n";
        let expected = Memory {
            resident_kib: 1024,
            peak_kib: 2048,
        };
        assert_eq!(parse_memory(status), Some(expected));
        assert_eq!(parse_memory("Name:\tx\n"), None);
    }

    #[test]
    fn a_thread_that_ended_counts_nothing() {
        let earlier = CpuTime(HashMap::from([(1, 10), (2, 50)]));
        let later = CpuTime(HashMap::from([(1, 25), (3, 4)]));
        assert_eq!(later.since(&earlier), Some(19));
        assert_eq!(CpuTime::default().since(&earlier), None);
    }
}
