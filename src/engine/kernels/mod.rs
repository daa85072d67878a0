//! Convolution, batch normalisation, pooling and concatenation of images on the processor: plain functions on slices,
//! without Burn.
//!
//! Images are `[batch, height, width, channels]`: the channels of a pixel lie side by side, and so do the
//! pixels under a row of a kernel. Work is shared out over Rayon's threads in pieces that depend on the
//! shapes only, and sums over pieces are taken in their order: results do not depend on the number of
//! threads, and equal inputs give equal bits.

#[cfg(feature = "flex")]
mod block;
#[cfg(feature = "flex")]
pub(in crate::engine) mod channels;
#[cfg(feature = "flex")]
pub(in crate::engine) mod conv;
pub(in crate::engine) mod fused;
#[cfg(feature = "flex")]
pub(in crate::engine) mod norm;
#[cfg(feature = "flex")]
mod output;
#[cfg(feature = "flex")]
pub(in crate::engine) mod pool;
#[cfg(feature = "flex")]
pub(in crate::engine) mod window;
