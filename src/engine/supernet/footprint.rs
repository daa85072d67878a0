//! How much memory running a candidate takes.

use crate::engine::{ops::Shape, template::Graph};

/// About how many bytes the evaluation of a candidate takes per image, at most: the largest sum of activations that
/// are there at one time, with what an operation needs in addition to its input.
///
/// Layers stand for one another in time: while one is computed, there are what came before it and is still to be read,
/// of each layer as many nodes as a candidate keeps, and the working memory of one of its nodes.
pub(in crate::engine) fn bytes_per_image(graph: &Graph) -> u64 {
    let layers = graph.layers();
    let limit = graph.blocks_per_layer();
    // Of each layer: the outputs of its nodes with the last layer that reads them.
    let lives = |node: usize| {
        let readers = graph.targets(node).iter().map(|&target| graph.layer_of(target));
        readers.max().unwrap_or_default().max(graph.layer_of(node))
    };
    let largest = |mut sizes: Vec<u64>, layer: usize| -> u64 {
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.truncate(limit.limit(layers[layer].len()));
        sizes.iter().sum()
    };
    let at = |now: usize| -> u64 {
        let waiting: u64 = (0..=now)
            .map(|layer| {
                let there = layers[layer].iter().filter(|&&node| lives(node) >= now);
                largest(there.map(|&node| values(graph.output_shape(node))).collect(), layer)
            })
            .sum();
        let working = layers[now].iter().map(|&node| working(graph, node)).max().unwrap_or(0);
        waiting.saturating_add(working)
    };
    let most = (0..layers.len()).map(at).max().unwrap_or(0);
    most.saturating_mul(size_of::<f32>() as u64)
}

/// The most values that an operation of a node has while it computes: its output and what it works with.
fn working(graph: &Graph, node: usize) -> u64 {
    let mut shape = graph.input_shape(node);
    let mut most = shape.map_or(0, values);
    for op in &graph.nodes()[node].ops {
        // The operations of a checked graph fit.
        let Ok((output, _)) = op.infer(shape) else { break };
        let working = shape.map_or_else(|| values(output), |input| op.working(input, output));
        most = most.max(working.saturating_add(values(output)));
        shape = Some(output);
    }
    most
}

fn values(shape: Shape) -> u64 {
    shape.size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::{parse, presets};

    #[test]
    fn the_widest_place_counts() {
        let text = r#"(version: 1, name: "t", nodes: [
            (id: "in", layer: 0, ops: [Input(shape: (1, 8, 8))], position: (0, 0)),
            (id: "a", layer: 1, ops: [ConvBlock(filters: 4, kernel: 3)], position: (4, 0)),
            (id: "b", layer: 1, ops: [ConvBlock(filters: 4, kernel: 1)], position: (4, 4)),
            (id: "c", layer: 2, ops: [ConvBlock(filters: 4, kernel: 1)], position: (8, 0)),
            (id: "d", layer: 3, ops: [Flatten, Dense(units: 2)], position: (12, 0)),
            (id: "out", layer: 4, ops: [Output], position: (16, 0)),
        ], links: [("in", "a"), ("in", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("d", "out")])"#;
        let one = parse("t", text).expect("is right");
        // At `c`: the output of one of `a` and `b` and its own, its input again and two working copies.
        assert_eq!(bytes_per_image(one.graph()), 4 * (256 + 256 + 256 + 2 * 256));
        let any = text.replace("nodes:", "blocks_per_layer: Any, nodes:");
        let any = parse("t", &any).expect("is right");
        assert_eq!(bytes_per_image(any.graph()), 4 * (2 * 256 + 256 + 256 + 2 * 256));
    }

    #[test]
    fn presets_take_little() {
        for preset in presets() {
            let bytes = bytes_per_image(&preset.graph().expect("is right"));
            assert!((1_000..4_000_000).contains(&bytes), "{}: {bytes}", preset.name);
        }
    }
}
