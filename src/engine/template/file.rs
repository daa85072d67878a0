//! Scene files: templates as RON, made to be read and edited by hand.

use super::{
    BlocksPerLayer, Checked, Group, Layout, Link, Network, Node, NodeId, Problem, ProblemKind,
    Template, block::Elements,
};
use crate::engine::{
    files::{self, RonError, WriteError},
    ops::foreign_arguments,
};
use ron::{Options, extensions::Extensions, ser::PrettyConfig};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};
use thiserror::Error;

/// The version of scene files that this program writes, and the newest that it reads. Those of version 1, and early ones of
/// version 2, have label and position of a node in its line.
pub const FORMAT_VERSION: u32 = 2;

/// Why a scene file could not be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file could not be read, or is not a template in RON.
    #[error(transparent)]
    Ron(#[from] RonError),
    /// The file is of a newer program.
    #[error(
        "{name}: the file has version {version}, this program reads 1 to {FORMAT_VERSION}; set `version: \
         {FORMAT_VERSION}`, or use a newer program"
    )]
    Version {
        /// The file, or what the text is otherwise known as.
        name: String,
        /// Its version.
        version: u32,
    },
    /// The file holds a fragment where a template belongs.
    #[error(
        "{name} is a stamp, a part of a network with loose ends; put it into a template with `template paste`"
    )]
    Stamp {
        /// The file, or what the text is otherwise known as.
        name: String,
    },
    /// The file holds a template where a fragment belongs.
    #[error(
        "{name} is a template, not a stamp; `template copy` makes a stamp of some of its nodes"
    )]
    NoStamp {
        /// The file, or what the text is otherwise known as.
        name: String,
    },
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
pub fn load(path: &Path) -> Result<Checked, FileError> {
    let (name, text) = files::read_text(path)?;
    parse(&name, &text)
}

/// RON in which arguments follow the name of an operation without a second pair of brackets, and an optional value may be
/// written without `Some`.
pub(in crate::engine) fn dialect() -> Options {
    let extensions = Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME;
    Options::default().with_default_extension(extensions)
}

/// A template or a fragment as files have it.
#[derive(Deserialize)]
#[serde(rename = "Template", deny_unknown_fields)]
struct FileContent {
    version: u32,
    name: String,
    #[serde(default)]
    about: String,
    blocks_per_layer: Option<BlocksPerLayer>,
    nodes: Vec<FileNode>,
    links: Vec<Link>,
    heads: Option<Vec<NodeId>>,
    tails: Option<Vec<NodeId>>,
    #[serde(default)]
    layout: Layout,
}

/// The rest of a file: everything except nodes, links and looks.
pub(super) struct Rest {
    /// Whether it says how many blocks a layer may keep: only templates do.
    says_blocks: bool,
    /// The loose ends of a fragment.
    pub(super) heads: Option<Vec<NodeId>>,
    pub(super) tails: Option<Vec<NodeId>>,
}

/// A node as files have it: also with its looks, as they were written once.
#[derive(Deserialize)]
#[serde(rename = "Node", deny_unknown_fields)]
struct FileNode {
    id: NodeId,
    label: Option<String>,
    layer: u32,
    ops: Elements,
    #[serde(default = "yes")]
    trainable: bool,
    position: Option<[f32; 2]>,
}

fn yes() -> bool {
    true
}

/// The one field that files of every version have.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads a template from its RON text, whether it is right or wrong; `name` stands in messages. Nodes that stand nowhere
/// are placed.
///
/// # Errors
/// When the text is not a template of a version that is known.
pub fn read(name: &str, text: &str) -> Result<Template, FileError> {
    match read_content(name, text)? {
        (template, Rest { heads: None, tails: None, .. }) => Ok(template),
        (_, Rest { .. }) => Err(FileError::Stamp { name: name.to_owned() }),
    }
}

/// Reads a fragment, as a template of its nodes and its loose ends.
pub(super) fn read_fragment(name: &str, text: &str) -> Result<(Template, Rest), FileError> {
    match read_content(name, text)? {
        (_, Rest { says_blocks: true, .. } | Rest { heads: None, tails: None, .. }) => {
            Err(FileError::NoStamp { name: name.to_owned() })
        }
        content => Ok(content),
    }
}

