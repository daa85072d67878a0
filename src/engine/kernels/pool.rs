//! Maximum and average over windows.

use super::window::Window;
use rayon::prelude::*;

impl Window {
    fn out_len(&self) -> usize {
        self.out_height() * self.out_width() * self.channels
    }

    /// Where the pixels under each window begin in an image, window by window.
    fn windows(&self) -> Vec<Vec<u32>> {
        let inside = |axis: usize, out: usize, size: usize| {
            let (first, padding) = (out * self.stride[axis], self.padding[axis]);
            (first..first + self.kernel[axis])
                .filter(move |place| (padding..padding + size).contains(place))
                .map(move |place| place - padding)
        };
        let mut windows = Vec::with_capacity(self.out_height() * self.out_width());
        for y in 0..self.out_height() {
            for x in 0..self.out_width() {
                let pixels = inside(0, y, self.height).flat_map(|y| {
                    inside(1, x, self.width)
                        .map(move |x| ((y * self.width + x) * self.channels) as u32)
                });
                windows.push(pixels.collect());
            }
        }
        windows
    }

    /// The largest value under each window.
    pub(in crate::engine) fn max(&self, input: &[f32]) -> Vec<f32> {
        self.map(input, |image, windows, output| {
            for (window, output) in windows.iter().zip(output.chunks_exact_mut(self.channels)) {
                output.fill(f32::NEG_INFINITY);
                for &start in window {
                    for (output, &value) in output.iter_mut().zip(&image[start as usize..]) {
                        // Something that is not a number is passed on, as it must not be lost.
                        *output = if value > *output || value.is_nan() { value } else { *output };
                    }
                }
            }
        })
    }

    /// The gradient of the input of [`Self::max`]: it goes to the first of the largest values.
    pub(in crate::engine) fn max_gradient(
        &self,
        input: &[f32],
        output_gradient: &[f32],
    ) -> Vec<f32> {
        self.map_back(output_gradient, |number, windows, gradient, into| {
            let image = &input[number * self.in_len()..][..self.in_len()];
            let (mut best, mut places) = (vec![0.0; self.channels], vec![0; self.channels]);
            for (window, gradient) in windows.iter().zip(gradient.chunks_exact(self.channels)) {
                best.fill(f32::NEG_INFINITY);
                for &start in window {
                    let pixel = &image[start as usize..];
                    for ((best, place), &value) in best.iter_mut().zip(&mut places).zip(pixel) {
                        let better = value > *best;
                        *best = if better { value } else { *best };
                        *place = if better { start } else { *place };
                    }
                }
                for (channel, (&place, gradient)) in places.iter().zip(gradient).enumerate() {
                    into[place as usize + channel] += gradient;
                }
            }
        })
    }

    /// The mean of the pixels under each window that belong to the image.
    pub(in crate::engine) fn average(&self, input: &[f32]) -> Vec<f32> {
        self.map(input, |image, windows, output| {
            for (window, output) in windows.iter().zip(output.chunks_exact_mut(self.channels)) {
                for &start in window {
                    for (output, value) in output.iter_mut().zip(&image[start as usize..]) {
                        *output += value;
                    }
                }
                let share = 1.0 / window.len() as f32;
                for output in output {
                    *output *= share;
                }
            }
        })
    }

    /// The gradient of the input of [`Self::average`].
    pub(in crate::engine) fn average_gradient(&self, output_gradient: &[f32]) -> Vec<f32> {
        self.map_back(output_gradient, |_, windows, gradient, into| {
            for (window, gradient) in windows.iter().zip(gradient.chunks_exact(self.channels)) {
                let share = 1.0 / window.len() as f32;
                for &start in window {
                    for (into, gradient) in into[start as usize..].iter_mut().zip(gradient) {
                        *into += gradient * share;
                    }
                }
            }
        })
    }

