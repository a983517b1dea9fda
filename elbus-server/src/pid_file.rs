//! The file that holds the process id while the server runs.
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};

/// Why the file cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PidFileError {
    #[error("{path:?} names the process {pid}, which is running: if it is not this server, remove the file")]
    Running { path: PathBuf, pid: i32 },
    #[error("{path:?} exists and does not hold a process id: move it away, or choose another file")]
    NotAPid { path: PathBuf },
    #[error("the process id cannot be written to {path:?}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// A written file; removed when dropped.
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file. One that names a process which is gone is replaced.
    pub(crate) fn write(path: &Path) -> Result<Self, PidFileError> {
        let failed = |source| PidFileError::Io {
            path: path.to_owned(),
            source,
        };
        match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(text) => {
                let Some(pid) = pid_of(&text) else {
                    return Err(PidFileError::NotAPid {
                        path: path.to_owned(),
                    });
                };
                if pid != rustix::process::getpid() && is_alive(pid) {
                    return Err(PidFileError::Running {
                        path: path.to_owned(),
                        pid: pid.as_raw_nonzero().get(),
                    });
                }
                fs::remove_file(path).map_err(failed)?;
            }
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(failed)?;
        // From here on it is removed again: an empty one would be in the way of the next start.
        let written = Self(path.to_owned());
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(written)
    }
}

/// The process that a file names.
fn pid_of(text: &str) -> Option<Pid> {
    let pid = text.trim().parse().ok().filter(|&pid| pid > 0)?;
    Pid::from_raw(pid)
}

/// Whether a process runs, be it somebody else's.
fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid) != Err(Errno::SRCH) && !is_zombie(pid)
}

/// Whether a process has ended and only waits to be collected, for ever in containers where nobody does that.
/// Elsewhere than on Linux there is no such file, and every process that can be named counts as running.
fn is_zombie(pid: Pid) -> bool {
    // The state stands behind the program's name, which is in parentheses and may hold anything.
    fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    })
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the file with the process id cannot be removed");
        }
    }
}
