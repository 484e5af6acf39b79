"""Times operations with torch.utils.benchmark, for `make bench` to hold the harness against.

Reads one workload a line, as `git exp bench show --json` prints it, and answers with the median seconds of a call. Operations are called as
directly as Python allows: their wrappers in `torch.nn.functional` take up to 2 µs more, which is Python's time and not the operation's.
"""

import json
import os
import random as chance
import statistics
import sys
import time

import torch
from torch.utils.benchmark import Timer

DTYPES = {"f64": torch.float64, "f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
BATCH, SECONDS = 2e-3, 0.5
MEAN = 1  # of losses, as ATen numbers it
RATE, BETAS, DECAY, EPSILON = 1e-3, (0.9, 0.999), 0.01, 1e-8
LINE, LINES = 64, 64  # bytes of a line of the cache, and lines of a page


def shape(text):
    return [int(size) for size in text.split("x")]


def anywhere(tensor):
    """The same contiguous tensor, on the processor at a random place of a page, as the harness has it."""
    if tensor.device.type != "cpu":
        return tensor
    per_line = LINE // tensor.element_size()
    memory = torch.empty(tensor.numel() + LINES * per_line, dtype=tensor.dtype)
    begin = chance.randrange(LINES) * per_line
    return memory[begin : begin + tensor.numel()].view(tensor.shape).copy_(tensor)


def inputs(op, dtype, device, needs_gradients):
    def random(text):
        return anywhere(torch.randn(shape(text)).to(device, dtype)).detach().requires_grad_(needs_gradients)

    def below(count, sizes):
        return anywhere(torch.randint(count, sizes).to(device))

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
        return [random(op["logits"]), below(classes, (rows,))]
    if name == "convolution":
        return [random(op["input"]), random(op["weight"])]
    if name == "embedding":
        return [random(op["table"]), below(shape(op["table"])[0], shape(op["indices"]))]
    if name == "optimizer-step":
        return [random(op["parameter"]) for _ in range(2)]
    raise ValueError(name)


def statement(op):
    """The call as it is timed; `a`, `b` and `c` are the inputs."""
    name = op["name"]
    if name in ("layer-norm", "rms-norm"):
        width = shape(op["input"])[-1:]
        weights = {"layer-norm": "b, c", "rms-norm": "b"}[name]
        return f"torch.{name.replace('-', '_')}(a, {width}, {weights}, 1e-5)"
    return {
        "matmul": "torch.matmul(a, b)",
        "batched-matmul": "torch.bmm(a, b)",
        "attention": f"torch._C._nn.scaled_dot_product_attention(a, b, c, None, 0.0, {op.get('causal')})",
        "softmax": "torch.softmax(a, -1)",
        "cross-entropy": f"torch._C._nn.cross_entropy_loss(a, b, None, {MEAN}, -100, 0.0)",
        "convolution": f"torch.conv2d(a, b, None, {op.get('stride')}, {op.get('padding')}, 1, {op.get('groups')})",
        "embedding": "torch.embedding(a, b)",
    }[name]


class Step:
    """The optimiser of the harness, with the same operations in the same order."""

    def __init__(self, parameter, gradient, count):
        self.gradient = gradient
        self.parameters = [anywhere(parameter) for _ in range(count)]
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


def timer_of(workload):
    """A timer of what the harness times."""
    op, setting = workload["op"], workload["setting"]
    both = op["pass"] == "forward-backward"
    tensors = inputs(op, DTYPES[setting["dtype"]], setting["device"], both)
    names = {"torch": torch, **dict(zip("abc", tensors))}
    if op["name"] == "optimizer-step":
        code, names = "step()", {"step": Step(*tensors, op["parameters"])}
    else:
        code = statement(op)
    if both:
        output = eval(code, names)
        names["leaves"] = [tensor for tensor in tensors if tensor.requires_grad]
        names["upstream"] = anywhere(torch.randn_like(output.detach())) if output.dim() else None
        loss = "output" if output.dim() == 0 else "(output * upstream).sum()"
        # Let go at the end, as there: else two generations of gradients take turns, which caches hold less well.
        code = f"output = {code}; gradients = torch.autograd.grad({loss}, leaves); del output, gradients"
    return Timer(code, globals=names, num_threads=setting["threads"]), both


def median_seconds(timer):
    """The median of blocks of 2 ms.

    Between two blocks Python does work of its own, after which the first call takes 5 to 10 µs more: shorter blocks would show that. Longer
    ones would hold the slices of time that other processes took.
    """
    number = 1
    while (once := timer.timeit(number).median) * number < BATCH:
        number = max(number + 1, min(10 * number, int(1.1 * BATCH / once)))
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 5:
        times.append(timer.timeit(number).median)
    return statistics.median(times)


def answer(workload):
    if workload["setting"]["device"] != "cpu":
        # Both are off in the harness unless asked for.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = workload["setting"]["tf32"]
    timer, needs_gradients = timer_of(workload)
    with torch.set_grad_enabled(needs_gradients):
        print(median_seconds(timer), flush=True)


for line in sys.stdin:
    workload = json.loads(line)["workload"]
    if workload["setting"]["device"] != "cpu":
        # A device that this process opened cannot be used by its children.
        answer(workload)
        continue
    # Each in a process of its own, as there: a heap that earlier operations left in pieces makes the way back a tenth slower.
    child = os.fork()
    if child == 0:
        answer(workload)
        os._exit(0)
    os.waitpid(child, 0)
