//! The mapping of EMNIST: which characters the labels stand for.

use super::super::files::open;
use crate::engine::text;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
};

/// The most that is read of a mapping; the longest has 62 short lines.
const MOST: u64 = 1 << 16;

/// The names that `file` gives to the `classes`, and the note about it. The error is the note about a file that does
/// not name all of them.
pub(super) fn read(file: &Path, classes: &[u8]) -> Result<(Vec<String>, String), String> {
    let shown = file.file_name().unwrap_or_default().display();
    let mut bytes = Vec::new();
    let read = open(file).ok().and_then(|reader| reader.take(MOST).read_to_end(&mut bytes).ok());
    let text = read.and_then(|_| text::decode(bytes).ok());
    let names = text.and_then(|text| names(&text, classes));
    let names = names.ok_or_else(|| {
        format!("{shown} does not give a character of its own to each label and is left out")
    })?;
    Ok((names, format!("the names of the classes are the first characters in {shown}")))
}

/// The characters of the `classes`: on each line a label, then the code points of its characters.
fn names(text: &str, classes: &[u8]) -> Option<Vec<String>> {
    let mut characters = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (label, code) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let character = char::from_u32(code).filter(|c| !c.is_control() && !c.is_whitespace())?;
        characters.insert(label, character.to_string());
    }
    let names: Option<Vec<_>> =
        classes.iter().map(|&label| characters.get(&u32::from(label)).cloned()).collect();
    let names = names?;
    let different = names.iter().collect::<BTreeSet<_>>().len();
    (different == names.len()).then_some(names)
}
