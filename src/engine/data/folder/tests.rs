//! Whole folders, with images that the tests make themselves.

use super::{reading::largest_of_the_most_frequent, *};
use crate::engine::data::{DataSource, Task};
use image::{
    DynamicImage, Frame, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb,
    RgbImage, Rgba, RgbaImage, codecs::gif::GifEncoder,
};
use proptest::prelude::*;
use std::{collections::BTreeMap, io::Cursor};
use tempfile::TempDir;

/// `count` grey images of 4×3 per class, whose brightness tells the class.
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

/// A folder whose training images, 20 of each class, are made from class and number.
fn folder_of(image: impl Fn(u8, u8) -> DynamicImage) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (label, class) in [(0, "a"), (1, "b")] {
        fs::create_dir_all(folder.path().join("train").join(class)).unwrap();
        for number in 0..20 {
            let path = folder.path().join(format!("train/{class}/{number:02}.png"));
            image(label, number).save(path).unwrap();
        }
    }
    folder
}

fn load(folder: &TempDir) -> Result<Dataset, DataError> {
    Dataset::load(&DataSource::Images(folder.path().to_owned()))
}

fn load_with(folder: &TempDir, skip: bool, size: Option<[usize; 2]>) -> Result<Dataset, DataError> {
    let options = ReadOptions { skip_unreadable: skip, ..ReadOptions::default() };
    let size = size.map_or(ImageSize::Commonest, ImageSize::Exactly);
    Dataset::load_with(&DataSource::Images(folder.path().to_owned()), &options, size)
}

fn message(folder: &TempDir) -> String {
    load(folder).unwrap_err().to_string()
}

fn counts(data: &Dataset) -> [usize; 3] {
    Split::ALL.map(|split| data.split(split).len())
}

/// The notes, all in one text.
fn notes(data: &Dataset) -> String {
    data.notes.join("\n")
}

/// All images with their labels, whichever split they are in, in a fixed order.
fn all(data: &Dataset) -> Vec<(u16, Vec<u8>)> {
    let of = |split| {
        let images = data.split(split);
        (0..images.len()).map(|index| (images.label(index), images.image(index).to_vec()))
    };
    let mut all: Vec<_> = Split::ALL.into_iter().flat_map(of).collect();
    all.sort();
    all
}

/// The image in the bytes of a format.
fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn classes_are_folders_and_missing_splits_are_taken_from_training() {
    let folder = folder();
    let data = load(&folder).unwrap();
    assert_eq!(data.shape(), [1, 3, 4]);
    assert_eq!(data.task, Task::Classes(vec!["cat".into(), "dog".into()]));
    // A fifth of 40 each for test and validation.
    assert_eq!(counts(&data), [24, 8, 8]);
    let images = all(&data);
    assert!(images.iter().all(|(label, image)| u16::from(image[0] / 100) == *label));
    let seen: Vec<u8> = images.iter().map(|(_, image)| image[0]).collect();
    assert_eq!(seen, (0..20).chain(100..120).collect::<Vec<u8>>());
    assert_eq!(data, load(&folder).unwrap(), "always the same");
}

#[test]
fn splits_are_held_out_as_the_split_says_in_its_order() {
    let folder = folder();
    let data = load(&folder).unwrap();
    let labels = Targets::Classes([[0; 20], [1; 20]].concat());
    let pixel = |index: usize| if index < 20 { index as u8 } else { 80 + index as u8 };
    // Files are in the order of their names.
    let mut names: Vec<u8> = (0..20).collect();
    names.sort_by_key(u8::to_string);
    let pixel = |index: usize| pixel(index / 20 * 20 + usize::from(names[index % 20]));
    let (rest, test) = split::hold_out(&labels, HeldOut::Test, 40);
    let (train, val) = split::hold_out(&labels.select(&rest), HeldOut::Val, 40);
    let first = |images: &Images| -> Vec<u8> {
        (0..images.len()).map(|index| images.image(index)[0]).collect()
    };
    assert_eq!(first(&data.test), test.iter().map(|&i| pixel(i)).collect::<Vec<_>>());
    assert_eq!(first(&data.val), val.iter().map(|&i| pixel(rest[i])).collect::<Vec<_>>());
    assert_eq!(first(&data.train), train.iter().map(|&i| pixel(rest[i])).collect::<Vec<_>>());
}

