//! The candidates of a template, or only those that keep some of its nodes and leave others out.

use super::{
    super::{mask::Mask, template::Graph},
    prune,
};

/// Candidates of a template that keep every pinned node, and none that is not allowed.
#[derive(Clone, Debug)]
pub struct Space<'g> {
    pub(super) graph: &'g Graph,
    /// The nodes that every candidate keeps: input, output, and the pinned ones.
    pub(super) pinned: Mask,
    /// The nodes that a candidate may keep.
    pub(super) allowed: Mask,
}

impl<'g> Space<'g> {
    /// All candidates of `graph`.
    pub fn whole(graph: &'g Graph) -> Self {
        let pinned = Mask::from_nodes(graph.len(), [graph.input(), graph.output()]);
        Self { graph, pinned, allowed: Mask::full(graph.len()) }
    }

    /// The candidates that keep all nodes of `pinned`, and apart from these only nodes of `allowed`. Input and output
    /// are always kept.
    pub fn new(graph: &'g Graph, pinned: &Mask, allowed: &Mask) -> Self {
        let pinned = Self::whole(graph).pinned.union(pinned);
        let allowed = prune(graph, &allowed.union(&pinned));
        Self { graph, pinned, allowed }
    }

    /// The candidates of this space that also keep `node`.
    pub fn keeping(&self, node: usize) -> Self {
        let pinned = self.pinned.union(&Mask::from_nodes(self.graph.len(), [node]));
        Self { pinned, ..self.clone() }
    }

    /// The template.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// What a candidate may keep: the allowed nodes that lie on a path of allowed nodes from the input to the
    /// output.
    pub fn allowed(&self) -> &Mask {
        &self.allowed
    }

    /// The reason why `mask` is not one of these candidates, or `None` if it is one.
    pub fn problem(&self, mask: &Mask) -> Option<String> {
        super::problem(self.graph, mask).or_else(|| {
            let id = |node: usize| self.graph.id(node);
            let missing = self.pinned.difference(mask).iter().next();
            let missing = missing.map(|node| format!("`{}` is pinned and left out", id(node)));
            missing.or_else(|| {
                let extra = mask.difference(&self.allowed).iter().next();
                extra.map(|node| format!("`{}` is kept and not allowed", id(node)))
            })
        })
    }
}
