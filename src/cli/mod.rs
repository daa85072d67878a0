//! The command line: one file per subcommand. Data goes to stdout, everything else to stderr; exit code 2
//! for wrong usage, 1 for failure.

#[cfg(feature = "gui")]
mod app;
mod arguments;
mod ask;
mod bench;
mod bench_engine;
mod connect;
mod data;
mod job;
mod output;
mod progress;
mod report;
mod runs;
mod search;
mod serve;
mod steering;
mod template;
mod train;
mod training;
mod verify;

use crate::engine::memory;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// One-shot neural architecture search with a human in the loop.
#[cfg_attr(feature = "gui", doc = "\nWithout a command, the window opens.")]
#[derive(Debug, Parser)]
#[command(name = "nas-navigator", version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[cfg(feature = "gui")]
    #[command(flatten)]
    app: app::AppArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the window, or run a tour through it.
    #[cfg(feature = "gui")]
    App(app::AppArgs),
    /// Train a template's supernet and keep its weights in a run folder.
    Train(train::TrainArgs),
    /// Search a template for good candidates; trains it first where that is still to be done.
    Search(search::SearchArgs),
    /// Retrain candidates of a run from scratch: do their proxy accuracies rank them well?
    Verify(verify::VerifyArgs),
    /// Let programs elsewhere watch a lab and give it commands: `ask`, and windows.
    Serve(serve::ServeArgs),
    /// Watch a lab that another program serves, or give it commands, also while it works.
    Ask(ask::AskArgs),
    /// List and show runs, edit the template of one, merge the shares of its verification.
    Runs(runs::RunsArgs),
    /// Check, mend, show and begin templates.
    Template(template::TemplateArgs),
    /// Measure how good and how fast the engine is.
    Bench(bench::BenchArgs),
}

/// Parses the command line, does what it says and gives the exit code.
pub fn main() -> ExitCode {
    memory::keep_freed();
    let matches = arguments::forgiving(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    output::start_log();
    let done = match cli.command {
        #[cfg(feature = "gui")]
        Some(Command::App(args)) => app::execute(args),
        Some(Command::Train(args)) => train::execute(args),
        Some(Command::Search(args)) => search::execute(args),
        Some(Command::Verify(args)) => verify::execute(args),
        Some(Command::Serve(args)) => serve::execute(args),
        Some(Command::Ask(args)) => ask::execute(args),
        Some(Command::Runs(args)) => runs::execute(args),
        Some(Command::Template(args)) => template::execute(args),
        Some(Command::Bench(args)) => bench::execute(args),
        #[cfg(feature = "gui")]
        None => app::execute(cli.app),
        #[cfg(not(feature = "gui"))]
        None => Cli::command()
            .error(
                clap::error::ErrorKind::MissingSubcommand,
                "this build has no window; give a command",
            )
            .exit(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            output::message(&format!("error: {}", in_one_line(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, but those that its own text ends with.
fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        if text.is_empty() {
            cause
        } else if text.ends_with(cause.trim_end()) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::files;
    use anyhow::Context;

    #[test]
    fn an_error_says_its_cause_once() {
        let missing = files::read_text("/no/such/file".as_ref()).expect_err("is missing");
        let text = in_one_line(&anyhow::Error::new(missing));
        assert_eq!(text.matches("No such file").count(), 1, "{text}");
        let cause = std::io::Error::other("ends with a line's end\n");
        let inside = anyhow::Error::new(cause).context("failed: ends with a line's end");
        assert_eq!(in_one_line(&inside), "failed: ends with a line's end");
        let outer = Err::<(), _>(anyhow::anyhow!("inner")).context("outer").expect_err("fails");
        assert_eq!(in_one_line(&outer), "outer: inner");
    }
}
