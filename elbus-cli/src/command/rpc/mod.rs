//! `rpc`: calls, notifications, and a listener that sees and answers them.
mod answers;
mod call;
mod describe;

pub(crate) use answers::Answers;
use elbus_rpc::Rpc;

use super::listen;
use crate::{
    args::{self, Args},
    bus,
    error::CliError,
    input,
    say::Say,
};

pub(crate) async fn run(args: &Args, command: &args::Rpc, say: Say) -> Result<(), CliError> {
    match command {
        args::Rpc::Call(call) => call::call(args, call, say).await,
        args::Rpc::Call0(request) => call::call0(args, request, say).await,
        args::Rpc::Notify(notify) => {
            let payload = input::payload(notify.payload.as_deref(), say).await?;
            let rpc = join(args).await?;
            let notified = rpc.notify(&notify.target, payload).await;
            notified.map_err(|error| CliError::call(&notify.target, "", error))?;
            bus::leave(rpc.client()).await;
            Ok(())
        }
        args::Rpc::Listen(listening) => {
            let answers = Answers::new(&listening.reply);
            listen::run(args, &listening.listen, Some(answers), say).await
        }
        args::Rpc::Describe(describe) => describe::describe(args, describe, say).await,
    }
}

/// Joins the bus as somebody who calls. A connection that is lost is not built up again: of the call nobody knows what
/// became.
pub(super) async fn join(args: &Args) -> Result<Rpc, CliError> {
    let (client, inbox) = bus::join(bus::options(args).never_reconnect()).await?;
    let options = elbus_rpc::Options::new().timeout(args.common.timeout);
    options.start(client, inbox).map_err(CliError::Start)
}
