//! Gives each candidate its place in the cloud: near candidates keep nearly the same nodes.

use super::{mask::Mask, template::KeyedGraph};
use faer::{Mat, Side};

/// The most candidates that span the cloud.
const MOST_LANDMARKS: usize = 300;

/// Eigenvalues below this share of the largest are taken for 0.
const NEGLIGIBLE: f64 = 1e-9;

/// Landmarks closer than this (in radii of the cloud) are taken to coincide.
const COINCIDENT: f64 = 1e-4;

/// How far one node moves a candidate (in radii) where coinciding candidates have to be told apart.
const SPREAD: f64 = 0.12;

/// A fixed map from candidates to points in space, by landmark multidimensional scaling.
///
/// The distance of two candidates is the square root of the number of nodes that only one of them keeps.
/// The root makes it the Euclidean distance of their masks as 0/1 vectors: scaling is exact where three
/// dimensions suffice, no eigenvalue is negative, a single node moves a candidate visibly however many
/// differ elsewhere, and the triangulation of a newcomer from its distances to all landmarks comes down to
/// a sum of one vector for each node it keeps. Placing costs nanoseconds a node, and is independent of
/// the number of landmarks and of other candidates: a point never moves until a new map is fitted.
///
/// Source: V. de Silva and J. B. Tenenbaum, "Sparse multidimensional scaling using landmark points",
/// Stanford University, 2004.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    origin: [f64; 3],
    /// Where each node moves a candidate that keeps it, `[nodes][3]`.
    steps: Vec<[f64; 3]>,
}

impl Embedding {
    /// Fits the map to landmarks among `masks`: all of them up to 300, or else 300 that lie far apart.
    ///
    /// The landmarks' mean is the origin, their root-mean-square distance from it is 1. Where they span
    /// fewer than three dimensions the rest stays flat; where different landmarks would still fall on one
    /// point, each node gets a small step of its own to part them.
    ///
    /// # Panics
    /// If the masks are for different numbers of nodes.
    pub fn fit(masks: &[Mask]) -> Self {
        let Some(first) = masks.first() else {
            return Self { origin: [0.0; 3], steps: Vec::new() };
        };
        let node_count = first.node_count();
        let landmarks = spread_out(masks);
        let mut embedding = Self::scaled(&landmarks, node_count);
        if embedding.has_coincident(&landmarks) {
            // The cloud has radius 1 unless all landmarks are the same.
            for (step, way) in embedding.steps.iter_mut().zip(directions(node_count)) {
                for (axis, way) in step.iter_mut().zip(way) {
                    *axis += SPREAD * way;
                }
            }
            embedding.normalise(&landmarks);
        }
        embedding
    }

    /// Where a candidate lies, in radii of the cloud.
    ///
    /// A mask for a template with more nodes than the one fitted is placed by the nodes that it shares.
    pub fn place(&self, mask: &Mask) -> [f32; 3] {
        self.place_exactly(mask).map(|x| x as f32)
    }

    fn place_exactly(&self, mask: &Mask) -> [f64; 3] {
        let mut place = self.origin;
        for step in mask.iter().filter_map(|node| self.steps.get(node)) {
            for (axis, step) in place.iter_mut().zip(step) {
                *axis += step;
            }
        }
        place
    }

    /// Classical scaling of the landmarks, written as steps a node.
    ///
    /// Triangulation places x at -1/2 L (d(x) - mean), with L the eigenvectors over the roots of their
    /// eigenvalues and d(x) the squared distances to the landmarks l: the sum over nodes of
    /// x + l - 2 x l. Each row of L sums to 0, so that of this only the part -2 x l, linear in x, depends
    /// on x.
    fn scaled(landmarks: &[&Mask], node_count: usize) -> Self {
        let count = landmarks.len();
        let kept = |landmark: &Mask, node: usize| if landmark.contains(node) { 1.0 } else { 0.0 };
        // Masks less their mean, by nodes: the inner products are the doubly centred squared distances.
        let centred = {
            let mut centred = Mat::from_fn(count, node_count, |i, node| kept(landmarks[i], node));
            for node in 0..node_count {
                let column = centred.col_as_slice_mut(node);
                let mean = column.iter().sum::<f64>() / count as f64;
                column.iter_mut().for_each(|value| *value -= mean);
            }
            centred
        };
        let mut embedding = Self { origin: [0.0; 3], steps: vec![[0.0; 3]; node_count] };
        // A failure to converge has not been seen with symmetric finite matrices; the cloud is then a point,
        // which is parted like any other coincidence.
        let Ok(eigen) = (&centred * centred.transpose()).self_adjoint_eigen(Side::Lower) else {
            return embedding;
        };
        let values = eigen.S().column_vector();
        let largest = values[count - 1];
        for axis in 0..3.min(count) {
            let column = count - 1 - axis;
            let value = values[column];
            if value <= NEGLIGIBLE * largest || value <= 0.0 {
                continue;
            }
            let vector: Vec<f64> = (0..count).map(|i| eigen.U()[(i, column)]).collect();
            let scale = sign(&vector) / value.sqrt();
            for (node, step) in embedding.steps.iter_mut().enumerate() {
                let sum: f64 = vector
                    .iter()
                    .zip(landmarks)
                    .map(|(v, landmark)| v * kept(landmark, node))
                    .sum();
                step[axis] = scale * sum;
            }
        }
        embedding.normalise(landmarks);
        embedding
    }