#[test]
fn given_splits_are_taken_as_they_are_under_any_of_their_names() {
    for (train, val, test) in [
        ("train", "val", "test"),
        ("Training", "validation", "TESTING"),
        ("train", "valid", "test"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, train, &["cat", "dog"], 20);
        put(&folder, val, &["cat", "dog"], 2);
        put(&folder, test, &["cat"], 3);
        let data = load(&folder).unwrap();
        assert_eq!(
            Split::ALL.map(|split| data.split(split).class_counts()),
            [vec![20, 20], vec![2, 2], vec![3]]
        );
        assert_eq!(
            notes(&data).contains(&format!("validation images are read from {val}")),
            val != "val"
        );
    }
}

#[test]
fn class_folders_without_splits_are_taken_for_the_training_images() {
    let bare = tempfile::tempdir().unwrap();
    put(&bare, ".", &["cat", "dog"], 20);
    let data = load(&bare).unwrap();
    assert_eq!(data.fingerprint(), load(&folder()).unwrap().fingerprint());
    assert!(notes(&data).contains("no training folder"), "{}", notes(&data));
}

#[test]
fn unlabelled_test_images_are_told_and_not_used() {
    let plain = load(&folder()).unwrap().fingerprint();
    for place in ["test", "test/unknown", "test/test", "test/images"] {
        let folder = folder();
        fs::create_dir_all(folder.path().join(place)).unwrap();
        for number in 0..5 {
            let path = folder.path().join(place).join(format!("{number}.png"));
            GrayImage::new(4, 3).save(path).unwrap();
        }
        let data = load(&folder).unwrap();
        assert_eq!(data.fingerprint(), plain, "{place}");
        let notes = notes(&data);
        assert!(notes.contains("left out: 5 ") && notes.contains(place), "{place}: {notes}");
        assert!(notes.contains("no labelled validation and test images"), "{notes}");
    }
}

