//! `nas-navigator template new`: begins a template.

use crate::{
    cli::{job::template_names, output},
    engine::{
        files,
        ops::{ActivationFunction, ConvBlock, Dense, Input, Op},
        template::{self, Link, Network, Node, Template, presets},
    },
};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The output of `new`.
#[derive(Debug, Serialize)]
struct NewReport {
    file: PathBuf,
}

pub(super) fn new(file: &Path, from: Option<&str>, json: bool) -> Result<ExitCode> {
    let file = files::expand_home(file);
    if file.exists() {
        bail!("{} exists; choose another name, or delete it", file.display());
    }
    let template = match from {
        Some(preset) => {
            let preset =
                presets().into_iter().find(|known| known.name == preset).with_context(|| {
                    format!("there is no preset {preset}; the presets are {}", template_names())
                })?;
            preset.template()?
        }
        None => starter(file.file_stem().map_or("template".into(), |stem| stem.to_string_lossy())),
    };
    template::save(&file, &template)?;
    if json {
        output::json(&NewReport { file })?;
    } else {
        output::data(&format!("wrote {}\n", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One layer of three convolutions between an input and a classifier: the smallest template with something to search.
fn starter(name: impl Into<String>) -> Template {
    let nodes = [
        ("input", 0, vec![Op::Input(Input { shape: [1, 28, 28] })]),
        ("conv-1x1", 1, vec![ConvBlock::new(16, 1).into()]),
        ("conv-3x3", 1, vec![ConvBlock::new(16, 3).into()]),
        ("conv-5x5", 1, vec![ConvBlock::new(16, 5).into()]),
        (
            "head",
            2,
            vec![
                Op::GlobalAveragePool,
                Dense { activation: ActivationFunction::Relu, ..Dense::new(32) }.into(),
                Dense::new(10).into(),
            ],
        ),
        ("output", 3, vec![Op::Output]),
    ];
    let convolutions = ["conv-1x1", "conv-3x3", "conv-5x5"];
    let link = |from: &str, to: &str| Link(from.into(), to.into());
    let links = convolutions
        .iter()
        .map(|to| link("input", to))
        .chain(convolutions.iter().map(|from| link(from, "head")))
        .chain([link("head", "output")])
        .collect();
    let nodes = nodes.into_iter().map(|(id, layer, ops)| Node::new(id, layer, ops)).collect();
    let network = Network { nodes, links, ..Network::default() };
    Template {
        about: "One layer of convolutions of three sizes, to begin with.".to_owned(),
        ..Template::new(name, network)
    }
}
