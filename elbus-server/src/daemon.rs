//! Running in the background.
//!
//! The program starts itself once more without a terminal and waits for it to say that the bus is up, so that
//! whoever started it knows how it went.
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::fd::AsFd,
    process::{Command, Stdio},
};

use crate::serve::ServerError;

/// The line by which the process in the background says that all that follows is not for the terminal.
const UP: &str = "up";

/// Starts the server in the background; returns when the bus is up.
pub(crate) fn start() -> Result<(), ServerError> {
    let program = std::env::current_exe().map_err(ServerError::Background)?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--in-background")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(ServerError::Background)?;
    if let Some(words) = child.stdout.take() {
        for line in BufReader::new(words).lines() {
            match line.map_err(ServerError::Background)? {
                line if line == UP => return Ok(()),
                line => println!("{line}"),
            }
        }
    }
    let mut reason = String::new();
    if let Some(mut errors) = child.stderr.take() {
        errors
            .read_to_string(&mut reason)
            .map_err(ServerError::Background)?;
    }
    let reason = reason.trim_start_matches("elbus-server: ").trim_end().to_owned();
    Err(ServerError::BackgroundFailed(reason))
}

/// Cuts the process in the background loose from the terminal it was started on.
pub(crate) fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Tells whoever started the process that the bus is up, as the last thing that reaches the terminal.
pub(crate) fn say_up() -> io::Result<()> {
    let mut starter = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    writeln!(starter, "{UP}")
}
