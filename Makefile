# make help    says what there is to do. Only Rust, Git and make are needed.

CARGO = cargo
PREFIX = $(HOME)/.local
BINARIES = $(PREFIX)/bin
MANUALS = $(PREFIX)/share/man/man1
COMPLETIONS = $(PREFIX)/share

help:
	@echo 'make demo      build, then train, record, compare, seal and reproduce in a throw-away repository'
	@echo 'make test      run every test'
	@echo 'make lint      check formatting, lints, documentation, and licences where cargo-deny is installed'
	@echo 'make bench     time git exp against git, count what it finds, and print tables'
	@echo 'make install   install git-exp, its manual pages and its shell completions below PREFIX ($(PREFIX))'
	@echo 'make clean     remove what was built'

demo:
	$(CARGO) build --locked --release --bin git-exp --example train
	sh examples/demo.sh

test:
	$(CARGO) test --locked

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- --deny warnings
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

.PHONY: help demo test lint bench install clean
