//! Folders of PNG and JPEG images: `train/<class>/*`, and perhaps `val` and `test` alike.
//!
//! All images are brought to the size that most training images have (of equally frequent ones, the largest),
//! bilinearly and without keeping the proportions of the others. They are grey if all images are, else
//! RGB; transparency is dropped. Photos are turned as their EXIF orientation says.

use super::{
    DataError, Dataset, Images, ReadOptions, Targets,
    dataset::MAX_BYTES,
    files::{folder_exists, open, unreadable},
    resize,
    split::{self, HeldOut},
};
use image::{
    ColorType, DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, metadata::Orientation,
};
use rayon::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, Cursor, Seek},
    path::{Path, PathBuf},
};

/// The endings of files that are read.
const READ: [&str; 3] = ["png", "jpg", "jpeg"];

/// The endings of images that other programs would read; leaving them out in silence would be a surprise.
const NOT_READ: [&str; 8] = ["gif", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "avif"];

/// The most classes that a label can tell apart.
const MAX_CLASSES: usize = 1 << 16;

/// Loads the images under `folder`. Without `test`, a part of the training images becomes the test split;
/// without `val`, a part of what then remains becomes the validation split.
pub(super) fn load(
    folder: &Path,
    name: String,
    _options: &ReadOptions,
    _size: Option<[usize; 2]>,
) -> Result<Dataset, DataError> {
    folder_exists(folder)?;
    let train = folder.join("train");
    folder_exists(&train)?;
    let class_names = class_names(&train)?;
    let train = Files::list(&train, &class_names)?;
    let optional = |split: &str| {
        let path = folder.join(split);
        path.is_dir().then(|| Files::list(&path, &class_names)).transpose()
    };
    let (val, test) = (optional("val")?, optional("test")?);

    let headers = [Some(&train), val.as_ref(), test.as_ref()]
        .map(|files| files.map_or(Ok(Vec::new()), Files::headers));
    let [of_train, of_val, of_test] = headers;
    let of_train = of_train?;
    let colour = of_train.iter().chain(&of_val?).chain(&of_test?).any(|header| header.colour);
    let [height, width] = most_frequent(of_train.iter().map(|header| header.size));
    let shape = [if colour { 3 } else { 1 }, height, width];
    let count = [Some(&train), val.as_ref(), test.as_ref()].into_iter().flatten();
    let images = count.map(|files| files.paths.len()).sum();
    let bytes = shape.iter().fold(images as u128, |bytes, &side| bytes * side as u128);
    if bytes > u128::from(MAX_BYTES) {
        return Err(DataError::FolderTooLarge {
            folder: folder.to_owned(),
            shape,
            images,
            bytes,
            limit: MAX_BYTES,
        });
    }

    let mut train = train.read(shape)?;
    let all = train.len();
    let mut take_out = |what| {
        let (rest, held) = split::hold_out(train.targets(), what, all);
        let held = train.select(&held);
        train = train.select(&rest);
        if held.is_empty() {
            return Err(DataError::TooFewImages { file: folder.join("train"), images: all });
        }
        Ok(held)
    };
    let test = test.map_or_else(|| take_out(HeldOut::Test), |test| test.read(shape))?;
    let val = val.map_or_else(|| take_out(HeldOut::Val), |val| val.read(shape))?;
    Dataset::new(name, class_names, train, val, test)
}