    /// Moves the landmarks' mean to the origin and scales their root-mean-square radius to 1, if they have
    /// one.
    fn normalise(&mut self, landmarks: &[&Mask]) {
        self.origin = [0.0; 3];
        let places: Vec<_> =
            landmarks.iter().map(|landmark| self.place_exactly(landmark)).collect();
        let count = places.len() as f64;
        let mean: [f64; 3] =
            std::array::from_fn(|axis| places.iter().map(|place| place[axis]).sum::<f64>() / count);
        let square =
            |place: &[f64; 3]| (0..3).map(|axis| (place[axis] - mean[axis]).powi(2)).sum::<f64>();
        let radius = (places.iter().map(square).sum::<f64>() / count).sqrt();
        let scale = if radius > 1e-12 { radius.recip() } else { 1.0 };
        self.origin = mean.map(|x| -x * scale);
        self.steps.iter_mut().flatten().for_each(|step| *step *= scale);
    }

    fn has_coincident(&self, landmarks: &[&Mask]) -> bool {
        let mut places: Vec<_> =
            landmarks.iter().map(|landmark| (self.place_exactly(landmark), landmark)).collect();
        places.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]));
        places.iter().enumerate().any(|(i, (a, mask))| {
            places[i + 1..].iter().take_while(|(b, _)| b[0] - a[0] < COINCIDENT).any(
                |(b, other)| {
                    mask != other && (0..3).all(|axis| (a[axis] - b[axis]).abs() < COINCIDENT)
                },
            )
        })
    }
}

/// The map of a run whose template is edited: where every node that it has had moves a candidate.
#[derive(Clone, Debug)]
pub struct RunEmbedding {
    origin: [f64; 3],
    /// By key; `None` where no template with the node was admitted.
    steps: Vec<Option<[f64; 3]>>,
}

impl RunEmbedding {
    /// Begins with the map of the first `template`.
    pub fn new(first: &Embedding, template: &KeyedGraph) -> Self {
        let mut run = Self { origin: first.origin, steps: Vec::new() };
        for (key, &step) in template.keys().iter().zip(&first.steps) {
            run.set(key.index(), step);
        }
        run
    }

    /// The map of another template: nodes that are known move a candidate as they always did. A new one takes the mean
    /// of those of its layer that are known and a small step of its own, which parts it from them.
    pub fn admit(&mut self, template: &KeyedGraph) -> Embedding {
        let graph = template.graph();
        let known: Vec<_> = template
            .keys()
            .iter()
            .map(|key| self.steps.get(key.index()).copied().flatten())
            .collect();
        let steps: Vec<_> = known
            .iter()
            .zip(directions(graph.len()))
            .enumerate()
            .map(|(node, (step, way))| {
                step.unwrap_or_else(|| {
                    let alternatives: Vec<_> = graph.layers()[graph.layer_of(node)]
                        .iter()
                        .filter_map(|&other| known[other])
                        .collect();
                    let count = alternatives.len().max(1) as f64;
                    std::array::from_fn(|axis| {
                        let sum: f64 = alternatives.iter().map(|step| step[axis]).sum();
                        sum / count + SPREAD * way[axis]
                    })
                })
            })
            .collect();
        for (key, &step) in template.keys().iter().zip(&steps) {
            self.set(key.index(), step);
        }
        Embedding { origin: self.origin, steps }
    }

