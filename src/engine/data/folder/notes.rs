//! What is told of a folder: what was inferred, changed or left out, one sentence for each kind of thing.

use super::{
    alpha::Alpha,
    contrast::Contrast,
    decode::{Header, is_16_bit},
    layout::Layout,
    left_out::{Images, Tally, relative},
    listing::Listing,
    names,
    reading::{File, Reading},
    render::Rule,
    survey::Survey,
};
use crate::engine::data::{DataError, Split, dataset::brought};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The notes so far.
pub(super) struct Notes<'a> {
    root: &'a Path,
    lines: Vec<String>,
    empty_classes: Vec<String>,
}

impl<'a> Notes<'a> {
    /// No notes; paths are told relative to `root`.
    pub(super) fn new(root: &'a Path) -> Self {
        Self { root, lines: Vec::new(), empty_classes: Vec::new() }
    }

    /// The notes, one per line.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    /// Where the splits are and what is left out of them; `has` says which splits have images.
    pub(super) fn listing(&mut self, layout: &Layout, listing: &Listing, has: [bool; 3]) {
        self.lines.extend(layout.notes(self.root));
        let missing: Vec<_> = Split::ALL
            .into_iter()
            .zip(has)
            .filter(|(_, has)| !has)
            .map(|(split, _)| split)
            .collect();
        if !missing.is_empty() {
            let splits: Vec<_> = missing.into_iter().map(names::split_name).collect();
            self.lines.push(format!(
                "no labelled {} images: some of the training images serve as such",
                splits.join(" and ")
            ));
        }
        if let Some(left_out) = listing.left_out.told(self.root) {
            self.lines.push(format!("left out: {left_out}"));
        }
        self.tally(&listing.by_content, "whose name has no ending of an image");
        self.tally(&listing.in_subfolders, "in subfolders of the classes");
        if !self.empty_classes.is_empty() {
            self.lines.push(format!("no images in {}", self.empty_classes.join(", ")));
        }
        let mut alike = BTreeMap::<String, Vec<String>>::new();
        for name in layout.class_names() {
            alike.entry(name.trim().to_lowercase()).or_default().push(name);
        }
        for names in alike.into_values().filter(|names| names.len() > 1) {
            self.lines.push(format!(
                "the classes {} differ in upper and lower case only; they are kept apart",
                names.join(", ")
            ));
        }
    }

    fn tally(&mut self, tally: &Tally, what: &str) {
        if tally.count > 0 {
            let (images, example) = (Images(tally.count), tally.example(self.root));
            let are = if tally.count == 1 { "is" } else { "are" };
            self.lines.push(format!("{images} {what} {are} read, too ({example})"));
        }
    }

    /// A class has no images in a validation or test split.
    pub(super) fn empty_class(&mut self, folder: &Path) {
        self.empty_classes.push(relative(self.root, folder));
    }

    /// Folders of a validation or test split that are called a bit differently than their classes.
    pub(super) fn renamed(&mut self, split: Split, renamed: &[(String, String)]) {
        if !renamed.is_empty() {
            let pairs: Vec<_> =
                renamed.iter().map(|(name, class)| format!("{name} for {class}")).collect();
            self.lines.push(format!(
                "{} folders are taken for the classes whose name differs in case, blanks or the writing of accents only: {}",
                names::split_name(split),
                pairs.join(", ")
            ));
        }
    }

    /// What was done with the images.
    pub(super) fn images(
        &mut self,
        reading: &Reading,
        headers: &[Option<Header>],
        survey: &Survey,
        rule: &Rule,
    ) {
        let read: Vec<(usize, &File, &Header)> = reading
            .files
            .iter()
            .zip(headers)
            .enumerate()
            .filter(|(_, (file, _))| file.failed.is_none())
            .filter_map(|(index, (file, header))| Some((index, file, header.as_ref()?)))
            .collect();
        let all = read.len();
        self.skipped(reading);
        self.sizes(&read, rule);
        if rule.shape[0] == 3 {
            let grey =
                read.iter().filter(|(index, _, header)| survey.is_grey(*index, header)).count();
            if grey > 0 {
                let some = share(grey, all, ["is grey and gets", "are grey and get"]);
                self.lines.push(format!("{some} three equal channels, since others have colours"));
            }
        }
        let several: Vec<_> = read.iter().filter(|(_, _, header)| header.several).collect();
        if let Some((_, example, _)) = several.first() {
            self.lines.push(format!(
                "of {} with several frames or pages, the first is read ({})",
                Images(several.len()),
                relative(self.root, &example.path)
            ));
        }
        self.contrast(&read, rule.contrast);
        self.alpha(&read, survey, rule.alpha);
    }