/// The entries of a folder in the order of their names, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().map_err(|source| unreadable(folder, source))?;
    paths.retain(|path| !file_name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The classes: the folders of the training split.
fn class_names(train: &Path) -> Result<Vec<String>, DataError> {
    let folders = entries(train)?.into_iter().filter(|path| path.is_dir());
    let names: Vec<_> = folders.map(|path| file_name(&path)).collect();
    if !(2..=MAX_CLASSES).contains(&names.len()) {
        return Err(DataError::ClassFolders {
            folder: train.to_owned(),
            found: names.len(),
            limit: MAX_CLASSES,
        });
    }
    Ok(names)
}

/// The files of a split with their labels.
struct Files {
    paths: Vec<PathBuf>,
    labels: Vec<u16>,
}

/// What is known of an image before it is read.
struct Header {
    /// Height and width.
    size: [usize; 2],
    colour: bool,
}

impl Files {
    fn list(folder: &Path, class_names: &[String]) -> Result<Self, DataError> {
        let (mut paths, mut labels) = (Vec::new(), Vec::new());
        for class in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let name = file_name(&class);
            let Some(label) = class_names.iter().position(|known| *known == name) else {
                return Err(DataError::UnknownClass { folder: class });
            };
            let before = paths.len();
            for path in entries(&class)? {
                let ending = path
                    .extension()
                    .map_or_else(String::new, |e| e.to_string_lossy().to_lowercase());
                if NOT_READ.contains(&ending.as_str()) {
                    return Err(DataError::ImageFormat { file: path });
                }
                if READ.contains(&ending.as_str()) {
                    paths.push(path);
                    labels.push(label as u16);
                }
            }
            if paths.len() == before {
                return Err(DataError::EmptyFolder { folder: class });
            }
        }
        if paths.is_empty() {
            return Err(DataError::EmptyFolder { folder: folder.to_owned() });
        }
        Ok(Self { paths, labels })
    }

    fn headers(&self) -> Result<Vec<Header>, DataError> {
        let header = |path: &PathBuf| {
            let (decoder, turn) = decoder(open(path)?, path)?;
            let (width, height) = match turn {
                Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH => {
                    let (width, height) = decoder.dimensions();
                    (height, width)
                }
                _ => decoder.dimensions(),
            };
            let colour = !matches!(
                decoder.color_type(),
                ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16
            );
            Ok(Header { size: [height as usize, width as usize], colour })
        };
        self.paths.par_iter().map(header).collect()
    }

    /// The images, brought to `shape`.
    fn read(self, shape: [usize; 3]) -> Result<Images, DataError> {
        let size = shape.iter().product();
        let mut pixels = vec![0; self.paths.len() * size];
        pixels.par_chunks_exact_mut(size).zip(&self.paths).try_for_each(|(place, path)| {
            place.copy_from_slice(&read(path, shape)?);
            Ok::<_, DataError>(())
        })?;
        Images::new(shape, pixels, Targets::Classes(self.labels))
    }
}

/// A decoder for the image in `content`, and how the image is to be turned. The content decides what a file is, not
/// its name.
fn decoder<'a>(
    content: impl BufRead + Seek + 'a,
    path: &Path,
) -> Result<(impl ImageDecoder + 'a, Orientation), DataError> {
    let reader = ImageReader::new(content)
        .with_guessed_format()
        .map_err(|source| unreadable(path, source))?;
    let open = || -> Result<_, ImageError> {
        let mut decoder = reader.into_decoder()?;
        let turn = decoder.orientation()?;
        Ok((decoder, turn))
    };
    open().map_err(|source| DataError::Image { file: path.to_owned(), source })
}

/// Whether a JPEG ends before its end-of-image marker; decoders make up what is missing. Other files are not.
fn is_cut_short(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return false;
    }
    // Segments say how long they are, up to the first scan. Those before it may hold whole JPEGs, as previews; a
    // scan holds no end-of-image marker.
    let mut rest = &bytes[2..];
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == 0xda {
            return !rest.windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // Any number of these may fill up what is before a marker.
        let length =
            if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        rest = rest.get(length..).unwrap_or_default();
    }
    true
}

/// One image as `[c, h, w]`.
fn read(path: &Path, [channels, height, width]: [usize; 3]) -> Result<Vec<u8>, DataError> {
    let bytes = fs::read(path).map_err(|source| unreadable(path, source))?;
    if is_cut_short(&bytes) {
        return Err(DataError::ImageCutShort { file: path.to_owned() });
    }
    let (decoder, turn) = decoder(Cursor::new(&bytes), path)?;
    let decode = || -> Result<_, ImageError> {
        Limits::default().reserve(decoder.total_bytes())?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(turn);
        Ok(image)
    };
    let image = decode().map_err(|source| DataError::Image { file: path.to_owned(), source })?;
    let size = [image.height() as usize, image.width() as usize];
    let planes = if channels == 1 { image.into_luma8().into_raw() } else { rgb_planes(image) };
    Ok(resize::bilinear(&planes, size, [height, width]))
}

/// The red, green and blue plane one after the other.
fn rgb_planes(image: DynamicImage) -> Vec<u8> {
    let interleaved = image.into_rgb8().into_raw();
    (0..3).flat_map(|channel| interleaved.iter().skip(channel).step_by(3).copied()).collect()
}

