//! The system's limits for this process.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of open files to what the system allows: every client takes one at least.
pub(crate) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    ) {
        tracing::warn!(?current, ?maximum, %error, "the limit of open files stays as it is");
    }
}