fn read_content(name: &str, text: &str) -> Result<(Template, Rest), FileError> {
    let of_version = |version| match version {
        1..=FORMAT_VERSION => Ok(()),
        _ => Err(FileError::Version { name: name.to_owned(), version }),
    };
    let content: FileContent = match read_ron(name, text) {
        Ok(content) => content,
        Err(error) => {
            // What a newer program writes may have fields of which this one knows nothing.
            if let Ok(Versioned { version }) = read_ron(name, text) {
                of_version(version)?;
            }
            return Err(error.into());
        }
    };
    let FileContent { version, name, about, blocks_per_layer, nodes, links, heads, tails, layout } =
        content;
    of_version(version)?;
    let rest = Rest { says_blocks: blocks_per_layer.is_some(), heads, tails };
    // Candidates keep one block at least.
    let blocks_per_layer = match blocks_per_layer.unwrap_or_default() {
        BlocksPerLayer::UpTo(0) => BlocksPerLayer::One,
        blocks => blocks,
    };
    let mut layout = layout.tidy();
    let mut network = Network { blocks_per_layer, nodes: Vec::with_capacity(nodes.len()), links };
    for FileNode { id, label, layer, ops: Elements { merge, block }, trainable, position } in nodes
    {
        if let Some(position) = position {
            layout.positions.entry(id.clone()).or_insert(position);
        }
        if let Some(label) = label {
            layout.labels.entry(id.clone()).or_insert(label);
        }
        network.nodes.push(Node { id, layer, merge, ops: block, trainable });
    }
    let (network, layout) = (Arc::new(network), Arc::new(layout));
    let mut template = Template { name, about, network, layout };
    template.place_missing();
    Ok((template, rest))
}

fn read_ron<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, RonError> {
    files::parse_ron_as(&dialect(), name, text, foreign_arguments)
}

/// Reads and checks a template from its RON text; `name` stands in messages.
///
/// # Errors
/// When the text is not a template or the template breaks a rule.
pub fn parse(name: &str, text: &str) -> Result<Checked, FileError> {
    let template = read(name, text)?;
    Checked::new(template).map_err(|problems| FileError::invalid(name, text, problems))
}

/// The line, from 1, of a problem of the template that `text` writes: the first that names all of the problem's nodes
/// (a link), else the one that defines the first.
pub fn line_of(text: &str, problem: &Problem) -> Option<usize> {
    let first = problem.nodes.first()?;
    let quoted: Vec<_> = problem.nodes.iter().map(|id| format!("\"{id}\"")).collect();
    let find = |wanted: &dyn Fn(&str) -> bool| text.lines().position(wanted).map(|line| line + 1);
    let is_link = |line: &str| line.trim_start().starts_with("(\"") || line.contains("links: [");
    let is_place = |line: &str| line.trim_start().starts_with(&format!("{}:", quoted[0]));
    find(&|line| quoted.len() > 1 && is_link(line) && quoted.iter().all(|id| line.contains(id)))
        .or_else(|| find(&|line| problem.kind == ProblemKind::Position && is_place(line)))
        .or_else(|| find(&|line| line.contains(&format!("id: \"{first}\""))))
        .or_else(|| find(&|line| line.contains(&quoted[0])))
        // With escapes, such as `"\u{e9}"`.
        .or_else(|| {
            find(&|line| line.contains('\\') && strings(line).any(|it| it == first.as_str()))
        })
}

/// What the strings of a line of RON say.
fn strings(line: &str) -> impl Iterator<Item = String> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.find('"')?;
        let mut escaped = false;
        let end = rest[start + 1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let (string, behind) = rest[start..].split_at(end + 2);
        rest = behind;
        Some(ron::from_str(string).unwrap_or_default())
    })
}

/// The template as RON text, one node, one link and one position per line.
///
/// # Errors
/// When a value cannot be written as RON, which no template built by this program has.
pub fn to_ron(template: &Template) -> Result<String, ron::Error> {
    write(template, None)
}

