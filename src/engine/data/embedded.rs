//! The data sets that are part of the program, so that it works without a download. Origin and licences:
//! `assets/data`.

use super::{DataError, Dataset, Images, idx::Pair};
use std::path::Path;

/// A compressed IDX file and the path it was embedded from.
type File = (&'static [u8], &'static str);

macro_rules! file {
    ($path:literal) => {
        (include_bytes!(concat!("../../../assets/data/", $path)), concat!("assets/data/", $path))
    };
}

fn images(images: File, labels: File) -> Result<Images, DataError> {
    Pair::read((images.0, Path::new(images.1)), (labels.0, Path::new(labels.1)))?.into_images()
}

/// The class-balanced cut of Fashion-MNIST.
pub(super) fn fashion_mini(name: String) -> Result<Dataset, DataError> {
    let class_names = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];
    Dataset::new(
        name,
        class_names.map(str::to_owned).into(),
        images(
            file!("fashion-mini/train-images-idx3-ubyte.gz"),
            file!("fashion-mini/train-labels-idx1-ubyte.gz"),
        )?,
        images(
            file!("fashion-mini/val-images-idx3-ubyte.gz"),
            file!("fashion-mini/val-labels-idx1-ubyte.gz"),
        )?,
        images(
            file!("fashion-mini/test-images-idx3-ubyte.gz"),
            file!("fashion-mini/test-labels-idx1-ubyte.gz"),
        )?,
    )
}

/// The UCI digits as scikit-learn has them.
pub(super) fn digits(name: String) -> Result<Dataset, DataError> {
    Dataset::new(
        name,
        (0..10).map(|digit| digit.to_string()).collect(),
        images(
            file!("digits/train-images-idx3-ubyte.gz"),
            file!("digits/train-labels-idx1-ubyte.gz"),
        )?,
        images(file!("digits/val-images-idx3-ubyte.gz"), file!("digits/val-labels-idx1-ubyte.gz"))?,
        images(
            file!("digits/test-images-idx3-ubyte.gz"),
            file!("digits/test-labels-idx1-ubyte.gz"),
        )?,
    )
}

#[cfg(test)]
mod tests {
    use super::super::{DataSource, Split, Task};
    use super::*;
    use std::collections::BTreeSet;

    fn no_image_is_in_two_splits(data: &Dataset) {
        let pixels = |split| {
            let images: &Images = data.split(split);
            (0..images.len()).map(|index| images.image(index).to_vec()).collect::<BTreeSet<_>>()
        };
        let [train, val, test] = Split::ALL.map(pixels);
        assert!(train.is_disjoint(&val) && train.is_disjoint(&test) && val.is_disjoint(&test));
    }

    #[test]
    fn fashion_mini_has_its_images() {
        let data = Dataset::load(&DataSource::FashionMini).unwrap();
        assert_eq!(data.name, "fashion-mini");
        let Task::Classes(names) = &data.task else { panic!("{:?}", data.task) };
        assert_eq!((names.len(), names[9].as_str()), (10, "Ankle boot"));
        assert_eq!(data.shape(), [1, 28, 28]);
        assert_eq!(data.train.class_counts(), [400; 10]);
        assert_eq!(data.val.class_counts(), [100; 10]);
        assert_eq!(data.test.class_counts(), [100; 10]);
        // Fashion-MNIST's well-known mean and standard deviation are 0.2860 and 0.3530.
        assert!((data.mean[0] - 0.286).abs() < 0.005, "{}", data.mean[0]);
        assert!((data.std[0] - 0.353).abs() < 0.005, "{}", data.std[0]);
        no_image_is_in_two_splits(&data);
    }

    #[test]
    fn digits_has_its_images() {
        let data = Dataset::load(&DataSource::Digits).unwrap();
        assert_eq!(data.name, "digits");
        assert_eq!(data.shape(), [1, 8, 8]);
        assert_eq!((data.train.len(), data.val.len(), data.test.len()), (1197, 300, 300));
        assert_eq!(data.val.class_counts(), [30; 10]);
        assert_eq!(data.test.class_counts(), [30; 10]);
        assert!(data.train.class_counts().iter().all(|count| (114..=123).contains(count)));
        assert_eq!(
            data.train.bytes().iter().collect::<BTreeSet<_>>().len(),
            17,
            "the values 0..16, stretched"
        );
        assert_eq!(data.train.bytes().iter().max(), Some(&255));
        no_image_is_in_two_splits(&data);
    }

    #[test]
    fn every_beginning_of_a_split_is_balanced() {
        for source in DataSource::EMBEDDED {
            let data = Dataset::load(&source).unwrap();
            for split in Split::ALL {
                let beginning = data.split(split).select(&(0..200).collect::<Vec<_>>());
                assert_eq!(beginning.class_counts(), [20; 10], "{source} {split:?}");
            }
        }
    }
}
