//! Reading the configuration again while the server runs.
use elbus_broker::Broker;

use crate::{args::Args, log::Log, setup::Setup};

/// What it takes to put another configuration in force.
pub(crate) struct Reloading<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) log: &'a Log,
    /// With which the server was started.
    pub(crate) args: &'a Args,
}

impl Reloading<'_> {
    /// Whether there is anything to read again.
    pub(crate) fn is_of_use(&self) -> bool {
        self.args.config.is_some() || self.args.tls_options().is_some()
    }

    /// Reads the configuration and the certificates again and puts in force what can change; answers what was wrong with
    /// them, and then nothing has changed. `by` is who asked for it.
    pub(crate) async fn reload(&self, by: &str) -> Result<(), String> {
        if !self.is_of_use() {
            return Err(
                "the server was started without --config and --tls-cert: there is nothing to read again"
                    .to_owned(),
            );
        }
        match self.put_in_force().await {
            Ok(fixed) => {
                tracing::info!(
                    by,
                    "configuration and certificates were read again and are in force"
                );
                if !fixed.is_empty() {
                    let keys = fixed.join(", ");
                    tracing::warn!(keys, "some changes take a restart");
                }
                Ok(())
            }
            Err(reason) => {
                tracing::error!(by, reason, "not accepted: nothing is changed");
                Err(reason)
            }
        }
    }

    /// Answers the keys whose changes take a restart.
    async fn put_in_force(&self) -> Result<Vec<String>, String> {
        let setup = Setup::load()?;
        // A broker of that kind is made to see whether it can be.
        setup.broker()?;
        self.broker
            .reload_tls()
            .await
            .map_err(|error| error.to_string())?;
        let fixed = self
            .broker
            .reconfigure(&setup.config())
            .map_err(|error| setup.args.explain(&error))?;
        // From here on nothing fails.
        if self.broker.access() != setup.rules {
            self.broker.set_access(setup.rules);
        }
        self.log.set_verbose(setup.args.verbose);
        let fixed = fixed.into_iter().map(Args::flag);
        let started_with = setup.args.different_at_start(self.args);
        Ok(fixed.chain(started_with.map(str::to_owned)).collect())
    }
}
