//! `benchmark`: what is measured, and with how much load.
use std::num::NonZeroU32;

use clap::ValueEnum;

use super::Naming;
use crate::values;

/// Largest `--payload-size`: what stands around a payload fits into a frame as well.
const LARGEST_PAYLOAD: i64 = 16 * 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = STAGES)]
pub(crate) struct Benchmark {
    /// Clients that work at the same time, each with a connection of its own.
    #[arg(short, long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1024))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) workers: u32,

    /// Messages or calls a stage, of all workers together.
    #[arg(
        short,
        long = "iterations",
        visible_alias = "iters",
        value_name = "COUNT",
        default_value = "100000",
        value_parser = values::iterations,
        allow_negative_numbers = true
    )]
    pub(crate) iterations: NonZeroU32,

    /// Bytes of each message's payload, or of each call's params.
    #[arg(long, value_name = "BYTES", default_value = "100", value_parser = clap::value_parser!(u32).range(0..=LARGEST_PAYLOAD))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) payload_size: u32,

    /// Calls, or messages that are acknowledged, that a worker has on the way at a time.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) in_flight: u32,

    /// Threads that the workers share [default: as many as there are cores].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) threads: Option<u16>,

    /// Only this stage; may be given several times.
    #[arg(long = "stage", value_name = "STAGE", value_enum, hide_possible_values = true)]
    pub(crate) stages: Vec<Stage>,

    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) naming: Naming,
}

/// What is measured. Workload and names are those that users of elbus and BUS/RT know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    #[value(name = "send.qos.no")]
    Send,
    #[value(name = "send.qos.processed")]
    SendProcessed,
    #[value(name = "send+recv.qos.no")]
    SendReceive,
    #[value(name = "send+recv.qos.processed")]
    SendReceiveProcessed,
    #[value(name = "rpc.call")]
    Call,
    #[value(name = "rpc.call+handle")]
    CallHandle,
    #[value(name = "rpc.call0")]
    Call0,
}

const STAGES: &str = "\
Stages:
  send.qos.no              messages to nobody, not acknowledged
  send.qos.processed       messages to nobody, acknowledged
  send+recv.qos.no         messages of each worker to itself, not acknowledged
  send+recv.qos.processed  messages of each worker to itself, acknowledged
  rpc.call                 calls of the broker's method benchmark.test
  rpc.call+handle          calls of each worker to itself
  rpc.call0                calls to nobody that want no reply

Every message and every reply is counted; it is an error (exit code 10) if one is missing.

Examples:
  elbus-cli benchmark -w 4                             all stages, round trips one after the other
  elbus-cli benchmark -w 4 --in-flight 64              64 on the way a worker
  elbus-cli benchmark -w 4 --stage rpc.call --json     one stage, for scripts";

impl Stage {
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Benchmark {
    /// The stages in their order.
    pub(crate) fn stages(&self) -> impl Iterator<Item = Stage> {
        let wanted = |stage: &Stage| self.stages.is_empty() || self.stages.contains(stage);
        Stage::value_variants().iter().copied().filter(wanted)
    }
}
