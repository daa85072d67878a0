//! A table as that by which a search judges candidates: its `search` values are accuracies.

use super::{Table, TableError, copy, file, node_id};
use crate::engine::{
    data::fingerprint,
    delimited::Decimal,
    mask::Mask,
    search::{Evaluation, Representatives},
    template::{Checked, Graph, Network, NodeId, Template},
};
use sha2::{Digest, Sha256};
use std::{collections::HashSet, path::Path, sync::Arc};
use thiserror::Error;

/// A part of a template of which a table knows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unknown {
    /// A node.
    #[error("node `{0}`")]
    Node(NodeId),
    /// A node that does something else.
    #[error("node `{0}` with other operations, or in another layer")]
    Operations(NodeId),
    /// A link.
    #[error("the link from `{0}` to `{1}`")]
    Link(NodeId, NodeId),
    /// Candidates with several nodes of a layer.
    #[error("several blocks of a layer")]
    SeveralBlocks,
    /// A candidate.
    #[error("candidates without a choice at each position")]
    Candidate,
}

/// A table whose `search` values are accuracies.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownResults {
    table: Arc<Table>,
    /// The value that is an accuracy of 1: 100 where the table has per cent.
    whole: f64,
    notes: Vec<String>,
}

impl KnownResults {
    /// Reads the file at `path` as [`Table::load_with`] does.
    ///
    /// # Errors
    /// As there, and when its `search` values are no accuracies.
    pub fn load(path: &Path, decimal: Option<Decimal>) -> Result<Self, TableError> {
        Self::of(path, Table::load_with(path, decimal)?)
    }

