//! Fitting the two ends of a template to data: the shape of its input, and its number of outputs.

use super::{Block, Graph, NodeId};
use crate::engine::ops::{Input, Op};
use std::fmt;

/// The requirements of a data set on a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Channels, height, width of each example.
    pub shape: [usize; 3],
    /// Values at the output.
    pub outputs: usize,
}

impl Ends {
    /// The ends of a template.
    pub fn of(graph: &Graph) -> Self {
        Self { shape: graph.image_shape(), outputs: graph.classes() }
    }
}

/// One edit of a template that brings it nearer to the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndEdit {
    /// The node.
    pub node: NodeId,
    /// Which of its arguments.
    pub argument: &'static str,
    /// The value that it has.
    pub from: String,
    /// The value that fits.
    pub to: String,
}

impl EndEdit {
    /// What to do: `set the units of `head` to 10`.
    pub fn instruction(&self) -> String {
        format!("set the {} of `{}` to {}", self.argument, self.node, self.to)
    }
}

impl fmt::Display for EndEdit {
    /// What was done: `` `head` has units 10 instead of 1000 ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}` {} instead of {}", self.argument, self.node, self.to, self.from)
    }
}

/// The template with these ends, and the edits that it took; none where it had them.
///
/// The outputs follow from the units of the last dense layers, or from the filters of the last convolutions where
/// only pooling stands between them and the output.
///
/// # Errors
/// Why it cannot have them, in words that end with what to do.
pub fn fit(graph: &Graph, ends: Ends) -> Result<(Graph, Vec<EndEdit>), String> {
    let mut network = graph.network().as_ref().clone();
    let mut edits = Vec::new();
    let input = &mut network.nodes[graph.input()];
    if let Some(Op::Input(Input { shape })) = input.ops.iter_mut().next()
        && *shape != ends.shape
    {
        let text =
            |[channels, height, width]: [usize; 3]| format!("({channels}, {height}, {width})");
        edits.push(EndEdit {
            node: input.id.clone(),
            argument: "shape",
            from: text(*shape),
            to: text(ends.shape),
        });
        *shape = ends.shape;
    }
    if graph.classes() != ends.outputs {
        let mut open = vec![graph.output()];
        let mut seen = vec![false; graph.len()];
        while let Some(node) = open.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            let id = &graph.id(node).clone();
            match set_outputs(&mut network.nodes[node].ops, ends.outputs) {
                Found::Set(argument, from) => {
                    let (from, to) = (from.to_string(), ends.outputs.to_string());
                    edits.push(EndEdit { node: id.clone(), argument, from, to });
                }
                Found::Passes => open.extend(graph.sources(node).iter().rev()),
                Found::Input => {
                    return Err(
                        "no dense layer or convolution stands between its input and its output; \
                         put a dense layer before the output"
                            .to_owned(),
                    );
                }
            }
        }
    }
    if edits.is_empty() {
        return Ok((graph.clone(), edits));
    }
    let fitted = Graph::new(network)
        .map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?;
    if fitted.classes() != ends.outputs {
        let nodes: Vec<_> = edits.iter().map(|edit| format!("`{}`", edit.node)).collect();
        return Err(format!(
            "a flatten turns what {} gives into {} values; put a dense layer behind it",
            nodes.join(", "),
            fitted.classes()
        ));
    }
    Ok((fitted, edits))
}

/// What a node has to say on the number of outputs.
enum Found {
    /// This argument decides it, and had this value.
    Set(&'static str, usize),
    /// What comes in does.
    Passes,
    /// The shape of the input does.
    Input,
}

/// Sets the argument that decides how many values a node gives, if it has one.
fn set_outputs(ops: &mut Block, outputs: usize) -> Found {
    for op in ops.iter_mut().rev() {
        if matches!(op, Op::Input(_)) {
            return Found::Input;
        }
        let fields = op.fields();
        if let Some(width) = op.width() {
            // The field that says it stands first: the tests of operations see to that.
            let name = fields.first().map_or("width", |facts| facts.name);
            return Found::Set(name, std::mem::replace(width, outputs));
        }
    }
    Found::Passes
}

/// The channels, height and width that `shape` has if it was written with the channels last, where that is likely:
/// images have one, three or four channels and are larger than that.
pub fn channels_last(shape: [usize; 3]) -> Option<[usize; 3]> {
    let [height, width, channels] = shape;
    let last = matches!(channels, 1 | 3 | 4) && height > 4 && width > 4;
    last.then_some([channels, height, width])
}

/// The side of images that a shape of no image means.
const DEFAULT_SIDE: usize = 32;

/// The shape of images that `shape` is likely to mean: where the channels were written last, or all pixels in a row, as
/// in (784, 1, 1), it is another one.
pub fn image_meant(shape: [usize; 3]) -> [usize; 3] {
    if let Some(image) = channels_last(shape) {
        return image;
    }
    let [channels, height, width] = shape;
    if height.min(width) > 1 {
        return shape;
    }
    let values = channels.saturating_mul(height).saturating_mul(width);
    let square = |channels: usize| {
        let side = (values / channels).isqrt();
        (side > 4 && side * side * channels == values).then_some([channels, side, side])
    };
    square(1).or_else(|| square(3)).unwrap_or([1, DEFAULT_SIDE, DEFAULT_SIDE])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::{parse, presets};
    use std::sync::Arc;

    #[test]
    fn every_preset_fits_images_of_cifar() {
        let ends = Ends { shape: [3, 32, 32], outputs: 100 };
        for preset in presets() {
            let graph = preset.graph().expect("is right");
            let (fitted, edits) = fit(&graph, ends).expect("fits");
            assert_eq!(Ends::of(&fitted), ends, "{}", preset.name);
            assert_eq!(edits[0].instruction(), "set the shape of `input` to (3, 32, 32)");
            let (again, none) = fit(&fitted, ends).expect("fits");
            assert_eq!((again, none), (fitted, Vec::new()));
        }
    }

    #[test]
    fn every_alternative_of_the_last_layer_is_fitted() {
        let preset = presets().into_iter().find(|preset| preset.name == "3-conv-3-layer");
        let graph = preset.expect("exists").graph().expect("is right");
        let (_, edits) = fit(&graph, Ends { outputs: 4, ..Ends::of(&graph) }).expect("fits");
        let told: Vec<_> = edits.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["dense", "dense-wide", "dense-dropout"]
                .map(|node| format!("units of `{node}` 4 instead of 10"))
        );
    }

