//! How kernels and pooling windows move over images.

/// A window that moves over images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Window {
    /// Pixels of an image from top to bottom.
    pub(in crate::engine) height: usize,
    /// Pixels from left to right.
    pub(in crate::engine) width: usize,
    /// Values per pixel.
    pub(in crate::engine) channels: usize,
    /// Its height and width.
    pub(in crate::engine) kernel: [usize; 2],
    /// Pixels from one place of it to the next, downwards and to the right.
    pub(in crate::engine) stride: [usize; 2],
    /// Pixels that a window may reach over an image's border: at top and bottom, and at left and right.
    /// They count for nothing, or for zeros in a convolution.
    pub(in crate::engine) padding: [usize; 2],
}

impl Window {
    pub(in crate::engine) fn out_height(&self) -> usize {
        (self.height + 2 * self.padding[0] - self.kernel[0]) / self.stride[0] + 1
    }

    pub(in crate::engine) fn out_width(&self) -> usize {
        (self.width + 2 * self.padding[1] - self.kernel[1]) / self.stride[1] + 1
    }

    /// Values of an image.
    pub(super) fn in_len(&self) -> usize {
        self.height * self.width * self.channels
    }
}
