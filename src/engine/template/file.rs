//! Scene files: templates as RON, made to be read and edited by hand.

use super::{Graph, Problem, Template};
use crate::engine::{
    files::{self, RonError, WriteError},
    ops::foreign_arguments,
};
use ron::{Options, extensions::Extensions, ser::PrettyConfig};
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;
use thiserror::Error;

/// Why a scene file could not be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file could not be read, or is not a template in RON.
    #[error(transparent)]
    Ron(#[from] RonError),
    /// The template breaks a rule.
    #[error("{}", list(name, problems))]
    Invalid {
        /// The file, or what the text is otherwise known as.
        name: String,
        /// Each problem with the line it is on, where one could be found.
        problems: Vec<(Option<usize>, Problem)>,
    },
}

impl FileError {
    /// That what stands in `text` has these problems.
    pub(super) fn invalid(name: &str, text: &str, problems: Vec<Problem>) -> Self {
        let placed = problems.into_iter().enumerate();
        // Each is looked for in the whole text, so only for those that are told.
        let placed = placed.map(|(place, problem)| {
            ((place < TOLD).then(|| line_of(text, &problem)).flatten(), problem)
        });
        Self::Invalid { name: name.to_owned(), problems: placed.collect() }
    }
}

/// The most problems that are told at once: one cut path is a problem of every node on it.
const TOLD: usize = 10;

fn list(name: &str, problems: &[(Option<usize>, Problem)]) -> String {
    let more = problems.len().saturating_sub(TOLD);
    let lines: Vec<_> = problems
        .iter()
        .take(TOLD)
        .map(|(line, problem)| {
            // Ids may hold anything, ends of lines included.
            let problem = problem.to_string().replace(char::is_control, " ");
            match line {
                Some(line) => format!("{name}:{line}: {problem}"),
                None => format!("{name}: {problem}"),
            }
        })
        .chain((more > 0).then(|| format!("{name}: and {more} more problems")))
        .collect();
    lines.join("\n")
}

/// Reads and checks the scene file at `path`.
///
/// # Errors
/// When the file cannot be read, is not a template, or the template breaks a rule.
pub fn load(path: &Path) -> Result<Graph, FileError> {
    let (name, text) = files::read_text(path)?;
    parse(&name, &text)
}

/// RON in which arguments follow the name of an operation without a second pair of brackets, and an optional value may be
/// written without `Some`.
pub(in crate::engine) fn dialect() -> Options {
    let extensions = Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME;
    Options::default().with_default_extension(extensions)
}

/// Reads a template from its RON text, whether it is right or wrong; `name` stands in messages.
///
/// # Errors
/// When the text is not a template.
pub fn read(name: &str, text: &str) -> Result<Template, RonError> {
    read_ron(name, text)
}

/// What holds nodes, from its RON text.
pub(super) fn read_ron<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, RonError> {
    files::parse_ron_as(&dialect(), name, text, foreign_arguments)
}

/// Reads and checks a template from its RON text; `name` stands in messages.
///
/// # Errors
/// When the text is not a template or the template breaks a rule.
pub fn parse(name: &str, text: &str) -> Result<Graph, FileError> {
    let template = read(name, text)?;
    Graph::new(template).map_err(|problems| FileError::invalid(name, text, problems))
}

/// The first line that names all of the problem's nodes (a link), else the one that defines the first.
fn line_of(text: &str, problem: &Problem) -> Option<usize> {
    let first = problem.nodes.first()?;
    let quoted: Vec<_> = problem.nodes.iter().map(|id| format!("\"{id}\"")).collect();
    let find = |wanted: &dyn Fn(&str) -> bool| text.lines().position(wanted).map(|line| line + 1);
    find(&|line| quoted.len() > 1 && quoted.iter().all(|id| line.contains(id)))
        .or_else(|| find(&|line| line.contains(&format!("id: \"{first}\""))))
        .or_else(|| find(&|line| line.contains(&quoted[0])))
}

/// The template as RON text, one node and one link a line.
///
/// # Errors
/// When a value cannot be written as RON, which no template built by this program has.
pub fn to_ron(template: &Template) -> Result<String, ron::Error> {
    pretty(template)
}

/// As RON text, one element of a list a line.
pub(super) fn pretty(value: &impl Serialize) -> Result<String, ron::Error> {
    let config = PrettyConfig::new().depth_limit(2).struct_names(false);
    Ok(dialect().to_string_pretty(value, config)? + "\n")
}

/// Writes the template to `path`; an existing file stays as it was until the new one is complete.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, template: &Template) -> Result<(), WriteError> {
    save_ron(path, template)
}

