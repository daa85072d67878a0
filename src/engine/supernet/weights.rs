//! Weights in safetensors files, checked against the template they are read for.

use super::{Supernet, vector};
use crate::engine::compute::Statistics;
use burn::tensor::Tensor;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A weights file cannot be written or does not belong to the template.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The bytes are no safetensors file.
    #[error("not a safetensors file, or a damaged one; restore it, or train again: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// Another optimizer saved its state.
    #[error(
        "another optimizer saved this; set `optimizer` in the run.ron of the run back to what it was"
    )]
    Optimizer,
    /// A tensor is missing.
    #[error(
        "the weights lack `{0}`; they were saved for another template: restore the file, or train again"
    )]
    Missing(String),
    /// Tensors are left over.
    #[error("the weights have `{}`{}, which the template does not; they were saved for another one: restore the file, or train again",
        .first, more(*.others))]
    Unexpected {
        /// The first of them.
        first: String,
        /// How many others there are.
        others: usize,
    },
    /// A tensor has another shape or number format.
    #[error(
        "`{name}` is {found} in the file, the template needs {wanted}; it was saved for another template: restore the file, or train \
         again"
    )]
    Unfit {
        /// The tensor.
        name: String,
        /// What the template needs.
        wanted: String,
        /// What the file has.
        found: String,
    },
    /// The device failed.
    #[error("the weights cannot be read from the device: {0}; use another device")]
    Device(String),
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" and {others} more") }
}

impl Supernet {
    /// All weights and running statistics as a safetensors file, named
    /// `<node id>.<op key>.<role>`. Equal weights give equal bytes.
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let mut writer = TensorWriter::default();
        for (parameter, value) in self.plan.parameters.iter().zip(&self.values) {
            writer.tensor(parameter.name.clone(), &parameter.is.shape, value)?;
        }
        for (norm, Statistics { mean, variance }) in self.plan.norms.iter().zip(&self.running) {
            writer.tensor(format!("{}.mean", norm.name), &[norm.channels], mean)?;
            writer.tensor(format!("{}.var", norm.name), &[norm.channels], variance)?;
        }
        writer.finish()
    }

    /// Takes all weights and running statistics from what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the file is damaged, or names, shapes or number formats are not those of the template. Nothing
    /// is changed then.
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<(), WeightsError> {
        let mut file = TensorFile::read(bytes)?;
        let values = self
            .plan
            .parameters
            .iter()
            .map(|parameter| {
                Ok(vector(file.take(&parameter.name, &parameter.is.shape)?, &self.device))
            })
            .collect::<Result<Vec<_>, WeightsError>>()?;
        let running = self
            .plan
            .norms
            .iter()
            .map(|norm| {
                let mut take = |role: &str| {
                    let values = file.take(&format!("{}.{role}", norm.name), &[norm.channels])?;
                    Ok::<_, WeightsError>(vector(values, &self.device))
                };
                Ok(Statistics { mean: take("mean")?, variance: take("var")? })
            })
            .collect::<Result<Vec<_>, WeightsError>>()?;
        file.finish()?;
        (self.values, self.running) = (values, running);
        Ok(())
    }
}

/// Gathers named tensors for a safetensors file.
#[derive(Default)]
pub(in crate::engine) struct TensorWriter {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl TensorWriter {
    /// Adds a flat tensor under the given shape.
    pub(in crate::engine) fn tensor(
        &mut self,
        name: String,
        shape: &[usize],
        value: &Tensor<1>,
    ) -> Result<(), WeightsError> {
        let values = value
            .try_to_vec_as::<f32>()
            .map_err(|error| WeightsError::Device(error.to_string()))?;
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.tensors.push((name, Dtype::F32, shape.to_vec(), bytes));
        Ok(())
    }

    /// Adds whole numbers.
    pub(in crate::engine) fn numbers(&mut self, name: &str, numbers: &[u64]) {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensors.push((name.to_owned(), Dtype::U64, vec![numbers.len()], bytes));
    }

    /// The file.
    pub(in crate::engine) fn finish(&self) -> Result<Vec<u8>, WeightsError> {
        let views = self
            .tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, WeightsError>>()?;
        Ok(safetensors::serialize(views, None)?)
    }
}

/// A safetensors file from which every tensor must be taken.
pub(in crate::engine) struct TensorFile<'a> {
    file: SafeTensors<'a>,
    left: BTreeSet<String>,
}