    fn set(&mut self, key: usize, step: [f64; 3]) {
        if self.steps.len() <= key {
            self.steps.resize(key + 1, None);
        }
        self.steps[key] = Some(step);
    }
}

/// Of all masks up to [`MOST_LANDMARKS`]: the first, then again and again the one farthest from those chosen
/// (max-min; the lower index among equals).
fn spread_out(masks: &[Mask]) -> Vec<&Mask> {
    if masks.len() <= MOST_LANDMARKS {
        return masks.iter().collect();
    }
    let only_one_keeps = |a: &Mask, b: &Mask| a.difference(b).len() + b.difference(a).len();
    let mut chosen = vec![&masks[0]];
    let mut nearest: Vec<_> = masks.iter().map(|mask| only_one_keeps(mask, &masks[0])).collect();
    while chosen.len() < MOST_LANDMARKS {
        let farthest =
            (0..masks.len()).max_by(|&a, &b| nearest[a].cmp(&nearest[b]).then(b.cmp(&a)));
        let Some(next) = farthest.filter(|&next| nearest[next] > 0) else { break };
        chosen.push(&masks[next]);
        for (mask, nearest) in masks.iter().zip(&mut nearest) {
            *nearest = (*nearest).min(only_one_keeps(mask, &masks[next]));
        }
    }
    chosen
}

/// The sign that an eigenvector, which is only determined up to it, is multiplied with: its first large
/// component becomes positive.
fn sign(vector: &[f64]) -> f64 {
    let largest = vector.iter().map(|v| v.abs()).fold(0.0, f64::max);
    match vector.iter().find(|v| v.abs() > 0.5 * largest) {
        Some(first) if *first < 0.0 => -1.0,
        _ => 1.0,
    }
}

