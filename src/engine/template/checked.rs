//! A template that was found to be right, with its graph.

use super::{Graph, Problem, Template, parse, same, to_ron};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::sync::Arc;

/// A template without problems, and the graph of its network: what jobs begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    template: Template,
    graph: Arc<Graph>,
}

impl Checked {
    /// Checks a template.
    ///
    /// # Errors
    /// The problems that are best mended first; what may come from them is left out.
    pub fn new(template: Template) -> Result<Self, Vec<Problem>> {
        let graph = Graph::new(Arc::clone(&template.network))?;
        let problems = template.layout.problems(&template.network);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { template, graph: Arc::new(graph) })
    }

    /// The same for what edits have made of this template. Where the network is what it was, nothing is checked again.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_template(&self, template: Template) -> Result<Self, Vec<Problem>> {
        if !same(&template.network, &self.template.network) {
            return Self::new(template);
        }
        let network = Arc::clone(&self.template.network);
        Ok(Self { template: Template { network, ..template }, graph: Arc::clone(&self.graph) })
    }

    /// The template with the network of `graph`, which has the same nodes.
    pub fn with_graph(&self, graph: Arc<Graph>) -> Self {
        let network = Arc::clone(graph.network());
        Self { template: Template { network, ..self.template.clone() }, graph }
    }

    /// The template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Its network, checked.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }
}

/// As the text of a scene file.
impl Serialize for Checked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_ron(&self.template).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse("the template", &String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
