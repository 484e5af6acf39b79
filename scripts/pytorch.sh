#!/bin/sh
# Makes target/pytorch, a Python environment with the PyTorch that the harness is held against. Several gigabytes on Linux.
set -eu
cd "$(dirname "$0")/.."

VERSION=2.11.0
python=target/pytorch/bin/python
if [ -x "$python" ] && "$python" -c "import torch; assert torch.__version__.split('+')[0] == '$VERSION'" 2>/dev/null; then
	exit 0
fi
python3 -m venv target/pytorch &&
	target/pytorch/bin/pip --disable-pip-version-check install --quiet "torch==$VERSION" numpy || {
	echo "error: PyTorch $VERSION cannot be had" >&2
	echo 'hint: it needs python3 with venv and pip, and the network' >&2
	exit 1
}
