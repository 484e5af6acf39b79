#!/bin/sh
# Brings the pinned libtorch from PyPI's wheels, once for each machine, and links it as target/libtorch.
#
# LIBTORCH or LIBTORCH_USE_PYTORCH, if set, name a libtorch or a PyTorch that is used instead.
# Exit status: 0 it is there; 1 it cannot be had, with the reason and what to do.
set -eu
cd "$(dirname "$0")/.."

VERSION=2.11.0
# Any Python's wheel holds the same libraries; that of 3.11 is taken, so that there is one hash for each system.
WHEELS='--no-deps --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi none'

fail() {
	echo "error: $1" >&2
	echo "hint: $2" >&2
	exit 1
}

if [ -n "${LIBTORCH_USE_PYTORCH:-}" ]; then
	found=$(python3 -c 'import torch; print(torch.__version__)' 2>/dev/null) ||
		fail 'LIBTORCH_USE_PYTORCH is set, but python3 cannot import torch' "python3 -m pip install torch==$VERSION"
	case $found in
		"$VERSION" | "$VERSION+"*) echo "libtorch: that of the installed PyTorch $found" && exit 0 ;;
	esac
	fail "the installed PyTorch is $found, and the harness needs $VERSION" "python3 -m pip install torch==$VERSION"
fi
if [ -n "${LIBTORCH:-}" ]; then
	header=$LIBTORCH/include/torch/headeronly/version.h
	[ -f "$header" ] || fail "there is no libtorch $VERSION in LIBTORCH=$LIBTORCH" 'unset LIBTORCH, and run `make libtorch` again'
	found=$(sed -nE "s/^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) //p" "$header" | paste -s -d . -)
	[ "$found" = "$VERSION" ] ||
		fail "the libtorch in LIBTORCH=$LIBTORCH is not $VERSION" 'unset LIBTORCH, and run `make libtorch` again'
	echo "libtorch: $LIBTORCH, as LIBTORCH says"
	exit 0
fi

case $(uname -s)-$(uname -m) in
	Linux-x86_64)
		platforms='--platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64'
		pinned="torch==$VERSION --hash=sha256:7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"
		;;
	Linux-aarch64)
		platforms='--platform manylinux_2_28_aarch64 --platform manylinux_2_25_aarch64 --platform manylinux2014_aarch64'
		pinned="torch==$VERSION --hash=sha256:d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6
nvidia-cuda-runtime==13.0.96 --hash=sha256:ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55
nvidia-cuda-cupti==13.0.85 --hash=sha256:796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151"
		;;
	Darwin-arm64)
		platforms='--platform macosx_11_0_arm64'
		pinned="torch==$VERSION --hash=sha256:7b6a60d48062809f58595509c524b88e6ddec3ebe25833d6462eeab81e5f2ce4"
		;;
	*) fail "there is no wheel of PyTorch $VERSION for $(uname -s) on $(uname -m)" 'name a libtorch of your own with LIBTORCH=<folder>' ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/git-exp/libtorch-$VERSION-$(uname -s)-$(uname -m)
if [ ! -f "$cache/complete" ]; then
	python3 -m pip --version >/dev/null 2>&1 ||
		fail 'libtorch comes from PyPI, and there is no python3 with pip' \
			"install them, or name a libtorch $VERSION of your own with LIBTORCH=<folder>"
	mkdir -p "$(dirname "$cache")"
	work=$(mktemp -d "$(dirname "$cache")/fetching-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	echo "$pinned" >"$work/pinned.txt"
	echo "libtorch: fetching $VERSION, about 540 MB on Linux, once for this machine"
	# shellcheck disable=SC2086
	python3 -m pip --disable-pip-version-check download --quiet --no-cache-dir --require-hashes $WHEELS $platforms \
		--dest "$work/wheels" --requirement "$work/pinned.txt" ||
		fail "pip could not fetch PyTorch $VERSION" "check the network, or name a libtorch $VERSION of your own with LIBTORCH=<folder>"
	python3 - "$work" "$VERSION" <<'PYTHON'
# Keeps the headers and the libraries that the CPU needs; a wheel is a zip file.
import pathlib, re, shutil, sys, zipfile

work, version = pathlib.Path(sys.argv[1]), sys.argv[2]
library = re.compile(r"lib(torch|torch_cpu|c10|torch_global_deps|gomp[^/]*|omp|shm|cudart|cupti)\.(so|dylib)[.0-9]*$")
for wheel in (work / "wheels").glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            leaf = name.rsplit("/", 1)[-1]
            if name.endswith("/"):
                continue
            if name.startswith("torch/include/"):
                target = work / "libtorch" / name.removeprefix("torch/")
            elif re.match(r"libgomp[^/]*$", leaf) or (re.match(library, leaf) and "/lib/" in "/" + name):
                target = work / "libtorch" / "lib" / leaf
            else:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
(work / "libtorch" / "build-version").write_text(version + "\n")
(work / "libtorch" / "complete").write_text("")
PYTHON
	# Whoever was faster keeps his; both are the same.
	[ -f "$cache/complete" ] || { rm -rf "$cache" && mv "$work/libtorch" "$cache"; }
fi
# The wheel's libtorch.so holds nothing and asks for the parts that CUDA needs, which were not kept; compiled packages ask for it.
lib=$cache/lib
if [ -f "$lib/libtorch_cpu.so" ] && [ ! -e "$lib/libtorch_cuda.so" ] && [ ! -L "$lib/libtorch.so" ]; then
	ln -s libtorch_cpu.so "$lib/libtorch.so.$$"
	mv -f "$lib/libtorch.so.$$" "$lib/libtorch.so"
fi
mkdir -p target
ln -sfn "$cache" target/libtorch
echo "libtorch: $VERSION in $cache, linked as target/libtorch"