#[test]
fn what_is_left_out_is_told_in_one_line_and_content_decides() {
    let folder = folder();
    let train = folder.path().join("train");
    let jpeg = encoded(&GrayImage::from_pixel(4, 3, Luma([150])).into(), ImageFormat::Jpeg);
    let put = |path: &str, bytes: &[u8]| {
        let path = train.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for name in ["a.heic", "b.heic", "notes.txt", "list"] {
        put(&format!("cat/{name}"), b"no image");
    }
    for name in [".hidden.png", "._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"] {
        put(&format!("cat/{name}"), b"no image");
    }
    put("@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", &jpeg);
    put("__MACOSX/._0.png", b"no image");
    put("cat/@eaDir/x.jpg", &jpeg);
    put("beside.png", &jpeg);
    for name in ["1.jfif", "noending", "b.jpg_large", "sub folder/deep/c.jpg"] {
        put(&format!("dog/{name}"), &jpeg);
    }
    let data = load(&folder).unwrap();
    assert_eq!(all(&data).len(), 44);
    let notes = notes(&data);
    let line = notes.lines().find(|line| line.starts_with("left out")).unwrap();
    for words in [
        "2 files .heic (train/cat/a.heic)",
        "1 file .txt (train/cat/notes.txt)",
        "1 other file (train/cat/list)",
        "1 hidden image (train/cat/.hidden.png)",
        "3 hidden or system folders (",
        "1 image in no class folder (train/beside.png)",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    assert!(!line.contains("humbs") && !line.contains("DS_Store"), "{line}");
    assert!(
        notes.contains(
            "2 images whose name has no ending of an image are read, too (train/dog/b.jpg_large)"
        ),
        "{notes}"
    );
    assert!(
        notes.contains(
            "1 image in subfolders of the classes is read, too (train/dog/sub folder/deep/c.jpg)"
        ),
        "{notes}"
    );
}

#[test]
fn every_format_is_read_alike() {
    let picture = RgbImage::from_fn(4, 3, |x, y| Rgb([(x * 60) as u8, (y * 100) as u8, 77]));
    let folder = tempfile::tempdir().unwrap();
    let formats = [
        (ImageFormat::Png, "png"),
        (ImageFormat::Bmp, "bmp"),
        (ImageFormat::WebP, "webp"),
        (ImageFormat::Tiff, "tif"),
        (ImageFormat::Gif, "gif"),
    ];
    for class in ["a", "b"] {
        let path = folder.path().join("train").join(class);
        fs::create_dir_all(&path).unwrap();
        for number in 0..3 {
            for (format, ending) in formats {
                let name = path.join(format!("{number}.{ending}"));
                picture.save_with_format(name, format).unwrap();
            }
        }
    }
    let data = load(&folder).unwrap();
    let planes: Vec<u8> =
        (0..3).flat_map(|c| picture.pixels().map(move |pixel| pixel.0[c])).collect();
    assert!(all(&data).iter().all(|(_, image)| *image == planes), "{:?}", all(&data));
    assert_eq!(data.notes.len(), 1, "{:?}", data.notes);
}

#[test]
fn of_an_animation_the_first_frame_is_read_and_that_is_told() {
    let folder = folder();
    let mut gif = GifEncoder::new(fs::File::create(folder.path().join("train/cat/x.gif")).unwrap());
    for grey in [200, 10] {
        let image = RgbaImage::from_pixel(4, 3, Rgba([grey, grey, grey, 255]));
        gif.encode_frame(Frame::new(image)).unwrap();
    }
    drop(gif);
    let data = load(&folder).unwrap();
    assert_eq!(data.shape()[0], 1, "its pixels are grey");
    assert!(all(&data).contains(&(0, vec![200; 12])));
    assert!(notes(&data).contains("the first is read (train/cat/x.gif)"), "{}", notes(&data));
}

#[test]
fn one_coloured_image_makes_all_rgb_and_the_commonest_size_wins() {
    let folder = folder();
    let odd = folder.path().join("train/dog/odd.jpeg");
    RgbImage::from_pixel(16, 16, Rgb([200, 10, 90])).save(&odd).unwrap();
    RgbaImage::from_pixel(4, 3, Rgba([1, 2, 3, 128]))
        .save(folder.path().join("train/dog/0.png"))
        .unwrap();
    let data = load(&folder).unwrap();
    assert_eq!(data.shape(), [3, 3, 4]);
    let images: Vec<Vec<u8>> = all(&data).into_iter().map(|(_, image)| image).collect();
    assert!(
        images.contains(&[[1; 12], [2; 12], [3; 12]].concat()),
        "planes, without transparency that is the same all over"
    );
    assert!(images.contains(&vec![7; 36]), "grey in every channel");
    let near = |image: &Vec<u8>| {
        image.iter().zip([[200; 12], [10; 12], [90; 12]].concat()).all(|(a, b)| a.abs_diff(b) < 4)
    };
    assert!(images.iter().any(near), "a JPEG of another size");
    let notes = notes(&data);
    assert!(notes.contains("39 of 41 images are grey"), "{notes}");
    assert!(
        notes.contains("2 sizes, from 4×3 to 16×16 pixels, are brought to 4×3; their"),
        "{notes}"
    );
}

#[test]
fn images_are_brought_to_the_size_that_is_asked_for() {
    let folder = folder();
    let data = load_with(&folder, false, Some([5, 7])).unwrap();
    assert_eq!(data.shape(), [1, 5, 7]);
    assert_eq!(data.fingerprint(), load(&folder).unwrap().fit_to([1, 5, 7]).unwrap().fingerprint());
    let empty = load_with(&folder, false, Some([0, 7])).unwrap();
    assert_eq!(empty.shape(), [1, 3, 4], "a size of 0 is refused where it is asked for");
    let huge = load_with(&folder, false, Some([100_000, 100_000])).unwrap_err().to_string();
    assert!(huge.contains("a template whose input is smaller"), "{huge}");
}

#[test]
fn formats_that_always_have_colours_are_grey_where_their_pixels_are() {
    let folder = folder();
    for (format, ending) in
        [(ImageFormat::Bmp, "bmp"), (ImageFormat::WebP, "webp"), (ImageFormat::Gif, "gif")]
    {
        let path = folder.path().join(format!("train/cat/x.{ending}"));
        RgbImage::from_pixel(4, 3, Rgb([99; 3])).save_with_format(path, format).unwrap();
    }
    // Web pages count visits with such images.
    let invisible = RgbaImage::from_pixel(1, 1, Rgba([255, 0, 0, 0]));
    invisible.save(folder.path().join("train/dog/pixel.gif")).unwrap();
    let data = load(&folder).unwrap();
    assert_eq!(data.shape(), [1, 3, 4]);
    assert_eq!(all(&data).iter().filter(|(_, image)| *image == [99; 12]).count(), 3);
}

#[test]
fn floating_point_is_refused_with_the_fix() {
    let folder = folder();
    let image = image::Rgb32FImage::from_pixel(4, 3, Rgb([0.5; 3]));
    image.save_with_format(folder.path().join("train/cat/x.tif"), ImageFormat::Tiff).unwrap();
    let text = message(&folder);
    assert!(
        text.contains("x.tif: pixels of 32-bit floating point are not read; convert it"),
        "{text}"
    );
}

/// A JPEG of 32×16, black on the left and white on the right.
fn jpeg() -> Vec<u8> {
    let image = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 0 } else { 255 }]));
    encoded(&image.into(), ImageFormat::Jpeg)
}

