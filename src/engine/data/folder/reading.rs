//! The files of all splits while they are read, and those among them that cannot be.

use super::{
    budget::Budget,
    decode::{self, Header, LIMIT},
    layout::{self, Layout, SplitFolder},
    left_out::relative,
    listing::{self, Listing},
    names,
    notes::Notes,
    render::Rule,
};
use crate::engine::data::{DataError, ReadOptions, Split, dataset::MAX_BYTES};
use rayon::prelude::*;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// An image file.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) split: Split,
    pub(super) label: u16,
    /// Why it cannot be read.
    pub(super) failed: Option<String>,
}

/// The files of all splits while they are read.
pub(super) struct Reading {
    /// Training, validation, test, each in the order of the classes.
    pub(super) files: Vec<File>,
    /// The memory that decoding shares.
    pub(super) budget: Budget,
}

impl Reading {
    /// Lists the images of all splits.
    pub(super) fn list(layout: &Layout, notes: &mut Notes<'_>) -> Result<Self, DataError> {
        let mut listing = Listing::default();
        let mut reading = Self { files: Vec::new(), budget: Budget::new(LIMIT) };
        for (label, class) in layout.classes.iter().enumerate() {
            reading.add(listing.class(class)?, Split::Train, label);
        }
        for (split, folder) in [(Split::Val, &layout.val), (Split::Test, &layout.test)] {
            if let Some(folder) = folder {
                reading.labelled(split, folder, &layout.classes, &mut listing, notes)?;
            }
        }
        for (outer, inner) in &layout.wrappers {
            listing.beside(outer, &[inner])?;
        }
        listing.beside(&layout.root, &layout.used())?;
        if layout.train != layout.root {
            let classes: Vec<&Path> = layout.classes.iter().map(PathBuf::as_path).collect();
            listing.beside(&layout.train, &classes)?;
        }
        notes.listing(layout, &listing, Split::ALL.map(|split| reading.has(split)));
        Ok(reading)
    }

    /// Lists the images of a validation or test split that have a label.
    fn labelled(
        &mut self,
        split: Split,
        folder: &SplitFolder,
        classes: &[PathBuf],
        listing: &mut Listing,
        notes: &mut Notes<'_>,
    ) -> Result<(), DataError> {
        let labelled = layout::labelled(&folder.inner, classes, &mut listing.left_out)?;
        listing.next_split();
        for (class, label) in &labelled.folders {
            match listing.class(class) {
                Ok(paths) => self.add(paths, split, *label),
                // A class may be missing here, but not because its images cannot be read.
                Err(DataError::EmptyFolder { instead, .. }) if instead.is_empty() => {
                    notes.empty_class(class);
                }
                Err(error) => return Err(error),
            }
        }
        let folders: Vec<PathBuf> = listing::subfolders(&folder.inner)?;
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        listing.beside(&folder.inner, &folders)?;
        notes.renamed(split, &labelled.renamed);
        Ok(())
    }

    fn add(&mut self, paths: Vec<PathBuf>, split: Split, label: usize) {
        let label = label as u16;
        self.files.extend(paths.into_iter().map(|path| File { path, split, label, failed: None }));
    }

    /// What is known of each file before it is decoded; nothing where it cannot be read.
    pub(super) fn headers(&mut self) -> Vec<Option<Header>> {
        let budget = &self.budget;
        let headers: Vec<Result<Header, String>> =
            self.files.par_iter().map(|file| decode::header(&file.path, budget)).collect();
        let files = self.files.iter_mut();
        files
            .zip(headers)
            .map(|(file, header)| header.map_err(|reason| file.failed = Some(reason)).ok())
            .collect()
    }

    /// The pixels of all splits; the headers of files that cannot be decoded are forgotten.
    pub(super) fn read_all(
        &mut self,
        folder: &Path,
        headers: &mut [Option<Header>],
        rule: &Rule,
    ) -> Result<[Vec<u8>; 3], DataError> {
        let images = self.files.len();
        let sides = rule.shape.iter();
        let bytes = sides.fold(images as u128, |bytes, &side| bytes.saturating_mul(side as u128));
        if bytes > u128::from(MAX_BYTES) {
            return Err(DataError::FolderTooLarge {
                folder: folder.to_owned(),
                shape: rule.shape,
                images,
                bytes,
                limit: MAX_BYTES,
            });
        }
        let splits = Split::ALL.map(|split| self.read(split, rule));
        self.forget(headers);
        Ok(splits)
    }

