//! Activations that are computed along with the operation before them.

#[cfg(feature = "flex")]
use pulp::Simd;

/// The function that is applied to each value before it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) enum Fused {
    /// It stays as it is.
    Nothing,
    /// Negative values become 0.
    Relu,
    /// Negative values become 0; values larger than this become this.
    ReluUpTo(f32),
}

#[cfg(feature = "flex")]
impl Fused {
    /// What becomes of `values`. What is not a number stays so.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, simd: S, values: S::f32s) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        // In this order of arguments, what is not a number stays what it is.
        match self {
            Self::Nothing => values,
            Self::Relu => simd.max_f32s(zero, values),
            Self::ReluUpTo(most) => {
                simd.min_f32s(simd.splat_f32s(most), simd.max_f32s(zero, values))
            }
        }
    }

    /// The gradients of `values`, those before [`Self::apply`], from the `gradients` behind it.
    #[inline(always)]
    pub(super) fn gate<S: Simd>(self, simd: S, values: S::f32s, gradients: S::f32s) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        let open = |low: S::f32s, high: S::f32s, gradients: S::f32s| {
            // The same for floats is not always inlined.
            let [gradients, closed] = [gradients, zero].map(|it| simd.transmute_u32s_f32s(it));
            let chosen = simd.select_u32s(simd.less_than_f32s(low, high), gradients, closed);
            simd.transmute_f32s_u32s(chosen)
        };
        match self {
            Self::Nothing => gradients,
            Self::Relu => open(zero, values, gradients),
            Self::ReluUpTo(most) => {
                open(values, simd.splat_f32s(most), open(zero, values, gradients))
            }
        }
    }

    /// The gradient before [`Self::apply`] from that behind it, where `output` came out; `None` where both are
    /// the same.
    pub(in crate::engine) fn before(self) -> Option<impl Fn(f32, f32) -> f32> {
        let most = match self {
            Self::Nothing => return None,
            Self::Relu => f32::INFINITY,
            Self::ReluUpTo(most) => most,
        };
        Some(move |output, gradient| if 0.0 < output && output < most { gradient } else { 0.0 })
    }
}
