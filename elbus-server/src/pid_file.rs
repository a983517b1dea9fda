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
                let Ok(pid) = text.trim().parse() else {
                    return Err(PidFileError::NotAPid {
                        path: path.to_owned(),
                    });
                };
                let is_own = pid == std::process::id().cast_signed();
                if !is_own && Pid::from_raw(pid).is_some_and(is_alive) {
                    return Err(PidFileError::Running {
                        path: path.to_owned(),
                        pid,
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
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }
}

/// Whether a process runs, be it somebody else's.
fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid) != Err(Errno::SRCH)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the file with the process id cannot be removed");
        }
    }
}
