//! What arguments of several commands have in common: paths with `~`, and empty environment variables.

use crate::engine::files;
use clap::{
    Command,
    builder::{PathBufValueParser, Resettable, TypedValueParser},
};
use std::path::PathBuf;

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
