# Each target does its own set-up. `make help` lists them.

# Here, wherever CARGO_TARGET_DIR points.
CARGO_BUILD = cargo build --target-dir target

.PHONY: all alloc run test help clean
all: alloc

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

alloc: ## build ./alloc, with full debug information (what `make` alone does)
	@command -v cargo >/dev/null || { echo "make: cargo not found: install Rust, https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: cc not found: install a C compiler, it drives the linker" >&2; exit 1; }
	$(CARGO_BUILD) --bin alloc
	@cp target/debug/alloc .

run: alloc ## build it and run it
	./alloc

test: alloc ## test it in both profiles; installs gdb, strace and binutils if they are missing
	@tests/tools
	cargo test
	cargo test --release

clean: ## remove all that was built
	cargo clean --target-dir target
	rm -f alloc