/// The same, or a fragment with its heads and tails.
pub(super) fn write(
    template: &Template,
    loose: Option<[&[NodeId]; 2]>,
) -> Result<String, ron::Error> {
    let Template { name, about, network, layout } = template;
    let Network { blocks_per_layer, nodes, links } = &**network;
    let mut text = format!("(\n    version: {FORMAT_VERSION},\n    name: {},\n", inline(name)?);
    if !about.is_empty() {
        text += &format!("    about: {},\n", inline(about)?);
    }
    if *blocks_per_layer != BlocksPerLayer::default() {
        text += &format!("    blocks_per_layer: {},\n", inline(blocks_per_layer)?);
    }
    section(&mut text, "    ", ["nodes: [", "]"], nodes.iter().map(inline))?;
    section(&mut text, "    ", ["links: [", "]"], links.iter().map(inline))?;
    if let Some([heads, tails]) = loose {
        section(&mut text, "    ", ["heads: [", "]"], heads.iter().map(inline))?;
        section(&mut text, "    ", ["tails: [", "]"], tails.iter().map(inline))?;
    }
    text += "    layout: (\n";
    // In the order of the nodes; those that are none come last.
    let known: Vec<_> = nodes.iter().map(|node| &node.id).collect();
    let positions = in_order(&known, &layout.positions)
        .map(|(id, &position)| Ok(format!("{}: {}", inline(id)?, inline(&position.map(Studs))?)));
    section(&mut text, "        ", ["positions: {", "}"], positions)?;
    let labels = in_order(&known, &layout.labels)
        .map(|(id, label)| Ok(format!("{}: {}", inline(id)?, inline(label)?)));
    section(&mut text, "        ", ["labels: {", "}"], labels)?;
    section(&mut text, "        ", ["groups: [", "]"], layout.groups.iter().map(inline::<Group>))?;
    Ok(text + "    ),\n)\n")
}

/// A value in one line.
fn inline<T: Serialize>(value: &T) -> Result<String, ron::Error> {
    let config = PrettyConfig::new().depth_limit(0).struct_names(false);
    dialect().to_string_pretty(value, config)
}

/// Adds a list with one value per line, if it has any.
fn section(
    text: &mut String,
    indent: &str,
    [begin, end]: [&str; 2],
    values: impl Iterator<Item = Result<String, ron::Error>>,
) -> Result<(), ron::Error> {
    let mut values = values.peekable();
    // Looks need not be there.
    if values.peek().is_none() && indent.len() > 4 {
        return Ok(());
    }
    *text += &format!("{indent}{begin}\n");
    for value in values {
        *text += &format!("{indent}    {},\n", value?);
    }
    *text += &format!("{indent}{end},\n");
    Ok(())
}

/// The values of a map, first those of the nodes in `known`, in its order.
fn in_order<'a, V>(
    known: &[&'a NodeId],
    map: &'a BTreeMap<NodeId, V>,
) -> impl Iterator<Item = (&'a NodeId, &'a V)> {
    let mut seen = HashSet::new();
    let ids: Vec<_> =
        known.iter().copied().chain(map.keys()).filter(|&id| seen.insert(id)).collect();
    ids.into_iter().filter_map(|id| Some((id, map.get(id)?)))
}

/// A number of studs, without a decimal point where it is whole.
struct Studs(f32);

impl Serialize for Studs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = self.0 as i32;
        // Larger ones are not all whole as `f32`.
        if whole.unsigned_abs() < 1 << 24 && whole as f32 == self.0 {
            serializer.serialize_i32(whole)
        } else {
            serializer.serialize_f32(self.0)
        }
    }
}

/// Writes the template to `path`; an existing file stays as it was until the new one is complete.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, template: &Template) -> Result<(), WriteError> {
    files::check_replaceable(path)?;
    save_text(path, to_ron(template))
}

