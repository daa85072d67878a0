#!/usr/bin/env python3
"""The PyTorch side of `bench engine`: the same template as a supernet, trained and evaluated as one would write it there.

    nas-navigator template show densenet --json --candidates 1000 | python scripts/torch-speed.py

It prints one line of JSON with the fields of `nas-navigator bench engine --json`. What is measured is the same: noise in
the template's shape; Adam with a rate of 0.001, cross entropy, 64 images per step, of which each trains one of the candidates
that it is given; then ten candidates that classify 1,024 images each, 256 at a time, one after another, with the statistics of
training. Each number is the median of five. Compare ratios that were taken in the same minutes only.

It needs PyTorch only (written with 2.9). An operation that it does not know is named, and ends it.
"""

import json
import random
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

BATCH, STEPS, REPEATS, IMAGES, CANDIDATES, EVALUATION_BATCH = 64, 30, 5, 1024, 10, 256

ACTIVATIONS = {"linear": nn.Identity, "relu": nn.ReLU, "relu6": nn.ReLU6, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def convolution(filters, kernel, arguments, groups=1):
    padding = arguments.get("padding", "same")
    if not isinstance(padding, list):
        padding = [side // 2 if padding == "same" else 0 for side in kernel]
    stride, bias = arguments.get("stride", 1), arguments.get("bias", False)
    return nn.LazyConv2d(filters, kernel, stride, padding, arguments.get("dilation", 1), groups, bias)


class ConvBlock(nn.Sequential):
    def __init__(self, arguments):
        parts = []
        if arguments["conv"]:
            parts.append(convolution(arguments["filters"], arguments["kernel"], arguments, arguments["groups"]))
        if arguments["batch_norm"]:
            parts.append(nn.LazyBatchNorm2d())
        parts.append(ACTIVATIONS[arguments["activation"]]())
        assert arguments["max"] is None, "an upper bound is not written"
        super().__init__(*parts)


def conv2d(arguments):
    conv = convolution(arguments["filters"], arguments["kernel"], arguments, arguments["groups"])
    return nn.Sequential(conv, ACTIVATIONS[arguments["activation"]]())


class InvertedResidual(nn.Module):
    def __init__(self, arguments):
        super().__init__()
        self.arguments, self.layers = arguments, None

    def build(self, channels):
        arguments, activation = self.arguments, ACTIVATIONS[self.arguments["activation"]]
        between = channels * arguments["expansion"]
        layers = []
        if arguments["expansion"] > 1:
            layers += [nn.Conv2d(channels, between, 1, bias=False), nn.BatchNorm2d(between), activation()]
        kernel = arguments["kernel"]
        padding = [side // 2 for side in kernel]
        layers += [
            nn.Conv2d(between, between, kernel, arguments["stride"], padding, groups=between, bias=False),
            nn.BatchNorm2d(between),
            activation(),
            nn.Conv2d(between, arguments["filters"], 1, bias=False),
            nn.BatchNorm2d(arguments["filters"]),
        ]
        assert not arguments["squeeze_excitation"], "not written, as no preset that is compared has it"
        return nn.Sequential(*layers)

    def forward(self, x):
        if self.layers is None:
            self.layers = self.build(x.shape[1])
        y = self.layers(x)
        return x + y if x.shape == y.shape else y


class Pool(nn.Module):
    def __init__(self, function, arguments):
        super().__init__()
        self.function, self.window = function, [arguments[name] for name in ("kernel", "stride", "padding")]

    def forward(self, x):
        if self.function is F.avg_pool2d:
            return F.avg_pool2d(x, *self.window, count_include_pad=False)
        return F.max_pool2d(x, *self.window)


class GlobalAverage(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Dense(nn.Sequential):
    def __init__(self, arguments):
        super().__init__(nn.LazyLinear(arguments["units"], arguments["bias"]), ACTIVATIONS[arguments["activation"]]())


MODULES = {
    "Input": lambda _: nn.Identity(),
    "Output": lambda _: nn.Identity(),
    "Identity": lambda _: nn.Identity(),
    "Flatten": lambda _: nn.Flatten(),
    "ConvBlock": ConvBlock,
    "Conv2d": conv2d,
    "InvertedResidual": InvertedResidual,
    "MaxPool": lambda arguments: Pool(F.max_pool2d, arguments),
    "AveragePool": lambda arguments: Pool(F.avg_pool2d, arguments),
    "GlobalAveragePool": lambda _: GlobalAverage(),
    "BatchNorm": lambda _: nn.LazyBatchNorm2d(),
    "Relu": lambda _: nn.ReLU(),
    "Dropout": lambda arguments: nn.Dropout(arguments["rate"]),
    "Dense": Dense,
}


class Supernet(nn.Module):
    """A node of the template that is left out gives `None`; a concatenation has zeros in its place."""

    def __init__(self, template):
        super().__init__()
        self.layers = [[node["id"] for node in layer["nodes"]] for layer in template["layers"]]
        nodes = {node["id"]: node for layer in template["layers"] for node in layer["nodes"]}
        self.merges = {name: node["merge"] for name, node in nodes.items()}
        self.sources = {name: [] for name in nodes}
        for source, target in template["links"]:
            self.sources[target].append(source)
        self.modules_of = {
            name: nn.Sequential(*(MODULES[op["operation"]](op["arguments"]) for op in node["operations"]))
            for name, node in nodes.items()
        }
        self.shapes = {}
        self.candidates = [set(kept) for kept in template["candidates"]]

    def path(self):
        return random.choice(self.candidates)

    def forward(self, images, path):
        values = {}
        for layer in self.layers:
            for name in layer:
                if name not in path:
                    continue
                given = [values.get(source) for source in self.sources[name]]
                x = self.merged(name, given) if given else images
                values[name] = x if x is None else self.modules_of[name](x)
        last = self.layers[-1][-1]
        return values[last]

    def merged(self, name, given):
        kept = [x for x in given if x is not None]
        if not kept:
            return None
        if self.merges[name] == "concatenate":
            zeros = lambda source: kept[0].new_zeros([kept[0].shape[0], *self.shapes[source]])
            return torch.cat([zeros(source) if x is None else x for x, source in zip(given, self.sources[name])], 1)
        total = sum(kept[1:], kept[0])
        return total / len(kept) if self.merges[name] == "average" and len(kept) > 1 else total

    def settle(self, images):
        """Makes all weights, and notes what each node gives, by one pass with all nodes."""
        everything = {name for layer in self.layers for name in layer}
        hooks = [
            module.register_forward_hook(lambda _m, _i, out, name=name: self.shapes.__setitem__(name, out.shape[1:]))
            for name, module in self.modules_of.items()
        ]
        self(images, everything)
        for hook in hooks:
            hook.remove()
        self.kept = nn.ModuleList(self.modules_of.values())



def main():
    torch.manual_seed(0)
    random.seed(0)
    template = json.load(sys.stdin)
    operations = {op["operation"] for layer in template["layers"] for node in layer["nodes"] for op in node["operations"]}
    unknown = sorted(operations - MODULES.keys())
    if unknown or not template["candidates"]:
        sys.exit(f"not written here: {', '.join(unknown)}" if unknown else "give it candidates: --candidates 1000")
    shape, classes = template["input"], template["outputs"]
    net = Supernet(template)
    x, y = torch.rand(BATCH, *shape), torch.arange(BATCH) % classes
    net.settle(x)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x, net.path()), y).backward()
        optimizer.step()

    for _ in range(5):
        step()
    training = []
    for _ in range(REPEATS):
        clock = time.perf_counter()
        for _ in range(STEPS):
            step()
        training.append(STEPS * BATCH / (time.perf_counter() - clock))
    net.eval()
    images, evaluation = torch.rand(IMAGES, *shape), []
    with torch.inference_mode():
        for _ in range(REPEATS):
            paths = [net.path() for _ in range(CANDIDATES)]
            clock = time.perf_counter()
            for path in paths:
                for batch in images.split(EVALUATION_BATCH):
                    net(batch, path).argmax(1)
            evaluation.append(CANDIDATES / (time.perf_counter() - clock))
    print(
        json.dumps(
            {
                "engine": "torch " + torch.__version__,
                "template": template["name"],
                "device": "cpu",
                "threads": torch.get_num_threads(),
                "parameters": sum(parameter.numel() for parameter in net.parameters()),
                "train_samples_per_s": statistics.median(training),
                "candidates_per_s_one_by_one": statistics.median(evaluation),
            }
        )
    )


if __name__ == "__main__":
    main()