#[test]
fn photos_are_turned_as_they_say() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "train", &["cat", "dog"], 0);
    let plain = jpeg();
    // One entry: the orientation is 6, so the top is on the right and the image must be turned clockwise.
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
    let small = load_with(&folder, false, Some([8, 4])).unwrap();
    let image = small.train.image(0);
    assert!(
        image[..8].iter().all(|&p| p < 30) && image[24..].iter().all(|&p| p > 225),
        "{image:?}"
    );
}

/// A grey image of 4×3 with 16 bits.
fn deep(value: impl Fn(u32, u32) -> u16) -> DynamicImage {
    ImageBuffer::from_fn(4, 3, |x, y| Luma([value(x, y)])).into()
}

#[test]
fn sixteen_bits_keep_their_contrast() {
    let thermal = folder_of(|label, number| {
        deep(|x, _| 29_300 + u16::from(number) + if label == 1 && x == 1 { 60 } else { 0 })
    });
    let data = load(&thermal).unwrap();
    let notes = notes(&data);
    assert!(
        notes.contains("the values 29300 to 29379, the range of the training images"),
        "{notes}"
    );
    for (label, image) in all(&data) {
        assert_eq!(image[1].abs_diff(image[0]) > 180, label == 1, "{image:?}");
    }
    // An outlier in the test split does not count, and is clamped.
    fs::create_dir_all(thermal.path().join("test/a")).unwrap();
    deep(|_, _| 60_000).save(thermal.path().join("test/a/0.png")).unwrap();
    let data = load(&thermal).unwrap();
    assert_eq!(data.test.image(0), [255; 12]);
    assert!(self::notes(&data).contains("29300 to 29379"));
}

#[test]
fn sixteen_bits_that_are_used_become_eight() {
    let photos = folder_of(|label, number| {
        deep(|x, _| (x as u16 * 85 + u16::from(label) + u16::from(number % 2)).min(255) * 257)
    });
    let data = load(&photos).unwrap();
    assert!(notes(&data).contains("0 to 65535 becomes 0 to 255"), "{}", notes(&data));
    assert_eq!(all(&data)[0].1[..4], [0, 85, 170, 255]);
}

#[test]
fn sixteen_bits_without_contrast_are_told() {
    let flat = folder_of(|_, _| deep(|_, _| 29_320));
    let told = notes(&load(&flat).unwrap());
    assert!(told.contains("16-bit images: all values are 29320"), "{told}");
    assert!(told.contains("all training images are the same flat grey or colour"), "{told}");
    assert!(!told.contains("reach over much"), "{told}");
    let cameras = folder_of(|label, number| {
        let base = if label == 0 { 5_000 } else { 60_000 };
        deep(|x, y| base + 12 * u16::from(number) + (x + 4 * y) as u16)
    });
    let told = notes(&load(&cameras).unwrap());
    assert!(told.contains("most contrast within a group is lost: bring"), "{told}");
}

#[test]
fn flat_images_of_eight_bits_are_told() {
    let told = |image: fn(u8, u8) -> DynamicImage| notes(&load(&folder_of(image)).unwrap());
    let flat = "all training images are the same flat grey or colour";
    assert!(told(|_, _| RgbImage::from_pixel(4, 3, Rgb([1, 2, 3])).into()).contains(flat));
    assert!(!told(|_, number| GrayImage::from_pixel(4, 3, Luma([number])).into()).contains(flat));
}

#[test]
fn archives_that_were_not_unpacked_are_named() {
    let zip: &[u8] = b"PK\x03\x04....train/cat/0.png";
    for (name, bytes, program) in [
        ("pets.zip", zip, "unzip"),
        ("pets.tar.xz", b"\xfd7zXZ\0", "tar xf"),
        ("pets.7z", b"7z\xbc\xaf\x27\x1c", "7z x"),
    ] {
        for inside in ["", "train", "train/cat"] {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join(inside)).unwrap();
            let place = if inside == "train/cat" { "train" } else { inside };
            fs::write(folder.path().join(place).join(name), bytes).unwrap();
            let text = message(&folder);
            assert!(text.contains(name) && text.contains(&format!("(`{program} ")), "{text}");
        }
    }
    // One that lies beside the classes is left alone.
    let folder = folder();
    fs::write(folder.path().join("pets.zip"), zip).unwrap();
    load(&folder).unwrap();
}