/// Writes `value` to `path` as RON.
pub(super) fn save_ron(path: &Path, value: &impl Serialize) -> Result<(), WriteError> {
    let text = pretty(value)
        .map_err(|error| WriteError::new(path, std::io::Error::other(error.to_string())))?;
    files::write_atomic(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{damage::Damage, template::presets};
    use proptest::prelude::*;

    const SMALL: &str = r#"(
    version: 1,
    name: "small",
    nodes: [
        (id: "in", layer: 0, ops: [Input(shape: (1, 8, 8))], position: (0, 0)),
        (id: "pool", layer: 1, ops: [GlobalAveragePool], position: (6, 0)),
        (id: "head", layer: 2, ops: [Dense(units: 10)], position: (12, 0)),
        (id: "out", layer: 3, ops: [Output], position: (18, 0)),
    ],
    links: [
        ("in", "pool"),
        ("pool", "head"),
        ("head", "out"),
    ],
)"#;

    fn message(text: &str) -> String {
        parse("scene.ron", text).expect_err("is wrong").to_string()
    }

    #[test]
    fn a_hand_written_scene_is_read() {
        let graph = parse("scene.ron", SMALL).expect("is right");
        assert_eq!((graph.len(), graph.image_shape(), graph.classes()), (4, [1, 8, 8], 10));
    }

    #[test]
    fn images_have_the_shape_of_the_input_whatever_else_its_brick_does() {
        let flat = SMALL.replace("[Input(shape: (1, 8, 8))]", "[Input(shape: (1, 8, 8)), Flatten]");
        let flat = flat.replace("GlobalAveragePool", "Identity");
        let graph = parse("flat.ron", &flat);
        assert!(graph.is_ok_and(|graph| graph.image_shape() == [1, 8, 8]), "{flat}");
    }

    #[test]
    fn saving_and_loading_gives_the_same_template() {
        let folder = tempfile::tempdir().expect("a folder");
        for preset in presets() {
            let graph = preset.graph().expect("presets are right");
            let path = folder.path().join("scene.ron");
            save(&path, graph.template()).expect("is written");
            assert_eq!(load(&path).expect("is read").template(), graph.template());
        }
    }

    #[test]
    fn an_unknown_field_gives_line_and_name() {
        let text = message(&SMALL.replace("Dense(units: 10)", "Dense(unit: 10)"));
        assert!(text.starts_with("scene.ron:7:") && text.contains("unit"), "{text}");
    }

    #[test]
    fn a_dangling_link_gives_line_id_and_fix() {
        let text = message(&SMALL.replace(r#"("pool", "head")"#, r#"("pool", "heed")"#));
        assert!(
            text.contains("`heed`")
                && text.contains("scene.ron:12")
                && text.contains("correct the id"),
            "{text}"
        );
    }

    #[test]
    fn a_cycle_names_its_nodes() {
        let text =
            message(&SMALL.replace(r#"("in", "pool"),"#, r#"("in", "pool"), ("head", "pool"),"#));
        assert!(
            text.contains("`pool`") && text.contains("`head`") && text.contains("circle"),
            "{text}"
        );
    }

    #[test]
    fn a_shape_mismatch_names_both_bricks_both_shapes_and_the_fix() {
        let text = message(
            &SMALL
                .replace(
                    r#"(id: "head", layer: 2, ops: [Dense(units: 10)], position: (12, 0)),"#,
                    r#"(id: "head", layer: 2, ops: [Dense(units: 10)], position: (12, 0)),
            (id: "big", layer: 2, ops: [Dense(units: 12)], position: (12, 4)),"#,
                )
                .replace(
                    r#"("in", "pool"),"#,
                    r#"("in", "pool"), ("pool", "big"), ("big", "out"),"#,
                ),
        );
        for part in ["`head`", "`big`", "10", "12", "give both the same"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_dead_end_and_a_missing_output_are_named() {
        let text = message(&SMALL.replace(r#"("head", "out"),"#, ""));
        assert!(text.contains("`head`: no path leads from here to the output"), "{text}");
        let text = message(&SMALL.replace("[Output]", "[Identity]"));
        assert!(text.contains("0 output operations"), "{text}");
    }

    #[test]
    fn a_path_that_is_cut_near_its_end_is_told_in_some_lines() {
        let preset = presets().into_iter().find(|preset| preset.name == "3-conv-7-layer");
        let graph = preset.expect("exists").graph().expect("is right");
        let mut template = graph.template().clone();
        let output = graph.id(graph.output()).clone();
        template.links.retain(|link| link.1 != output);
        let text = to_ron(&template).expect("is written");
        let message = message(&text);
        assert!(message.lines().count() == TOLD + 1 && message.len() < 2_000, "{message}");
        assert!(message.ends_with("more problems"), "{message}");
    }

    #[test]
    fn a_newer_version_is_refused() {
        let text = message(&SMALL.replace("version: 1", "version: 99"));
        assert!(text.contains("version 99"), "{text}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = load(Path::new("/no/such/scene.ron")).expect_err("is missing").to_string();
        assert!(text.contains("/no/such/scene.ron"), "{text}");
    }
    #[test]
    fn a_template_may_have_a_byte_order_mark_and_any_line_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("scene.ron");
        let wrong = SMALL.replace(r#"("pool", "head")"#, r#"("pool", "heed")"#);
        for text in [SMALL, &wrong] {
            let notepad = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            let wide: Vec<u8> = notepad.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for bytes in [notepad.into_bytes(), wide] {
                std::fs::write(&path, bytes).expect("is written");
                match load(&path) {
                    Ok(graph) => assert_eq!((graph.len(), text), (4, SMALL)),
                    Err(error) => assert!(error.to_string().contains("scene.ron:12: "), "{error}"),
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn damage_anywhere_is_refused_with_the_name_of_the_file_or_gives_another_template(
            damages in proptest::collection::vec(Damage::any(), 1..4)
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("scene.ron");
            let good = SMALL.as_bytes().to_vec();
            let bytes = damages.iter().fold(good, |bytes, damage| damage.to(&bytes));
            std::fs::write(&path, bytes).expect("is written");
            if let Err(error) = load(&path) {
                // A sentence a problem.
                for line in error.to_string().lines() {
                    prop_assert!(line.starts_with(&path.display().to_string()), "{}", line);
                }
            }
        }
    }
}
