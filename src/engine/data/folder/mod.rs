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
mod reading;
mod render;
mod survey;
#[cfg(test)]
mod tests;
mod turn;

use super::{
    DataError, Dataset, ImageSize, Images, ReadOptions, Split, Targets,
    files::folder_exists,
    sniff,
    split::{self, HeldOut},
};
use layout::Layout;
use notes::Notes;
use reading::{Reading, most_frequent};
use std::{fs, path::Path};
use survey::Survey;

/// What belongs where something else is.
const WANTED: &str = "a folder of images";

/// The same, unless there are too few classes since they are in an archive in `folder` or where they were looked for.
fn packed(folder: &Path, error: DataError) -> DataError {
    let DataError::ClassFolders { folder: inner, found: 0 | 1, .. } = &error else { return error };
    for place in [inner, folder] {
        for entry in listing::entries(place).into_iter().flatten() {
            let head = || fs::File::open(&entry.path).and_then(content::head).ok();
            let kind = (entry.is == listing::Is::File).then(head).flatten();
            let kind = kind.and_then(|head| sniff::sniff(&head));
            if let Some(kind) = kind
                && let Some(fix) = kind.unpack(&entry.path)
            {
                let (file, what) = (entry.path, kind.to_string());
                return DataError::OtherFile { file, what, wanted: WANTED, fix };
            }
        }
    }
    error
}

/// Loads the images under `folder`, in the height and width that `size` says. Without test images, some of
/// the training images become the test split; without validation images, some of what then remains.
pub(super) fn load(
    folder: &Path,
    name: String,
    options: &ReadOptions,
    size: ImageSize,
) -> Result<Dataset, DataError> {
    if folder.is_file()
        && let Ok(head) = fs::File::open(folder).and_then(content::head)
    {
        let (what, fix) = if content::format(&head).is_some() {
            ("an image".to_owned(), "give the folder that has the class folders".to_owned())
        } else if let Some(kind) = sniff::sniff(&head) {
            (kind.to_string(), kind.unpack(folder).unwrap_or_else(|| kind.fix().to_owned()))
        } else {
            ("a file".to_owned(), "give the folder that has the class folders".to_owned())
        };
        let (file, wanted) = (folder.to_owned(), WANTED);
        return Err(DataError::OtherFile { file, what, wanted, fix });
    }
    folder_exists(folder)?;
    let layout = Layout::find(folder).map_err(|error| packed(folder, error))?;
    let class_names = layout.class_names();
    let mut notes = Notes::new(folder);
    let mut reading = Reading::list(&layout, &mut notes)?;
    let mut headers = reading.headers();
    let size = match size {
        // A template without pixels is refused later on.
        ImageSize::Exactly(size) if size.contains(&0) => ImageSize::Commonest,
        size => size,
    };
    let mut survey = Survey::of(&mut reading, &mut headers);
    let mut rule = survey.rule(size.of(most_frequent(&reading, &headers)));
    let mut splits = reading.read_all(folder, &mut headers, &rule)?;
    reading.check(folder, &class_names, options)?;
    if reading.files.iter().any(|file| file.failed.is_some()) {
        // What is left out must not have a say in the rule.
        survey = Survey::of(&mut reading, &mut headers);
        let without = survey.rule(size.of(most_frequent(&reading, &headers)));
        if without != rule {
            rule = without;
            splits = reading.read_all(folder, &mut headers, &rule)?;
            reading.check(folder, &class_names, options)?;
        }
    }
    notes.images(&reading, &headers, &survey, &rule);

    let mut targets = Split::ALL.map(|split| Targets::Classes(reading.labels(split)));
    let images = targets[0].len();
    let size = rule.shape.iter().product();
    // The test images are taken out first, then the validation images from what remains.
    for (split, what) in [(Split::Test, HeldOut::Test), (Split::Val, HeldOut::Val)] {
        if !reading.has(split) {
            let (rest, held) = split::hold_out(&targets[0], what, images);
            if held.is_empty() {
                return Err(DataError::TooFewImages { file: layout.train, images });
            }
            arrange(&mut splits[0], size, &[&*rest, &*held].concat());
            splits[split as usize] = splits[0].split_off(rest.len() * size);
            targets[split as usize] = targets[0].select(&held);
            targets[0] = targets[0].select(&rest);
        }
    }
    let ([train, val, test], [of_train, of_val, of_test]) = (splits, targets);
    let images = |pixels: Vec<u8>, targets| Images::new(rule.shape, pixels, targets);
    let (train, val, test) =
        (images(train, of_train)?, images(val, of_val)?, images(test, of_test)?);
    let data = Dataset::new(name, class_names, train, val, test)?.with_notes(notes.into_lines());
    Ok(data.with_native_size(most_frequent(&reading, &headers)))
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
