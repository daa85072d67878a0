//! How many valid candidates a template has.

use super::{
    super::{mask::Mask, template::Graph},
    problem,
};

/// Nodes beside input and output up to which candidates of any wiring are counted one by one.
const MOST_NODES: usize = 16;

/// Subsets of a layer up to which those of two neighbouring layers are compared one by one.
const MOST_SUBSETS: usize = 1 << 10;

/// The number of valid candidates of `graph`, see [`problem`]: different masks, also where they compute the same
/// function. Exact, or `None` where it cannot be counted soon: in a large template with links that skip a layer, or
/// with large layers that are not fully linked; or where it is above 10^38.
pub fn count(graph: &Graph) -> Option<u128> {
    if is_chain(graph) { count_chain(graph) } else { count_each(graph) }
}

/// Whether every link leads to the next layer, and input and output stand alone in the first and the last.
fn is_chain(graph: &Graph) -> bool {
    let next = |from: usize| {
        graph.targets(from).iter().all(|&to| graph.layer_of(to) == graph.layer_of(from) + 1)
    };
    let alone = |layer: Option<&Vec<usize>>, node| layer.is_some_and(|layer| *layer == [node]);
    alone(graph.layers().first(), graph.input())
        && alone(graph.layers().last(), graph.output())
        && (0..graph.len()).all(next)
}

/// In a chain a candidate is valid if, between any two neighbouring layers, each kept node above has a kept
/// target and each one below a kept source.
fn count_chain(graph: &Graph) -> Option<u128> {
    let layers = graph.layers();
    let limit = |layer: &[usize]| graph.template().blocks_per_layer.limit(layer.len());
    // How many ways lead to each subset of the layer, or to all of them together where it is fully linked to
    // the next.
    let mut ways: Ways = Ways::Each(vec![(1, 1)]);
    for pair in layers.windows(2) {
        let (above, below) = (&pair[0], &pair[1]);
        let full = above.iter().all(|&from| graph.targets(from).len() == below.len());
        ways = if full {
            Ways::Equal { subsets: subsets(below.len(), limit(below))?, ways: ways.total()? }
        } else {
            let from = ways.of_each(above.len(), limit(above))?;
            Ways::Each(step(graph, above, below, &from, limit(below))?)
        };
    }
    ways.total()
}

/// Ways from the input to the subsets of a layer.
enum Ways {
    /// Subsets as bits, with the ways to each.
    Each(Vec<(u64, u128)>),
    /// As many to each of so many subsets.
    Equal { subsets: u128, ways: u128 },
}

impl Ways {
    fn total(&self) -> Option<u128> {
        match self {
            Self::Each(each) => {
                each.iter().try_fold(0_u128, |sum, &(_, ways)| sum.checked_add(ways))
            }
            &Self::Equal { subsets, ways } => subsets.checked_mul(ways),
        }
    }

    fn of_each(self, size: usize, limit: usize) -> Option<Vec<(u64, u128)>> {
        match self {
            Self::Each(each) => Some(each),
            Self::Equal { ways, .. } => {
                Some(list_subsets(size, limit)?.into_iter().map(|subset| (subset, ways)).collect())
            }
        }
    }
}

fn step(
    graph: &Graph,
    above: &[usize],
    below: &[usize],
    from: &[(u64, u128)],
    limit: usize,
) -> Option<Vec<(u64, u128)>> {
    let bits = |neighbours: &[usize], layer: &[usize]| -> u64 {
        let places = layer.iter().enumerate();
        places.map(|(i, node)| u64::from(neighbours.contains(node)) << i).sum()
    };
    let targets: Vec<_> = above.iter().map(|&node| bits(graph.targets(node), below)).collect();
    let sources: Vec<_> = below.iter().map(|&node| bits(graph.sources(node), above)).collect();
    let linked = |kept: u64, neighbours: &[u64], others: u64| {
        neighbours.iter().enumerate().all(|(i, near)| kept >> i & 1 == 0 || near & others != 0)
    };
    let mut reached = Vec::new();
    for to in list_subsets(below.len(), limit)? {
        let ways = from
            .iter()
            .filter(|&&(kept, _)| linked(kept, &targets, to) && linked(to, &sources, kept))
            .try_fold(0_u128, |sum, &(_, ways)| sum.checked_add(ways))?;
        if ways > 0 {
            reached.push((to, ways));
        }
    }
    Some(reached)
}

/// How many subsets of `size` nodes have 1 to `limit` of them.
fn subsets(size: usize, limit: usize) -> Option<u128> {
    let (mut sum, mut binomial) = (0_u128, 1_u128);
    for taken in 1..=limit.min(size) {
        binomial = binomial.checked_mul((size - taken + 1) as u128)? / taken as u128;
        sum = sum.checked_add(binomial)?;
    }
    Some(sum)
}