    /// Forgets the headers of files that cannot be read.
    pub(super) fn forget(&self, headers: &mut [Option<Header>]) {
        for (file, header) in self.files.iter().zip(headers) {
            if file.failed.is_some() {
                *header = None;
            }
        }
    }

    /// The pixels of a split, without the files that cannot be read.
    fn read(&mut self, split: Split, rule: &Rule) -> Vec<u8> {
        let size = rule.shape.iter().product();
        let mut files: Vec<&mut File> = self
            .files
            .iter_mut()
            .filter(|file| file.split == split && file.failed.is_none())
            .collect();
        let mut pixels = vec![0; files.len() * size];
        let budget = &self.budget;
        pixels.par_chunks_exact_mut(size).zip(&mut files).for_each(|(place, file)| {
            match decode::decode(&file.path, budget) {
                Ok(image) => place.copy_from_slice(&rule.render(&image)),
                Err(reason) => file.failed = Some(reason),
            }
        });
        // What follows a file that has failed moves up.
        let mut kept = 0;
        for (index, file) in files.iter().enumerate() {
            if file.failed.is_none() {
                pixels.copy_within(index * size..(index + 1) * size, kept * size);
                kept += 1;
            }
        }
        pixels.truncate(kept * size);
        pixels
    }

    /// Refuses files that cannot be read, or classes of which none can.
    pub(super) fn check(
        &self,
        folder: &Path,
        class_names: &[String],
        options: &ReadOptions,
    ) -> Result<(), DataError> {
        let failed: Vec<(String, String)> = self
            .files
            .iter()
            .filter_map(|file| Some((relative(folder, &file.path), file.failed.clone()?)))
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        if !options.skip_unreadable {
            let (folder, images) = (folder.to_owned(), self.files.len());
            return Err(DataError::UnreadableImages { folder, images, failed });
        }
        let nothing = |what: String| {
            Err(DataError::NothingReadable {
                folder: folder.to_owned(),
                what,
                failed: failed.clone(),
            })
        };
        let mut found = vec![false; class_names.len()];
        for label in self.labels(Split::Train) {
            found[usize::from(label)] = true;
        }
        if let Some(label) = found.iter().position(|found| !found) {
            return nothing(format!("training image of the class {}", class_names[label]));
        }
        for split in [Split::Val, Split::Test] {
            if self.has(split) && self.labels(split).is_empty() {
                return nothing(format!("{} image", names::split_name(split)));
            }
        }
        Ok(())
    }

    /// Whether the folders have images of a split.
    pub(super) fn has(&self, split: Split) -> bool {
        self.files.iter().any(|file| file.split == split)
    }

    /// The labels of the files of a split that can be read.
    pub(super) fn labels(&self, split: Split) -> Vec<u16> {
        let files = self.files.iter();
        files
            .filter(|file| file.split == split && file.failed.is_none())
            .map(|file| file.label)
            .collect()
    }
}

/// The most frequent size of the training images; of equally frequent ones, the largest.
pub(super) fn most_frequent(reading: &Reading, headers: &[Option<Header>]) -> [usize; 2] {
    let mut counts = BTreeMap::<[usize; 2], usize>::new();
    for (file, header) in reading.files.iter().zip(headers) {
        if let Some(header) = header
            && file.split == Split::Train
        {
            *counts.entry(header.size).or_default() += 1;
        }
    }
    largest_of_the_most_frequent(counts)
}

/// The size that most have.
pub(super) fn largest_of_the_most_frequent(counts: BTreeMap<[usize; 2], usize>) -> [usize; 2] {
    let best = counts.into_iter().max_by_key(|&([height, width], count)| (count, height * width));
    best.map_or([1, 1], |(size, _)| size)
}
