//! What other programs call arguments of operations: those that have no meaning here, and those that have another name.

use ron::Error;

/// What to do about an argument, or a value of one, that this program does not have but others do (Keras, PyTorch and
/// TensorFlow.js); `None` for what none of them has.
pub(in crate::engine) fn advice(error: &Error) -> Option<String> {
    let (found, expected) = match error {
        Error::NoSuchStructField { found, expected, .. } => (found, *expected),
        Error::NoSuchEnumVariant { found, .. } => {
            let causal = found.eq_ignore_ascii_case("causal");
            return causal.then(|| {
                "causal padding is for sequences and has no meaning for images; use Same or Valid".to_owned()
            });
        }
        _ => return None,
    };
    let plain: String =
        found.chars().filter(|&it| it != '_').map(|it| it.to_ascii_lowercase()).collect();
    let own = match plain.as_str() {
        "kernelsize" | "poolsize" => "kernel",
        "outputpadding" => "output_padding",
        "scalefactor" => "size",
        "expandratio" | "expansionfactor" => "expansion",
        "strides" => "stride",
        "outchannels" => "filters",
        "outfeatures" => "units",
        "usebias" => "bias",
        "depthmultiplier" => "multiplier",
        "dilationrate" => "dilation",
        "targetshape" | "inputshape" => "shape",
        "p" => "rate",
        "maxvalue" => "max",
        "negativeslope" => "alpha",
        "kernelinitializer" => "kernel_initialiser",
        "biasinitializer" => "bias_initialiser",
        _ => "",
    };
    if expected.contains(&own) {
        return Some(format!("`{found}` is called `{own}` here"));
    }
    let no_meaning = match plain.as_str() {
        "dataformat" => "images are always channels, rows and columns",
        "noiseshape" => "dropout decides on each value by itself",
        "axis" | "dim" => "it is always the channels that are concatenated, normalised or compared",
        "sharedaxes" => "say per_channel: true or false instead",
        "seed" => "random numbers follow from the seed of the run",
        "inputdim" | "inputshape" | "inchannels" | "infeatures" | "numfeatures" => {
            "what comes in follows from the links"
        }
        "dtype" => "all numbers are of single precision",
        "name" => "a node has an id and a label",
        _ => return None,
    };
    Some(format!("`{found}` has no meaning here, leave it out: {no_meaning}"))
}

#[cfg(test)]
mod tests {
    use crate::engine::template;

    fn message(op: &str) -> String {
        let text = format!(
            "(version: 2, name: \"t\", nodes: [(id: \"a\", layer: 0, ops: [{op}], position: (0, 0))], links: [])"
        );
        template::read("t.ron", &text).expect_err("is refused").to_string()
    }

    #[test]
    fn what_has_no_meaning_is_refused_by_name_with_the_reason() {
        for (op, says) in [
            ("Conv2d(filters: 8, kernel: 3, data_format: ChannelsFirst)", "`data_format` has no"),
            ("MaxPool(kernel: 2, stride: 2, dataFormat: \"channelsLast\")", "rows and columns"),
            ("Conv2d(filters: 8, kernel: 3, padding: Causal)", "causal padding is for sequences"),
            ("Dropout(rate: 0.5, noise_shape: (1, 8))", "`noise_shape` has no meaning here"),
            ("Dropout(rate: 0.5, seed: 3)", "the seed of the run"),
            ("Dense(units: 8, inputDim: 64)", "follows from the links"),
            ("Prelu(shared_axes: (1, 2))", "per_channel"),
        ] {
            let text = message(op);
            assert!(text.starts_with("t.ron:1:") && text.contains(says), "{text}");
        }
    }

    #[test]
    fn brackets_and_values_of_the_wrong_kind_are_told_in_words() {
        for (op, says) in [
            ("BatchNorm(momentum: 0.9)", "`BatchNorm` takes no arguments"),
            ("Add()", "`Add` takes no arguments"),
            ("Relu", "`Relu` needs brackets with its arguments: `Relu( )`"),
            ("Input(shape: [1, 8, 8])", "`( )` in place of `[ ]`"),
            ("Reshape(shape: (8, 8, 1))", "`[ ]` in place of `( )`"),
            ("Conv2d(filters: -8, kernel: 3)", "below 0 where it cannot be"),
            ("Conv2d(filters: 8.5, kernel: 3)", "a whole number is expected"),
            ("InvertedResidual(filters: 8 expansion: 6, kernel: 3)", "xpected comma"),
            (
                "Conv2d(filters: 8, kernel: 3, padding: 1)",
                "a name is expected here, and `1` is none",
            ),
        ] {
            let text = message(op);
            assert!(text.starts_with("t.ron:1:") && text.contains(says), "{op}: {text}");
        }
    }

    #[test]
    fn other_names_of_arguments_lead_to_their_own() {
        for (op, says) in [
            ("Conv2d(filters: 8, kernel_size: 3)", "`kernel_size` is called `kernel` here"),
            ("MaxPool(poolSize: 2)", "`poolSize` is called `kernel` here"),
            ("Conv2d(filters: 8, kernel: 3, strides: (2, 2))", "`strides` is called `stride` here"),
            ("Conv2d(filters: 8, kernel: 3, useBias: true)", "`useBias` is called `bias` here"),
            ("Input(input_shape: (1, 28, 28))", "`input_shape` is called `shape` here"),
            ("LeakyRelu(negative_slope: 0.1)", "`negative_slope` is called `alpha` here"),
        ] {
            let text = message(op);
            assert!(text.contains(says), "{text}");
        }
        // Not where there is no such argument either.
        let text = message("Dropout(kernel_size: 3)");
        assert!(!text.contains("is called"), "{text}");
        assert!(message("Conv2d(filters: 8, kernel: 3, colour: 3)").ends_with("instead"));
    }
}
