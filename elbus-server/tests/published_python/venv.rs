//! The published clients, installed: a virtual environment below the target directory, made by whoever is first.
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};

use crate::support::Process;

/// Making the environment: downloads on a slow line.
const MAKING: Duration = Duration::from_secs(300);

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// A command that runs one of the programs in `tests/python` where the published clients are installed.
pub(crate) fn python(program: &str) -> Command {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = PYTHON.get_or_init(ready);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let mut command = Command::new(python);
    command
        .env_remove("PYTHONPATH")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(programs.join(program));
    command
}

/// Sees to it that the environment is complete, and answers its interpreter.
fn ready() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = target.join("published-clients");
    let python = directory.join("bin/python");
    // Other test programs may be about the same; the lock goes with the file.
    let _lock = lock(&target.join("published-clients.lock"));
    if !is_complete(&directory, &python) {
        make(&directory, &python);
    }
    python
}

fn lock(path: &Path) -> File {
    let file = File::create(path).unwrap();
    let end = Instant::now() + MAKING;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        assert!(Instant::now() < end, "{path:?} has been locked for {MAKING:?}");
        thread::sleep(Duration::from_millis(20));
    }
    file
}

/// Complete is what was marked so when everything was installed, for these requirements, and still runs: the system's
/// Python may have been replaced since.
fn is_complete(directory: &Path, python: &Path) -> bool {
    fs::read_to_string(mark(directory)).is_ok_and(|made_for| made_for == REQUIREMENTS)
        && Command::new(python)
            .args([
                "-c",
                "import elbus.client, busrt.client, busrt_async.client, msgpack",
            ])
            .output()
            .is_ok_and(|output| output.status.success())
}

fn mark(directory: &Path) -> PathBuf {
    directory.join("complete")
}

fn make(directory: &Path, python: &Path) {
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap();
    }
    must_run(Command::new("python3").args(["-m", "venv"]).arg(directory));
    let requirements = directory.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).unwrap();
    must_run(
        Command::new(python)
            .args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&requirements),
    );
    fs::write(mark(directory), REQUIREMENTS).unwrap();
}

fn must_run(command: &mut Command) {
    let (code, said, errors) = Process::spawn(command).finish(MAKING);
    assert_eq!(
        code,
        Some(0),
        "the published Python clients cannot be installed, and they must be: these tests need python3 (3.10 or newer) \
         with its venv module (Debian: python3-venv) and a package index that pip can reach. {command:?} \
         said:\n{said}\n{errors}"
    );
}