#[test]
fn damaged_images_are_refused_in_words_of_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let image = DynamicImage::from(RgbImage::from_fn(5, 4, |x, y| Rgb([x as u8, y as u8, 9])));
    let formats = [
        ImageFormat::Gif,
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::WebP,
        ImageFormat::Tiff,
    ];
    for format in formats {
        let sound = encoded(&image, format);
        let mut reasons = Vec::new();
        for place in 0..sound.len().min(120) {
            let mut bytes = sound.clone();
            bytes[place] ^= 0xff;
            fs::write(&path, bytes).unwrap();
            let budget = budget::Budget::new(decode::LIMIT);
            reasons.extend(decode::decode(&path, &budget).err());
        }
        assert!(reasons.iter().any(|reason| reason.starts_with("damaged (")), "{reasons:?}");
        for reason in reasons {
            assert!(!reason.contains("Format error") && !reason.is_empty(), "{format:?}: {reason}");
        }
    }
}

#[test]
fn eight_bits_stay_as_they_are_beside_sixteen() {
    let mixed = folder_of(|label, number| {
        if label == 0 {
            GrayImage::from_pixel(4, 3, Luma([number])).into()
        } else {
            deep(|x, _| 4095 * (x as u16 % 2))
        }
    });
    let data = load(&mixed).unwrap();
    let notes = notes(&data);
    assert!(notes.contains("20 of 40 images have 16 bits: the values 0 to 4095"), "{notes}");
    assert!(notes.contains("the 8-bit images stay as they are"), "{notes}");
    assert!(all(&data).contains(&(0, vec![19; 12])));
    assert_eq!(all(&data)[39].1[..4], [0, 255, 0, 255]);
}

#[test]
fn where_colour_says_nothing_alpha_is_the_picture() {
    let icons = folder_of(|label, number| {
        let ink = |x, y| if (x + y) % 2 == u32::from(label) { 100 + number } else { 0 };
        GrayAlphaImage::from_fn(4, 3, |x, y| LumaA([0, ink(x, y)])).into()
    });
    let data = load(&icons).unwrap();
    assert_eq!(data.shape(), [1, 3, 4]);
    assert!(notes(&data).contains("the alpha channel is the picture"), "{}", notes(&data));
    for (label, image) in all(&data) {
        assert_eq!(image[usize::from(label)..][..2].iter().filter(|&&p| p >= 100).count(), 1);
        assert!(image[usize::from(label)] >= 100);
    }
}

#[test]
fn else_alpha_is_put_on_what_it_can_be_seen_on() {
    let on = |colours: [u8; 2]| {
        let folder = folder_of(|label, _| {
            let grey = colours[usize::from(label)];
            RgbaImage::from_fn(4, 3, |x, _| {
                // What cannot be seen has a colour, too.
                if x == 0 { Rgba([9, 200, 9, 0]) } else { Rgba([grey, grey, grey, 255]) }
            })
            .into()
        });
        let data = load(&folder).unwrap();
        assert_eq!(data.shape(), [1, 3, 4], "grey where it can be seen");
        (all(&data)[0].1[..2].to_vec(), notes(&data))
    };
    let (image, notes) = on([0, 100]);
    assert_eq!(image, [255, 0]);
    assert!(
        notes.contains("40 of 40 images are transparent in places and put on white"),
        "{notes}"
    );
    let (image, notes) = on([200, 255]);
    assert_eq!(image, [0, 200]);
    assert!(notes.contains("put on black"), "{notes}");
    let (image, notes) = on([0, 255]);
    assert_eq!(image, [128, 0]);
    assert!(notes.contains("put on grey"), "{notes}");
}

#[test]
fn palettes_and_single_bits_are_read() {
    // A PNG with one bit per pixel and one with a palette, as encoders of other programs write them.
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat()
    };
    let png = |color: u8, rows: &[u8], palette: Option<&[u8]>| {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, rows).unwrap();
        let header = [0, 0, 0, 4, 0, 0, 0, 3, 1, color, 0, 0, 0];
        [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &header),
            palette.map_or_else(Vec::new, |colours| chunk(b"PLTE", colours)),
            chunk(b"IDAT", &packed.finish().unwrap()),
            chunk(b"IEND", b""),
        ]
        .concat()
    };
    let rows = [0, 0b0101_0000, 0, 0b0101_0000, 0, 0b0101_0000];
    let grey = folder();
    fs::write(grey.path().join("train/cat/0.png"), png(0, &rows, None)).unwrap();
    assert!(all(&load(&grey).unwrap()).contains(&(0, [[0, 255]; 6].concat())));
    let colours = folder();
    let bytes = png(3, &rows, Some(&[1, 2, 3, 4, 5, 6]));
    fs::write(colours.path().join("train/cat/0.png"), bytes).unwrap();
    let expected = [[1, 4]; 6].concat().into_iter().chain([[2, 5]; 6].concat());
    let expected: Vec<u8> = expected.chain([[3, 6]; 6].concat()).collect();
    assert!(all(&load(&colours).unwrap()).contains(&(0, expected)));
}

