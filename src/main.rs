//! The program: see `nas-navigator --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    nas_navigator::cli::main()
}
