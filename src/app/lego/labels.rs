//! What stands on the bricks: two lines of text on the sloping face, drawn as sharp as the distance
//! allows.

use super::brick;
use crate::{
    app::{camera::MainCamera, font, stage::STUD},
    engine::{
        ops::{Face, Op},
        template::{Graph, Node, Template},
    },
};
use bevy::{light::NotShadowCaster, prelude::*, transform::TransformSystems};
use bevy_rich_text3d::{
    LoadFonts, SegmentSize, SegmentStyle, Text3d, Text3dDimensionOut, Text3dPlugin, Text3dSegment,
    Text3dSet, Text3dStyling, TextAlign, TextAtlas, Weight,
};

/// Height of the first line's letters (an em), in world units.
const EM: f32 = 1.04 * STUD;
/// Size of the second line as a share of the first's.
const SECOND_LINE: f32 = 0.84;
/// Sizes in which letters are drawn, in pixels; a label takes the smallest that is large enough.
const SIZES_PX: [f32; 8] = [9.0, 11.0, 14.0, 18.0, 24.0, 34.0, 52.0, 80.0];
/// Letters of a name that fit on one line.
const LONGEST_NAME: usize = 9;
/// Letters of a list of names that can be read on one line.
const LONGEST_LIST: usize = 18;
/// Letters that appear smaller than this are left out.
const SMALLEST_PX: f32 = 4.0;

/// The label of a brick; a child of the brick.
#[derive(Component)]
#[require(NotShadowCaster)]
pub(super) struct Label {
    /// The area that it may cover, in world units.
    room: Vec2,
}

/// The material of all labels.
#[derive(Resource)]
pub(super) struct LabelMaterial(pub(super) Handle<StandardMaterial>);

pub(super) fn plugin(app: &mut App) {
    app.insert_resource(LoadFonts { font_embedded: vec![font::FONT_SEMIBOLD], ..default() })
        .add_plugins(Text3dPlugin { default_atlas_dimension: (512, 512), ..default() })
        .add_systems(
            PostUpdate,
            (
                sharpen_labels.before(Text3dSet),
                fit_labels.after(Text3dSet).before(TransformSystems::Propagate),
            ),
        );
}

/// The material that labels share.
pub(super) fn label_material() -> StandardMaterial {
    StandardMaterial {
        base_color_texture: Some(TextAtlas::DEFAULT_IMAGE),
        alpha_mode: AlphaMode::Blend,
        unlit: true,
        ..default()
    }
}

/// The label for the brick of a node.
pub(super) fn label(
    template: &Template,
    graph: &Graph,
    node: usize,
    material: &LabelMaterial,
) -> impl Bundle + use<> {
    let family = graph.nodes()[node].family();
    let (_, ink) = brick::face_colors(family);
    (
        Name::new("Label"),
        Label { room: brick::face_size(brick::width(&graph.nodes()[node])) },
        text(template, graph, node),
        Text3dStyling {
            size: SIZES_PX[2],
            world_scale: Some(Vec2::splat(EM)),
            font: font::FAMILY.into(),
            weight: Weight::SEMIBOLD,
            align: TextAlign::Center,
            color: ink.to_srgba(),
            layer_offset: 0.0,
            ..default()
        },
        Mesh3d::default(),
        MeshMaterial3d(material.0.clone()),
        Pickable::IGNORE,
        brick::face_transform(),
    )
}

/// The text of a node's label.
pub(super) fn text(template: &Template, graph: &Graph, node: usize) -> Text3d {
    let [first, second] = lines(template.label(graph.id(node)), graph, node);
    let mut segments = vec![(Text3dSegment::String(first), SegmentStyle::default())];
    if !second.is_empty() {
        let small = SegmentStyle { size: Some(SegmentSize::Multiply(SECOND_LINE)), ..default() };
        segments.push((Text3dSegment::String(format!("\n{second}")), small));
    }
    Text3d { segments }
}

/// The two lines on the brick of a node, which may have a label of its own: name and key argument, both operations, or the
/// most telling one and the others. A single line leaves the second empty.
fn lines(label: Option<&str>, graph: &Graph, node: usize) -> [String; 2] {
    let brick = &graph.nodes()[node];
    let faces = brick.faces();
    let (name, argument) = match (&*brick.ops, faces.as_slice()) {
        ([_, _], [first, second]) => (first.to_string(), second.to_string()),
        ([_, _, _, ..], faces) => leading(brick, faces),
        (ops, [face, ..]) => argument_of(face, ops.first(), graph),
        (_, []) => (graph.id(node).to_string(), String::new()),
    };
    match (label, argument.is_empty()) {
        (Some(label), true) => [label.to_owned(), name],
        (Some(label), false) => [label.to_owned(), argument],
        (None, _) => [name, argument],
    }
}

