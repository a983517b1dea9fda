//! Runs under valgrind's callgrind.
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::cases::Case;

/// Valgrind, and this program as it sees it.
#[derive(Debug)]
pub(crate) struct Callgrind {
    program: PathBuf,
    version: String,
    profiles: Option<PathBuf>,
}

/// Instructions of the second half of a run, and the messages in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) instructions: u64,
    pub(crate) messages: u64,
}

impl Count {
    /// Instructions a message.
    pub(crate) fn each(self) -> f64 {
        self.instructions as f64 / self.messages as f64
    }
}

impl Callgrind {
    /// Finds valgrind. With `profiles`, each case leaves a profile in that directory.
    pub(crate) fn find(profiles: Option<&Path>) -> Result<Self, String> {
        let output = Command::new("valgrind")
            .arg("--version")
            .output()
            .map_err(|error| format!("valgrind: {error}; Debian's package is called valgrind"))?;
        let profiles = profiles.map(|directory| {
            std::fs::create_dir_all(directory)
                .and_then(|()| directory.canonicalize())
                .map_err(|error| format!("{}: {error}", directory.display()))
        });
        Ok(Self {
            program: env::current_exe().map_err(|error| error.to_string())?,
            version: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            profiles: profiles.transpose()?,
        })
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Counts a case: what a run of twice as many rounds costs more.
    pub(crate) fn count(&self, case: &Case) -> Result<Count, String> {
        let once = self.run(case, case.rounds, None)?;
        let profile = self
            .profiles
            .as_ref()
            .map(|directory| directory.join(format!("callgrind.out.{}", case.name)));
        let twice = self.run(case, 2 * case.rounds, profile.as_deref())?;
        Ok(Count {
            instructions: twice.saturating_sub(once),
            messages: case.rounds * case.round,
        })
    }

    /// Instructions of a whole run.
    ///
    /// The program's path and its environment stand on its stack and shift what lies behind them: so it is started by
    /// its bare name, and with nothing in its environment.
    fn run(&self, case: &Case, rounds: u64, profile: Option<&Path>) -> Result<u64, String> {
        let profile = profile.unwrap_or(Path::new("/dev/null"));
        let (directory, name) = self
            .program
            .parent()
            .zip(self.program.file_name())
            .ok_or("this program has no path")?;
        let output = Command::new("valgrind")
            .current_dir(directory)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .args(["--tool=callgrind", "--dump-instr=yes"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(Path::new(".").join(name))
            .args(["rounds", case.name, &format!("{rounds:08}")])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("valgrind: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let count = said.lines().find_map(|line| {
            let (_, count) = line.split_once("Collected : ")?;
            count.trim().parse().ok()
        });
        match count {
            Some(count) if output.status.success() => Ok(count),
            _ => Err(format!("{}: {}\n{said}", case.name, output.status)),
        }
    }
}
