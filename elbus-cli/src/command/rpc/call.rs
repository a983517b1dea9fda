//! `rpc call` and `rpc call0`.
use rmpv::Value;

use super::join;
use crate::{
    args::{Args, Call, Format, Request},
    bus,
    error::CliError,
    input,
    output::{Output, Style},
    params::{Params, encoded},
    say::Say,
};

pub(super) async fn call(args: &Args, call: &Call, say: Say) -> Result<(), CliError> {
    let Request { target, method, .. } = &call.request;
    let params = params(&call.request, say).await?;
    let rpc = join(args).await?;
    let result = rpc.call_raw(target, method, params).await;
    let result = result.map_err(|error| CliError::call(target, method, error))?;
    let mut output = Output::new(Style::of(call.json, call.raw)).map_err(CliError::Output)?;
    output
        .result(&result)
        .and_then(|()| output.flush())
        .map_err(CliError::Output)?;
    bus::leave(rpc.client()).await;
    Ok(())
}

pub(super) async fn call0(args: &Args, request: &Request, say: Say) -> Result<(), CliError> {
    let Request { target, method, .. } = request;
    let params = params(request, say).await?;
    let rpc = join(args).await?;
    let placed = rpc.call0_raw(target, method, params).await;
    placed.map_err(|error| CliError::call(target, method, error))?;
    bus::leave(rpc.client()).await;
    Ok(())
}

async fn params(request: &Request, say: Say) -> Result<Vec<u8>, CliError> {
    match Params::of(&request.params, request.stdin).map_err(CliError::Params)? {
        Params::Value(value) => Ok(encoded(&value)),
        Params::Input(Format::Raw) => input::whole(say).await,
        Params::Input(Format::Json) => {
            let value: Result<Value, _> = serde_json::from_slice(&input::whole(say).await?);
            let not_json = |error| CliError::Params(format!("the standard input is not JSON: {error}"));
            Ok(encoded(&value.map_err(not_json)?))
        }
    }
}