/// A folder with six files that cannot be read beside 40 that can.
fn damaged() -> TempDir {
    let folder = folder();
    let put = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join("train").join(name), bytes).unwrap();
    };
    let jpeg = jpeg();
    let png = encoded(
        &RgbImage::from_fn(30, 30, |x, y| Rgb([x as u8, y as u8, 7])).into(),
        ImageFormat::Png,
    );
    put("cat/666.jpg", b"");
    put("cat/page.jpg", b"<!DOCTYPE html><html><body>404</body></html>");
    put("cat/half.jpg", &jpeg[..jpeg.len() / 2]);
    put("dog/half.png", &png[..png.len() / 2]);
    put("dog/phone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    put("dog/words.png", b"no image at all");
    folder
}

#[test]
fn all_unreadable_files_are_named_at_once_and_always_alike() {
    let folder = damaged();
    let text = message(&folder);
    assert!(text.contains("6 of 46 images cannot be read"), "{text}");
    assert!(text.contains("--skip-unreadable"), "{text}");
    let mut lines = text.lines().skip(1);
    for (file, reason) in [
        ("train/cat/666.jpg", "empty"),
        ("train/cat/half.jpg", "truncated"),
        ("train/cat/page.jpg", "a web page"),
        ("train/dog/half.png", "unexpected end"),
        ("train/dog/phone.jpg", "a HEIC image"),
        ("train/dog/words.png", "text (`no image at all`)"),
    ] {
        let line = lines.next().unwrap();
        assert!(line.contains(file) && line.contains(reason), "{file}: {line}");
    }
    assert_eq!(text, message(&folder));
    for number in 0..20 {
        fs::write(folder.path().join(format!("train/cat/{number}.png")), "").unwrap();
    }
    let text = message(&folder);
    assert!(text.contains("26 of 46") && text.ends_with("and 16 more"), "{text}");
    assert_eq!(text.lines().count(), 12);
}

#[test]
fn unreadable_files_are_left_out_where_that_is_asked_for() {
    let folder = damaged();
    let data = load_with(&folder, true, None).unwrap();
    let clean = load(&self::folder()).unwrap();
    assert_eq!(data.shape(), clean.shape());
    assert_eq!(data.fingerprint(), clean.fingerprint(), "as if the files were not there");
    let notes = notes(&data);
    assert!(
        notes.contains("left out: 6 of 46 images that cannot be read: train/cat/666.jpg: empty"),
        "{notes}"
    );

    for number in 0..20 {
        fs::write(folder.path().join(format!("train/cat/{number}.png")), "").unwrap();
    }
    let text = load_with(&folder, true, None).unwrap_err().to_string();
    assert!(text.contains("no training image of the class cat can be read"), "{text}");

    let folder = self::folder();
    put(&folder, "val", &["cat"], 1);
    fs::write(folder.path().join("val/cat/0.png"), "").unwrap();
    let text = load_with(&folder, true, None).unwrap_err().to_string();
    assert!(text.contains("no validation image can be read"), "{text}");
}

#[test]
fn an_image_above_the_limit_is_refused_by_name() {
    let folder = folder();
    // A bitmap that announces 60000×60000 pixels of three bytes.
    let mut bytes = encoded(&RgbImage::new(2, 2).into(), ImageFormat::Bmp);
    bytes[18..22].copy_from_slice(&60_000_i32.to_le_bytes());
    bytes[22..26].copy_from_slice(&60_000_i32.to_le_bytes());
    fs::write(folder.path().join("train/cat/bomb.bmp"), bytes).unwrap();
    let text = message(&folder);
    assert!(text.contains("bomb.bmp: 60000×60000 pixels take 10300 MiB"), "{text}");
    assert!(text.contains("allowed are 512 MiB"), "{text}");
}

