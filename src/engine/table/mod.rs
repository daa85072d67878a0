//! Tables of known results, which stand in for a supernet: a search can be measured, watched and steered without training
//! anything.
//!
//! A table is a file with the columns `architecture`, `search` and `report`, and perhaps `canonical`; how text becomes rows
//! and numbers is told in `engine/delimited`. It must be complete: every combination of the choices it names has a
//! row, or several, of which the means count. The columns and what can be
//! wrong with them are described at [`Table::load`].

mod choices;
mod copy;
mod error;
mod file;
mod places;
mod results;

pub use error::TableError;
pub use places::Places;
pub use results::{KnownResults, Unknown};

use super::{
    delimited::Decimal,
    ops::{Input, Op, Relu},
    template::{Graph, Link, Network, Node, NodeId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// An architecture of a table: its choices as the digits of a number, the first position the most
/// significant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Architecture(usize);

/// A function that architectures compute: equal for those that the table calls functionally the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function(usize);

/// The results of one architecture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// What a search may see, in the unit of the file; higher is better.
    pub search: f64,
    /// What is reported of the architecture that a search found.
    pub report: f64,
}

/// A complete table, see the [module](self).
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The choices at each position, in natural order (`k3` before `k11`), whatever the order of the rows.
    choices: Vec<Vec<String>>,
    /// By architecture.
    known: Vec<Known>,
    /// By architecture.
    functions: Vec<Function>,
    /// By function: the architecture that stands for all that compute it.
    representatives: Vec<Architecture>,
    /// What was inferred or left out, each in one sentence without a full stop.
    notes: Vec<String>,
}

impl Table {
    /// Reads the file at `path`. Its first line names the columns, in any order and any capitals; columns of other names,
    /// such as `seed`, are left alone:
    ///
    /// - `architecture`: choices joined by `/`, as many in each row, for example `0/2/1`; where none has a `/`, they are cut
    ///   at what else separates them, and are one choice each where nothing does.
    /// - `search`: what a search may see, as per cent or share (only the order counts); higher is better. Of an architecture
    ///   with several rows, the means count. What failed (`NaN`, `failed`, nothing, ...) is left out of them; an architecture
    ///   of which all rows failed counts as the worst of the table.
    /// - `report`: what is reported of the best architecture found; alike.
    /// - `canonical`, if it is there: equal for architectures that compute the same function, usually one of
    ///   them.
    ///
    /// # Errors
    /// When the file cannot be read, a column is missing, a row has other fields than the first line says or
    /// another number of choices than its neighbours, a value is neither a number nor says that a training failed, a
    /// combination of choices has no row, or there are more choices than a search can weigh against each other. The message
    /// names the file, the line and the fix.
    pub fn load(path: &Path) -> Result<Self, TableError> {
        Self::load_with(path, None)
    }

    /// The same, where this sign stands before the decimals of numbers.
    ///
    /// # Errors
    /// As above, and when a number cannot be written so.
    pub fn load_with(path: &Path, decimal: Option<Decimal>) -> Result<Self, TableError> {
        file::load(path, decimal)
    }

    /// What was inferred or left out when the file was read, each in one sentence without a full stop.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many positions an architecture has.
    pub fn positions(&self) -> usize {
        self.choices.len()
    }

    /// The choices at a position, in natural order.
    pub fn choices(&self, position: usize) -> &[String] {
        &self.choices[position]
    }

    /// How many architectures there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Never true: a table without rows is refused.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many different functions the architectures compute: what there is to evaluate.
    pub fn functions(&self) -> usize {
        self.representatives.len()
    }

    /// All architectures, in the order of their choices.
    pub fn architectures(&self) -> impl Iterator<Item = Architecture> + use<> {
        (0..self.len()).map(Architecture)
    }

    /// The results of an architecture.
    pub fn known(&self, architecture: Architecture) -> Known {
        self.known[architecture.0]
    }

    /// What an architecture computes.
    pub fn function(&self, architecture: Architecture) -> Function {
        self.functions[architecture.0]
    }

