# Each target does its own set-up. `make help` lists them.

# What is built here is what the targets need, whatever the reader's own configuration of cargo or the environment says.
# Plain cargo goes by those. Arguments of make override these lines: make bench CARGO_PROFILE_RELEASE_LTO=off.
export CARGO_PROFILE_DEV_DEBUG = true
export CARGO_PROFILE_DEV_DEBUG_ASSERTIONS = true
export CARGO_PROFILE_DEV_LTO = false
export CARGO_PROFILE_DEV_OPT_LEVEL = 0
export CARGO_PROFILE_DEV_PANIC = abort
export CARGO_PROFILE_DEV_SPLIT_DEBUGINFO = off
export CARGO_PROFILE_DEV_STRIP = none
export CARGO_PROFILE_RELEASE_DEBUG = false
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS = false
export CARGO_PROFILE_RELEASE_LTO = true
export CARGO_PROFILE_RELEASE_OPT_LEVEL = s
export CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS = false
export CARGO_PROFILE_RELEASE_PANIC = abort
export CARGO_PROFILE_RELEASE_STRIP = debuginfo

# It is built in target/TARGET, where TARGET is this machine's, or an argument of make. (A variable of that name in the
# environment, or of the name PROGRAM, may be meant for another program.)
host := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
target := $(if $(filter command,$(origin TARGET)),$(TARGET),$(host))
program := $(if $(filter command,$(origin PROGRAM)),$(PROGRAM))
export CARGO_TARGET_DIR = target
export CARGO_BUILD_TARGET = $(target)

# The reader's flags for the compiler may name a linker that doesn't read linker.ld. These replace them, and those of
# .cargo/config.toml, too, which says what the ones for musl are for.
unexport CARGO_ENCODED_RUSTFLAGS
export RUSTFLAGS = $(if $(findstring musl,$(target)),-Clink-self-contained=no -Crelocation-model=static)

# The reader may have another runner, too: env only runs the program.
variable := CARGO_TARGET_$(shell echo $(target) | tr a-z- A-Z_)
export $(variable)_RUNNER = env

# For another machine, make run, layout and malloc link with clang and lld, which know all architectures, and run the
# program in an emulator. (GNU ld leaves an empty segment in the file, which qemu refuses. The last flag is for new
# versions of clang, to which -no-pie is needless beside -static.)
ifneq ($(target),$(host))
ifneq ($(filter-out run layout malloc help clean,$(or $(MAKECMDGOALS),alloc)),)
$(error TARGET is for make run, layout and malloc)
endif
arch := $(patsubst riscv64%,riscv64,$(firstword $(subst -, ,$(target))))
export $(variable)_LINKER = clang
export $(variable)_RUNNER = qemu-$(arch)
RUSTFLAGS += $(addprefix -Clink-arg=,--target=$(arch)-linux-gnu -fuse-ld=lld -Wno-unused-command-line-argument)
endif

.PHONY: all tools alloc run gdb layout malloc bench asm docs test help clean
all: alloc

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

tools:
	@command -v cargo >/dev/null || { echo "make: cargo not found: install Rust, https://rustup.rs" >&2; exit 1; }
	@case $$(rustc --version) in "rustc 1."[1-9][0-9][0-9].*) \
	    echo "make: compiler_builtins doesn't build on Rust 1.100 and later: rustup override set 1.99" >&2; exit 1 ;; \
	esac
	@command -v cc >/dev/null || { echo "make: cc not found: install a C compiler, which drives the linker" >&2; exit 1; }
ifdef arch
	@ls "$$(rustc --print target-libdir --target $(target))" >/dev/null 2>&1 || \
	    { echo "make: Rust's core for $(target) not found: rustup target add $(target)" >&2; exit 1; }
	@tests/install-tools "$(MAKECMDGOALS) TARGET=$(target)" qemu-$(arch):qemu-user clang:clang ld.lld:lld
endif

# With -f, the copy replaces even a file that a debugger has open.
alloc: tools ## build ./alloc, with debug information (as make alone)
	cargo build --bin alloc
	@cp -f target/$(target)/debug/alloc .

ifdef arch
run: tools
	cargo run --bin alloc
else
run: alloc ## build it and run it (TARGET=... on another architecture)
	./alloc
endif

gdb: alloc ## step through it in gdb, with a guided tour (PROGRAM=... is another program here)
	@tests/install-tools gdb gdb:gdb
ifdef program
	cargo build --workspace --bin $(program)
endif
	gdb -q -x gdb/tour.py $(if $(program),target/$(target)/debug/$(program),./alloc)

layout: tools ## let a process draw its own virtual memory
	cargo run --bin layout

malloc: tools ## see Box, Vec and BTreeMap move the program break
	cargo run --bin alloc
	cargo run -p program-break-malloc --bin bump
	cargo run -p program-break-malloc --bin free_list
	cargo run -p program-break-malloc --bin malloc

bench: tools ## measure it beside assembly, C and std Rust
	@tests/install-tools bench as:binutils strace:strace
	cargo bench --profile release --bench startup

asm: tools ## show its machine code beside the article's
	@[ "$$(uname -m)" = x86_64 ] || \
	    { echo "make: the article's assembly is for x86-64, and this machine is not" >&2; exit 1; }
	@tests/install-tools asm gdb:gdb
	@CARGO_PROFILE_RELEASE_DEBUG=line-tables-only CARGO_PROFILE_RELEASE_STRIP=none \
	    cargo build --quiet --release --bin alloc --target-dir target/asm
	@rustc --version
	@gdb -q -nx -batch-silent -x gdb/asm.py target/asm/$(target)/release/alloc

docs: tools ## record four programs, in docs/memory.svg and docs/index.html
	@tests/install-tools docs gdb:gdb
	cargo build --workspace --bins
	@for program in alloc bump free_list malloc; do \
	    echo "recording $$program"; gdb -q -nx -batch -x gdb/record.py target/$(target)/debug/$$program || exit; \
	done

# With ALL_TESTS=1, it is a failure if a test is left out because this machine can't do what the test needs. With
# ALL_TARGETS=1, the programs are tested on the other architectures, too.
test: alloc ## test it in both profiles
	@tests/install-tools test gdb:gdb strace:strace as:binutils script:bsdutils git:git
ifdef ALL_TARGETS
	@tests/install-tools "test ALL_TARGETS=1" qemu-aarch64:qemu-user clang:clang ld.lld:lld
endif
	cargo test --workspace --profile dev
	cargo test --workspace --release
	cargo test --manifest-path malloc/under-std/Cargo.toml --profile dev
	cargo test --manifest-path malloc/under-std/Cargo.toml --release

clean: ## remove all that was built
	cargo clean
	rm -f alloc article
