//! The section that tells everything about the selected brick and sums up the template.

use super::{
    style,
    view::{View, Wishes},
    widgets,
};
use crate::engine::{
    ops::{Cost, Facts, Op, Padding, Value},
    template::{BlocksPerLayer, Graph},
};
use crate::format::{compact, grouped};
use bevy_egui::egui::{Label, RichText, ScrollArea, Sense, Ui};

/// Draws the section's content, `height` points high.
pub(super) fn show(ui: &mut Ui, view: View<'_>, height: f32, wishes: &mut Wishes) {
    ScrollArea::vertical()
        .id_salt("properties")
        .max_height(height)
        .auto_shrink([false, false])
        .show(ui, |ui| {
            match view.selected_node() {
                Some(node) => brick(ui, view, node, wishes),
                None => widgets::empty_state(ui, "Click a brick to see its properties"),
            }
            widgets::separator(ui);
            template(ui, view);
        });
}

fn brick(ui: &mut Ui, view: View<'_>, node: usize, wishes: &mut Wishes) {
    let graph = view.document.graph();
    let brick = &graph.nodes()[node];
    let family = brick.family();
    ui.horizontal(|ui| {
        widgets::marker(ui, style::family_shape(family), style::family(family));
        ui.add(Label::new(style::strong(view.document.template().title(brick))).truncate());
    });
    widgets::row(ui, "Id", brick.id.to_string());
    widgets::row(ui, "Family", family.name());
    let alternatives = graph.layers()[graph.layer_of(node)].len();
    let layer = match alternatives {
        1 => format!("{}, no alternative", brick.layer),
        n => format!("{}, one of {n} alternatives", brick.layer),
    };
    widgets::row(ui, "Layer", layer);

    if joins_links(graph, node) {
        widgets::row(ui, "Links", graph.merge(node).name()).on_hover_text(graph.merge(node).what());
    }
    if !brick.trainable {
        widgets::row(ui, "Trained", "no, it is frozen");
    }
    for (place, op) in brick.ops.iter().enumerate() {
        ui.add_space(4.0);
        let number = if brick.ops.len() > 1 { format!("{}. ", place + 1) } else { String::new() };
        ui.label(style::strong(format!("{number}{}", operation(op))));
        for (name, value) in arguments(op) {
            widgets::row(ui, &name, value);
        }
    }

    ui.add_space(4.0);
    ui.label(style::strong("Size"));
    let input = graph.input_shape(node).map_or("the images".to_owned(), |shape| shape.to_string());
    widgets::row(ui, "Input", input);
    widgets::row(ui, "Output", graph.output_shape(node).to_string());
    costs(ui, view, graph.cost(node));

    ui.add_space(4.0);
    ui.label(style::strong("In the search"));
    let fitness = view.fitness(node);
    let judged = view.archive.judged();
    widgets::row(ui, "Fitness", format!("{:.2}", fitness.fitness)).on_hover_text(
        "Probability that including the brick raises accuracy; 0.50 where nothing is known",
    );
    widgets::row(ui, "Uncertainty", format!("{:.2}", fitness.uncertainty))
        .on_hover_text("1.00 where nothing is known, 0.00 where all is");
    widgets::row(
        ui,
        "Frequency",
        format!("{:.2}, {} of {judged}", fitness.frequency, fitness.count),
    )
    .on_hover_text("Share of the evaluated candidates that contain the brick");

    neighbours(ui, view, "Fed by", graph.sources(node), wishes);
    neighbours(ui, view, "Feeds", graph.targets(node), wishes);
}

/// Whether it matters how a brick joins its links.
fn joins_links(graph: &Graph, node: usize) -> bool {
    graph.sources(node).len() > 1
}

