//! Where tensors live and are computed: which device is wanted, and whether it is there.

use crate::quiet::quietly;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A device as it is written on the command line: `auto`, `cpu`, `cuda:N` or `wgpu:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// The best that is compiled in and answers: CUDA, then another GPU, then the CPU.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The NVIDIA GPU with this number.
    Cuda(usize),
    /// The GPU with this number among those that Vulkan, Metal or DirectX offer.
    Wgpu(usize),
}

/// A device cannot be used.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// The text is none of the four forms.
    #[error("`{0}` is not a device; use auto, cpu, cuda:N or wgpu:N, for example cuda:0")]
    Unknown(String),
    /// The backend is missing from this build.
    #[error(
        "this program was built without the device {choice}; \
         build it with `--features {feature}`, or use another device"
    )]
    NotCompiledIn {
        /// The requested device.
        choice: DeviceChoice,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
    /// The backend is there but its device is not.
    #[error(
        "the device {choice} does not answer ({reason}); check its driver, or use --device cpu"
    )]
    NoAnswer {
        /// The requested device.
        choice: DeviceChoice,
        /// The message of the backend.
        reason: String,
    },
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    /// Reads `auto`, `cpu`, `cuda:N` or `wgpu:N`; without `:N`, the first device is meant.
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        let lower = text.trim().to_lowercase();
        let (name, number) =
            lower.split_once(':').map_or((lower.as_str(), None), |(name, n)| (name, Some(n)));
        let index = number.map_or(Ok(0), |number| number.parse().map_err(|_| unknown()))?;
        match (name, number) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(index)),
            ("wgpu", _) => Ok(Self::Wgpu(index)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Wgpu(index) => write!(f, "wgpu:{index}"),
        }
    }
}

/// Opens a device and makes sure, with a tiny computation, that it answers.
///
/// # Errors
/// When the backend is not compiled in or its device does not answer. `Auto` fails only where not even
/// the CPU can be used.
pub fn open(choice: &DeviceChoice) -> Result<Device, DeviceError> {
    open_named(choice).map(|(_, device)| device)
}

/// The same, and which device `Auto` has come to.
///
/// # Errors
/// As [`open`].
pub fn open_named(choice: &DeviceChoice) -> Result<(DeviceChoice, Device), DeviceError> {
    let open = |choice, hardware_only| Ok((choice, open_one(choice, hardware_only)?));
    match *choice {
        DeviceChoice::Auto => {
            for better in [DeviceChoice::Cuda(0), DeviceChoice::Wgpu(0)] {
                match open(better, true) {
                    Ok(opened) => return Ok(opened),
                    Err(error) => tracing::debug!("--device auto passes over {better}: {error}"),
                }
            }
            open(DeviceChoice::Cpu, false)
        }
        other => open(other, false),
    }
}

/// Opens a device that is not `Auto`. With `hardware_only`, a GPU that is emulated in software is
/// left out: the CPU backend is faster.
fn open_one(choice: DeviceChoice, hardware_only: bool) -> Result<Device, DeviceError> {
    let feature = match choice {
        DeviceChoice::Cuda(_) => "cuda",
        DeviceChoice::Wgpu(_) => "wgpu",
        DeviceChoice::Auto | DeviceChoice::Cpu => "flex",
    };
    let find = find(choice, hardware_only).ok_or(DeviceError::NotCompiledIn { choice, feature })?;
    probe(find).map_err(|reason| DeviceError::NoAnswer { choice, reason })
}

/// Looks for a device, which may panic where there is no driver.
type Find = Box<dyn FnOnce() -> Result<Device, String>>;

/// How to look for the chosen device; `None` when its backend is not compiled in.
fn find(choice: DeviceChoice, hardware_only: bool) -> Option<Find> {
    // Only the GPU backend knows the difference.
    let _ = hardware_only;
    match choice {
        #[cfg(feature = "flex")]
        DeviceChoice::Auto | DeviceChoice::Cpu => Some(Box::new(|| Ok(Device::flex()))),
        #[cfg(feature = "cuda")]
        DeviceChoice::Cuda(index) => {
            Some(Box::new(move || nth(&Device::enumerate(burn::tensor::DeviceType::Cuda), index)))
        }
        #[cfg(feature = "wgpu")]
        DeviceChoice::Wgpu(_) if hardware_only => Some(Box::new(|| {
            use burn::tensor::DeviceKind::{DiscreteGpu, IntegratedGpu, VirtualGpu};
            let kinds = [DiscreteGpu(0), IntegratedGpu(0), VirtualGpu(0)];
            let gpus = Device::enumerate(burn::tensor::DeviceType::Wgpu);
            let mut found =
                kinds.into_iter().map(Device::wgpu).filter(|device| gpus.contains(device));
            found.next().ok_or_else(|| "no GPU but one that is emulated in software".to_owned())
        })),
        #[cfg(feature = "wgpu")]
        DeviceChoice::Wgpu(index) => {
            Some(Box::new(move || nth(&Device::enumerate(burn::tensor::DeviceType::Wgpu), index)))
        }
        #[allow(unreachable_patterns, reason = "reached in builds that lack a backend")]
        _ => None,
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn nth(devices: &[Device], index: usize) -> Result<Device, String> {
    devices.get(index).cloned().ok_or_else(|| match devices.len() {
        0 => "none was found".to_owned(),
        1 => "only number 0 was found".to_owned(),
        count => format!("only numbers 0 to {} were found", count - 1),
    })
}

/// Finds the device and computes something on it; says why where that fails.
fn probe(find: Find) -> Result<Device, String> {
    let answer = quietly(|| {
        let device = find()?;
        let doubled = Tensor::<1>::from_floats([1.0, 2.0], &device).mul_scalar(2.0);
        match doubled.try_into_vec_as::<f32>() {
            Ok(values) if values == [2.0, 4.0] => Ok(device),
            Ok(values) => Err(format!("twice [1, 2] came out as {values:?}")),
            Err(error) => Err(error.to_string()),
        }
    });
    answer.unwrap_or_else(Err)
}

/// A GPU for tests, or one that is emulated in software.
#[cfg(all(test, feature = "wgpu"))]
pub(in crate::engine) fn gpu() -> Device {
    open(&DeviceChoice::Wgpu(0)).expect("a GPU answers; without one, install mesa-vulkan-drivers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "wgpu:1"] {
            assert_eq!(text.parse::<DeviceChoice>().expect("a device").to_string(), text);
        }
        assert_eq!(" CPU".parse::<DeviceChoice>().expect("a device"), DeviceChoice::Cpu);
        assert_eq!("cuda".parse::<DeviceChoice>().expect("a device"), DeviceChoice::Cuda(0));
    }

    #[test]
    fn nonsense_is_refused_with_the_forms_that_are_right() {
        for text in ["", "gpu", "cpu:1", "auto:0", "cuda:x", "cuda:-1", "wgpu:"] {
            let error = text.parse::<DeviceChoice>().expect_err(text);
            assert!(error.to_string().contains("cuda:N"), "{error}");
        }
    }

    #[test]
    fn a_panic_while_probing_is_an_error_with_its_text() {
        let error = probe(Box::new(|| panic!("no  driver\n{}", "here"))).expect_err("it panics");
        assert_eq!(error, "no driver here");
    }

    #[cfg(feature = "flex")]
    #[test]
    fn the_processor_and_auto_answer() {
        open(&DeviceChoice::Cpu).expect("the CPU answers");
        open(&DeviceChoice::Auto).expect("something answers");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_missing_backend_names_its_feature() {
        let error = open(&DeviceChoice::Cuda(0)).expect_err("is not compiled in");
        assert!(error.to_string().contains("--features cuda"), "{error}");
    }
}
