//! The operations of a node, in order, each with a key of its own.

use crate::engine::ops::{Element, Merge, Op};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use std::{fmt, ops::Deref};

/// The operations of a node, applied in order. Each has a key, given once: weights are kept under it, so that an
/// operation that is put before others renames nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    ops: Vec<Op>,
    keys: Vec<u32>,
}

impl Block {
    /// The key of the operation at `place`.
    pub fn key(&self, place: usize) -> u32 {
        self.keys[place]
    }

    /// The operations with their keys, in order.
    pub fn keyed(&self) -> impl DoubleEndedIterator<Item = (u32, &Op)> + ExactSizeIterator {
        self.keys.iter().copied().zip(&self.ops)
    }

    /// The operations, to change their arguments.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Op> {
        self.ops.iter_mut()
    }

    /// The operation with this key, to change its arguments.
    pub fn by_key_mut(&mut self, key: u32) -> Option<&mut Op> {
        let place = self.keys.iter().position(|&found| found == key)?;
        self.ops.get_mut(place)
    }

    /// Puts an operation at `place`, under a key that none of the others has, which is returned.
    pub fn insert(&mut self, place: usize, op: Op) -> u32 {
        let next = self.keys.iter().max().map_or(Some(0), |largest| largest.checked_add(1));
        let key = next.or_else(|| (0..=u32::MAX).find(|key| !self.keys.contains(key)));
        let key = key.expect("fewer operations than keys");
        self.ops.insert(place, op);
        self.keys.insert(place, key);
        key
    }

    /// Takes an operation out. The others keep their keys.
    pub fn remove(&mut self, place: usize) -> Op {
        self.keys.remove(place);
        self.ops.remove(place)
    }
}

impl Deref for Block {
    type Target = [Op];

    fn deref(&self) -> &[Op] {
        &self.ops
    }
}

impl<'a> IntoIterator for &'a Block {
    type Item = &'a Op;
    type IntoIter = std::slice::Iter<'a, Op>;

    fn into_iter(self) -> Self::IntoIter {
        self.ops.iter()
    }
}

/// With keys that count from 0.
impl From<Vec<Op>> for Block {
    fn from(ops: Vec<Op>) -> Self {
        Self { keys: (0..ops.len() as u32).collect(), ops }
    }
}

/// How a node merges, and its operations, as scene files list them: `[Add, Flatten]`, or with keys
/// `{1: Flatten, 0: Output}` where they are not those that the places in the list give.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Elements {
    pub(super) merge: Merge,
    pub(super) block: Block,
}

impl Elements {
    /// Whether the way to merge is an element of the list: the mean is so only where the list would be empty.
    fn tells_merge(&self) -> bool {
        self.merge != Merge::Mean || self.block.is_empty()
    }

    fn merge_element(&self) -> Element {
        match self.merge {
            Merge::Mean => Element::Average,
            Merge::Sum => Element::Add,
            Merge::Concatenate => Element::Concatenate,
        }
    }
}

impl Serialize for Elements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = self.tells_merge().then(|| self.merge_element());
        let skipped = u32::from(first.is_some());
        let count = self.block.len() + skipped as usize;
        let in_order = self.block.keys.iter().copied().eq((skipped..).take(self.block.len()));
        if in_order {
            let mut list = serializer.serialize_seq(Some(count))?;
            if let Some(first) = &first {
                list.serialize_element(first)?;
            }
            for op in &self.block {
                list.serialize_element(op)?;
            }
            list.end()
        } else {
            let mut map = serializer.serialize_map(Some(count))?;
            if let Some(first) = &first {
                // The way to merge has nothing to keep under a key: any that is free will do.
                let free = (0..).find(|key| !self.block.keys.contains(key)).unwrap_or_default();
                map.serialize_entry(&free, first)?;
            }
            for (key, op) in self.block.keyed() {
                map.serialize_entry(&key, op)?;
            }
            map.end()
        }
    }
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Elements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of operations, such as [ConvBlock(filters: 16, kernel: 3)]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements, A::Error> {
                let mut elements = Elements::empty();
                let mut place = 0;
                while let Some(element) = seq.next_element()? {
                    elements.push(place, element)?;
                    place += 1;
                }
                Ok(elements)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Elements, A::Error> {
                let mut elements = Elements::empty();
                while let Some((key, element)) = map.next_entry()? {
                    if elements.block.keys.contains(&key) {
                        return Err(de::Error::custom(format!(
                            "two operations have the key {key}; give each its own"
                        )));
                    }
                    elements.push(key, element)?;
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl Elements {
    fn empty() -> Self {
        Self { merge: Merge::Mean, block: Block::default() }
    }

    fn push<E: de::Error>(&mut self, key: u32, element: Element) -> Result<(), E> {
        match element.split() {
            Ok(op) => {
                self.block.ops.push(op);
                self.block.keys.push(key);
            }
            Err(merge) if self.block.is_empty() && self.merge == Merge::Mean => self.merge = merge,
            Err(merge) => {
                return Err(de::Error::custom(format!(
                    "{} joins what enters a brick: put it first, once",
                    merge.name()
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        files::{RonError, parse_ron_as},
        ops::Dropout,
        template::file::dialect,
    };

    fn try_read(text: &str) -> Result<Elements, RonError> {
        parse_ron_as(&dialect(), "ops", text, |_| None)
    }

    fn read(text: &str) -> Elements {
        try_read(text).expect("is right")
    }

    fn write(elements: &Elements) -> String {
        dialect().to_string(elements).expect("can be written")
    }

    #[test]
    fn a_list_gives_keys_by_place_and_is_written_as_it_was_read() {
        for text in ["[Flatten,Relu()]", "[Add,Flatten]", "[Average]", "[Concatenate,BatchNorm]"] {
            assert_eq!(write(&read(text)), text);
        }
        let elements = read("[Add, Flatten, Relu()]");
        assert_eq!((elements.merge, elements.block.keys.as_slice()), (Merge::Sum, &[1, 2][..]));
    }

    #[test]
    fn an_operation_that_is_put_before_others_leaves_them_their_keys() {
        let mut elements = read("[Flatten, Relu()]");
        elements.block.insert(1, Op::Dropout(Dropout { rate: 0.5 }));
        assert_eq!(write(&elements), "{0:Flatten,2:Dropout(rate:0.5),1:Relu()}");
        assert_eq!(read(&write(&elements)), elements);
        elements.block.remove(1);
        assert_eq!(write(&elements), "[Flatten,Relu()]");
    }

    #[test]
    fn a_key_is_found_behind_the_largest_too() {
        let mut elements = read("{1: Flatten, 4294967295: Relu()}");
        assert_eq!(elements.block.insert(1, Op::Flatten), 0);
        assert_eq!(elements.block.insert(1, Op::Flatten), 2);
        assert_eq!(read(&write(&elements)), elements);
    }

    #[test]
    fn what_is_no_block_says_why() {
        for (text, wanted) in [
            ("[Flatten, Add]", "put it first"),
            ("[Add, Concatenate]", "put it first"),
            ("{1: Flatten, 1: Flatten}", "two operations have the key 1"),
            ("[Flaten]", "Flaten"),
            ("7", "a list of operations"),
        ] {
            let error = try_read(text).expect_err("is wrong").to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