#[test]
fn a_progressive_jpeg_counts_the_copies_of_its_decoder() {
    let folder = folder();
    let (path, mut bytes) = (folder.path().join("train/cat/large.jpg"), jpeg());
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&9_000_u16.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&12_000_u16.to_be_bytes());
    let components = bytes[at + 9];
    bytes[at + 9] = 3;
    bytes[at + 1] = 0xc2;
    fs::write(&path, &bytes).unwrap();
    let text = message(&folder);
    assert!(text.contains("large.jpg: decoding a progressive JPEG of 12000×9000 pixels"), "{text}");
    assert!(text.contains("takes 927 MiB, allowed are 512 MiB; save it as a baseline"), "{text}");
    // As baseline, it may be decoded.
    bytes[at + 9] = components;
    bytes[at + 1] = 0xc0;
    fs::write(&path, &bytes).unwrap();
    let header = decode::header(&path, &budget::Budget::new(decode::LIMIT)).unwrap();
    assert_eq!(header.size, [9_000, 12_000]);
}

#[test]
fn what_is_wrong_is_named_with_its_fix() {
    let empty = tempfile::tempdir().unwrap();
    assert!(message(&empty).contains("0 class folder"), "{}", message(&empty));
    let archive = empty.path().join("pets.zip");
    fs::write(&archive, "PK\x03\x04....train/cat/0.png").unwrap();
    let text = Dataset::load(&DataSource::Images(archive)).unwrap_err().to_string();
    assert!(text.contains("pets.zip is a ZIP archive") && text.contains("unpack"), "{text}");
    let image = empty.path().join("cat.png");
    GrayImage::new(4, 3).save(&image).unwrap();
    let text = Dataset::load(&DataSource::Images(image)).unwrap_err().to_string();
    assert!(
        text.contains("cat.png is an image") && text.contains("has the class folders"),
        "{text}"
    );
    let one = tempfile::tempdir().unwrap();
    put(&one, "train", &["cat"], 3);
    assert!(message(&one).contains("1 class folder"), "{}", message(&one));

    let without = folder();
    fs::create_dir(without.path().join("train/fish")).unwrap();
    let text = message(&without);
    assert!(text.contains("fish") && text.contains("no image; add PNG or JPEG"), "{text}");
    fs::write(without.path().join("train/fish/1.txt"), "").unwrap();
    let text = message(&without);
    assert!(text.contains("fish has no image, only 1 file .txt (fish/1.txt); add"), "{text}");
    fs::remove_file(without.path().join("train/fish/1.txt")).unwrap();
    fs::write(without.path().join("train/fish/1.HEIC"), "").unwrap();
    let text = message(&without);
    assert!(
        text.contains("fish has no image that is read, but 1 file .heic")
            && text.contains("convert"),
        "{text}"
    );

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

#[test]
fn names_that_differ_in_case_are_matched_between_splits_and_kept_apart_within_one() {
    let folder = folder();
    put(&folder, "test", &["Cat", "dog "], 2);
    fs::create_dir_all(folder.path().join("val/cat")).unwrap();
    put(&folder, "val", &["dog"], 2);
    fs::remove_dir_all(folder.path().join("val/cat")).unwrap();
    fs::create_dir(folder.path().join("val/cat")).unwrap();
    let data = load(&folder).unwrap();
    assert_eq!(data.test.class_counts(), [2, 2]);
    let text = notes(&data);
    assert!(text.contains("Cat for cat, dog  for dog"), "{text}");
    assert!(text.contains("no images in val/cat"), "{text}");

    let letters = tempfile::tempdir().unwrap();
    put(&letters, "train", &["a", "A"], 10);
    // A file system that knows no case has one folder of both.
    if fs::read_dir(letters.path().join("train")).unwrap().count() == 2 {
        let text = notes(&load(&letters).unwrap());
        assert!(text.contains("A, a differ in upper and lower case only"), "{text}");
    }
}

#[test]
fn an_accent_written_as_a_character_of_its_own_is_the_same_letter() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "train", &["cafe\u{301}", "tea"], 10);
    put(&folder, "val", &["caf\u{e9}", "tea"], 2);
    put(&folder, "test", &["Caf\u{e9}", "tea"], 2);
    let data = load(&folder).unwrap();
    assert_eq!((data.val.class_counts(), data.test.class_counts()), (vec![2, 2], vec![2, 2]));
    assert!(notes(&data).contains("the writing of accents"), "{}", notes(&data));

    put(&folder, "train", &["Caf\u{e9}"], 10);
    // A file system that knows no case has one folder of both.
    if fs::read_dir(folder.path().join("train")).unwrap().count() == 3 {
        assert_eq!(load(&folder).unwrap().test.class_counts(), [2, 0, 2]);
    }
    put(&folder, "train", &["caf\u{e9}"], 10);
    // A file system that writes accents in one way has one folder of both.
    if fs::read_dir(folder.path().join("train")).unwrap().count() == 4 {
        let text = message(&folder);
        assert!(text.contains("cafe\\u{301}") && text.contains("caf\\u{e9}"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_are_not() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    put(&elsewhere, ".", &["more"], 3);
    let folder = folder();
    let cat = folder.path().join("train/cat");
    symlink(elsewhere.path().join("more"), cat.join("linked")).unwrap();
    symlink(elsewhere.path().join("more"), cat.join("twice")).unwrap();
    symlink("..", cat.join("up")).unwrap();
    symlink(".", cat.join("self")).unwrap();
    symlink("/", cat.join("disk")).unwrap();
    symlink("nowhere", cat.join("broken")).unwrap();
    let data = load(&folder).unwrap();
    assert_eq!(all(&data).len(), 43);
    let text = notes(&data);
    assert!(text.contains("4 links to folders that are read already (train/cat/disk)"), "{text}");
    assert!(text.contains("1 broken link or device (train/cat/broken)"), "{text}");

    symlink("nowhere.png", cat.join("broken.png")).unwrap();
    let text = message(&folder);
    assert!(text.contains("1 of 44") && text.contains("broken.png"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_two_classes_lead_to_is_refused() {
    use std::os::unix::fs::symlink;
    for (link, to) in [("train/cat_copy", "cat"), ("train/cat/dogs", "../dog")] {
        let folder = folder();
        symlink(to, folder.path().join(link)).unwrap();
        let text = message(&folder);
        assert!(text.contains("would have two labels; remove the link"), "{link}: {text}");
    }
    // Splits may share a folder.
    let folder = folder();
    symlink("train", folder.path().join("test")).unwrap();
    assert!(load(&folder).is_ok());
}

#[test]
fn of_equally_frequent_sizes_the_largest_is_taken() {
    let of = |sizes: &[[usize; 2]]| {
        let mut counts = BTreeMap::new();
        for size in sizes {
            *counts.entry(*size).or_default() += 1;
        }
        largest_of_the_most_frequent(counts)
    };
    assert_eq!(of(&[[2, 9], [4, 4], [1, 1]]), [2, 9]);
    assert_eq!(of(&[[2, 9], [4, 4], [4, 4]]), [4, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn images_are_arranged_as_a_selection_says(seed: u64, count in 1usize..20) {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&index| (seed >> (index % 13)) ^ (index as u64).wrapping_mul(seed | 1));
        let pixels: Vec<u8> = (0..3 * count).map(|i| i as u8).collect();
        let images = Images::new([3, 1, 1], pixels.clone(), vec![0_u8; count]).unwrap();
        let mut arranged = pixels;
        arrange(&mut arranged, 3, &order);
        let selected = images.select(&order);
        prop_assert_eq!(arranged, selected.bytes());
    }

    #[test]
    fn damaged_files_are_read_or_named(
        format in 0usize..7, changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..12), cut: Option<u16>
    ) {
        let colour = RgbImage::from_fn(9, 7, |x, y| Rgb([(x * 28) as u8, (y * 36) as u8, (x * y) as u8]));
        let mut bytes = match format {
            0 => encoded(&colour.into(), ImageFormat::Png),
            1 => encoded(&colour.into(), ImageFormat::Jpeg),
            2 => encoded(&colour.into(), ImageFormat::Gif),
            3 => encoded(&colour.into(), ImageFormat::Bmp),
            4 => encoded(&colour.into(), ImageFormat::WebP),
            5 => encoded(&colour.into(), ImageFormat::Tiff),
            _ => encoded(&deep(|x, y| (x * y * 999) as u16), ImageFormat::Png),
        };
        for (place, value) in changes {
            // Most of what matters is at the start.
            let place = if place % 2 == 0 { usize::from(place / 2) % bytes.len().min(64) } else { usize::from(place) % bytes.len() };
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(usize::from(cut) % (bytes.len() + 1));
        }
        let folder = tempfile::tempdir().unwrap();
        put(&folder, "train", &["cat", "dog"], 7);
        fs::write(folder.path().join("train/cat/odd.png"), bytes).unwrap();
        match load_with(&folder, false, Some([6, 6])) {
            Ok(data) => prop_assert_eq!(counts(&data).iter().sum::<usize>(), 15),
            Err(error) => {
                let text = error.to_string();
                prop_assert!(text.contains("1 of 15") && text.contains("train/cat/odd.png: "), "{}", text);
                prop_assert_eq!(text.lines().count(), 2);
            }
        }
    }
}
