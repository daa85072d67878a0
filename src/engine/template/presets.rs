//! The templates that come with the program: the files of `scenes/`, built in.

use super::{Checked, FileError, Graph, Template, parse, read};

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

/// All presets, smallest first.
pub fn presets() -> [Preset; 4] {
    macro_rules! preset {
        ($name:literal) => {
            Preset { name: $name, text: include_str!(concat!("../../../scenes/", $name, ".ron")) }
        };
    }
    [preset!("3-conv-3-layer"), preset!("bench5x3"), preset!("3-conv-7-layer"), preset!("vgg11")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::Op;

    fn graph(name: &str) -> Graph {
        let preset = presets().into_iter().find(|preset| preset.name == name).expect("exists");
        preset.graph().expect("is right")
    }

    #[test]
    fn presets_have_the_published_numbers_of_nodes_and_links() {
        for (name, nodes, links) in [("3-conv-3-layer", 15, 30), ("3-conv-7-layer", 35, 72)] {
            let network = graph(name).network().clone();
            assert_eq!((network.nodes.len(), network.links.len()), (nodes, links), "{name}");
        }
    }

    #[test]
    fn every_preset_takes_28_by_28_grey_images_and_gives_ten_classes() {
        for preset in presets() {
            let graph = preset.graph().expect("is right");
            assert_eq!(
                (graph.image_shape(), graph.classes()),
                ([1, 28, 28], 10),
                "{}",
                preset.name
            );
            assert_eq!(preset.template().expect("is right").name, preset.name);
        }
    }

    #[test]
    fn vgg11_has_eight_levels_of_three_convolutions() {
        let graph = graph("vgg11");
        let is_conv = |&node: &usize| matches!(&graph.nodes()[node].ops[0], Op::ConvBlock(block) if block.conv);
        let levels =
            graph.layers().iter().filter(|layer| layer.len() == 3 && layer.iter().all(&is_conv));
        assert_eq!(levels.count(), 8);
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
