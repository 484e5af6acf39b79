"""Trains the model of a `transformer` workload with PyTorch's Python API, for `make bench` to hold the harness against.

    python tests/bench/transformer.py INITIAL.npz < WORKLOAD.json

`INITIAL.npz` is what the workload's key `export` wrote; `WORKLOAD.json` what `git exp bench show --json` prints. Answers with the
loss before each step and the loss on the text that was held out, as one object. Rotary embeddings are written as
products of complex numbers here, so that they are not the harness's formula typed again.
"""

import json
import sys

import numpy
import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(task["width"]))
        self.bias = nn.Parameter(torch.zeros(task["width"])) if task["norm"] == "layer" else None

    def forward(self, x):
        if self.bias is None:
            return F.rms_norm(x, x.shape[-1:], self.weight, 1e-5)
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.heads, self.plain = task["heads"], task["attention"] == "plain"
        self.mix = nn.Linear(task["width"], 3 * task["width"], bias=False)
        self.join = nn.Linear(task["width"], task["width"], bias=False)
        half = task["width"] // task["heads"] // 2
        speeds = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.outer(torch.arange(task["sequence"], dtype=torch.float64), speeds)
        self.turns = torch.polar(torch.ones_like(angles), angles).to(torch.complex64)

    def turn(self, x):
        low, high = x.float().chunk(2, dim=-1)
        turned = torch.complex(low.contiguous(), high.contiguous()) * self.turns
        return torch.cat([turned.real, turned.imag], dim=-1).to(x.dtype)

    def forward(self, x):
        batch, places, width = x.shape
        parts = self.mix(x).split(width, dim=-1)
        query, key, value = (part.view(batch, places, self.heads, -1).transpose(1, 2) for part in parts)
        query, key = self.turn(query), self.turn(key)
        if self.plain:
            scores = query @ key.mT / (width // self.heads) ** 0.5
            later = torch.ones(places, places, dtype=torch.bool).triu(1)
            seen = scores.masked_fill(later, float("-inf")).softmax(-1) @ value
        else:
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.join(seen.transpose(1, 2).reshape(batch, places, width))


class Layer(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.is_pre = task["norm-placement"] == "pre"
        self.norms = nn.ModuleList([Norm(task), Norm(task)])
        self.attention = Attention(task)
        inner = task["expansion"] * task["width"]
        self.feed_forward = nn.Sequential(
            nn.Linear(task["width"], inner, bias=False), nn.GELU(), nn.Linear(inner, task["width"], bias=False)
        )

    def forward(self, x):
        for norm, part in zip(self.norms, (self.attention, self.feed_forward)):
            x = x + part(norm(x)) if self.is_pre else norm(x + part(x))
        return x


class Model(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.embedding = nn.Embedding(task["vocabulary"], task["width"])
        self.layers = nn.ModuleList(Layer(task) for _ in range(task["layers"]))
        self.norm = Norm(task) if task["norm-placement"] == "pre" else nn.Identity()
        self.head = nn.Linear(task["width"], task["vocabulary"], bias=False)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def names(model):
    """The harness's name of each parameter of `model`."""
    layer_names = {
        "norms.0": "attention.norm",
        "norms.1": "feed-forward.norm",
        "attention.mix.weight": "attention.in",
        "attention.join.weight": "attention.out",
        "feed_forward.0.weight": "feed-forward.in",
        "feed_forward.2.weight": "feed-forward.out",
    }
    for name, parameter in model.named_parameters():
        there = {"embedding.weight": "embedding", "head.weight": "head"}.get(name, name)
        for ours, theirs in layer_names.items():
            there = there.replace(ours, theirs)
        yield there, parameter


def main():
    workload = json.loads(sys.stdin.readline())["workload"]
    task, setting = workload["transformer"], workload["setting"]
    torch.set_num_threads(setting["threads"])
    initial = numpy.load(sys.argv[1])
    model = Model(task)
    with torch.no_grad():
        for name, parameter in names(model):
            parameter.copy_(torch.from_numpy(initial[name]))
    if setting["dtype"] == "bf16":
        model.to(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=task["learning-rate"], weight_decay=0.01, foreach=False)

    def loss(stretches):
        with torch.autocast("cpu", torch.bfloat16, enabled=setting["dtype"] == "autocast"):
            logits = model(stretches[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), stretches[:, 1:].flatten())

    losses = []
    for batch in torch.from_numpy(initial["data.batches"]):
        optimizer.zero_grad()
        value = loss(batch)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    with torch.no_grad():
        parts = torch.from_numpy(initial["data.held-out"]).split(task["batch"])
        held_out = sum(len(part) * loss(part).item() for part in parts) / sum(map(len, parts))
    print(json.dumps({"losses": losses, "evaluation_loss": held_out}))


main()
