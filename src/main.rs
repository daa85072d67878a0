//! The program: see `nas-navigator --help`.

use nas_navigator::engine::memory::Allocator;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    nas_navigator::cli::main()
}
