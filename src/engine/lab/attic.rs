//! The attic of a run: weights and trainer state of nodes that an edit has removed, kept so that they can come back.

use super::LabError;
use crate::engine::{
    run::{Checkpoint, Run, attic_of_edit},
    study::Study,
    supernet::{Overlay, TensorWriter, WeightsError, tensor_owners, tensor_sizes},
    template::NodeKey,
};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

/// The most bytes that the attic of a run takes; beyond them, what went first is forgotten.
const MOST_IN_ATTIC: usize = 1 << 30;

/// What the attic holds after an edit from `before` to `edited`: what goes joins what is there already and does not come
/// back. Also the nodes that there is no room for, those that went first at the beginning.
pub(super) fn put_by(
    before: &Study,
    edited: &Study,
    trained: &Stored,
    attic: &Stored,
) -> Result<(Option<Checkpoint>, Vec<NodeKey>), LabError> {
    let (old, new) = (before.search().template(), edited.search().template());
    let there: HashSet<_> = new.keys().iter().map(|key| key.index()).collect();
    let owner = tensor_owners(old.graph());
    let goes = |tensor: &str| {
        let key = old.keys()[owner(tensor)?];
        (!there.contains(&key.index())).then(|| name(key, tensor))
    };
    let stays = |tensor: &str| {
        key_and_tensor(tensor).filter(|(key, _)| !there.contains(key)).map(|_| tensor.to_owned())
    };
    let mut sizes = HashMap::new();
    for (stored, named) in [(attic, &stays as Named<'_>), (trained, &goes)] {
        for part in [stored.weights(), stored.state()] {
            for (tensor, bytes) in part.sizes()? {
                let tensor = named(&tensor);
                if let Some((key, _)) = tensor.as_deref().and_then(key_and_tensor) {
                    *sizes.entry(key).or_insert(0) += bytes;
                }
            }
        }
    }
    let size = |key: NodeKey| sizes.get(&key.index()).copied();
    let mut by_age: Vec<_> = edited
        .left_keys()
        .filter_map(|(key, left)| Some((left.template, key, size(key)?)))
        .collect();
    by_age.sort_unstable();
    let kept: HashSet<_> = with_room(&by_age, MOST_IN_ATTIC).map(NodeKey::index).collect();
    let forgotten =
        by_age.iter().map(|&(_, key, _)| key).filter(|key| !kept.contains(&key.index()));
    let forgotten = forgotten.collect();
    if kept.is_empty() {
        return Ok((None, forgotten));
    }
    let has_room =
        |tensor: &String| key_and_tensor(tensor).is_some_and(|(key, _)| kept.contains(&key));
    let was = |tensor: &str| stays(tensor).filter(has_room);
    let comes = |tensor: &str| goes(tensor).filter(has_room);
    let put_by = Checkpoint {
        supernet: merged(&[(attic.weights(), &was), (trained.weights(), &comes)])?,
        trainer: merged(&[(attic.state(), &was), (trained.state(), &comes)])?,
    };
    Ok((Some(put_by), forgotten))
}

/// Of nodes by age, each with its bytes, those that there is room for: what went first is forgotten first.
fn with_room(by_age: &[(u32, NodeKey, usize)], room: usize) -> impl Iterator<Item = NodeKey> {
    let mut total: usize = by_age.iter().map(|&(_, _, bytes)| bytes).sum();
    let over = by_age
        .iter()
        .take_while(|&&(_, _, bytes)| {
            let is_over = total > room;
            total -= if is_over { bytes } else { 0 };
            is_over
        })
        .count();
    by_age[over..].iter().map(|&(_, key, _)| key)
}

/// The name of a node's tensor in the attic: it begins with the key of the node, as in `12/a3.conv.weight`.
pub(super) fn name(key: NodeKey, tensor: &str) -> String {
    format!("{}/{tensor}", key.index())
}

/// The position of the key and the tensor that such a name is for.
pub(super) fn key_and_tensor(name: &str) -> Option<(usize, &str)> {
    let (key, tensor) = name.split_once('/')?;
    Some((key.parse().ok()?, tensor))
}

/// A checkpoint of a run, and where it is.
pub(super) struct Stored {
    pub(super) checkpoint: Checkpoint,
    files: [PathBuf; 2],
    is_attic: bool,
}

impl Stored {
    /// The checkpoint called `name`.
    pub(super) fn read(run: &Run, name: &str) -> Result<Self, LabError> {
        let files = run.checkpoint_files(name);
        Ok(Self { checkpoint: run.checkpoint(name)?, files, is_attic: false })
    }

    /// The attic of the template with this number, which may be empty.
    pub(super) fn attic(run: &Run, number: u32) -> Result<Self, LabError> {
        let name = attic_of_edit(number);
        let files = run.checkpoint_files(&name);
        let checkpoint = if files.iter().all(|file| file.exists()) {
            run.checkpoint(&name)?
        } else {
            let nothing = TensorWriter::default().finish()?;
            Checkpoint { supernet: nothing.clone(), trainer: nothing }
        };
        Ok(Self { checkpoint, files, is_attic: true })
    }

    /// The weights.
    pub(super) fn weights(&self) -> Part<'_> {
        let is_attic = self.is_attic;
        Part { bytes: &self.checkpoint.supernet, path: &self.files[0], is_attic }
    }

    /// What the trainer remembers.
    pub(super) fn state(&self) -> Part<'_> {
        let is_attic = self.is_attic;
        Part { bytes: &self.checkpoint.trainer, path: &self.files[1], is_attic }
    }
}

/// One file of a checkpoint.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) path: &'a Path,
    pub(super) is_attic: bool,
}

impl Part<'_> {
    /// What is said of it where it is damaged.
    pub(super) fn damaged(&self, source: WeightsError) -> LabError {
        let path = self.path.to_owned();
        if self.is_attic {
            LabError::Attic { path, source }
        } else {
            LabError::Checkpoint { path, source }
        }
    }

    /// Its tensors with their bytes.
    pub(super) fn sizes(&self) -> Result<Vec<(String, usize)>, LabError> {
        tensor_sizes(self.bytes).map_err(|source| self.damaged(source))
    }
}

/// The name that a tensor is given, if any.
type Named<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The tensors of several files under the names that each is given; later ones instead of earlier ones.
pub(super) fn merged(parts: &[(Part<'_>, Named<'_>)]) -> Result<Vec<u8>, LabError> {
    let mut merged = Overlay::default();
    for (part, name) in parts {
        merged.add(part.bytes, name).map_err(|source| part.damaged(source))?;
    }
    Ok(merged.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::{NodeKeys, presets};
    use std::sync::Arc;

    #[test]
    fn what_went_first_is_forgotten_first() {
        let [small, ..] = presets();
        let graph = Arc::new(small.graph().expect("presets are right"));
        let keys = NodeKeys::default().admit(graph).keys().to_vec();
        let by_age = [(2, keys[7], 4), (3, keys[1], 5), (3, keys[9], 6), (5, keys[2], 2)];
        for (room, kept) in [(17, 0), (16, 1), (13, 1), (8, 2), (2, 3), (1, 4), (0, 4)] {
            let all: Vec<_> = with_room(&by_age, room).collect();
            let wanted: Vec<_> = by_age[kept..].iter().map(|&(_, key, _)| key).collect();
            assert_eq!(all, wanted, "{room}");
        }
    }
}
