//! Joining the bus and leaving it.
use std::time::Duration;

use elbus_client::{Client, Inbox, Options};

use crate::{args::Args, error::CliError};

/// Largest body of a frame in bytes, as that of the broker by default.
pub(crate) const FRAME_LIMIT: usize = 64 * 1024 * 1024;

/// How long leaving the bus may take.
const LEAVING: Duration = Duration::from_secs(1);

/// How to join, as the command line says.
pub(crate) fn options(args: &Args) -> Options {
    options_as(args, args.name().map_or_else(default_name, str::to_owned))
}

/// How to join under a name of the command's own.
pub(crate) fn options_as(args: &Args, name: String) -> Options {
    let mut options = Options::new(name)
        .timeout(args.common.timeout)
        .frame_limit(FRAME_LIMIT);
    if let Some(file) = &args.common.tls_ca {
        options = options.tls_ca(file);
    }
    if let (Some(certificate), Some(key)) = (&args.common.tls_cert, &args.common.tls_key) {
        options = options.tls_identity(certificate, key);
    }
    match &args.address {
        Some(address) => options.address(address.clone()),
        None => options,
    }
}

pub(crate) async fn join(options: Options) -> Result<(Client, Inbox), CliError> {
    options.connect().await.map_err(CliError::connect)
}

/// So that the name is free for whoever comes next. What still arrives is not wanted, so errors are none.
pub(crate) async fn leave(client: &Client) {
    let _ = tokio::time::timeout(LEAVING, client.close()).await;
}

/// Readable, and nobody else's: `cli.HOST.PID`.
fn default_name() -> String {
    let system = rustix::system::uname();
    let host = one_part(&system.nodename().to_string_lossy());
    format!("cli.{host}.{}", std::process::id())
}

/// The first label of a host's name, as one part of a client's name.
fn one_part(host: &str) -> String {
    let label = host.split('.').next().unwrap_or_default();
    let part: String = label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(64)
        .collect();
    if part.is_empty() { "host".to_owned() } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_part_of_the_name_whatever_it_is_called() {
        for (host, part) in [
            ("hall", "hall"),
            ("hall.plant.example", "hall"),
            ("", "host"),
            ("a b*%%c", "a-b---c"),
            (".x", "host"),
        ] {
            assert_eq!(one_part(host), part, "{host:?}");
        }
    }
}
