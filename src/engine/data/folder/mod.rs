//! Folders of images: `train/<class>/*`, and perhaps validation and test images alike.
//!
//! [`layout`] finds splits and classes, [`listing`] their images. Headers are read first, then the pixels of
//! images with transparency or 16 bits are surveyed for the rule that holds for all, and last every image is
//! decoded, converted and resized in one go. So memory is bounded by the data set at its final size and the
//! images that are being decoded, which share a [`budget`].
//!
//! All images are brought to the size that the template takes, or else to the one that most training images have
//! (of equally frequent ones, the largest), bilinearly and without keeping the proportions of the others. They are
//! grey if all images are, else RGB. Photos are turned as their EXIF orientation says.

mod alpha;
mod budget;
mod content;
mod contrast;
mod decode;
mod frames;
mod jpeg;
mod layout;
mod left_out;
mod listing;
mod names;
mod notes;
mod render;
mod survey;
#[cfg(test)]
mod tests;
mod turn;

use super::{
    DataError, Dataset, Images, ReadOptions, Split, Targets,
    dataset::MAX_BYTES,
    files::folder_exists,
    split::{self, HeldOut},
};
use budget::Budget;
use decode::{Header, LIMIT};
use layout::{Layout, SplitFolder};
use left_out::relative;
use listing::Listing;
use notes::Notes;
use rayon::prelude::*;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use survey::Survey;

/// Loads the images under `folder`, in the height and width `size` if that is given. Without test images, some of
/// the training images become the test split; without validation images, some of what then remains.
pub(super) fn load(
    folder: &Path,
    name: String,
    options: &ReadOptions,
    size: Option<[usize; 2]>,
) -> Result<Dataset, DataError> {
    folder_exists(folder)?;
    let layout = Layout::find(folder)?;
    let class_names = layout.class_names();
    let mut notes = Notes::new(folder);
    let mut reading = Reading::list(&layout, &class_names, &mut notes)?;
    let headers = reading.headers();
    let size = size.filter(|size| !size.contains(&0));
    let survey = Survey::of(&reading, &headers);
    let rule = survey.rule(size.unwrap_or_else(|| most_frequent(&reading, &headers)));
    reading.fail(&survey.failed);

    let images = reading.files.len();
    let bytes = rule.shape.iter().fold(images as u128, |bytes, &side| bytes * side as u128);
    if bytes > u128::from(MAX_BYTES) {
        return Err(DataError::FolderTooLarge {
            folder: folder.to_owned(),
            shape: rule.shape,
            images,
            bytes,
            limit: MAX_BYTES,
        });
    }
    let mut splits = Split::ALL.map(|split| reading.read(split, &rule));
    reading.check(folder, &class_names, options)?;
    notes.images(&reading, &headers, &survey, &rule);

    let size = rule.shape.iter().product();
    let labels = |split| Targets::Classes(reading.labels(split));
    let train = labels(Split::Train);
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut held_out = Vec::new();
    // The test images are taken out first, then the validation images from what remains.
    for (split, what) in [(Split::Test, HeldOut::Test), (Split::Val, HeldOut::Val)] {
        if !reading.has(split) {
            let (rest, held) = split::hold_out(&train.select(&order), what);
            if held.is_empty() {
                return Err(DataError::TooFewImages { file: layout.train, images: train.len() });
            }
            held_out.push((split, held.into_iter().map(|index| order[index]).collect::<Vec<_>>()));
            order = rest.into_iter().map(|index| order[index]).collect();
        }
    }
    let mut targets = Split::ALL.map(labels);
    let mut all = order.clone();
    all.extend(held_out.iter().rev().flat_map(|(_, held)| held));
    arrange(&mut splits[0], size, &all);
    for (split, held) in &held_out {
        let at = splits[0].len() - held.len() * size;
        splits[*split as usize] = splits[0].split_off(at);
        targets[*split as usize] = train.select(held);
    }
    targets[0] = train.select(&order);
    let mut splits = splits
        .into_iter()
        .zip(targets)
        .map(|(pixels, targets)| Images::new(rule.shape, pixels, targets));
    let mut next = || {
        splits.next().unwrap_or_else(|| Images::new(rule.shape, Vec::<u8>::new(), Vec::<u8>::new()))
    };
    let (train, val, test) = (next()?, next()?, next()?);
    Ok(Dataset::new(name, class_names, train, val, test)?.with_notes(notes.into_lines()))
}