impl<'a> TensorFile<'a> {
    pub(in crate::engine) fn read(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes)?;
        let left = file.names().into_iter().map(str::to_owned).collect();
        Ok(Self { file, left })
    }

    /// Whether a tensor of this name has not been taken yet.
    pub(in crate::engine) fn has(&self, name: &str) -> bool {
        self.left.contains(name)
    }

    /// The values of a tensor of 32-bit floats.
    pub(in crate::engine) fn take(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, WeightsError> {
        let (chunks, []) = self.view(name, Dtype::F32, shape)?.as_chunks() else {
            unreachable!("safetensors checks the number of bytes");
        };
        Ok(chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    }

    /// The whole numbers of a tensor.
    pub(in crate::engine) fn take_numbers<const N: usize>(
        &mut self,
        name: &str,
    ) -> Result<[u64; N], WeightsError> {
        let (chunks, []) = self.view(name, Dtype::U64, &[N])?.as_chunks() else {
            unreachable!("safetensors checks the number of bytes");
        };
        Ok(std::array::from_fn(|i| u64::from_le_bytes(chunks[i])))
    }

    fn view(
        &mut self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
    ) -> Result<&'a [u8], WeightsError> {
        if !self.left.remove(name) {
            return Err(WeightsError::Missing(name.to_owned()));
        }
        let view = self.file.tensor(name)?;
        if (view.dtype(), view.shape()) != (dtype, shape) {
            let describe = |dtype: Dtype, shape: &[usize]| format!("{dtype:?} {shape:?}");
            return Err(WeightsError::Unfit {
                name: name.to_owned(),
                wanted: describe(dtype, shape),
                found: describe(view.dtype(), view.shape()),
            });
        }
        Ok(view.data())
    }

    /// Makes sure that nothing is left.
    pub(in crate::engine) fn finish(self) -> Result<(), WeightsError> {
        let others = self.left.len().saturating_sub(1);
        match self.left.into_iter().next() {
            Some(first) => Err(WeightsError::Unexpected { first, others }),
            None => Ok(()),
        }
    }
}

/// Puts tensors of several safetensors files together.
#[derive(Default)]
pub(in crate::engine) struct Overlay<'a> {
    tensors: BTreeMap<String, TensorView<'a>>,
}

impl<'a> Overlay<'a> {
    /// Takes the tensors of a file that `name` gives a name, instead of those which had that name before.
    ///
    /// # Errors
    /// When it is no safetensors file.
    pub(in crate::engine) fn add(
        &mut self,
        bytes: &'a [u8],
        name: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), WeightsError> {
        // The views outlive what lists them.
        let file = SafeTensors::deserialize(bytes)?;
        self.tensors.extend(
            file.tensors().into_iter().filter_map(|(tensor, view)| Some((name(&tensor)?, view))),
        );
        Ok(())
    }

    /// The file with all of them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(in crate::engine) fn finish(self) -> Result<Vec<u8>, WeightsError> {
        Ok(safetensors::serialize(self.tensors, None)?)
    }
}

/// The tensors of a safetensors file, and how many bytes each takes.
///
/// # Errors
/// When it is no safetensors file.
pub(in crate::engine) fn tensor_sizes(bytes: &[u8]) -> Result<Vec<(String, usize)>, WeightsError> {
    let file = SafeTensors::deserialize(bytes)?;
    Ok(file.tensors().into_iter().map(|(name, view)| (name, view.data().len())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{damage::Damage, supernet::toy::small_vgg};
    use burn::tensor::Device;
    use proptest::prelude::*;

    fn supernet() -> Supernet {
        Supernet::new(small_vgg(), 1, &Device::flex())
    }

    /// A safetensors file with this header.
    fn with_header(announced: u64, header: &str, content: &[u8]) -> Vec<u8> {
        [&announced.to_le_bytes(), header.as_bytes(), content].concat()
    }

    #[test]
    fn a_header_that_announces_more_than_there_is_is_refused() {
        let shapes = [
            "[18446744073709551615,18446744073709551615]",
            "[4294967296,4294967296]",
            "[1152921504606846976]",
            "[-1]",
            "[99999999999999999999]",
        ];
        let tensors = shapes.map(|shape| {
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,4]}}}}"#)
        });
        let mut files: Vec<_> = tensors
            .iter()
            .map(|header| with_header(header.len() as u64, header, &[0; 4]))
            .collect();
        files.extend([1 << 60, u64::MAX, 100_000_000, 9].map(|long| with_header(long, "{}", &[])));
        let offsets =
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,18446744073709551615]}}"#;
        files.push(with_header(offsets.len() as u64, offsets, &[0; 4]));
        for bytes in files {
            let error = supernet().load_bytes(&bytes).expect_err("is damaged").to_string();
            assert!(error.contains("not a safetensors file") && !error.contains('\n'), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn damage_anywhere_is_refused_in_one_sentence_or_gives_other_weights(
            damages in proptest::collection::vec(Damage::any(), 1..3), in_header: bool
        ) {
            let mut supernet = supernet();
            let good = supernet.to_bytes().expect("the CPU answers");
            let header = 8 + u64::from_le_bytes(*good.first_chunk().expect("is there")) as usize;
            let (head, rest) = good.split_at(if in_header { header } else { good.len() });
            let head = damages.iter().fold(head.to_vec(), |bytes, damage| damage.to(&bytes));
            if let Err(error) = supernet.load_bytes(&[head.as_slice(), rest].concat()) {
                let message = error.to_string();
                prop_assert!(!message.is_empty() && !message.contains('\n'), "{}", message);
                prop_assert!(supernet.to_bytes().expect("the CPU answers") == good, "nothing is changed");
            }
        }
    }
}