    /// The architecture that stands for all that are functionally the same as this one: the one that their
    /// canonical form names, or else the first of them.
    pub fn representative(&self, architecture: Architecture) -> Architecture {
        self.representatives[self.function(architecture).0]
    }

    /// The architecture with the highest `search`; among equals the one with the highest `report`, and then
    /// the first.
    pub fn best(&self) -> Architecture {
        let better = |&a: &Architecture, &b: &Architecture| {
            let (known_a, known_b) = (self.known(a), self.known(b));
            known_a
                .search
                .total_cmp(&known_b.search)
                .then(known_a.report.total_cmp(&known_b.report))
                .then(b.cmp(&a))
        };
        self.architectures().max_by(better).unwrap_or(Architecture(0))
    }

    /// Which choice an architecture makes at each position.
    pub fn digits(&self, architecture: Architecture) -> Vec<usize> {
        let mut rest = architecture.0;
        let mut digits: Vec<_> = self
            .choices
            .iter()
            .rev()
            .map(|choices| {
                let digit = rest % choices.len();
                rest /= choices.len();
                digit
            })
            .collect();
        digits.reverse();
        digits
    }

    /// The architecture that makes these choices; the reverse of [`digits`](Self::digits).
    ///
    /// # Panics
    /// If there are more or fewer than positions, or one is not below the number of choices there.
    pub fn architecture(&self, digits: &[usize]) -> Architecture {
        assert_eq!(digits.len(), self.positions(), "a digit for each position");
        Architecture(digits.iter().zip(&self.choices).fold(0, |sum, (&digit, choices)| {
            assert!(digit < choices.len(), "choice {digit} of {}", choices.len());
            sum * choices.len() + digit
        }))
    }

    /// The architecture as the file writes it, such as `0/2/1`.
    pub fn text(&self, architecture: Architecture) -> String {
        let digits = self.digits(architecture);
        let names: Vec<_> =
            digits.iter().zip(&self.choices).map(|(&digit, names)| names[digit].as_str()).collect();
        names.join("/")
    }

    /// The table's architectures as a template: a layer for each position, an alternative for each choice, each
    /// layer linked to the next. Its nodes do nothing worth training; they are there to be told apart, those of one
    /// choice from those of the others by their bounds. Two channels come in, so that there are two outputs, as of classes:
    /// one output would predict a number.
    pub fn template(&self) -> Arc<Graph> {
        let names: BTreeSet<_> = self.choices.iter().flatten().collect();
        let bounds: BTreeMap<_, _> =
            names.into_iter().zip(1..).map(|(name, number)| (name, f64::from(number))).collect();
        let relu = |name: &String| Op::Relu(Relu { max: bounds.get(name).copied() });
        let (input, output) = (NodeId::new("input"), NodeId::new("output"));
        let mut network = Network::default();
        let ops = vec![Op::Input(Input { shape: [2, 1, 1] })];
        network.nodes.push(Node::new(input.clone(), 0, ops));
        let mut above = vec![input];
        for (position, choices) in self.choices.iter().enumerate() {
            let ids: Vec<_> = choices.iter().map(|name| node_id(position, name)).collect();
            for (id, name) in ids.iter().zip(choices) {
                network.nodes.push(Node::new(id.clone(), position as u32 + 1, vec![relu(name)]));
                network.links.extend(above.iter().map(|from| Link(from.clone(), id.clone())));
            }
            above = ids;
        }
        network.links.extend(above.into_iter().map(|from| Link(from, output.clone())));
        let last = self.positions() as u32 + 1;
        network.nodes.push(Node::new(output, last, vec![Op::Flatten, Op::Output]));
        Arc::new(Graph::new(network).expect("layers of equal shapes, each linked to the next"))
    }
}

/// The id of the node that is a choice at a position.
fn node_id(position: usize, choice: &str) -> NodeId {
    NodeId::new(format!("{}:{choice}", position + 1))
}

#[cfg(test)]
pub(in crate::engine) mod tests;
