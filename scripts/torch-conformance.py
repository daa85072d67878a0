#!/usr/bin/env python3
"""Computes src/engine/ops/conformance/torch.json: what PyTorch says of the cases of src/engine/ops/conformance.rs.

Give it the file of cases, which the test writes:

    NAS_NAVIGATOR_CONFORMANCE_CASES=/tmp/cases.json cargo test --lib cases_for_pytorch -- --ignored
    python scripts/torch-conformance.py /tmp/cases.json

It needs PyTorch only (any processor; written with 2.9) and computes in double precision. Inputs, weights and statistics
are made here and in the test by the same formula, so that only results are stored: outputs, gradients of the sum of
all outputs, each times a fixed number, what batch normalisations saw, and the number of operations for one image.
That is counted by PyTorch for convolutions and products of matrices; what it does not count is counted beside the
function that does it: one operation per comparison, sum, product or exponential of a value.
"""

import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

EPSILON = 1e-5
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def fnv(text):
    """The FNV-1a hash of 32 bits."""
    state = 2166136261
    for byte in text.encode():
        state = (state ^ byte) * 16777619 % 2**32
    return state


def sequence(purpose, count):
    """Numbers in -1..1 that depend on the purpose only; single precision holds them exactly."""
    state, numbers = fnv(purpose), []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        numbers.append((state >> 8) / 2**23 - 1)
    return numbers


class Numbers:
    """What a case is computed with, as `Numbers` in conformance/run.rs."""

    def __init__(self, case):
        self.name, batch = case["name"], case["batch"]
        self.inputs = [
            case["span"] * self.of(f"input/{slot}", [batch, *shape])
            for slot, shape in enumerate(case["inputs"])
        ]
        self.parameters = [
            self.of(f"parameter/{place}", parameter["shape"], parameter["role"].endswith("gamma"))
            for place, parameter in enumerate(case["parameters"])
        ]
        self.statistics = [
            (self.of(f"mean/{place}", [channels], 0.0), self.of(f"variance/{place}", [channels], 1.0))
            for place, channels in enumerate(case["norms"])
        ]
        self.weights = self.of("weight", [batch, *case["output"]])

    def of(self, purpose, shape, middle=False):
        """With a middle (`True` is 1), half as wide around it."""
        values = torch.tensor(sequence(f"{self.name}/{purpose}", math.prod(shape)), dtype=torch.float32)
        if middle is not False:
            values = float(middle) + 0.5 * values
        return values.double().reshape(shape)


class Pass:
    """One forward pass: what is learned, taken in its order, and what is counted and seen on the way."""

    def __init__(self, case, numbers, parameters, evaluates):
        self.case, self.evaluates = case, evaluates
        self.parameters = iter(zip((it["role"] for it in case["parameters"]), parameters))
        self.given = iter(numbers.statistics)
        self.seen = []
        self.flops = 0

    def take(self, *roles):
        """The next parameter, whose role must be one of these."""
        role, value = next(self.parameters)
        assert role in roles, f"{self.case['name']}: {role} instead of {roles}"
        return value

    def count(self, x, per_value):
        self.flops += per_value * x.numel()
        return x

    def norm(self, x, gamma="gamma", beta="beta"):
        gamma, beta = self.take(gamma), self.take(beta)
        mean, variance = next(self.given)
        self.count(x, 2)
        if self.evaluates:
            return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=EPSILON)
        dims = [dim for dim in range(x.dim()) if dim != 1]
        self.seen.append((x.mean(dims), x.var(dims, unbiased=False)))
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)

    def function(self, x, name):
        per_value, function = FUNCTIONS[name]
        self.count(x, per_value)
        return function(x)

    def bound(self, x, most):
        return x if most is None else self.count(x.clamp(max=most), 1)

    def convolution(self, x, arguments, groups=1, weight="weight", bias="bias"):
        """Arguments that are left out are those of a convolution as simple as can be."""
        weight = self.take(weight)
        bias = self.take(bias) if arguments.get("bias") else None
        dilation = arguments.get("dilation", [1, 1])
        covered = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilation)]
        padding = padding_of(arguments.get("padding", "same"), covered)
        return F.conv2d(x, weight, bias, arguments.get("stride", 1), padding, dilation, groups)

    def gate(self, x):
        """A squeeze-excitation; its weights say how many units there are between."""
        means = self.count(x, 1).mean((2, 3))
        units = means @ self.take("squeeze.weight") + self.take("squeeze.bias")
        factors = self.function(units, "relu") @ self.take("excite.weight") + self.take("excite.bias")
        return self.count(x * self.function(factors, "sigmoid")[:, :, None, None], 1)


