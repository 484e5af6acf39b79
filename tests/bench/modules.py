"""Writes the modules of the tests below `data/`: a layer, and the same layer as two halves.

    make pytorch && target/pytorch/bin/python tests/bench/modules.py

With `--package FILE` it compiles the layer that is there to a package of AOTInductor instead: native code for this machine alone.
"""

import pathlib
import sys

import torch


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, 4)

    def forward(self, x):
        return torch.relu(self.layer(x))


class Split(torch.nn.Module):
    """The outputs of the layer, computed in two halves."""

    def __init__(self, whole: Linear):
        super().__init__()
        self.weight = torch.nn.Parameter(whole.layer.weight.detach().clone())
        self.bias = torch.nn.Parameter(whole.layer.bias.detach().clone())

    def forward(self, x):
        low = torch.nn.functional.linear(x, self.weight[:2], self.bias[:2])
        high = torch.nn.functional.linear(x, self.weight[2:], self.bias[2:])
        return torch.relu(torch.cat([low, high], dim=-1))


folder = pathlib.Path(__file__).parent / "data"
if sys.argv[1:2] == ["--package"]:
    linear = torch.jit.load(folder / "linear.pt")
    again = Linear().eval()
    again.load_state_dict(linear.state_dict())
    exported = torch.export.export(again, (torch.randn(8, 16),))
    torch._inductor.aoti_compile_and_package(exported, package_path=sys.argv[2])
    sys.exit()
torch.manual_seed(0)
folder.mkdir(exist_ok=True)
linear = Linear()
torch.jit.save(torch.jit.script(linear), folder / "linear.pt")
torch.jit.save(torch.jit.script(Split(linear)), folder / "split.pt")