    /// Reads the copy that [`to_text`](Self::to_text) has made.
    ///
    /// # Errors
    /// When the file cannot be read, or is not as it was written.
    pub fn load_copy(path: &Path) -> Result<Self, TableError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TableError::Read { path: path.to_owned(), source })?;
        Self::of(path, copy::read(path, &text)?)
    }

    fn of(path: &Path, table: Table) -> Result<Self, TableError> {
        let mut notes = table.notes.clone();
        let beyond = |most: f64| {
            let mut all = table.architectures();
            all.find(|&it| !(0.0..=most).contains(&table.known(it).search))
        };
        let whole = if beyond(1.0).is_none() {
            1.0
        } else if let Some(architecture) = beyond(file::PER_CENT) {
            return Err(TableError::NoAccuracy {
                path: path.to_owned(),
                architecture: table.text(architecture),
                search: table.known(architecture).search,
            });
        } else {
            notes.push("the values of `search` are taken as per cent".to_owned());
            file::PER_CENT
        };
        Ok(Self { table: Arc::new(table), whole, notes })
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What was inferred or left out when the file was read, each in one sentence without a full stop.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The table as text, from which it comes back as it is.
    pub fn to_text(&self) -> String {
        copy::write(&self.table)
    }

    /// Equal for tables that know the same of the same architectures.
    pub fn fingerprint(&self) -> String {
        fingerprint(Sha256::new().chain_update(self.to_text()))
    }

    /// The template whose candidates are the architectures.
    pub fn template(&self, name: &str) -> Checked {
        let graph = self.table.template();
        let about = format!("The {} architectures of a table of known results.", self.table.len());
        let mut template = Template { about, ..Template::new(name, Arc::clone(graph.network())) };
        // What the nodes do says nothing about the choices that they stand for.
        let choices = self.table.choices.iter().enumerate();
        let labels = choices.flat_map(|(position, choices)| {
            choices.iter().map(move |choice| (node_id(position, choice), choice.clone()))
        });
        Arc::make_mut(&mut template.layout).labels.extend(labels);
        Checked::new(template).expect("its network is a graph, and its nodes are placed")
    }

    /// Which candidates of a template compute the same.
    pub fn representatives(&self) -> Representatives {
        self.table.representatives()
    }

    /// What is known of some candidates of a template. Neither loss nor balanced accuracy is.
    ///
    /// # Errors
    /// When one of them is no architecture of the table.
    pub fn evaluate(&self, template: &Graph, masks: &[Mask]) -> Result<Vec<Evaluation>, Unknown> {
        let places = self.table.places(template);
        let evaluation = |mask: &Mask| {
            let architecture = places.architecture(mask).ok_or(Unknown::Candidate)?;
            let accuracy = self.table.known(architecture).search / self.whole;
            Ok(Evaluation { accuracy, balanced_accuracy: None, loss: f64::NAN })
        };
        masks.iter().map(evaluation).collect()
    }

    /// Makes sure that the table knows all candidates of a network: that this is its own template, or a part of it.
    ///
    /// # Errors
    /// The first part that the table does not know.
    pub fn check(&self, network: &Network) -> Result<(), Unknown> {
        let own = self.table.template();
        for node in &network.nodes {
            match own.network().node(&node.id) {
                None => return Err(Unknown::Node(node.id.clone())),
                Some(twin) if (twin.computes(), twin.layer) != (node.computes(), node.layer) => {
                    return Err(Unknown::Operations(node.id.clone()));
                }
                Some(_) => {}
            }
        }
        let links: HashSet<_> = own.network().links.iter().collect();
        if let Some(link) = network.links.iter().find(|link| !links.contains(link)) {
            return Err(Unknown::Link(link.0.clone(), link.1.clone()));
        }
        if network.blocks_per_layer != own.blocks_per_layer() {
            return Err(Unknown::SeveralBlocks);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::complete, *};
    use crate::engine::{
        candidate,
        template::{BlocksPerLayer, Link, Node},
    };

    fn of(table: Table) -> Result<KnownResults, TableError> {
        KnownResults::of(Path::new("table.csv"), table)
    }

    #[test]
    fn values_are_shares_or_per_cent_and_nothing_else() {
        let one = |scale: f64| of(complete(&[2, 2], |digits| scale * (digits[0] + 1) as f64));
        let accuracies = |results: &KnownResults| -> Vec<f64> {
            let template = results.template("a");
            let masks = candidate::list_all(template.graph(), 10).expect("four");
            let known = results.evaluate(template.graph(), &masks).expect("are known");
            assert!(known.iter().all(|it| it.loss.is_nan() && it.balanced_accuracy.is_none()));
            known.iter().map(|it| it.accuracy).collect()
        };
        let (shares, per_cent) = (one(0.5).expect("shares"), one(50.0).expect("per cent"));
        assert_eq!(accuracies(&shares), accuracies(&per_cent));
        assert!(accuracies(&shares).iter().all(|it| [0.5, 1.0].contains(it)));
        let told = |it: &KnownResults| it.notes().iter().any(|note| note.contains("per cent"));
        assert!(told(&per_cent) && !told(&shares));
        for scale in [50.5, -0.1] {
            let message = one(scale).expect_err("no accuracies").to_string();
            assert!(
                message.contains("table.csv: `search` of") && message.contains("bench search"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_part_of_the_template_is_known_and_nothing_beyond_it() {
        let results = of(complete(&[3, 2], |_| 0.5)).expect("shares");
        let template = results.template("a").template().clone();
        assert_eq!(template.label(&"1:2".into()), Some("2"));
        let network = template.network.as_ref().clone();
        assert_eq!(results.check(&network), Ok(()));
        let changed = |change: &dyn Fn(&mut Network)| {
            let mut network = network.clone();
            change(&mut network);
            results.check(&network)
        };
        let gone = |link: &Link| link.0.as_str() != "1:2" && link.1.as_str() != "1:2";
        let less = changed(&|it| {
            it.nodes.retain(|node| node.id.as_str() != "1:2");
            it.links.retain(gone);
        });
        assert_eq!(less, Ok(()));
        let more = changed(&|it| {
            let other = Node { id: "1:9".into(), ..it.nodes[1].clone() };
            it.nodes.push(other);
        });
        assert_eq!(more, Err(Unknown::Node("1:9".into())));
        let other = changed(&|it| it.nodes[1].ops = it.nodes[2].ops.clone());
        assert_eq!(other, Err(Unknown::Operations("1:0".into())));
        let skip = changed(&|it| it.links.push(Link("1:0".into(), "output".into())));
        assert_eq!(skip, Err(Unknown::Link("1:0".into(), "output".into())));
        let several = changed(&|it| it.blocks_per_layer = BlocksPerLayer::Any);
        assert_eq!(several, Err(Unknown::SeveralBlocks));
    }
}
