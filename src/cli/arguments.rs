//! What arguments of several commands have in common: where runs are and where to compute, paths with `~`, and empty
//! environment variables.

use crate::engine::{device::DeviceChoice, files};
use clap::{
    Args, Command,
    builder::{PathBufValueParser, Resettable, TypedValueParser},
};
use std::path::PathBuf;

/// Where runs are.
#[derive(Debug, Args)]
pub(super) struct RunsFolder {
    /// Folder that holds the runs.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "runs",
        env = "NAS_NAVIGATOR_RUNS",
        value_parser = path()
    )]
    pub(super) runs: PathBuf,
}

/// Where to compute.
#[derive(Debug, Args)]
pub(super) struct Device {
    /// Where to train, evaluate and time: auto, cpu, cuda:N or wgpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto", env = "NAS_NAVIGATOR_DEVICE")]
    pub(super) device: DeviceChoice,
}

/// Reads a path; a `~` that it begins with is the home folder.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| files::expand_home(&path))
}

/// The command line without the environment variables that are set to nothing: they count as not set.
pub(super) fn without_empty_variables(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
    });
    command.mut_subcommands(without_empty_variables)
}
