//! The templates and stamps that come with the program: the files of `scenes/` and `scenes/stamps/`, built in.

use super::{Checked, FileError, Fragment, Graph, Template, parse, read};

/// A template that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name, which is also the stem of its file in `scenes/`.
    pub name: &'static str,
    text: &'static str,
}

impl Preset {
    /// Reads and checks the template.
    ///
    /// # Errors
    /// Never in a build whose tests pass: they read every preset.
    pub fn checked(&self) -> Result<Checked, FileError> {
        parse(self.name, self.text)
    }

    /// Reads the template.
    ///
    /// # Errors
    /// As [`checked`](Self::checked).
    pub fn template(&self) -> Result<Template, FileError> {
        read(self.name, self.text)
    }

    /// The graph of the template.
    ///
    /// # Errors
    /// As [`checked`](Self::checked).
    pub fn graph(&self) -> Result<Graph, FileError> {
        self.checked().map(|checked| checked.graph().as_ref().clone())
    }
}

/// A fragment that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Its name, which is also the stem of its file in `scenes/stamps/`.
    pub name: &'static str,
    text: &'static str,
}

impl Stamp {
    /// Reads the fragment.
    ///
    /// # Errors
    /// Never in a build whose tests pass: they read every stamp.
    pub fn fragment(&self) -> Result<Fragment, FileError> {
        Fragment::read(self.name, self.text)
    }
}

/// All presets: those to begin with, networks from small to large, cells, and what is for tables.
pub fn presets() -> [Preset; 19] {
    macro_rules! preset {
        ($name:literal) => {
            Preset { name: $name, text: include_str!(concat!("../../../scenes/", $name, ".ron")) }
        };
    }
    [
        preset!("3-conv-3-layer"),
        preset!("3-conv-1-layer"),
        preset!("3-conv-7-layer"),
        preset!("test-network"),
        preset!("bench5x3"),
        preset!("two-of-four"),
        preset!("lenet"),
        preset!("alexnet"),
        preset!("vgg11"),
        preset!("vgg13"),
        preset!("vgg16"),
        preset!("vgg19"),
        preset!("inception"),
        preset!("resnet20"),
        preset!("densenet"),
        preset!("mobilenet-macro"),
        preset!("cell-201"),
        preset!("darts-cell"),
        preset!("mlp"),
    ]
}