/// Writes what was written as RON to `path`.
pub(super) fn save_text(path: &Path, text: Result<String, ron::Error>) -> Result<(), WriteError> {
    let text =
        text.map_err(|error| WriteError::new(path, std::io::Error::other(error.to_string())))?;
    files::write_atomic(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        damage::Damage,
        template::{Fragment, presets, stamps},
    };
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
        let checked = parse("scene.ron", SMALL).expect("is right");
        let graph = checked.graph();
        assert_eq!((graph.len(), graph.image_shape(), graph.classes()), (4, [1, 8, 8], 10));
        assert_eq!(checked.template().position(&"head".into()), [12.0, 0.0]);
    }

    #[test]
    fn images_have_the_shape_of_the_input_whatever_else_its_brick_does() {
        let flat = SMALL.replace("[Input(shape: (1, 8, 8))]", "[Input(shape: (1, 8, 8)), Flatten]");
        let flat = flat.replace("GlobalAveragePool", "Identity");
        let checked = parse("flat.ron", &flat);
        assert!(checked.is_ok_and(|it| it.graph().image_shape() == [1, 8, 8]), "{flat}");
    }

    #[test]
    fn saving_and_loading_gives_the_same_template() {
        let folder = tempfile::tempdir().expect("a folder");
        for preset in presets() {
            let template = preset.template().expect("presets are right");
            let path = folder.path().join("scene.ron");
            save(&path, &template).expect("is written");
            assert_eq!(load(&path).expect("is read").template(), &template);
        }
    }

    /// The same with looks in a section of their own.
    const LAID_OUT: &str = r#"(
    version: 2,
    name: "small",
    nodes: [
        (id: "in", layer: 0, ops: [Input(shape: (1, 8, 8))]),
        (id: "pool", layer: 1, ops: [GlobalAveragePool]),
        (id: "head", layer: 2, ops: [Dense(units: 10)]),
        (id: "out", layer: 3, ops: [Output]),
    ],
    links: [
        ("in", "pool"),
        ("pool", "head"),
        ("head", "out"),
    ],
    layout: (
        positions: {
            "in": (0, 0),
            "pool": (6, 0),
            "head": (12, -0.5),
            "out": (18, 0),
        },
        labels: {
            "head": "\"H\"",
        },
        groups: [
            (title: "end", members: ["head", "out"]),
            (title: "start", members: ["in", "pool"], collapsed: true),
        ],
    ),
)
"#;

    #[test]
    fn a_template_is_written_as_it_is_documented() {
        let template = read("scene.ron", LAID_OUT).expect("is right");
        assert_eq!(to_ron(&template).expect("is written"), LAID_OUT);
        let group = template.layout.group_of(&"pool".into()).expect("is in one");
        assert!(group.title == "start" && group.collapsed);
        let old = read("scene.ron", SMALL).expect("is right");
        assert_eq!(old.network, template.network);
        assert_eq!(read("scene.ron", &to_ron(&old).expect("is written")).expect("is right"), old);
    }

    #[test]
    fn a_line_is_found_whatever_escapes_an_id_is_written_with() {
        let text = r#"(version: 2, name: "t", nodes: [
            (id: "a\"b", layer: 0, ops: [Flatten]),
            (id: "caf\u{e9}", layer: 1, ops: [Flatten]),
        ], links: [])"#;
        let template = read("t.ron", text).expect("is read");
        let problems = template.analysis().problems;
        let line = |id: &str| {
            let of = |problem: &&Problem| problem.nodes == [NodeId::new(id)];
            line_of(text, problems.iter().find(of).expect("has a problem"))
        };
        assert_eq!((line("a\"b"), line("caf\u{e9}")), (Some(2), Some(3)));
        let text = text.replace("nodes", "blocks_per_layer: UpTo(0),\nnodes");
        let read = read("t.ron", &text).expect("is read");
        assert_eq!(read.network.blocks_per_layer, BlocksPerLayer::One);
    }

    #[test]
    fn looks_in_the_line_of_a_node_are_read_in_either_version() {
        let old = SMALL.replace("position: (6, 0)", "label: \"P\", position: (6, 0)");
        for text in [old.replace("version: 1", "version: 2"), old] {
            let template = read("scene.ron", &text).expect("is right");
            let pool = NodeId::from("pool");
            assert_eq!((template.position(&pool), template.label(&pool)), ([6.0, 0.0], Some("P")));
        }
    }

    #[test]
    fn a_node_without_a_position_is_placed_and_one_that_is_placed_twice_is_refused() {
        let left_out = LAID_OUT.replace("            \"pool\": (6, 0),\n", "");
        let template = read("scene.ron", &left_out).expect("is right");
        assert_eq!(template.layout.positions.len(), 4);
        let without = &LAID_OUT[..LAID_OUT.find("    layout").expect("is there")];
        let template = read("scene.ron", &format!("{without})")).expect("is right");
        assert_eq!(template.position(&"out".into()), [11.0, 0.0]);
        let twice = LAID_OUT.replace("\"pool\": (6, 0),", "\"in\": (6, 0),");
        let text = message(&twice);
        assert!(text.starts_with("scene.ron:1") && text.contains("`in` is named twice"), "{text}");
    }

    #[test]
    fn looks_of_what_is_no_node_give_line_and_fix() {
        for (old, new, line) in [
            ("\"pool\": (6, 0)", "\"poll\": (6, 0)", 18),
            ("[\"in\", \"pool\"]", "[\"poll\", \"in\"]", 27),
        ] {
            let text = message(&LAID_OUT.replace(old, new));
            assert!(
                text.contains(&format!("scene.ron:{line}: `poll`: the layout names it")),
                "{text}"
            );
            assert!(text.contains("delete it from the layout"), "{text}");
        }
        let text = message(&LAID_OUT.replace("(6, 0)", "(inf, 0)"));
        assert!(text.contains("scene.ron:18: `pool`: the position is not a number"), "{text}");
    }

    /// The scenes and stamps of the repository: their files, their texts, and what the program would write.
    fn scenes() -> Vec<(std::path::PathBuf, [String; 2])> {
        let mut scenes = Vec::new();
        for (folder, is_stamp) in [("scenes", false), ("scenes/stamps", true)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for file in std::fs::read_dir(folder).expect("is there") {
                let path = file.expect("is there").path();
                if path.extension().is_some_and(|extension| extension == "ron") {
                    let name = path.display().to_string();
                    let text = std::fs::read_to_string(&path).expect("is text");
                    let written = if is_stamp {
                        Fragment::read(&name, &text).expect("is right").to_ron()
                    } else {
                        to_ron(&read(&name, &text).expect("is right"))
                    };
                    scenes.push((path, [text, written.expect("is written")]));
                }
            }
        }
        scenes
    }

    #[test]
    fn scenes_are_written_as_the_program_writes_them() {
        let scenes = scenes();
        assert_eq!(scenes.len(), presets().len() + stamps().len());
        for (path, [text, written]) in scenes {
            let hint = "rewrite it: cargo test --lib rewrite_scenes -- --ignored";
            assert!(written == text, "{}: {hint}", path.display());
        }
    }

    #[test]
    #[ignore = "writes to scenes/: after a change of the format, or where scenes were made by hand"]
    fn rewrite_scenes() {
        for (path, [_, written]) in scenes() {
            files::write_atomic(&path, written.as_bytes()).expect("is written");
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
        let mut template = preset.expect("exists").template().expect("is right");
        let output = NodeId::from("output");
        template.network_mut().links.retain(|link| link.1 != output);
        let text = to_ron(&template).expect("is written");
        let message = message(&text);
        assert!(message.lines().count() == TOLD + 1 && message.len() < 2_000, "{message}");
        assert!(message.ends_with("more problems"), "{message}");
    }

    #[test]
    fn a_newer_version_is_refused() {
        let newer = SMALL.replace("version: 1", "version: 99");
        for text in [newer.clone(), newer.replace("name:", "mood: Happy, name:")] {
            let text = message(&text);
            assert!(text.contains("version 99"), "{text}");
        }
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
                    Ok(checked) => assert_eq!((checked.graph().len(), text), (4, SMALL)),
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
            let good = LAID_OUT.as_bytes().to_vec();
            let bytes = damages.iter().fold(good, |bytes, damage| damage.to(&bytes));
            std::fs::write(&path, bytes).expect("is written");
            if let Err(error) = load(&path) {
                // One sentence per problem.
                for line in error.to_string().lines() {
                    prop_assert!(line.starts_with(&path.display().to_string()), "{}", line);
                }
            }
        }
    }
}
