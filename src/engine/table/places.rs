//! The architectures of a table as candidates of a template.

use super::{Architecture, Table, node_id};
use crate::engine::{mask::Mask, search::Representatives, template::Graph};
use std::sync::Arc;

/// Where a template has the choices of a table: all of them, as [`Table::template`] has, or some, as after an edit.
#[derive(Clone, Debug)]
pub struct Places {
    /// By node of the template: the position, and what the choice adds to the number of an architecture.
    of_node: Vec<Option<(usize, usize)>>,
    /// By position and choice: the node.
    nodes: Vec<Vec<Option<usize>>>,
    /// Input and output.
    ends: [usize; 2],
}

impl Places {
    /// The architecture that a candidate is; `None` if it does not make one choice at each position.
    pub fn architecture(&self, mask: &Mask) -> Option<Architecture> {
        let (mut number, mut made) = (0, vec![false; self.nodes.len()]);
        for (position, adds) in mask.iter().filter_map(|node| self.of_node[node]) {
            if std::mem::replace(&mut made[position], true) {
                return None;
            }
            number += adds;
        }
        made.into_iter().all(|made| made).then_some(Architecture(number))
    }

    /// The candidate that an architecture is; `None` if the template lacks one of its choices.
    pub fn mask(&self, architecture: Architecture) -> Option<Mask> {
        let mut mask = Mask::from_nodes(self.of_node.len(), self.ends);
        let mut rest = architecture.0;
        for choices in self.nodes.iter().rev() {
            mask.insert(choices[rest % choices.len()]?);
            rest /= choices.len();
        }
        Some(mask)
    }
}

impl Table {
    /// Where `template` has the choices of this table, by the ids of its nodes.
    pub fn places(&self, template: &Graph) -> Places {
        let mut of_node = vec![None; template.len()];
        let mut nodes = Vec::with_capacity(self.positions());
        let mut weight = self.len();
        for (position, choices) in self.choices.iter().enumerate() {
            weight /= choices.len();
            let mut there = Vec::with_capacity(choices.len());
            for (choice, name) in choices.iter().enumerate() {
                let node = template.index_of(&node_id(position, name));
                if let Some(node) = node {
                    of_node[node] = Some((position, choice * weight));
                }
                there.push(node);
            }
            nodes.push(there);
        }
        Places { of_node, nodes, ends: [template.input(), template.output()] }
    }

    /// Which candidates of a template compute the same: of those that the table calls functionally the same, its
    /// representative stands for all, or where the template lacks that, the first that it has.
    pub fn representatives(self: &Arc<Self>) -> Representatives {
        let table = Arc::clone(self);
        Arc::new(move |template| {
            let (places, table) = (table.places(template), Arc::clone(&table));
            let there = |&architecture: &Architecture| places.mask(architecture).is_some();
            let mut stands: Vec<_> =
                table.representatives.iter().map(|it| Some(*it).filter(there)).collect();
            if stands.iter().any(Option::is_none) {
                for architecture in table.architectures().filter(there) {
                    stands[table.function(architecture).0].get_or_insert(architecture);
                }
            }
            Arc::new(move |mask| {
                let architecture = places.architecture(mask);
                let stands = architecture.and_then(|it| stands[table.function(it).0]);
                // What is left of a candidate that has lost nodes stands for itself.
                stands.and_then(|it| places.mask(it)).unwrap_or_else(|| mask.clone())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::parse, *};
    use crate::engine::template::{Link, Network};

    fn without(table: &Table, id: &str) -> Graph {
        let mut network: Network = table.template().network().as_ref().clone();
        network.nodes.retain(|node| node.id.as_str() != id);
        network.links.retain(|Link(from, to)| from.as_str() != id && to.as_str() != id);
        Graph::new(network).expect("is sound")
    }

    #[test]
    fn architectures_are_told_by_the_ids_of_nodes_whatever_the_template_lacks() {
        let table = super::super::tests::complete(&[3, 2], |digits| digits[0] as f64);
        let places = table.places(&without(&table, "1:1"));
        for architecture in table.architectures() {
            let mask = places.mask(architecture);
            assert_eq!(mask.is_none(), table.digits(architecture)[0] == 1);
            let back = mask.map(|mask| places.architecture(&mask));
            assert!(back.is_none_or(|back| back == Some(architecture)));
        }
        let of = |nodes: &[usize]| places.architecture(&Mask::from_nodes(6, nodes.iter().copied()));
        assert_eq!(of(&[0, 1, 5]), None, "no choice at the second position");
        assert_eq!(of(&[0, 1, 2, 3, 5]), None, "two at the first");
    }

    #[test]
    fn another_one_stands_for_a_function_whose_representative_is_gone() {
        let text = "architecture,search,report,canonical\n0/0,1,1,0/1\n0/1,1,1,0/1\n1/0,2,2,1/1\n1/1,2,2,1/1\n";
        let table = Arc::new(parse(text).expect("is sound"));
        let stands = |graph: &Graph, digits: [usize; 2]| {
            let places = table.places(graph);
            let mask = places.mask(table.architecture(&digits)).expect("is there");
            let stands = table.representatives()(graph)(&mask);
            places.architecture(&stands).map(|it| table.text(it))
        };
        assert_eq!(stands(&table.template(), [0, 0]).as_deref(), Some("0/1"));
        assert_eq!(stands(&without(&table, "2:1"), [0, 0]).as_deref(), Some("0/0"));
        assert_eq!(stands(&without(&table, "1:1"), [0, 0]).as_deref(), Some("0/1"));
    }
}