    /// A template of an input, these operations, and an output.
    fn graph(input: &str, ops: &str) -> Arc<Graph> {
        let text = format!(
            "(version: 1, name: \"t\", nodes: [
                (id: \"in\", layer: 0, ops: [Input(shape: {input})], position: (0, 0)),
                (id: \"ops\", layer: 1, ops: [{ops}], position: (4, 0)),
                (id: \"out\", layer: 2, ops: [Output], position: (8, 0)),
            ], links: [(\"in\", \"ops\"), (\"ops\", \"out\")])"
        );
        Arc::clone(parse("t", &text).expect("is right").graph())
    }

    #[test]
    fn a_convolution_before_a_global_average_gives_the_outputs() {
        let graph = graph("(1, 8, 8)", "ConvBlock(filters: 10, kernel: 3), GlobalAveragePool");
        let (fitted, edits) = fit(&graph, Ends { shape: [3, 8, 8], outputs: 7 }).expect("fits");
        assert_eq!((fitted.classes(), edits.len()), (7, 2));
        assert_eq!(edits[1].to_string(), "filters of `ops` 7 instead of 10");
    }

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let flat = graph("(1, 4, 4)", "ConvBlock(filters: 1, kernel: 3), Flatten");
        let why = fit(&flat, Ends { shape: [1, 4, 4], outputs: 10 }).expect_err("16 values each");
        assert!(why.contains("160 values") && why.contains("dense layer"), "{why}");
        let nothing = graph("(5, 1, 1)", "Flatten");
        let why = fit(&nothing, Ends { shape: [5, 1, 1], outputs: 2 }).expect_err("nothing to set");
        assert!(why.contains("put a dense layer before the output"), "{why}");
        let pooled = graph("(1, 8, 8)", "MaxPool(kernel: 4, stride: 4), Flatten, Dense(units: 2)");
        let why = fit(&pooled, Ends { shape: [4, 1, 1], outputs: 2 }).expect_err("too small");
        assert!(why.contains("`ops`") && why.contains("4×4 window"), "{why}");
    }

    #[test]
    fn a_template_that_is_wrong_since_its_channels_are_last_says_that_first() {
        let text = "(version: 1, name: \"t\", nodes: [
            (id: \"in\", layer: 0, ops: [Input(shape: (28, 28, 1))], position: (0, 0)),
            (id: \"pool\", layer: 1, ops: [MaxPool(kernel: 2, stride: 2), Flatten], position: (4, 0)),
            (id: \"out\", layer: 2, ops: [Dense(units: 2), Output], position: (8, 0)),
        ], links: [(\"in\", \"pool\"), (\"pool\", \"out\")])";
        let error = parse("t", text).expect_err("a window of 2 x 2 on 28 x 1").to_string();
        let first = error.lines().next().unwrap_or_default();
        assert!(first.contains("shape: (1, 28, 28)") && first.contains("t:2"), "{error}");
    }

    #[test]
    fn channels_last_are_known_by_their_small_number() {
        assert_eq!(channels_last([28, 28, 1]), Some([1, 28, 28]));
        assert_eq!(channels_last([224, 160, 3]), Some([3, 224, 160]));
        assert_eq!(channels_last([1, 28, 28]), None);
        assert_eq!(channels_last([3, 3, 3]), None);
    }

    #[test]
    fn a_row_of_pixels_means_the_square_that_has_as_many() {
        for shape in [[784, 1, 1], [1, 784, 1], [1, 1, 784], [28, 1, 28], [28, 28, 1]] {
            assert_eq!(image_meant(shape), [1, 28, 28], "{shape:?}");
        }
        assert_eq!(image_meant([3072, 1, 1]), [3, 32, 32]);
        assert_eq!(image_meant([32, 32, 3]), [3, 32, 32]);
        for shape in [[1, 28, 28], [3, 224, 160], [1, 2, 300], [16, 7, 7]] {
            assert_eq!(image_meant(shape), shape, "is an image");
        }
        for shape in [[3, 1, 1], [1, 1, 1], [1, 100, 1], [usize::MAX, 1, usize::MAX]] {
            let [channels, height, width] = image_meant(shape);
            assert!(channels == 1 && height == width && height > 4, "{shape:?}");
        }
    }
}