    fn skipped(&mut self, reading: &Reading) {
        let failed: Vec<(String, String)> = reading
            .files
            .iter()
            .filter_map(|file| Some((relative(self.root, &file.path), file.failed.clone()?)))
            .collect();
        if !failed.is_empty() {
            self.lines.push(format!(
                "left out: {} of {} that cannot be read: {}",
                failed.len(),
                Images(reading.files.len()),
                DataError::first_of(&failed, "; ")
            ));
        }
    }

    fn sizes(&mut self, read: &[(usize, &File, &Header)], rule: &Rule) {
        let sizes: BTreeSet<[usize; 2]> = read.iter().map(|(_, _, header)| header.size).collect();
        let [_, height, width] = rule.shape;
        let smallest = sizes.iter().min_by_key(|[height, width]| (height * width, *width));
        let largest = sizes.iter().max_by_key(|[height, width]| (height * width, *width));
        let (Some([h, w]), Some([to_h, to_w])) = (smallest, largest) else { return };
        let images = if sizes.len() > 1 {
            format!("images of {} sizes, from {w}×{h} to {to_w}×{to_h} pixels,", sizes.len())
        } else if [*h, *w] != [height, width] {
            format!("images of {w}×{h} pixels")
        } else {
            return;
        };
        let sizes: Vec<_> = sizes.into_iter().collect();
        self.lines.push(brought(&images, &sizes, rule.shape));
    }

    fn contrast(&mut self, read: &[(usize, &File, &Header)], contrast: Contrast) {
        let deep = read.iter().filter(|(_, _, header)| is_16_bit(header.color)).count();
        if deep == 0 {
            return;
        }
        let which = if deep == read.len() {
            "16-bit images".to_owned()
        } else {
            share(deep, read.len(), ["has 16 bits", "have 16 bits"])
        };
        let others = if deep == read.len() { "" } else { "; the 8-bit images stay as they are" };
        self.lines.push(match contrast {
            Contrast::Plain => {
                format!("{which}: 0 to 65535 becomes 0 to 255, since the values reach over much of it{others}")
            }
            Contrast::Flat(value) => {
                format!("{which}: all values are {value}, so that there is no contrast to keep{others}")
            }
            Contrast::Apart { greys } => format!(
                "{which}: 0 to 65535 becomes 0 to 255, since the values lie in groups far from each other; only {greys} \
                 of the 256 greys are used, so that most contrast within a group is lost: bring the images of all \
                 groups (cameras, say) to the same range first, or put each group into a data set of its own{others}"
            ),
            Contrast::Spread { low, high } => format!(
                "{which}: the values {low} to {high}, the range of the training images, are spread over 0 to 255, \
                 and what is outside is clamped{others}"
            ),
        });
    }

    fn alpha(&mut self, read: &[(usize, &File, &Header)], survey: &Survey, alpha: Alpha) {
        let transparent = survey.transparent();
        if transparent == 0 {
            return;
        }
        let some = |verbs| share(transparent, read.len(), verbs);
        self.lines.push(match alpha {
            Alpha::Ignored => format!(
                "{} an alpha channel that is the same all over the image; it is left out of account",
                some(["has", "have"])
            ),
            Alpha::Picture => "all visible pixels have the same colour, so the alpha channel is the picture: \
                               255 where it is opaque"
                .to_owned(),
            Alpha::Over(grey) => {
                let background = match grey {
                    255 => "white",
                    0 => "black",
                    _ => "grey",
                };
                format!("{} in places and put on {background}", some(["is transparent", "are transparent"]))
            }
        });
    }
}

/// So many of all, with the verb for one or for several.
fn share(count: usize, all: usize, [one, several]: [&str; 2]) -> String {
    format!("{count} of {} {}", Images(all), if count == 1 { one } else { several })
}