def padding_of(padding, covered):
    """Rows and columns on each side for a kernel that covers so many."""
    named = {"same": [side // 2 for side in covered], "valid": [0, 0]}
    return padding if isinstance(padding, list) else named[padding]


# Operations per value, as the engine counts them, and the function.
FUNCTIONS = {
    "elu": (3, F.elu),
    "hard-sigmoid": (3, lambda x: (0.2 * x + 0.5).clamp(0, 1)),  # that of Keras: PyTorch's has another slope
    "linear": (0, lambda x: x),
    "relu": (1, F.relu),
    "relu6": (1, F.relu6),
    "selu": (4, F.selu),
    "sigmoid": (4, torch.sigmoid),
    "softmax": (4, lambda x: F.softmax(x, dim=1)),
    "softplus": (4, F.softplus),
    "softsign": (3, F.softsign),
    "tanh": (4, torch.tanh),
}


def conv_block(run, x, arguments):
    if arguments["conv"]:
        x = run.convolution(x, arguments, arguments["groups"])
    if arguments["batch_norm"]:
        x = run.norm(x)
    return run.bound(run.function(x, arguments["activation"]), arguments["max"])


def conv2d(run, x, arguments):
    return run.function(run.convolution(x, arguments, arguments["groups"]), arguments["activation"])


def depthwise(run, x, arguments):
    return run.function(run.convolution(x, arguments, x.shape[1]), arguments["activation"])


def separable(run, x, arguments):
    without = {**arguments, "bias": False}
    x = run.convolution(x, without, x.shape[1], "depthwise.weight")
    x = run.convolution(x, {"bias": arguments["bias"]}, 1, "pointwise.weight")
    return run.function(x, arguments["activation"])


def transposed(run, x, arguments):
    weight = run.take("weight")
    bias = run.take("bias") if arguments["bias"] else None
    padding = padding_of(arguments["padding"], arguments["kernel"])
    x = F.conv_transpose2d(x, weight, bias, arguments["stride"], padding, arguments["output_padding"])
    return run.function(x, arguments["activation"])


def inverted_residual(run, x, arguments):
    before = x
    if arguments["expansion"] > 1:
        x = run.norm(run.convolution(x, {}, 1, "expand.weight"), "expand.gamma", "expand.beta")
        x = run.function(x, arguments["activation"])
    strided = {"stride": arguments["stride"]}
    x = run.convolution(x, strided, x.shape[1], "depthwise.weight")
    x = run.function(run.norm(x, "depthwise.gamma", "depthwise.beta"), arguments["activation"])
    if arguments["squeeze_excitation"]:
        x = run.gate(x)
    x = run.norm(run.convolution(x, {}, 1, "project.weight"), "project.gamma", "project.beta")
    return run.count(x + before, 1) if arguments["stride"] == [1, 1] and x.shape == before.shape else x


def max_pool(run, x, arguments):
    # `max_pool2d` takes no padding of more than half of the kernel.
    rows, columns = arguments["padding"]
    x = F.pad(x, (columns, columns, rows, rows), value=-math.inf)
    return run.count(F.max_pool2d(x, arguments["kernel"], arguments["stride"]), math.prod(arguments["kernel"]))


def average_pool(run, x, arguments):
    pooled = F.avg_pool2d(
        x, arguments["kernel"], arguments["stride"], arguments["padding"], count_include_pad=False
    )
    return run.count(pooled, math.prod(arguments["kernel"]))


def global_average(run, x, _arguments):
    return run.count(x, 1).mean((2, 3))


def dense(run, x, arguments):
    x = x @ run.take("weight")
    if arguments["bias"]:
        x = x + run.take("bias")
    return run.function(x, arguments["activation"])


def layer_norm(run, x, _arguments):
    gamma, beta = run.take("gamma"), run.take("beta")
    shape = [1, -1] + [1] * (x.dim() - 2)
    x = F.layer_norm(run.count(x, 7), x.shape[1:], eps=EPSILON)
    return x * gamma.reshape(shape) + beta.reshape(shape)


def prelu(run, x, _arguments):
    return run.count(F.prelu(x, run.take("alpha")), 2)


def reshape(_run, x, arguments):
    return x.reshape([x.shape[0], *arguments["shape"]])


def cropping(_run, x, arguments):
    above, below, left, right = arguments["cropping"]
    return x[:, :, above : x.shape[2] - below, left : x.shape[3] - right]


def up_sampling(run, x, arguments):
    rows, columns = arguments["size"]
    if arguments["interpolation"] == "nearest":
        return F.interpolate(x, scale_factor=(rows, columns), mode="nearest")
    # First rows, then columns: a mixture of two is two products and a sum.
    run.flops += 3 * x.numel() * (rows * (rows > 1) + rows * columns * (columns > 1))
    return F.interpolate(x, scale_factor=(rows, columns), mode="bilinear", align_corners=False)


def zero(_run, x, arguments):
    rows, columns = arguments["stride"]
    return torch.zeros_like(x[:, :, ::rows, ::columns] if x.dim() == 4 else x)


def unchanged(_run, x, _arguments):
    return x


OPERATIONS = {
    "input": unchanged,
    "conv block": conv_block,
    "conv2d": conv2d,
    "depthwise conv2d": depthwise,
    "separable conv2d": separable,
    "conv2d transpose": transposed,
    "inverted residual": inverted_residual,
    "squeeze-excitation": lambda run, x, _: run.gate(x),
    "max pool": max_pool,
    "average pool": average_pool,
    "global average": global_average,
    "global max": lambda run, x, _: run.count(x, 1).amax((2, 3)),
    "dense": dense,
    "dropout": unchanged,  # of evaluation: masks are each program's own
    "batch norm": lambda run, x, _: run.norm(x),
    "layer norm": layer_norm,
    "relu": lambda run, x, arguments: F.relu(run.count(x, 1)).clamp(max=arguments["max"] or math.inf),
    "activation": lambda run, x, arguments: run.function(x, arguments["function"]),
    "elu": lambda run, x, arguments: F.elu(run.count(x, 3), arguments["alpha"]),
    "leaky relu": lambda run, x, arguments: F.leaky_relu(run.count(x, 2), arguments["alpha"]),
    "prelu": prelu,
    "softmax": lambda run, x, _: run.function(x, "softmax"),
    "flatten": lambda run, x, _: x.flatten(1),
    "reshape": reshape,
    "cropping": cropping,
    "up-sampling": up_sampling,
    "identity": unchanged,
    "zero": zero,
    "output": unchanged,
}


def merge(subject, slots, kept):
    left = [x for x, there in zip(slots, kept) if there]
    if subject == "concatenate":
        return torch.cat([x if there else torch.zeros_like(x) for x, there in zip(slots, kept)], 1)
    total = sum(left[1:], left[0])
    return {"average": total / len(left), "add": total}[subject]


def compute(case, numbers, inputs, parameters, evaluates):
    run = Pass(case, numbers, parameters, evaluates)
    if case["subject"] in OPERATIONS:
        output = OPERATIONS[case["subject"]](run, inputs[0], case["arguments"])
    else:
        output = merge(case["subject"], inputs, case["kept"])
    assert next(run.parameters, None) is None, f"{case['name']}: a parameter is left over"
    assert list(output.shape[1:]) == case["output"], f"{case['name']}: {output.shape}"
    return run, output


def rounded(tensor):
    """Flat, with the seven digits that single precision holds."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


def results(case):
    numbers = Numbers(case)
    leaves = [x.clone().requires_grad_() for x in numbers.inputs + numbers.parameters]
    inputs, parameters = leaves[: len(numbers.inputs)], leaves[len(numbers.inputs) :]
    with FlopCounterMode(display=False) as counter:
        run, output = compute(case, numbers, inputs, parameters, False)
    total = (output * numbers.weights).sum()
    gradients = [None] * len(leaves)
    if total.requires_grad:
        gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    flops, rest = divmod(run.flops + counter.get_total_flops(), case["batch"])
    assert rest == 0
    found = {
        "hash": case["hash"],
        "flops": flops if case["subject"] in OPERATIONS else 0,
        "output": rounded(output),
        "gradients": [
            rounded(torch.zeros_like(leaf) if gradient is None else gradient)
            for leaf, gradient in zip(leaves, gradients)
        ],
    }
    if run.seen:
        found["statistics"] = [[rounded(mean), rounded(variance)] for mean, variance in run.seen]
        found["evaluation"] = rounded(compute(case, numbers, inputs, parameters, True)[1])
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    cases = json.loads(pathlib.Path(sys.argv[1]).read_text())
    target = pathlib.Path(__file__).parent.parent / "src/engine/ops/conformance/torch.json"
    lines = [f"{json.dumps(case['name'], ensure_ascii=False)}:{json.dumps(results(case), separators=(',', ':'))}" for case in cases]
    version = json.dumps(torch.__version__.split("+")[0])
    text = f'{{"torch":{version},"cases":{{\n' + ",\n".join(lines) + "\n}}\n"
    target.write_text(text)
    print(f"{len(cases)} cases, {len(text.encode()) // 1000} kB in {target}")


if __name__ == "__main__":
    main()
