"""Runs the presets on a device and holds operations against torch.utils.benchmark there; prints the tables for docs/benchmarks.md.

    make bench-device            on cuda:0
    make bench-device DEVICE=cpu on the processor, to try the script

Without make, where there is no Rust: put `git-exp` and a `git-exp-bench` that was linked against PyTorch's libtorch on PATH, name PyTorch's
`torch/lib` in LD_LIBRARY_PATH, and run this file with the Python that has PyTorch. Nothing here fails on a figure: what a bar says of it
stands in the table. A workload that fails is a row, too.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

DEVICE = sys.argv[1] if len(sys.argv) > 1 else "cuda:0"
ON_CUDA = DEVICE.startswith("cuda")
ROUNDS = 5
MODES = ["train", "train-step", "prefill", "decode"]
QUICK = ["max-time=3s", "caches=hot"]
# Large enough for a device to be busy for at least 20 µs; the smaller ones measure how fast work is handed to it.
OPS = [
    ["matmul", "a=4096x4096", "b=4096x4096"],
    ["matmul", "a=2048x2048", "b=2048x2048", "pass=forward-backward"],
    ["batched-matmul", "a=64x512x512", "b=64x512x512"],
    ["attention", "query=8x16x2048x64", "key=8x16x2048x64", "value=8x16x2048x64"],
    ["layer-norm", "input=16384x4096"],
    ["rms-norm", "input=16384x4096"],
    ["softmax", "input=16384x4096"],
    ["cross-entropy", "logits=4096x32768"],
    ["convolution", "input=32x128x64x64", "weight=128x128x3x3"],
    ["embedding", "table=32768x1024", "indices=16384"],
    ["matmul", "a=1024x1024", "b=1024x1024"],
    ["softmax", "input=2048x1024"],
]
if not ON_CUDA:
    OPS = [["matmul", "a=256x256", "b=256x256"], ["softmax", "input=512x512"]]


def words(verb, name, changes):
    sets = [word for change in [f"device={DEVICE}", *changes] for word in ("--set", change)]
    return ["git-exp", "--json", "bench", verb, name, *sets]


def run(name, *changes, keep=None):
    """What the harness says of a workload, or why it says nothing."""
    env = None if keep is None else {**os.environ, "GIT_EXP_OUT": keep}
    done = subprocess.run(words("run", name, changes), capture_output=True, text=True, env=env)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[0]), None
    return None, "; ".join(line.strip() for line in done.stderr.splitlines() if "INPUT" not in line)[:300]


def number(metrics, name, form):
    return format(metrics[name]["value"], form) if name in metrics else ""


def row(name, changes):
    seen, why = run(name, *changes, *QUICK)
    title = f"| `{name}` {' '.join(changes)} |"
    if seen is None:
        return f"{title} failed: {why} | | | | | |"
    variant = seen["variants"][0]
    metrics, hot = variant["metrics"], variant["hot"]
    device = "" if hot["device_seconds"] is None else f"{1e3 * hot['device_seconds']:.3f}"
    return " ".join(
        [
            title,
            f"{1e3 * hot['seconds']:.3f} |",
            f"{device} |",
            f"{number(metrics, 'tokens_per_second', ',.0f')} |",
            f"{number(metrics, 'tflops', '.2f')} |",
            f"{number(metrics, 'ceiling_share', '.1%')} |",
            f"{number(metrics, 'peak_memory', ',.0f')} |",
            f"{number(metrics, 'error', '.1e')} {' '.join(seen['warnings'])} |",
        ]
    )


def table(title, rows):
    print(f"\n### {title}\n")
    columns = ["time_hot, ms", "on the device, ms", "tokens/s", "TFLOP/s", "share of the ceiling", "peak memory, MB"]
    print(f"| workload | {' | '.join(columns)} | error, warnings |")
    print("| --- |" + " --- |" * (len(columns) + 1))
    for name, *changes in rows:
        print(row(name, changes), flush=True)


def agreement():
    """Each operation by the harness and by PyTorch's timer, in turn."""
    print(f"\n### Agreement with torch.utils.benchmark, {ROUNDS} rounds\n")
    print("| operation | here, µs | there, µs | ratio (lowest … highest) | bar |")
    print("| --- | --- | --- | --- | --- |")
    script = pathlib.Path(__file__).with_name("agreement.py")
    for dtype in ["f32", "bf16"]:
        for name, *sizes in OPS:
            changes = [*sizes, f"dtype={dtype}", "reference=false", "ceilings=false", "caches=hot", "max-time=2s"]
            question = subprocess.run(words("show", name, changes), capture_output=True, text=True).stdout.splitlines()[0]
            here, there, why = [], [], None
            for _ in range(ROUNDS):
                seen, why = run(name, *changes)
                asked = subprocess.run([sys.executable, script], input=question + "\n", capture_output=True, text=True)
                if seen is None or asked.returncode != 0 or not asked.stdout:
                    why = why or (asked.stderr.strip().splitlines() or ["no answer"])[-1]
                    break
                here.append(seen["variants"][0]["hot"]["seconds"])
                there.append(float(asked.stdout))
            if why is not None:
                print(f"| `{name}` {' '.join(sizes)} {dtype} | | | failed: {why} | |", flush=True)
                continue
            ratios = sorted(mine / other for mine, other in zip(here, there))
            ratio, time = statistics.median(ratios), statistics.median(there)
            bar = 0.03 if time >= 1e-3 else 0.10 if time >= 20e-6 else None
            word = "none so short" if bar is None else f"{bar:.0%}: {'met' if abs(ratio - 1) <= bar else 'missed'}"
            print(
                f"| `{name}` {' '.join(sizes)} {dtype} | {1e6 * statistics.median(here):.1f} | {1e6 * time:.1f} "
                f"| {ratio:.3f} ({ratios[0]:.3f} … {ratios[-1]:.3f}) | {word} |",
                flush=True,
            )


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run(["git", "init", "--quiet"], check=True)
        _, why = run("matmul", *QUICK, keep=folder)
        if why is not None:
            sys.exit(f"SKIPPED: nothing can be measured on `{DEVICE}`: {why}")
        print(f"### The device\n\n```json\n{pathlib.Path('bench/device.json').read_text()}```")
        dtypes = ["f32", "bf16", "autocast"]
        presets = [["smoke", f"mode={mode}", f"dtype={dtype}"] for mode in MODES for dtype in dtypes]
        if ON_CUDA:
            # Its reference in float64 takes the processor a minute.
            deep = ["deep-60m", "reference=false"]
            presets += [[*deep, f"mode={mode}", f"dtype={dtype}"] for mode in MODES[1:] for dtype in dtypes]
        table("Presets", presets)
        square = ["a=4096x4096", "b=4096x4096"] if ON_CUDA else ["a=512x512", "b=512x512"]
        table("Switches", [["matmul", *square, f"tf32={tf32}"] for tf32 in ["false", "true"]])
        query = [f"{name}=4x16x1024x64" for name in ["query", "key", "value"]]
        backends = ["auto", "math", "flash", "efficient", "cudnn"]
        table("Back ends of attention", [["attention", *query, "dtype=bf16", f"backend={it}"] for it in backends])
        if ON_CUDA:
            both = ["graph=false", "graph=true"]
            table("Graphs", [["smoke", f"mode={mode}", graph] for mode in MODES[1:] for graph in both])
        agreement()


main()
