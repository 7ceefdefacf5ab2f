# Each target does its own set-up. `make help` lists them.

# Into target/debug, whatever the environment says.
CARGO_BUILD = env -u CARGO_BUILD_TARGET cargo build --target-dir target

.PHONY: all alloc run gdb layout malloc bench asm test help clean
all: alloc

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: tools
tools:
	@command -v cargo >/dev/null || { echo "make: cargo not found: install Rust, https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: cc not found: install a C compiler, it drives the linker" >&2; exit 1; }

alloc: tools ## build ./alloc, with debug information (as make alone)
	$(CARGO_BUILD) --bin alloc
	@cp target/debug/alloc .

run: alloc ## build it and run it
	./alloc

layout: tools ## let a process draw its own virtual memory
	cargo run --example layout

malloc: tools ## see Box, Vec and BTreeMap move the program break
	cargo run --example malloc --features malloc

gdb: alloc ## step through it in gdb, with a guided tour
	@command -v gdb >/dev/null || { echo "make: gdb not found: install it (apt-get install gdb)" >&2; exit 1; }
	gdb -q $${NO_COLOR:+-iex 'set style enabled off'} -x gdb/tour.py ./alloc

bench: tools ## measure it beside assembly, C and std Rust
	cargo bench --bench startup

asm: tools ## show its machine code beside the article's
	@tests/tools asm gdb:gdb objdump:binutils
	@benches/asm

test: alloc ## test it in both profiles (installs what that needs)
	@tests/tools test gdb:gdb strace:strace as:binutils objdump:binutils script:bsdutils
	cargo test
	cargo test --release
	cargo test --no-default-features --features malloc --test heap
	cargo test --no-default-features --features malloc --test heap --release

clean: ## remove all that was built
	cargo clean --target-dir target
	rm -f alloc
