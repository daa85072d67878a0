//! The section that tells everything about the selected brick and sums up the template.

use super::{
    style,
    view::{View, Wishes},
    widgets,
};
use crate::engine::template::{BlocksPerLayer, Cost, Op, Padding};
use crate::format::{compact, counted, grouped};
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
        ui.add(Label::new(style::strong(brick.title())).truncate());
    });
    widgets::row(ui, "Id", brick.id.to_string());
    widgets::row(ui, "Family", family.name());
    let alternatives = graph.layers()[graph.layer_of(node)].len();
    let layer = match alternatives {
        1 => format!("{}, no alternative", brick.layer),
        n => format!("{}, one of {n} alternatives", brick.layer),
    };
    widgets::row(ui, "Layer", layer);

    for (place, op) in brick.ops.iter().enumerate() {
        ui.add_space(4.0);
        let number = if brick.ops.len() > 1 { format!("{}. ", place + 1) } else { String::new() };
        ui.label(style::strong(format!("{number}{}", operation(op))));
        for (name, value) in arguments(op) {
            widgets::row(ui, name, value);
        }
    }

    ui.add_space(4.0);
    ui.label(style::strong("Size"));
    let input = graph.input_shape(node).map_or("the images".to_owned(), |shape| shape.to_string());
    widgets::row(ui, "Input", input);
    widgets::row(ui, "Output", graph.output_shape(node).to_string());
    costs(ui, graph.cost(node));

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

/// Bricks at the other ends of links: hovering one shows it on the plate, a click selects it.
fn neighbours(ui: &mut Ui, view: View<'_>, title: &str, nodes: &[usize], wishes: &mut Wishes) {
    if nodes.is_empty() {
        return;
    }
    ui.add_space(4.0);
    ui.label(style::strong(title));
    let graph = view.document.graph();
    ui.horizontal_wrapped(|ui| {
        for &node in nodes {
            let id = graph.id(node);
            let lit = view.hovered_node() == Some(node);
            let text = RichText::new(id.as_str()).color(if lit {
                style::text()
            } else {
                style::secondary()
            });
            let response = ui
                .add(Label::new(text.underline()).sense(Sense::click()))
                .on_hover_text(format!("{}\nClick to select it", graph.nodes()[node].title()));
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
    let graph = view.document.graph();
    let template = graph.template();
    ui.add(Label::new(style::strong(format!("Template {}", template.name))).truncate())
        .on_hover_text(template.about.as_str());
    widgets::row(ui, "Nodes", graph.len().to_string());
    widgets::row(ui, "Links", template.links.len().to_string());
    widgets::row(ui, "Layers", graph.layers().len().to_string());
    widgets::row(ui, "Blocks a layer", blocks(template.blocks_per_layer));
    widgets::row(ui, "Input, outputs", {
        let [channels, height, width] = graph.image_shape();
        format!("{channels}×{height}×{width}, {}", graph.classes())
    });
    costs(ui, graph.total_cost(0..graph.len()));
}

fn costs(ui: &mut Ui, cost: Cost) {
    widgets::row(ui, "Parameters", compact(cost.params))
        .on_hover_text(format!("{} trained", grouped(cost.params)));
    widgets::row(ui, "FLOPs an image", compact(cost.flops)).on_hover_text(format!(
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

/// The name of an operation, or of the parts of a block that are on.
fn operation(op: &Op) -> String {
    match op {
        Op::ConvBlock { .. } => counted_parts(&op.parts()),
        _ => op.name().to_owned(),
    }
}

fn counted_parts(parts: &[&str]) -> String {
    if parts.is_empty() { "empty block".to_owned() } else { parts.join(" · ") }
}

/// All arguments of an operation by name, those at their default included.
pub(super) fn arguments(op: &Op) -> Vec<(&'static str, String)> {
    let square = |side: usize| format!("{side}×{side}");
    let pixels = |pixels: usize| counted(pixels, "pixel", "pixels");
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    match *op {
        Op::Input { shape: [channels, height, width] } => vec![
            ("Channels", channels.to_string()),
            ("Height", counted(height, "pixel", "pixels")),
            ("Width", counted(width, "pixel", "pixels")),
        ],
        Op::ConvBlock { filters, kernel, stride, padding, bias, conv, batch_norm, relu } => {
            let padding = match padding {
                Padding::Same => format!("same, {}", pixels(padding.pixels(kernel))),
                Padding::Valid => "none".to_owned(),
                Padding::Pixels(count) => pixels(count),
            };
            let mut rows = vec![("Convolution", switch(conv))];
            if conv {
                rows.extend([
                    ("Filters", filters.to_string()),
                    ("Kernel", square(kernel)),
                    ("Stride", stride.to_string()),
                    ("Padding", padding),
                    ("Bias", switch(bias)),
                ]);
            }
            rows.extend([("Batch norm", switch(batch_norm)), ("ReLU", switch(relu))]);
            rows
        }
        Op::MaxPool { kernel, stride, padding } | Op::AveragePool { kernel, stride, padding } => {
            vec![
                ("Window", square(kernel)),
                ("Stride", stride.to_string()),
                ("Padding", pixels(padding)),
            ]
        }
        Op::Dense { units, relu } => vec![("Units", units.to_string()), ("ReLU", switch(relu))],
        Op::Dropout { rate } => vec![("Rate", rate.to_string())],
        Op::GlobalAveragePool | Op::Add | Op::Flatten | Op::Identity | Op::Output => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_lists_every_argument_with_its_unit() {
        let op = Op::ConvBlock {
            filters: 64,
            kernel: 3,
            stride: 1,
            padding: Padding::Same,
            bias: false,
            conv: true,
            batch_norm: true,
            relu: false,
        };
        let rows = arguments(&op);
        let rows: Vec<_> = rows.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let expected = [
            ("Convolution", "on"),
            ("Filters", "64"),
            ("Kernel", "3×3"),
            ("Stride", "1"),
            ("Padding", "same, 1 pixel"),
            ("Bias", "off"),
            ("Batch norm", "on"),
            ("ReLU", "off"),
        ];
        assert_eq!(rows, expected);
        assert_eq!(operation(&op), "conv · batch norm");
    }

    #[test]
    fn a_block_without_convolution_hides_what_it_ignores() {
        let op = Op::ConvBlock {
            filters: 64,
            kernel: 3,
            stride: 1,
            padding: Padding::Same,
            bias: true,
            conv: false,
            batch_norm: true,
            relu: true,
        };
        assert!(
            arguments(&op).iter().all(|(name, _)| !["Filters", "Kernel", "Bias"].contains(name))
        );
    }
}