    /// Calls `image` with each image of the input and its part of the output, which is zero before.
    fn map(
        &self,
        input: &[f32],
        image: impl Fn(&[f32], &[Vec<u32>], &mut [f32]) + Sync,
    ) -> Vec<f32> {
        let windows = self.windows();
        let mut output = vec![0.0; input.len() / self.in_len() * self.out_len()];
        output
            .par_chunks_mut(self.out_len())
            .zip(input.par_chunks(self.in_len()))
            .for_each(|(output, input)| image(input, &windows, output));
        output
    }

    /// Calls `image` with each image's number, the gradient of its output and the place for that of its input,
    /// which is zero before.
    fn map_back(
        &self,
        output_gradient: &[f32],
        image: impl Fn(usize, &[Vec<u32>], &[f32], &mut [f32]) + Sync,
    ) -> Vec<f32> {
        let windows = self.windows();
        let mut gradient = vec![0.0; output_gradient.len() / self.out_len() * self.in_len()];
        gradient
            .par_chunks_mut(self.in_len())
            .zip(output_gradient.par_chunks(self.out_len()))
            .enumerate()
            .for_each(|(number, (into, output_gradient))| {
                image(number, &windows, output_gradient, into);
            });
        gradient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of three that overlap and reach over the border of an image of 3×3 pixels and two channels.
    const WINDOW: Window = Window {
        height: 3,
        width: 3,
        channels: 2,
        kernel: [3; 2],
        stride: [2; 2],
        padding: [1; 2],
    };

    fn image() -> Vec<f32> {
        // The second channel is the first, negative.
        [4.0, 1.0, 3.0, 0.0, 5.0, 2.0, 7.0, 7.0, 6.0].iter().flat_map(|&v: &f32| [v, -v]).collect()
    }

    #[test]
    fn windows_leave_their_padding_out() {
        assert_eq!(WINDOW.max(&image()), [5.0, 0.0, 5.0, -1.0, 7.0, 0.0, 7.0, -2.0]);
        assert_eq!(WINDOW.average(&image()), [2.5, -2.5, 2.75, -2.75, 4.75, -4.75, 5.0, -5.0]);
    }

    #[test]
    fn windows_need_not_be_square() {
        // One row of three pixels, of which the columns may lie outside.
        let window = Window { kernel: [1, 3], stride: [1, 2], padding: [0, 1], ..WINDOW };
        let first = |values: Vec<f32>| values.into_iter().step_by(2).collect::<Vec<_>>();
        assert_eq!(first(window.max(&image())), [4.0, 3.0, 5.0, 5.0, 7.0, 7.0]);
        assert_eq!(first(window.average(&image())), [2.5, 2.0, 2.5, 3.5, 7.0, 6.5]);
        // Two rows that hang over the top and, as the step is two, not over the bottom.
        let window = Window { kernel: [2, 1], stride: [2, 1], padding: [1, 0], ..WINDOW };
        assert_eq!(first(window.max(&image())), [4.0, 1.0, 3.0, 7.0, 7.0, 6.0]);
        let gradient = window.max_gradient(&image(), &[1.0; 12]);
        assert_eq!(first(gradient), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let gradient = window.average_gradient(&[1.0; 12]);
        assert_eq!(first(gradient), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    }

    #[test]
    fn gradients_go_where_the_values_came_from() {
        let gradient = [1.0, 10.0, 2.0, 20.0, 4.0, 40.0, 8.0, 80.0];
        let of_max = WINDOW.max_gradient(&image(), &gradient);
        let channel = |values: &[f32], c: usize| -> Vec<f32> {
            values.iter().skip(c).step_by(2).copied().collect()
        };
        // Of the two sevens, the first counts.
        assert_eq!(channel(&of_max, 0), [0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 4.0, 8.0, 0.0]);
        assert_eq!(channel(&of_max, 1), [0.0, 20.0, 0.0, 50.0, 0.0, 80.0, 0.0, 0.0, 0.0]);
        let of_average = WINDOW.average_gradient(&gradient);
        assert_eq!(channel(&of_average, 0)[4], (1.0 + 2.0 + 4.0 + 8.0) / 4.0);
        assert_eq!(channel(&of_average, 0)[0], 0.25);
    }
}
