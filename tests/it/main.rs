//! The program from outside: one test binary, so that it is linked once.

mod bench;
mod command_line;
mod data;
mod fuzz;
mod groups;
mod serve;
mod table;
mod template;
#[cfg(feature = "gui")]
mod window;
#[cfg(feature = "gui")]
mod xvfb;