/// The most telling of three operations or more, and the names of the others where these are short.
fn leading(brick: &Node, faces: &[Face]) -> (String, String) {
    let lead = brick.lead().and_then(|lead| brick.ops.iter().position(|op| std::ptr::eq(op, lead)));
    let lead = lead.unwrap_or_default();
    let others = faces.iter().enumerate().filter(|&(place, _)| place != lead);
    let others: Vec<_> = others.map(|(_, face)| face.name).collect();
    let names = others.join(", ");
    let second =
        if names.len() > LONGEST_LIST { format!("and {} more", others.len()) } else { names };
    (faces[lead].to_string(), second)
}

fn argument_of(face: &Face, op: Option<&Op>, graph: &Graph) -> (String, String) {
    let Face { name, window, long, .. } = face;
    if !window.is_empty() && !long.is_empty() {
        return (format!("{name} {window}"), long.clone());
    }
    let argument = match op {
        Some(Op::Output) if graph.classes() == 1 => "1 output".to_owned(),
        Some(Op::Output) => format!("{} classes", graph.classes()),
        _ => format!("{window}{long}"),
    };
    // A long name would have to be written small: its last word goes to the second line.
    match name.rsplit_once(' ') {
        Some((first, last)) if name.len() > LONGEST_NAME => {
            (first.to_owned(), format!("{last} {argument}").trim_end().to_owned())
        }
        _ => ((*name).to_owned(), argument),
    }
}

/// Draws each label's letters about as large as they appear, so that they neither blur nor shimmer.
fn sharpen_labels(
    camera: Single<(&Camera, &Projection, &GlobalTransform), (With<MainCamera>, Without<Label>)>,
    mut labels: Query<(&GlobalTransform, &mut Text3dStyling, &mut Visibility), With<Label>>,
) {
    let (camera, projection, eye) = *camera;
    let (Projection::Perspective(perspective), Some(view)) = (projection, camera.sub_camera_view)
    else {
        return;
    };
    let Some(scale_factor) = camera.target_scaling_factor() else { return };
    let view_height_px = view.full_size.y as f32 / scale_factor;
    let px_per_tangent = view_height_px / 2.0 / (perspective.fov / 2.0).tan();
    for (transform, mut styling, mut visibility) in &mut labels {
        let distance = (transform.translation() - eye.translation()).dot(*eye.forward());
        let wanted_px = EM * px_per_tangent / distance.max(f32::EPSILON);
        let size =
            SIZES_PX.into_iter().find(|&size| size >= 0.9 * wanted_px).unwrap_or(SIZES_PX[7]);
        if styling.size != size {
            styling.size = size;
        }
        visibility.set_if_neq(if wanted_px < SMALLEST_PX {
            Visibility::Hidden
        } else {
            Visibility::Inherited
        });
    }
}

/// Shrinks what is too long for its brick.
fn fit_labels(
    mut labels: Query<(&Label, &Text3dDimensionOut, &mut Transform), Changed<Text3dDimensionOut>>,
) {
    for (label, text, mut transform) in &mut labels {
        let scale =
            (label.room / text.dimension.max(Vec2::splat(f32::EPSILON))).min_element().min(1.0);
        transform.scale = Vec3::splat(scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::{NodeId, presets};

    #[test]
    fn labels_name_the_operation_and_its_key_argument() {
        let lines = |preset: &str, id: &str| {
            let preset = presets().into_iter().find(|known| known.name == preset).expect("exists");
            let graph = preset.graph().expect("presets are right");
            lines(None, &graph, graph.index_of(&NodeId::new(id)).expect("exists"))
        };
        assert_eq!(lines("vgg11", "input"), ["input", "1×28×28"]);
        assert_eq!(lines("vgg11", "c3-3x3"), ["conv 3×3", "64 filters"]);
        assert_eq!(lines("vgg11", "c8-1x1"), ["conv 1×1", "96 filters"]);
        assert_eq!(lines("vgg11", "max1"), ["max pool", "2×2"]);
        assert_eq!(lines("vgg11", "avg1"), ["average", "pool 2×2"]);
        assert_eq!(lines("vgg11", "add1"), ["add", ""]);
        assert_eq!(lines("vgg11", "gap"), ["global", "average"]);
        assert_eq!(lines("3-conv-3-layer", "dense-wide"), ["dense 64", "dense 10"]);
        assert_eq!(lines("vgg11", "output"), ["output", "10 classes"]);
        assert_eq!(lines("cell-201", "e01-c3"), ["conv2d 3×3 · 16", "relu, batch norm"]);
        assert_eq!(lines("cell-201", "n3"), ["batch norm", "relu"]);
        assert_eq!(lines("mobilenet-macro", "m2-k5"), ["inverted 5×5", "32 filters ×6"]);
    }

    #[test]
    fn labels_only_use_letters_that_the_font_has() {
        // Fonts are read by the renderer; what is asserted here is what the cutting script keeps.
        let kept =
            |c: char| c == '\n' || (' '..='~').contains(&c) || ('\u{a0}'..='\u{17f}').contains(&c);
        for preset in presets() {
            let graph = preset.graph().expect("presets are right");
            for node in 0..graph.len() {
                let lines = lines(None, &graph, node);
                assert!(lines.concat().chars().all(kept), "{lines:?}");
            }
        }
    }
}
