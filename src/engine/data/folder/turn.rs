//! Turns planes as a photo's EXIF orientation says; the small ones after resizing, so that no photo is copied.

use image::metadata::Orientation;

/// Whether height and width change places.
pub(super) fn swaps(turn: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(turn, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// The size of an image of `size` (height, width) after turning it; also the other way round.
pub(super) fn turned_size([height, width]: [usize; 2], turn: Orientation) -> [usize; 2] {
    if swaps(turn) { [width, height] } else { [height, width] }
}

/// Turns each plane of `size` (height, width).
pub(super) fn turn(pixels: Vec<u8>, size: [usize; 2], turn: Orientation) -> Vec<u8> {
    if turn == Orientation::NoTransforms {
        return pixels;
    }
    let [height, width] = size;
    let (bottom, right) = (height - 1, width - 1);
    let [new_height, new_width] = turned_size(size, turn);
    let mut turned = Vec::with_capacity(pixels.len());
    for plane in pixels.chunks_exact(height * width) {
        for y in 0..new_height {
            for x in 0..new_width {
                let (from_y, from_x) = match turn {
                    Orientation::NoTransforms => (y, x),
                    Orientation::Rotate90 => (bottom - x, y),
                    Orientation::Rotate180 => (bottom - y, right - x),
                    Orientation::Rotate270 => (x, right - y),
                    Orientation::FlipHorizontal => (y, right - x),
                    Orientation::FlipVertical => (bottom - y, x),
                    Orientation::Rotate90FlipH => (x, y),
                    Orientation::Rotate270FlipH => (bottom - x, right - y),
                };
                turned.push(plane[from_y * width + from_x]);
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, GrayImage};

    #[test]
    fn planes_are_turned_as_whole_images_are() {
        for number in 1..=8 {
            let orientation = Orientation::from_exif(number).unwrap();
            let pixels: Vec<u8> = (0..6).collect();
            let mut image = DynamicImage::from(GrayImage::from_raw(3, 2, pixels.clone()).unwrap());
            image.apply_orientation(orientation);
            assert_eq!(
                turned_size([2, 3], orientation),
                [image.height() as usize, image.width() as usize]
            );
            let two = [pixels.clone(), pixels.iter().map(|p| p + 10).collect()].concat();
            let turned = turn(two, [2, 3], orientation);
            assert_eq!(turned[..6], image.into_luma8().into_raw(), "{number}");
            assert_eq!(turned[6], turned[0] + 10);
        }
    }
}
