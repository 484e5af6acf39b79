#!/bin/sh
# Makes target/pytorch, a Python environment with the PyTorch that the harness is held against. Several gigabytes on Linux.
set -eu
cd "$(dirname "$0")/.."

VERSION=2.11.0
python=target/pytorch/bin/python
if ! { [ -x "$python" ] && "$python" -c "import torch; assert torch.__version__.split('+')[0] == '$VERSION'" 2>/dev/null; }; then
	python3 -m venv target/pytorch &&
		target/pytorch/bin/pip --disable-pip-version-check install --quiet "torch==$VERSION" numpy || {
		echo "error: PyTorch $VERSION cannot be had" >&2
		echo 'hint: it needs python3 with venv and pip, and the network' >&2
		exit 1
	}
fi
# A compiled module for the tests, which only PyTorch's Python API makes.
[ -f target/pytorch/linear.pt2 ] ||
	"$python" tests/bench/modules.py --package "$PWD/target/pytorch/linear.pt2" >target/pytorch/linear.log 2>&1 ||
	echo 'SKIPPED: no package of AOTInductor could be compiled, see target/pytorch/linear.log' >&2