/// An image file.
struct File {
    path: PathBuf,
    split: Split,
    label: u16,
    /// Why it cannot be read.
    failed: Option<String>,
}

/// The files of all splits while they are read.
struct Reading {
    /// Training, validation, test, each in the order of the classes.
    files: Vec<File>,
    budget: Budget,
}

impl Reading {
    /// Lists the images of all splits.
    fn list(
        layout: &Layout,
        class_names: &[String],
        notes: &mut Notes<'_>,
    ) -> Result<Self, DataError> {
        let mut listing = Listing::default();
        let mut reading = Self { files: Vec::new(), budget: Budget::new(LIMIT) };
        for (label, class) in layout.classes.iter().enumerate() {
            reading.add(listing.class(class)?, Split::Train, label);
        }
        for (split, folder) in [(Split::Val, &layout.val), (Split::Test, &layout.test)] {
            if let Some(folder) = folder {
                reading.labelled(split, folder, class_names, &mut listing, notes)?;
            }
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
        class_names: &[String],
        listing: &mut Listing,
        notes: &mut Notes<'_>,
    ) -> Result<(), DataError> {
        let labelled = layout::labelled(&folder.inner, class_names, &mut listing.left_out)?;
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
    fn headers(&mut self) -> Vec<Option<Header>> {
        let headers: Vec<Result<Header, String>> =
            self.files.par_iter().map(|file| decode::header(&file.path)).collect();
        let files = self.files.iter_mut();
        files
            .zip(headers)
            .map(|(file, header)| header.map_err(|reason| file.failed = Some(reason)).ok())
            .collect()
    }

    /// Notes the files, by their index, that cannot be read.
    fn fail(&mut self, failed: &[(usize, String)]) {
        for (index, reason) in failed {
            self.files[*index].failed = Some(reason.clone());
        }
    }

    /// The pixels of a split, without the files that cannot be read.
    fn read(&mut self, split: Split, rule: &render::Rule) -> Vec<u8> {
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
    fn check(
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
        let labels = self.labels(Split::Train);
        for (label, class) in class_names.iter().enumerate() {
            if !labels.iter().any(|&found| usize::from(found) == label) {
                return nothing(format!("training image of the class {class}"));
            }
        }
        for split in [Split::Val, Split::Test] {
            if self.has(split) && self.labels(split).is_empty() {
                return nothing(format!("{} image", names::split_name(split)));
            }
        }
        Ok(())
    }

    /// Whether the folders have images of a split.
    fn has(&self, split: Split) -> bool {
        self.files.iter().any(|file| file.split == split)
    }

    /// The labels of the files of a split that can be read.
    fn labels(&self, split: Split) -> Vec<u16> {
        let files = self.files.iter();
        files
            .filter(|file| file.split == split && file.failed.is_none())
            .map(|file| file.label)
            .collect()
    }
}

/// Puts the images of `size` bytes each into this order, without a second copy of them.
fn arrange(pixels: &mut [u8], size: usize, order: &[usize]) {
    let mut done = vec![false; order.len()];
    let mut first = vec![0; size];
    for start in 0..order.len() {
        if done[start] || order[start] == start {
            continue;
        }
        // Along a cycle, each place gets the image that belongs there; the last one gets that of the first place.
        first.copy_from_slice(&pixels[start * size..][..size]);
        let mut place = start;
        loop {
            done[place] = true;
            let from = order[place];
            if from == start {
                pixels[place * size..][..size].copy_from_slice(&first);
                break;
            }
            pixels.copy_within(from * size..(from + 1) * size, place * size);
            place = from;
        }
    }
}

/// The most frequent size of the training images; of equally frequent ones, the largest.
fn most_frequent(reading: &Reading, headers: &[Option<Header>]) -> [usize; 2] {
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

fn largest_of_the_most_frequent(counts: BTreeMap<[usize; 2], usize>) -> [usize; 2] {
    let best = counts.into_iter().max_by_key(|&([height, width], count)| (count, height * width));
    best.map_or([1, 1], |(size, _)| size)
}