/// All stamps: plain levels first, then groups and layers of known networks.
pub fn stamps() -> [Stamp; 10] {
    macro_rules! stamp {
        ($name:literal) => {
            Stamp {
                name: $name,
                text: include_str!(concat!("../../../scenes/stamps/", $name, ".ron")),
            }
        };
    }
    [
        stamp!("2-conv-block"),
        stamp!("3-conv-block"),
        stamp!("3-conv-1-layer"),
        stamp!("3-conv-3-layer"),
        stamp!("3-conv-7-layer"),
        stamp!("vgg-2-conv-block"),
        stamp!("vgg-3-conv-block"),
        stamp!("resnet-identity"),
        stamp!("densenet-conv-block"),
        stamp!("densenet-transition"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate,
        ops::Op,
        template::{Edit, Ends, Template, fit},
    };

    fn template(name: &str) -> Template {
        let preset = presets().into_iter().find(|preset| preset.name == name).expect("exists");
        preset.template().expect("is right")
    }

    fn graph(name: &str) -> Graph {
        Graph::new(template(name).network).expect("is right")
    }

    /// Nodes and links without input, output and flatten, which the published presets lack.
    fn without_ends(template: &Template) -> (usize, usize) {
        let is_end = |op: &Op| matches!(op, Op::Input(_) | Op::Flatten | Op::Output);
        let ends = template.network.nodes.iter().filter(|node| node.ops.iter().any(is_end));
        let nodes = ends.map(|node| node.id.clone()).collect();
        let inner = template.edited(&[Edit::Remove { nodes, heal: true }]).expect("are there");
        (inner.network.nodes.len(), inner.network.links.len())
    }

    #[test]
    fn presets_have_the_published_numbers_of_nodes_and_links() {
        for (name, nodes, links) in
            [("test-network", 43, 91), ("3-conv-1-layer", 5, 6), ("vgg16", 60, 131)]
        {
            assert_eq!(without_ends(&template(name)), (nodes, links), "{name}");
        }
        // These are whole with as many as the published ones have without their ends.
        for (name, nodes, links) in
            [("3-conv-3-layer", 15, 30), ("3-conv-7-layer", 35, 72), ("vgg16", 63, 136)]
        {
            let network = template(name).network;
            assert_eq!((network.nodes.len(), network.links.len()), (nodes, links), "{name}");
        }
    }

    #[test]
    fn stamps_have_the_published_numbers_of_nodes_and_links() {
        let published = [
            ("2-conv-block", 6, 9),
            ("3-conv-block", 9, 18),
            ("3-conv-1-layer", 5, 6),
            ("3-conv-3-layer", 15, 30),
            // Published with 72: six links were missing.
            ("3-conv-7-layer", 35, 72 + 6),
            ("vgg-2-conv-block", 9, 17),
            ("vgg-3-conv-block", 12, 26),
            ("resnet-identity", 3, 2),
            ("densenet-conv-block", 5, 4),
            ("densenet-transition", 7, 6),
        ];
        let found = stamps().map(|stamp| {
            let fragment = stamp.fragment().expect("is right");
            let network = fragment.template.network;
            (stamp.name, network.nodes.len(), network.links.len())
        });
        assert_eq!(found, published);
    }

    #[test]
    fn spaces_have_their_sizes() {
        for (name, candidates) in [
            ("3-conv-3-layer", 3_u128.pow(4)),
            ("3-conv-1-layer", 3 * 2),
            ("3-conv-7-layer", 3_u128.pow(8) * 2 * 2),
            // Seven levels with a pooling each, and three classifiers.
            ("test-network", 6_u128.pow(7) * 3),
            ("bench5x3", 3_u128.pow(5)),
            // One or two of four.
            ("two-of-four", (4_u128 + 6).pow(6)),
            ("lenet", 3 * 3 * 2_u128.pow(4)),
            ("alexnet", 3_u128.pow(5) * 2_u128.pow(5)),
            ("vgg11", 3_u128.pow(8) * 2_u128.pow(4)),
            ("vgg13", 3_u128.pow(10) * 2_u128.pow(4)),
            ("vgg16", 3_u128.pow(13) * 2_u128.pow(5) * 2),
            ("vgg19", 3_u128.pow(16) * 2_u128.pow(4)),
            // Any of four branches, thrice, and any of two poolings, twice.
            ("inception", 15_u128.pow(3) * 3 * 3),
            // Four ways through a branch, or none; where the shape changes the other way is optional as well.
            ("resnet20", 5_u128.pow(7) * 9_u128.pow(2)),
            ("densenet", 3_u128.pow(9) * 2 * 2),
            ("mobilenet-macro", 6_561),
            ("cell-201", 9_444),
            // Nodes 1 to 3, of which some are kept, take one or two of eight operations and of four more for each
            // node before them.
            ("darts-cell", 3 * 36 + 3 * 36 * 78 + 36 * 78 * 136),
            ("mlp", 3 * 4 * 4),
        ] {
            assert_eq!(candidate::count(&graph(name)).exact(), Some(candidates), "{name}");
        }
    }

    /// NAS-Bench-201 has 5^6 = 15,625 architectures. In a candidate of this program, every brick is on a path.
    #[test]
    fn the_cell_has_the_architectures_of_nas_bench_201_without_what_is_cut_off() {
        let edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];
        let count = (0..5_usize.pow(6)).filter(|code| {
            let kept = |edge: usize| !(code / 5_usize.pow(edge as u32)).is_multiple_of(5);
            let is_on_a_path = |edge: usize| {
                let (from, to) = edges[edge];
                // Nodes 1 and 2 are fed by, and feed, what is on a path itself: node 2 may hang on node 1.
                let fed = |node: usize| match node {
                    0 => true,
                    1 => kept(0),
                    _ => kept(1) || kept(0) && kept(2),
                };
                let leads_on = |node: usize| match node {
                    3 => true,
                    2 => kept(5),
                    _ => kept(4) || kept(2) && kept(5),
                };
                fed(from) && leads_on(to)
            };
            (0..6).any(kept) && (0..6).filter(|&edge| kept(edge)).all(is_on_a_path)
        });
        assert_eq!(candidate::count(&graph("cell-201")).exact(), Some(count.count() as u128));
    }

    #[test]
    fn presets_are_told_and_take_the_shape_that_is_natural_to_them() {
        for preset in presets() {
            let graph = preset.graph().expect("is right");
            let ends = match preset.name {
                "mlp" => ([4, 1, 1], 3),
                "vgg16" => ([1, 32, 32], 10),
                _ => ([1, 28, 28], 10),
            };
            assert_eq!((graph.image_shape(), graph.classes()), ends, "{}", preset.name);
            let template = preset.template().expect("is right");
            assert!(template.name == preset.name && !template.about.is_empty(), "{}", preset.name);
            // The embedded data, digits included.
            for shape in [[1, 28, 28], [1, 8, 8]] {
                let fitted = fit(&graph, Ends { shape, outputs: 10 });
                let deep = ["alexnet", "vgg16", "test-network"].contains(&preset.name);
                assert!(fitted.is_ok() || deep && shape[1] == 8, "{}: {fitted:?}", preset.name);
            }
        }
    }

    #[test]
    fn the_networks_of_vgg_have_their_levels_of_three_convolutions() {
        let is_conv = |op: &Op| match op {
            Op::ConvBlock(block) => block.conv,
            Op::Conv2d(_) => true,
            _ => false,
        };
        for (name, levels) in [("vgg11", 8), ("vgg13", 10), ("vgg16", 13), ("vgg19", 16)] {
            let graph = graph(name);
            let is_level = |layer: &&Vec<usize>| {
                layer.len() == 3 && layer.iter().all(|&node| is_conv(&graph.nodes()[node].ops[0]))
            };
            assert_eq!(graph.layers().iter().filter(is_level).count(), levels, "{name}");
        }
    }

    #[test]
    fn bench5x3_has_the_parameters_of_the_network_it_is_compared_with() {
        let graph = graph("bench5x3");
        let (mut params, mut channels) = (0, 1);
        for width in [16, 16, 32, 32, 64] {
            params += (1 + 9 + 25) * channels * width + 3 * 2 * width;
            channels = width;
        }
        assert_eq!(graph.total_cost(0..graph.len()).params, params + 64 * 10 + 10);
    }
}