/// A direction for each node, spread evenly over the sphere (a Fibonacci spiral).
fn directions(count: usize) -> impl Iterator<Item = [f64; 3]> {
    let golden_angle = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt());
    (0..count).map(move |node| {
        let height = 1.0 - (2 * node + 1) as f64 / count as f64;
        let radius = (1.0 - height * height).sqrt();
        let angle = golden_angle * node as f64;
        [radius * angle.cos(), height, radius * angle.sin()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::{list_all, sample, tests::layered},
        seed,
        template::BlocksPerLayer,
    };
    use proptest::prelude::*;

    fn distance(a: [f32; 3], b: [f32; 3]) -> f64 {
        (0..3).map(|axis| f64::from(a[axis] - b[axis]).powi(2)).sum::<f64>().sqrt()
    }

    fn is_finite(place: [f32; 3]) -> bool {
        place.iter().all(|x| x.is_finite())
    }

    fn drawn(count: usize) -> Vec<Mask> {
        let graph = layered(&[3, 4, 3, 5, 3], BlocksPerLayer::Any, &[]);
        let mut rng = seed::rng(12, "test", 0);
        (0..count).map(|_| sample(&graph, &mut rng)).collect()
    }

    #[test]
    fn distances_that_fit_into_space_are_reproduced() {
        // The corners of a box with sides 1, 2 and 3: groups of 1, 4 and 9 nodes that are kept or not.
        let groups = [0..1_usize, 1..5, 5..14];
        let differs = |bits: usize| (0..3_usize).filter(move |group| bits >> group & 1 == 1);
        let corners: Vec<_> = (0..8)
            .map(|bits| {
                let nodes = differs(bits).flat_map(|group| groups[group].clone());
                Mask::from_nodes(15, nodes.chain([14]))
            })
            .collect();
        let embedding = Embedding::fit(&corners);
        // The root-mean-square radius of the box is half its diagonal, here scaled to 1.
        let scale = 2.0 / 14.0_f64.sqrt();
        for a in 0..8 {
            for b in 0..8 {
                let exact: f64 = differs(a ^ b).map(|group| groups[group].len() as f64).sum();
                let found = distance(embedding.place(&corners[a]), embedding.place(&corners[b]));
                assert!((found - exact.sqrt() * scale).abs() < 1e-6, "{a} {b}: {found}");
            }
        }
    }

    #[test]
    fn triangulation_from_distances_gives_the_same_place() {
        // The formula of the source, carried out on squared distances to all landmarks.
        let masks = drawn(40);
        let (landmarks, others) = masks.split_at(30);
        let embedding = Embedding::fit(landmarks);
        let count = landmarks.len();
        let squared = |a: &Mask, b: &Mask| (a.difference(b).len() + b.difference(a).len()) as f64;
        let squares = Mat::from_fn(count, count, |i, j| squared(&landmarks[i], &landmarks[j]));
        let mean: Vec<f64> = (0..count)
            .map(|i| squares.col_as_slice(i).iter().sum::<f64>() / count as f64)
            .collect();
        let grand = mean.iter().sum::<f64>() / count as f64;
        let gram =
            Mat::from_fn(count, count, |i, j| -0.5 * (squares[(i, j)] - mean[i] - mean[j] + grand));
        let eigen = gram.self_adjoint_eigen(Side::Lower).expect("converges");
        let axes: Vec<(f64, Vec<f64>)> = (1..=3)
            .map(|back| {
                let column = count - back;
                (
                    eigen.S().column_vector()[column],
                    (0..count).map(|i| eigen.U()[(i, column)]).collect(),
                )
            })
            .collect();
        let scale = (count as f64 / axes.iter().map(|(value, _)| value).sum::<f64>()).sqrt();
        for mask in &masks {
            let place = embedding.place(mask);
            for (axis, (value, vector)) in axes.iter().enumerate() {
                let along: f64 =
                    (0..count).map(|i| vector[i] * (squared(mask, &landmarks[i]) - mean[i])).sum();
                let expected = -0.5 * scale * sign(vector) * along / value.sqrt();
                assert!(
                    (f64::from(place[axis]) - expected).abs() < 1e-5,
                    "{} {expected}",
                    place[axis]
                );
            }
        }
        assert!(!others.is_empty());
    }

    #[test]
    fn the_cloud_is_centred_and_has_radius_one() {
        let masks = drawn(100);
        let embedding = Embedding::fit(&masks);
        let places: Vec<_> = masks.iter().map(|mask| embedding.place_exactly(mask)).collect();
        for axis in 0..3 {
            assert!(places.iter().map(|place| place[axis]).sum::<f64>().abs() < 1e-9);
        }
        let square: f64 = places.iter().flatten().map(|x| x * x).sum();
        assert!((square / 100.0 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn more_than_enough_masks_are_thinned_out_to_distinct_landmarks() {
        let masks = drawn(1_000);
        let landmarks = spread_out(&masks);
        let mut distinct = landmarks.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((landmarks.len(), distinct.len()), (MOST_LANDMARKS, MOST_LANDMARKS));
        assert!(is_finite(Embedding::fit(&masks).place(&masks[999])));
    }

    #[test]
    fn different_candidates_of_a_symmetric_space_are_told_apart() {
        // All 32 corners of a cube in five dimensions: every projection on three of its axes puts four on
        // each point.
        let graph = layered(&[2; 5], BlocksPerLayer::One, &[]);
        let masks = list_all(&graph, 100).expect("small");
        let embedding = Embedding::fit(&masks);
        for (i, a) in masks.iter().enumerate() {
            for b in &masks[..i] {
                assert!(distance(embedding.place(a), embedding.place(b)) > 0.01, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn degenerate_clouds_are_finite() {
        let mask = Mask::from_nodes(5, [0, 2]);
        let other = Mask::from_nodes(5, [0, 3]);
        assert!(is_finite(Embedding::fit(&[]).place(&mask)));
        for landmarks in
            [vec![mask.clone()], vec![mask.clone(); 7], vec![mask.clone(), other.clone()]]
        {
            let embedding = Embedding::fit(&landmarks);
            assert!(is_finite(embedding.place(&mask)) && is_finite(embedding.place(&other)));
        }
        let two = Embedding::fit(&[mask.clone(), other.clone()]);
        assert!((distance(two.place(&mask), two.place(&other)) - 2.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn any_masks_have_finite_places_and_the_same_ones_each_time(
            bits in proptest::collection::vec(any::<u16>(), 1..20), probe in any::<u16>()
        ) {
            let of_bits = |bits: u16| Mask::from_nodes(16, (0..16).filter(|node| bits >> node & 1 == 1));
            let masks: Vec<_> = bits.into_iter().map(of_bits).collect();
            let (first, second) = (Embedding::fit(&masks), Embedding::fit(&masks));
            prop_assert_eq!(&first, &second);
            prop_assert!(masks.iter().chain([&of_bits(probe)]).all(|mask| is_finite(first.place(mask))));
        }
    }
}
