//! `rpc describe`: what a service offers.
use super::join;
use crate::{
    args::{Args, Describe},
    bus,
    error::CliError,
    output::{
        Output, Style,
        table::{Column, Table},
    },
    say::Say,
};

pub(super) async fn describe(args: &Args, describe: &Describe, say: Say) -> Result<(), CliError> {
    let target = &describe.target;
    let rpc = join(args).await?;
    let description = rpc.describe(target).await;
    let description = description.map_err(|error| CliError::call(target, ".describe", error))?;
    bus::leave(rpc.client()).await;
    let mut output = Output::new(Style::of(describe.json, false)).map_err(CliError::Output)?;
    let printed = if describe.json {
        output.json(&description)
    } else if description.methods.is_empty() {
        say.line(format_args!("{target} offers no method by name"));
        Ok(())
    } else {
        let mut table = Table::new(&[Column::Text("method"), Column::Text("description")]);
        for method in &description.methods {
            table.row([&method.name, &method.description]);
        }
        output.text(table)
    };
    printed.and_then(|()| output.flush()).map_err(CliError::Output)
}
