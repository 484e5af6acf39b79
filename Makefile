# make help    says what there is to do. Only Rust, Git and make are needed; for `git exp bench` a C++ compiler and Python with pip too.

CARGO = cargo
PREFIX = $(HOME)/.local
BINARIES = $(PREFIX)/bin
MANUALS = $(PREFIX)/share/man/man1
COMPLETIONS = $(PREFIX)/share

help:
	@echo 'make demo      build, then train, record, compare, seal and reproduce in a throw-away repository'
	@echo 'make demo-bench     a study of speed on the CPU, from the baseline to the seal'
	@echo 'make libtorch  fetch the library that `git exp bench` measures through, once for this machine'
	@echo 'make test      run every test; those of the harness where libtorch can be had'
	@echo 'make lint      check formatting, lints, documentation, and licences where cargo-deny is installed'
	@echo 'make bench     time git exp against git, count what it finds, and print tables'
	@echo 'make bench-agreement  hold the harness against torch.utils.benchmark (four minutes, several gigabytes of PyTorch)'
	@echo 'make bench-device   run the presets and that on a device: DEVICE=cuda:0 unless named (the same PyTorch)'
	@echo 'make install-bench  install the harness of `git exp bench` beside git-exp'
	@echo 'make install   install git-exp, its manual pages and its shell completions below PREFIX ($(PREFIX))'
	@echo 'make clean     remove what was built'

demo:
	$(CARGO) build --locked --release --bin git-exp --example train
	sh examples/demo.sh

demo-bench: libtorch
	$(CARGO) build --locked --release --features torch --bin git-exp --bin git-exp-bench
	sh examples/demo-bench.sh

libtorch:
	@sh scripts/libtorch.sh

pytorch:
	@sh scripts/pytorch.sh

# With the harness where libtorch can be had, and without it elsewhere: one build either way.
test:
	@if sh scripts/libtorch.sh; then \
		$(CARGO) test --locked --no-fail-fast --features torch; \
	else \
		echo; \
		echo 'SKIPPED: the harness of `git exp bench` is not tested, because libtorch cannot be had (see above)'; \
		echo; \
		$(CARGO) test --locked --no-fail-fast; \
	fi

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets --features torch,tch/doc-only -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --locked --no-deps --lib --document-private-items
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny check; \
	else \
		echo; \
		echo 'SKIPPED: licences and advisories were not checked, because cargo-deny is not installed'; \
		echo '         (cargo install --locked cargo-deny)'; \
		echo; \
	fi

bench:
	$(CARGO) bench --locked --bench commands
	$(CARGO) bench --locked --bench power
	@if sh scripts/libtorch.sh; then \
		sh scripts/pytorch.sh; \
		$(CARGO) bench --locked --features torch --bench harness; \
	else \
		echo; \
		echo 'SKIPPED: the harness of `git exp bench` is not held against anything, because libtorch cannot be had'; \
		echo; \
	fi

# On a quiet machine: each operation as the harness and as PyTorch's own timer see it.
bench-agreement: libtorch pytorch
	$(CARGO) bench --locked --features torch --bench harness -- agreement

# On a quiet machine: what docs/benchmarks.md tells of a device. The harness is linked against PyTorch's libtorch, which has CUDA.
DEVICE = cuda:0
bench-device: pytorch
	PATH="$$PWD/target/pytorch/bin:$$PATH" LIBTORCH_USE_PYTORCH=1 $(CARGO) build --locked --release --features torch \
		--target-dir target/device --bin git-exp --bin git-exp-bench
	PATH="$$PWD/target/device/release:$$PATH" target/pytorch/bin/python tests/bench/device.py $(DEVICE)

install-bench: libtorch
	$(CARGO) install --locked --path . --features torch --bin git-exp-bench --root '$(PREFIX)' --no-track

install:
	$(CARGO) install --locked --path . --bin git-exp --root '$(PREFIX)' --no-track
	$(CARGO) run --locked --quiet --example manuals -- '$(MANUALS)' '$(COMPLETIONS)'
	@echo
	@echo 'installed: $(BINARIES)/git-exp'
	@echo '           $(MANUALS)/git-exp*.1'
	@echo '           completions for bash, zsh and fish below $(COMPLETIONS)'
	@case ":$$PATH:" in \
		*':$(BINARIES):'*) echo 'try: git exp -h' ;; \
		*) echo 'put it on your PATH: export PATH="$(BINARIES):$$PATH"' ;; \
	esac

clean:
	$(CARGO) clean

.PHONY: help demo demo-bench libtorch pytorch test lint bench bench-agreement bench-device install install-bench clean
