//! All that the engine refuses, as its users read it. The texts are kept in `tests/messages`, so that a change of one is seen in
//! the change that makes it.

mod data;
mod lab;
mod remote;
mod run;
mod template;
mod training;

use std::fmt::Display;

/// Keeps what an error says: of each variant one value or more. A variant that is left out does not compile.
macro_rules! keep_each {
    ($error:ident, $($variant:ident $({ $($fields:tt)* })? $(($($values:tt)*))?),+ $(,)?) => {{
        #[allow(unreachable_patterns, reason = "a variant that can say several things has several values")]
        let name = |error: &$error| match error {
            $($error::$variant { .. } => stringify!($variant),)+
        };
        let errors = [$($error::$variant $({ $($fields)* })? $(($($values)*))?),+];
        let messages = errors.iter().map(|error| (name(error), error.to_string()));
        $crate::engine::messages::keep(stringify!($error), messages);
    }};
}
pub(crate) use keep_each;

/// Compares messages, each with what has caused it, with those in `tests/messages/NAME.snap`.
pub(crate) fn keep(name: &str, messages: impl IntoIterator<Item = (impl Display, String)>) {
    let mut text = String::new();
    for (cause, message) in messages {
        text += &format!("{cause}\n");
        for line in without_temporary_folders(&message).lines() {
            text += &format!("    {line}\n");
        }
    }
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The message with `FOLDER` for each temporary folder, whose name is another one each time.
fn without_temporary_folders(message: &str) -> String {
    let folders = std::env::temp_dir().join(".tmp").display().to_string();
    let mut parts = message.split(&folders);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "FOLDER" + part.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
    })
}
