# Each target does its own set-up. `make help` lists them.

# This makes cargo build into ./target, and for this machine, whatever the environment says.
export CARGO_TARGET_DIR = target
unexport CARGO_BUILD_TARGET

# TARGET names a target for another machine: make run, layout and malloc build for it with a cross compiler and lld, and
# run the program in an emulator. (GNU ld leaves an empty segment in the file, which qemu refuses.) It has to be an
# argument of make: a variable of that name in the environment may be meant for another program.
ifneq ($(origin TARGET),command line)
undefine TARGET
endif
ifdef TARGET
ifneq ($(filter-out run layout malloc help clean,$(or $(MAKECMDGOALS),alloc)),)
$(error TARGET is for make run, layout and malloc)
endif
arch := $(patsubst riscv64%,riscv64,$(firstword $(subst -, ,$(TARGET))))
variable := CARGO_TARGET_$(shell echo $(TARGET) | tr a-z- A-Z_)
export CARGO_BUILD_TARGET = $(TARGET)
export $(variable)_LINKER = $(arch)-linux-gnu-gcc
export $(variable)_RUSTFLAGS = -Clink-arg=-fuse-ld=lld
export $(variable)_RUNNER = qemu-$(arch)
endif

.PHONY: all tools alloc run gdb layout malloc bench asm picture test help clean
all: alloc

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

tools:
	@command -v cargo >/dev/null || { echo "make: cargo not found: install Rust, https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: cc not found: install a C compiler, which drives the linker" >&2; exit 1; }
ifdef TARGET
	@ls "$$(rustc --print target-libdir --target $(TARGET))" >/dev/null 2>&1 || \
	    { echo "make: Rust's core for $(TARGET) not found: rustup target add $(TARGET)" >&2; exit 1; }
	@tests/install-tools "$(MAKECMDGOALS) TARGET=$(TARGET)" \
	    qemu-$(arch):qemu-user $(arch)-linux-gnu-gcc:gcc-$(subst _,-,$(arch))-linux-gnu ld.lld:lld
endif

# With -f, the copy replaces even a file that a debugger has open.
alloc: tools ## build ./alloc, with debug information (as make alone)
	cargo build --bin alloc
	@cp -f target/debug/alloc .

ifdef TARGET
run: tools
	cargo run --bin alloc
else
run: alloc ## build it and run it (TARGET=... on another architecture)
	./alloc
endif

gdb: alloc ## step through it in gdb, with a guided tour
	@tests/install-tools gdb gdb:gdb
	gdb -q -x gdb/tour.py ./alloc

layout: tools ## let a process draw its own virtual memory
	cargo run --bin layout

malloc: tools ## see Box, Vec and BTreeMap move the program break
	cargo run --bin alloc
	cargo run -p program-break-malloc --bin bump
	cargo run -p program-break-malloc --bin free_list
	cargo run -p program-break-malloc --bin malloc

bench: tools ## measure it beside assembly, C and std Rust
	@tests/install-tools bench as:binutils strace:strace
	cargo bench --bench startup

asm: tools ## show its machine code beside the article's
	@[ "$$(uname -m)" = x86_64 ] || \
	    { echo "make: the article's assembly is for x86-64, and this machine is not" >&2; exit 1; }
	@tests/install-tools asm gdb:gdb
	@CARGO_PROFILE_RELEASE_DEBUG=line-tables-only CARGO_PROFILE_RELEASE_STRIP=none \
	    cargo build --quiet --release --bin alloc --target-dir target/asm
	@rustc --version
	@gdb -q -nx -batch-silent -x benches/asm.py target/asm/release/alloc

picture: alloc ## record a run, and draw it as docs/memory.svg
	@tests/install-tools picture gdb:gdb
	gdb -q -nx -batch -x gdb/picture.py ./alloc

# With ALL_TESTS=1, it is a failure if a test is left out because this machine can't do what the test needs. With
# ALL_TARGETS=1, the programs are tested on the other architectures, too.
test: alloc ## test it in both profiles
	@tests/install-tools test gdb:gdb strace:strace as:binutils script:bsdutils
ifdef ALL_TARGETS
	@tests/install-tools "test ALL_TARGETS=1" qemu-aarch64:qemu-user ld.lld:lld \
	    aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu riscv64-linux-gnu-gcc:gcc-riscv64-linux-gnu
endif
	cargo test --workspace
	cargo test --workspace --release
	cargo test --manifest-path malloc/under-std/Cargo.toml
	cargo test --manifest-path malloc/under-std/Cargo.toml --release

clean: ## remove all that was built
	cargo clean
	rm -f alloc
