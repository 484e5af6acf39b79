"""Times operations with torch.utils.benchmark, for `make bench` to hold the harness against.

Reads one workload a line, as `git exp bench show --json` prints it, and answers with the median seconds of a call.
"""

import json
import statistics
import sys

import torch
import torch.nn.functional as F
from torch.utils.benchmark import Timer

DTYPES = {"f64": torch.float64, "f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
BATCH, SECONDS = 200e-6, 0.5
RATE, BETAS, DECAY, EPSILON = 1e-3, (0.9, 0.999), 0.01, 1e-8


def shape(text):
    return [int(size) for size in text.split("x")]


def inputs(op, dtype, needs_gradients):
    def random(text):
        return torch.randn(shape(text)).to(dtype).requires_grad_(needs_gradients)

    name = op["name"]
    if name in ("matmul", "batched-matmul"):
        return [random(op["a"]), random(op["b"])]
    if name == "attention":
        return [random(op["query"]), random(op["key"]), random(op["value"])]
    if name in ("layer-norm", "rms-norm", "softmax"):
        width = str(shape(op["input"])[-1])
        count = {"layer-norm": 2, "rms-norm": 1, "softmax": 0}[name]
        return [random(op["input"])] + [random(width) for _ in range(count)]
    if name == "cross-entropy":
        rows, classes = shape(op["logits"])
        return [random(op["logits"]), torch.randint(classes, (rows,))]
    if name == "convolution":
        return [random(op["input"]), random(op["weight"])]
    if name == "embedding":
        return [random(op["table"]), torch.randint(shape(op["table"])[0], shape(op["indices"]))]
    if name == "optimizer-step":
        return [torch.randn(shape(op["parameter"])).to(dtype) for _ in range(2)]
    raise ValueError(name)


def function(op):
    name = op["name"]
    if name == "matmul":
        return torch.matmul
    if name == "batched-matmul":
        return torch.bmm
    if name == "attention":
        return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=op["causal"])
    if name == "layer-norm":
        return lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b, 1e-5)
    if name == "rms-norm":
        return lambda x, w: F.rms_norm(x, x.shape[-1:], w, 1e-5)
    if name == "softmax":
        return lambda x: torch.softmax(x, -1)
    if name == "cross-entropy":
        return F.cross_entropy
    if name == "convolution":
        return lambda x, w: F.conv2d(x, w, None, op["stride"], op["padding"], 1, op["groups"])
    if name == "embedding":
        return lambda table, indices: F.embedding(indices, table)
    raise ValueError(name)


class Step:
    """The optimiser of the harness, with the same operations in the same order."""

    def __init__(self, parameter, gradient, count):
        self.gradient = gradient
        self.parameters = [parameter.clone() for _ in range(count)]
        self.first = [torch.zeros_like(parameter) for _ in range(count)]
        self.second = [torch.zeros_like(parameter) for _ in range(count)]
        self.steps = 0

    def __call__(self):
        self.steps += 1
        for parameter, first, second in zip(self.parameters, self.first, self.second):
            parameter.mul_(1 - RATE * DECAY)
            first.lerp_(self.gradient, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(self.gradient * (1 - BETAS[1]), self.gradient)
            below = second.sqrt().div_((1 - BETAS[1] ** self.steps) ** 0.5).add_(EPSILON)
            parameter.addcdiv_(first * (-RATE / (1 - BETAS[0] ** self.steps)), below)


def call(workload):
    """What is timed, and whether gradients are off around it."""
    op, dtype = workload["op"], DTYPES[workload["setting"]["dtype"]]
    both = op["pass"] == "forward-backward"
    tensors = inputs(op, dtype, both)
    if op["name"] == "optimizer-step":
        return Step(*tensors, op["parameters"]), True
    compute = function(op)
    if not both:
        return lambda: compute(*tensors), True
    leaves = [tensor for tensor in tensors if tensor.requires_grad]
    output = compute(*tensors)
    upstream = torch.randn_like(output.detach()) if output.dim() else None

    def there_and_back():
        output = compute(*tensors)
        loss = output if upstream is None else (output * upstream).sum()
        return torch.autograd.grad(loss, leaves)

    return there_and_back, False


def median_seconds(timer):
    """The median of many short timings: long blocks would hold the slices of time that other processes took."""
    number = 1
    while (once := timer.timeit(number).median) * number < BATCH:
        number = max(number + 1, min(10 * number, int(1.1 * BATCH / once)))
    times = []
    while sum(times) * number < SECONDS or len(times) < 5:
        times.append(timer.timeit(number).median)
    return statistics.median(times)


for line in sys.stdin:
    workload = json.loads(line)["workload"]
    timed, is_plain = call(workload)
    with torch.set_grad_enabled(not is_plain):
        timer = Timer("timed()", globals={"timed": timed}, num_threads=workload["setting"]["threads"])
        print(median_seconds(timer), flush=True)
