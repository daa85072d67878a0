//! A set of nodes of one template: the form in which a candidate is held, compared and combined.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A set of node indices (positions in [`Graph::nodes`](super::template::Graph::nodes)), one bit per node.
///
/// Two masks that are compared or combined must come from the same template; the number of nodes is
/// part of the value so that a mix-up is caught.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Mask {
    node_count: usize,
    words: Box<[u64]>,
}

/// A mask as it is read.
#[derive(Deserialize)]
struct Unchecked {
    node_count: usize,
    words: Box<[u64]>,
}

impl TryFrom<Unchecked> for Mask {
    type Error = String;

    fn try_from(Unchecked { node_count, words }: Unchecked) -> Result<Self, String> {
        let used = node_count % 64;
        let is_beyond = |last: &u64| used > 0 && last >> used != 0;
        if words.len() != node_count.div_ceil(64) || words.last().is_some_and(is_beyond) {
            return Err(format!("a set of nodes is not one of {node_count} nodes"));
        }
        Ok(Self { node_count, words })
    }
}

impl Mask {
    /// The empty set over `node_count` nodes.
    pub fn empty(node_count: usize) -> Self {
        Self { node_count, words: vec![0; node_count.div_ceil(64)].into_boxed_slice() }
    }

    /// The set of all `node_count` nodes.
    pub fn full(node_count: usize) -> Self {
        Self::from_nodes(node_count, 0..node_count)
    }

    /// The set of the given nodes.
    ///
    /// # Panics
    /// If an index is not below `node_count`.
    pub fn from_nodes(node_count: usize, nodes: impl IntoIterator<Item = usize>) -> Self {
        let mut mask = Self::empty(node_count);
        for node in nodes {
            mask.insert(node);
        }
        mask
    }

    /// How many nodes the template has, kept or not.
    pub fn node_count(&self) -> usize {
        self.node_count
    }

    /// How many nodes are kept.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no node is kept.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether `node` is kept.
    pub fn contains(&self, node: usize) -> bool {
        assert!(node < self.node_count, "node {node} of {}", self.node_count);
        self.words[node / 64] >> (node % 64) & 1 == 1
    }

    /// Keeps `node`.
    pub fn insert(&mut self, node: usize) {
        assert!(node < self.node_count, "node {node} of {}", self.node_count);
        self.words[node / 64] |= 1 << (node % 64);
    }

    /// Drops `node`.
    pub fn remove(&mut self, node: usize) {
        assert!(node < self.node_count, "node {node} of {}", self.node_count);
        self.words[node / 64] &= !(1 << (node % 64));
    }

    /// The kept nodes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    index * 64 + bit
                })
            })
        })
    }

    /// Nodes that are in either set.
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// Whether every node of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    /// Nodes that are in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// Nodes that are in `self` but not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        assert_eq!(self.node_count, other.node_count, "masks of different templates");
        let words = self.words.iter().zip(&other.words).map(|(&a, &b)| op(a, b)).collect();
        Self { node_count: self.node_count, words }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set_of_integers(a in proptest::collection::btree_set(0usize..130, 0..60),
                                         b in proptest::collection::btree_set(0usize..130, 0..60)) {
            let (ma, mb) = (Mask::from_nodes(130, a.iter().copied()), Mask::from_nodes(130, b.iter().copied()));
            let set = |mask: &Mask| mask.iter().collect::<BTreeSet<_>>();
            prop_assert_eq!(set(&ma), a.clone());
            prop_assert_eq!(ma.len(), a.len());
            prop_assert_eq!(set(&ma.intersection(&mb)), &a & &b);
            prop_assert_eq!(set(&ma.union(&mb)), &a | &b);
            prop_assert_eq!(ma.is_subset(&mb), a.is_subset(&b));
            prop_assert!(ma.intersection(&mb).is_subset(&ma));
            prop_assert_eq!(set(&ma.difference(&mb)), &a - &b);
            let text = serde_json::to_string(&ma).expect("is written");
            prop_assert_eq!(serde_json::from_str::<Mask>(&text).expect("is read"), ma);
        }
    }

    #[test]
    fn a_mask_that_is_none_is_not_read() {
        for (count, words) in [(130, "[1,2]"), (3, "[8]"), (64, "[1,0]"), (usize::MAX, "[]")] {
            let text = format!(r#"{{"node_count":{count},"words":{words}}}"#);
            let error = serde_json::from_str::<Mask>(&text).expect_err("is none");
            assert!(error.to_string().contains("is not one of"), "{error}");
        }
    }
}