fn list_subsets(size: usize, limit: usize) -> Option<Vec<u64>> {
    let few = subsets(size, limit)? <= MOST_SUBSETS as u128 && size < 20;
    few.then(|| (1..1_u64 << size).filter(|subset| subset.count_ones() as usize <= limit).collect())
}

fn count_each(graph: &Graph) -> Option<u128> {
    let ends = [graph.input(), graph.output()];
    let others: Vec<_> = (0..graph.len()).filter(|node| !ends.contains(node)).collect();
    (others.len() <= MOST_NODES).then(|| {
        (0..1_u32 << others.len())
            .filter(|bits| {
                let kept = others.iter().enumerate().filter(|&(i, _)| bits >> i & 1 == 1);
                let nodes = kept.map(|(_, &node)| node).chain(ends);
                problem(graph, &Mask::from_nodes(graph.len(), nodes)).is_none()
            })
            .count() as u128
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{graph_of, layered, relu};
    use super::*;
    use crate::engine::{
        candidate,
        ops::{Op, samples},
        seed,
        template::BlocksPerLayer,
    };
    use proptest::prelude::*;

    /// A template of layers that are linked to the next, but not every node to every one.
    fn sparse() -> impl Strategy<Value = Graph> {
        let limit = prop_oneof![
            Just(BlocksPerLayer::One),
            Just(BlocksPerLayer::UpTo(2)),
            Just(BlocksPerLayer::Any)
        ];
        let layers = proptest::collection::vec(1usize..4, 1..5);
        (layers, limit, any::<u64>()).prop_map(|(layers, limit, cut)| {
            let mut nodes = vec![(0, vec![samples::input([1, 1, 1])])];
            let mut links = Vec::new();
            let mut above = vec![0];
            for (layer, &size) in layers.iter().enumerate() {
                let below: Vec<_> = (nodes.len()..nodes.len() + size).collect();
                nodes.extend(below.iter().map(|_| (layer as u32 + 1, vec![relu()])));
                for (i, &from) in above.iter().enumerate() {
                    for (j, &to) in below.iter().enumerate() {
                        // One link to and from each node stays, so that the template is sound.
                        let needed = i % below.len() == j || j % above.len() == i;
                        if needed || cut >> ((from * 7 + to) % 64) & 1 == 1 {
                            links.push((from, to));
                        }
                    }
                }
                above = below;
            }
            let output = nodes.len();
            nodes.push((layers.len() as u32 + 1, vec![Op::Flatten, Op::Output]));
            links.extend(above.into_iter().map(|from| (from, output)));
            graph_of(nodes, &links, limit)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn chains_are_counted_as_brute_force_counts_them(graph in sparse()) {
            prop_assert!(is_chain(&graph));
            prop_assert_eq!(count_chain(&graph), count_each(&graph));
        }

        #[test]
        fn every_sample_of_any_subset_is_valid_and_one_of_the_counted(graph in sparse(), s in 0u64..99) {
            let mut rng = seed::rng(s, "test", 0);
            let drawn: std::collections::HashSet<_> = (0..50)
                .map(|_| candidate::sample(&graph, &mut rng))
                .inspect(|mask| assert_eq!(problem(&graph, mask), None))
                .collect();
            prop_assert!(count(&graph).is_some_and(|count| drawn.len() as u128 <= count));
        }
    }

    #[test]
    fn full_layers_multiply() {
        let count_of = |layers: &[usize], blocks| count(&layered(layers, blocks, &[]));
        assert_eq!(count_of(&[3, 4, 2], BlocksPerLayer::One), Some(24));
        assert_eq!(count_of(&[3, 4], BlocksPerLayer::UpTo(2)), Some(6 * 10));
        assert_eq!(count_of(&[3, 70], BlocksPerLayer::Any), Some(7 * ((1 << 70) - 1)));
        assert_eq!(count_of(&[100, 100], BlocksPerLayer::Any), None, "above what a number holds");
    }

    #[test]
    fn links_that_skip_layers_are_counted_one_by_one_where_that_is_soon() {
        // Input 0, layers {1, 2} and {3}, output 4. A link past layer 2 makes it optional.
        let graph = layered(&[2, 1], BlocksPerLayer::One, &[(1, 4)]);
        assert!(!is_chain(&graph));
        // 1-3, 2-3, and 1 alone.
        assert_eq!(count(&graph), Some(3));
        assert_eq!(count(&layered(&[4; 5], BlocksPerLayer::One, &[(1, 9)])), None);
    }
}