/// The most frequent size; of equally frequent ones, the largest.
fn most_frequent(sizes: impl Iterator<Item = [usize; 2]>) -> [usize; 2] {
    let mut counts = BTreeMap::<[usize; 2], usize>::new();
    for size in sizes {
        *counts.entry(size).or_default() += 1;
    }
    let best = counts.into_iter().max_by_key(|&([height, width], count)| (count, height * width));
    best.map_or([1, 1], |(size, _)| size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::data::{DataSource, Split, Task};
    use image::{GrayImage, Luma, Rgb, RgbImage, RgbaImage};
    use tempfile::TempDir;

    /// `count` grey images of 4×3 a class, whose brightness tells the class.
    fn put(folder: &TempDir, split: &str, classes: &[&str], count: u8) {
        for (label, class) in classes.iter().enumerate() {
            let path = folder.path().join(split).join(class);
            fs::create_dir_all(&path).unwrap();
            for number in 0..count {
                let grey = Luma([(100 * label) as u8 + number]);
                GrayImage::from_pixel(4, 3, grey).save(path.join(format!("{number}.png"))).unwrap();
            }
        }
    }

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, "train", &["cat", "dog"], 20);
        folder
    }

    fn load(folder: &TempDir) -> Result<Dataset, DataError> {
        Dataset::load(&DataSource::Images(folder.path().to_owned()))
    }

    fn message(folder: &TempDir) -> String {
        load(folder).unwrap_err().to_string()
    }

    #[test]
    fn classes_are_folders_and_missing_splits_are_taken_from_training() {
        let folder = folder();
        fs::write(folder.path().join("train/cat/notes.txt"), "no image").unwrap();
        fs::write(folder.path().join("train/cat/.hidden.png"), "no image").unwrap();
        let data = load(&folder).unwrap();
        assert_eq!(data.shape(), [1, 3, 4]);
        assert_eq!(data.task, Task::Classes(vec!["cat".into(), "dog".into()]));
        // A fifth of 40 each for test and validation.
        assert_eq!(
            Split::ALL.map(|split| data.split(split).class_counts().iter().sum::<usize>()),
            [24, 8, 8]
        );
        let mut seen = Vec::new();
        for split in Split::ALL {
            let images = data.split(split);
            for index in 0..images.len() {
                assert_eq!(u16::from(images.image(index)[0] / 100), images.label(index));
                seen.push(images.image(index)[0]);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..20).chain(100..120).collect::<Vec<u8>>());
        assert_eq!(data, load(&folder).unwrap(), "always the same");
    }

    #[test]
    fn given_splits_are_taken_as_they_are() {
        let folder = folder();
        put(&folder, "val", &["cat", "dog"], 2);
        put(&folder, "test", &["cat"], 3);
        let data = load(&folder).unwrap();
        assert_eq!(
            Split::ALL.map(|split| data.split(split).class_counts()),
            [vec![20, 20], vec![2, 2], vec![3]]
        );
    }

    #[test]
    fn one_coloured_image_makes_all_rgb_and_the_commonest_size_wins() {
        let folder = folder();
        let odd = folder.path().join("train/dog/odd.jpeg");
        RgbImage::from_pixel(16, 16, Rgb([200, 10, 90])).save(&odd).unwrap();
        RgbaImage::from_pixel(4, 3, image::Rgba([1, 2, 3, 128]))
            .save(folder.path().join("train/dog/0.png"))
            .unwrap();
        let data = load(&folder).unwrap();
        assert_eq!(data.shape(), [3, 3, 4]);
        let all: Vec<Vec<u8>> = Split::ALL
            .iter()
            .flat_map(|&split| (0..data.split(split).len()).map(move |i| (split, i)))
            .map(|(split, index)| data.split(split).image(index).to_vec())
            .collect();
        assert!(
            all.contains(&[[1; 12], [2; 12], [3; 12]].concat()),
            "planes, without transparency"
        );
        assert!(all.contains(&vec![7; 36]), "grey in every channel");
        let near = |image: &Vec<u8>| {
            image
                .iter()
                .zip([[200; 12], [10; 12], [90; 12]].concat())
                .all(|(a, b)| a.abs_diff(b) < 4)
        };
        assert!(all.iter().any(near), "a JPEG of another size");
    }

    /// A JPEG of 32×16, black on the left and white on the right.
    fn jpeg(path: &Path) -> Vec<u8> {
        let image = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 0 } else { 255 }]));
        image.save(path).unwrap();
        fs::read(path).unwrap()
    }

    #[test]
    fn photos_are_turned_as_they_say() {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, "train", &["cat", "dog"], 0);
        let file = folder.path().join("train/cat/0.jpg");
        let plain = jpeg(&file);
        // One entry: the orientation is 6, so the top is on the right and the image is to be turned clockwise.
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut turned = vec![0xff, 0xd8, 0xff, 0xe1, 0, exif.len() as u8 + 2];
        turned.extend(exif);
        turned.extend(&plain[2..]);
        for class in ["cat", "dog"] {
            for number in 0..10 {
                let path = folder.path().join(format!("train/{class}/{number}.jpg"));
                fs::write(path, &turned).unwrap();
            }
        }
        let data = load(&folder).unwrap();
        assert_eq!(data.shape(), [1, 32, 16]);
        let image = data.train.image(0);
        assert!(image[..16 * 8].iter().all(|&pixel| pixel < 30), "the left is at the top");
        assert!(image[16 * 24..].iter().all(|&pixel| pixel > 225), "the right at the bottom");
    }

    #[test]
    fn a_jpeg_that_is_cut_short_is_refused_and_one_with_a_preview_or_appendix_is_not() {
        let folder = folder();
        let file = folder.path().join("train/cat/a.jpg");
        let whole = jpeg(&file);
        assert!(!is_cut_short(&whole));
        fs::write(&file, &whole[..whole.len() - 4]).unwrap();
        let text = message(&folder);
        assert!(text.contains("a.jpg") && text.contains("truncated"), "{text}");
        for cut in 2..whole.len() - 1 {
            assert!(is_cut_short(&whole[..cut]), "{cut}");
        }
        // A whole preview before the image does not make up for its end.
        let preview = [&[0xff, 0xe1, 0x10, 0x00][..], &[0; 2], &whole].concat();
        let preview =
            [&preview[..2], &(preview.len() as u16 - 2).to_be_bytes(), &preview[4..]].concat();
        let with = |image: &[u8]| [&whole[..2], &preview, &image[2..]].concat();
        assert!(!is_cut_short(&with(&whole)));
        assert!(is_cut_short(&with(&whole[..whole.len() - 2])));
        assert!(!is_cut_short(&[&whole[..], b"\xff\xdaa film"].concat()));
    }

    #[test]
    fn of_equally_frequent_sizes_the_largest_is_taken() {
        assert_eq!(most_frequent([[2, 9], [4, 4], [1, 1]].into_iter()), [2, 9]);
        assert_eq!(most_frequent([[2, 9], [4, 4], [4, 4]].into_iter()), [4, 4]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        let empty = tempfile::tempdir().unwrap();
        assert!(message(&empty).contains("train is not a folder"));
        let one = tempfile::tempdir().unwrap();
        put(&one, "train", &["cat"], 3);
        assert!(message(&one).contains("1 class folder"), "{}", message(&one));

        let broken = folder();
        let path = broken.path().join("train/dog/7.png");
        fs::write(&path, &fs::read(&path).unwrap()[..40]).unwrap();
        assert!(message(&broken).contains("7.png"), "{}", message(&broken));
        fs::write(&path, "no image at all").unwrap();
        assert!(message(&broken).contains("7.png"), "{}", message(&broken));

        let format = folder();
        fs::write(format.path().join("train/cat/x.WEBP"), "").unwrap();
        assert!(message(&format).contains("convert it to PNG or JPEG"), "{}", message(&format));

        let without = folder();
        fs::create_dir(without.path().join("train/fish")).unwrap();
        let text = message(&without);
        assert!(text.contains("fish") && text.contains("no image"), "{text}");

        let unknown = folder();
        put(&unknown, "test", &["cat", "cow"], 1);
        assert!(message(&unknown).contains("cow"), "{}", message(&unknown));

        let one_each = tempfile::tempdir().unwrap();
        let classes: Vec<_> = (0..20).map(|class| format!("c{class}")).collect();
        put(&one_each, "train", &classes.iter().map(String::as_str).collect::<Vec<_>>(), 1);
        let text = message(&one_each);
        assert!(text.contains("20 example(s)") && text.contains("3 of each class"), "{text}");

        let few = tempfile::tempdir().unwrap();
        put(&few, "train", &["cat", "dog"], 1);
        assert!(message(&few).contains("2 example(s)"), "{}", message(&few));
    }
}
