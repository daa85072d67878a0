//! Nodes without an id, or with that of another.

use super::fix;
use crate::engine::template::{Edit, Fix, NodeId, Template};

pub(super) fn no_id(template: &Template, place: usize) -> Fix {
    let id = template.free_id(&format!("node-{place}"));
    fix(format!("call it `{id}`"), vec![Edit::RenameAt { place, id }])
}

/// All but the first of those that share an id get one of their own.
pub(super) fn shared_id(template: &Template, id: &NodeId) -> Fix {
    let nodes = template.network.nodes.iter().enumerate();
    let twins = nodes.filter(|(_, node)| node.id == *id).skip(1);
    let mut named = template.clone();
    let edits = twins
        .map(|(place, _)| {
            let free = named.free_id(&format!("{id}-{place}"));
            named.network_mut().nodes[place].id = free.clone();
            Edit::RenameAt { place, id: free }
        })
        .collect();
    fix("give the others ids of their own", edits)
}