/// Bricks at the other ends of links: hovering one shows it on the plate, a click selects it.
fn neighbours(ui: &mut Ui, view: View<'_>, title: &str, nodes: &[usize], wishes: &mut Wishes) {
    if nodes.is_empty() {
        return;
    }
    ui.add_space(4.0);
    ui.label(style::strong(title));
    let (template, graph) = (view.document.template(), view.document.graph());
    ui.horizontal_wrapped(|ui| {
        for &node in nodes {
            let id = graph.id(node);
            let lit = view.hovered_node() == Some(node);
            let text = RichText::new(id.as_str()).color(if lit {
                style::text()
            } else {
                style::secondary()
            });
            let response =
                ui.add(Label::new(text.underline()).sense(Sense::click())).on_hover_text(format!(
                    "{}\nClick to select it",
                    template.title(&graph.nodes()[node])
                ));
            if response.hovered() {
                wishes.hovered = Some(id.clone());
            }
            if response.clicked() {
                wishes.selected = Some(id.clone());
            }
        }
    });
}

fn template(ui: &mut Ui, view: View<'_>) {
    let (template, graph) = (view.document.template(), view.document.graph());
    ui.add(Label::new(style::strong(format!("Template {}", template.name))).truncate())
        .on_hover_text(template.about.as_str());
    widgets::row(ui, "Nodes", graph.len().to_string());
    widgets::row(ui, "Links", graph.network().links.len().to_string());
    widgets::row(ui, "Layers", graph.layers().len().to_string());
    widgets::row(ui, "Blocks per layer", blocks(graph.blocks_per_layer()));
    widgets::row(ui, "Input, outputs", {
        let [channels, height, width] = graph.image_shape();
        format!("{channels}×{height}×{width}, {}", graph.classes())
    });
    costs(ui, view, graph.total_cost(0..graph.len()));
}

/// What bricks cost; that of a table of known results means nothing.
fn costs(ui: &mut Ui, view: View<'_>, cost: Cost) {
    if view.document.is_of_table() {
        return;
    }
    widgets::row(ui, "Parameters", compact(cost.params))
        .on_hover_text(format!("{} trained", grouped(cost.params)));
    widgets::row(ui, "FLOPs per image", compact(cost.flops)).on_hover_text(format!(
        "{}, additions and multiplications counted apart",
        grouped(cost.flops)
    ));
}

/// How many blocks of a layer a candidate may keep.
fn blocks(blocks: BlocksPerLayer) -> String {
    match blocks {
        BlocksPerLayer::One => "one".to_owned(),
        BlocksPerLayer::UpTo(most) => format!("up to {most}"),
        BlocksPerLayer::Any => "any".to_owned(),
    }
}

/// The name of an operation, or its parts where it has several.
fn operation(op: &Op) -> String {
    let parts = op.parts();
    if parts.len() > 1 { parts.join(" · ") } else { op.face().name.to_owned() }
}

/// All arguments of an operation by name, with their units, those at their default included.
pub(super) fn arguments(op: &Op) -> Vec<(String, String)> {
    op.fields()
        .into_iter()
        .filter_map(|Facts { name, unit, .. }| {
            let mut words = name.replace('_', " ");
            if let Some(first) = words.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let value = op.get(name)?;
            let value = match (&value, unit) {
                (_, "") | (Value::Padding(Padding::Same | Padding::Valid), _) => value.to_string(),
                _ => format!("{value} {unit}"),
            };
            Some((words, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{ActivationFunction, ConvBlock};

    #[test]
    fn a_convolution_lists_every_argument_with_its_unit() {
        let block = ConvBlock { activation: ActivationFunction::Linear, ..ConvBlock::new(64, 3) };
        let op = Op::from(block);
        let rows = arguments(&op);
        assert_eq!(rows.len(), op.fields().len());
        for (name, value) in [
            ("Filters", "64 channels"),
            ("Kernel", "3×3 pixels"),
            ("Padding", "same"),
            ("Bias", "off"),
            ("Batch norm", "on"),
            ("Activation", "linear"),
        ] {
            assert!(rows.contains(&(name.to_owned(), value.to_owned())), "{name}: {rows:?}");
        }
        assert_eq!(operation(&op), "conv · batch norm");
    }
}
