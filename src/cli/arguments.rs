//! What arguments of several commands have in common: where runs are and where to compute, paths with `~`, numbers,
//! empty environment variables, and capitals.

use crate::engine::{device::DeviceChoice, files};
use clap::{
    Args, Command,
    builder::{PathBufValueParser, Resettable, StringValueParser, TypedValueParser},
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

/// Reads a number; a decimal comma is named.
pub(super) fn number() -> impl TypedValueParser<Value = f64> {
    StringValueParser::new().try_map(|text| {
        let text = text.trim();
        if let Ok(number) = text.parse::<f64>()
            && !number.is_finite()
        {
            return Err("give a finite number".to_owned());
        }
        text.parse::<f64>().map_err(|_| match text.replacen(',', ".", 1).parse::<f64>() {
            Ok(_) if text.contains(',') => {
                format!("numbers have a decimal point here: {}", text.replacen(',', ".", 1))
            }
            _ => "give a number such as 0.01".to_owned(),
        })
    })
}

/// The command line as it is meant: environment variables that are set to nothing count as not set, and capitals do
/// not matter where one of a few choices is named.
pub(super) fn forgiving(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let takes_values = arg.get_action().takes_values();
        let arg = if takes_values { arg.ignore_case(true) } else { arg };
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.to_string_lossy().trim().is_empty()) {
            arg.env(Resettable::Reset)
        } else {
            arg
        }
    });
    command.mut_subcommands(forgiving)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn parse(text: &str) -> Result<f64, String> {
        let command = Command::new("test").arg(
            Arg::new("number").long("number").allow_negative_numbers(true).value_parser(number()),
        );
        let matches = forgiving(command)
            .try_get_matches_from(["test", "--number", text])
            .map_err(|error| error.to_string())?;
        Ok(*matches.get_one::<f64>("number").expect("is given"))
    }

    #[test]
    fn a_decimal_comma_is_named() {
        assert_eq!((parse("0.1"), parse(" 5 "), parse("-0.5")), (Ok(0.1), Ok(5.0), Ok(-0.5)));
        assert!(parse("0,1").is_err_and(|error| error.contains("decimal point here: 0.1")));
        assert!(parse("inf").is_err_and(|error| error.contains("finite")));
        assert!(parse("little").is_err_and(|error| error.contains("such as 0.01")));
    }
}
