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
    /// Reads the configuration again and puts in force what can change; answers what was wrong with it, and then nothing
    /// has changed. `by` is who asked for it.
    pub(crate) fn reload(&self, by: &str) -> Result<(), String> {
        let Some(path) = &self.args.config else {
            return Err("the server was started without --config: there is nothing to read again".to_owned());
        };
        let path = path.display();
        match self.put_in_force() {
            Ok(fixed) => {
                tracing::info!(%path, by, "the configuration was read again and is in force");
                if !fixed.is_empty() {
                    let keys = fixed.join(", ");
                    tracing::warn!(%path, keys, "some changes take a restart");
                }
                Ok(())
            }
            Err(reason) => {
                tracing::error!(%path, by, reason, "the configuration is not accepted: nothing is changed");
                Err(reason)
            }
        }
    }

    /// Answers the keys whose changes take a restart.
    fn put_in_force(&self) -> Result<Vec<String>, String> {
        let setup = Setup::load()?;
        setup.check_addresses()?;
        let fixed = self
            .broker
            .reconfigure(&setup.args.config())
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
