//! Nodes without an id, or with that of another.

use super::fix;
use crate::engine::template::{Edit, Fix, NodeId, Template, edit::FreeIds};

pub(super) fn no_id(template: &Template, place: usize) -> Fix {
    let id = template.free_id(&format!("node-{place}"));
    let title = format!("call it `{id}`");
    let node = &template.network.nodes[place].id;
    let alone = template.network.nodes.iter().filter(|other| other.id == *node).count() == 1;
    // Its links are known where no other node is called so.
    let edit = if alone {
        Edit::Rename { node: node.clone(), id }
    } else {
        Edit::GiveIds(vec![(place, id)])
    };
    fix(title, vec![edit])
}

/// All but the first of those that share an id get one of their own.
pub(super) fn shared_id(template: &Template, id: &NodeId) -> Fix {
    let nodes = template.network.nodes.iter().enumerate();
    let twins = nodes.filter(|(_, node)| node.id == *id).skip(1);
    let mut free = FreeIds::of(template);
    let ids = twins.map(|(place, _)| (place, free.take(&format!("{id}-{place}")))).collect();
    fix("give the others ids of their own", vec![Edit::GiveIds(ids)])
}
