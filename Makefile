# Each target does its own set-up. `make help` lists them.

# What is built here is what the targets need, whatever the reader's own configuration of cargo or the environment says.
# Plain cargo goes by that configuration. Arguments of make override what is set here: CARGO_PROFILE_RELEASE_LTO=off.
dev := DEBUG=true DEBUG_ASSERTIONS=true LTO=false OPT_LEVEL=0 PANIC=abort SPLIT_DEBUGINFO=off STRIP=none
release := DEBUG=false DEBUG_ASSERTIONS=false LTO=true OPT_LEVEL=s OVERFLOW_CHECKS=false PANIC=abort STRIP=debuginfo
$(foreach setting,$(dev:%=DEV_%) $(release:%=RELEASE_%),$(eval export CARGO_PROFILE_$(setting)))

# Cargo would look for this make's job server, which is only for other makes.
unexport MAKEFLAGS MFLAGS
# Programs are built in target/TARGET, where TARGET is this machine's, or an argument of make. (A variable of that name
# in the environment, or of the name PROGRAM, may be meant for another program.)
host := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
target := $(if $(filter command,$(origin TARGET)),$(TARGET),$(host))
program := $(if $(filter command,$(origin PROGRAM)),$(PROGRAM))
export CARGO_TARGET_DIR = target
export CARGO_BUILD_BUILD_DIR = $(CARGO_TARGET_DIR)
built = $(CARGO_TARGET_DIR)/$(target)

# The reader's flags for the compiler may name a linker that doesn't read linker.ld, and the runner may be another
# program. (For another target, the flags are those of the files in .cargo.)
unexport CARGO_ENCODED_RUSTFLAGS RUSTFLAGS
ifeq ($(target),$(host))
export RUSTFLAGS =
export CARGO_TARGET_$(shell echo $(host) | tr a-z- A-Z_)_RUNNER = env
else
ifneq ($(filter-out run layout malloc help clean,$(or $(MAKECMDGOALS),alloc)),)
$(error TARGET is for make run, layout and malloc)
endif
cross := --config .cargo/cross.toml
arch := $(patsubst riscv64%,riscv64,$(firstword $(subst -, ,$(target))))
endif
for-target := $(strip $(cross) --target $(target))

.PHONY: all tools alloc run gdb-with-python gdb layout malloc bench asm docs test help clean
all: alloc

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

tools:
	@command -v cargo >/dev/null || { echo "make: cargo not found: install Rust, https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: cc not found: install a C compiler, which drives the linker" >&2; exit 1; }
ifdef cross
	@ls "$$(rustc --print target-libdir --target $(target) 2>/dev/null)" >/dev/null 2>&1 || \
	    { echo "make: Rust's core for $(target) not found: rustup target add $(target)" >&2; exit 1; }
	@sh tests/install-tools "$(MAKECMDGOALS) TARGET=$(target)" qemu-$(arch):qemu-user clang:clang ld.lld:lld
endif

# cp can't write to a program that a debugger runs, so the old one is removed.
alloc: tools ## build ./alloc, with debug information (as make alone)
	cargo build $(for-target) --bin alloc
	@rm -f alloc
	@cp "$(built)/debug/alloc" .

run: $(if $(cross),tools,alloc) ## build it and run it (TARGET=... for another architecture)
	$(if $(cross),cargo run $(for-target) --bin alloc,./alloc)

# gdb would start programs by the reader's shell, which may be one that runs nothing, and would ask a server for debug
# information, which would delay the first step if the server didn't answer.
gdb := SHELL=/bin/sh DEBUGINFOD_URLS= gdb -q
gdb-with-python: tools
	@sh tests/install-tools "$(MAKECMDGOALS)" gdb:gdb
	@gdb -nx -batch -ex "python print('it is')" 2>/dev/null | grep -q it || \
	    { echo "make: this gdb has no Python, in which the tour is written: install another gdb" >&2; exit 1; }

gdb: alloc gdb-with-python ## step through it in gdb, with a guided tour (or PROGRAM=...)
	$(if $(program),cargo build $(for-target) --workspace --bin $(program))
	$(gdb) -x gdb/tour.py $(if $(program),"$(built)/debug/$(program)",./alloc)

layout: tools ## let a process draw its own virtual memory (or TARGET=...)
	cargo run $(for-target) --bin layout

malloc: tools ## see how String and Vec move the program break (or TARGET=...)
	cargo run $(for-target) --bin alloc
	cargo run $(for-target) -p program-break-malloc --bin bump
	cargo run $(for-target) -p program-break-malloc --bin free_list
	cargo run $(for-target) -p program-break-malloc --bin malloc

bench: tools ## measure it beside assembly, C and std Rust
	@sh tests/install-tools bench as:binutils
	cargo bench $(for-target) --profile release --bench startup

asm: gdb-with-python ## show its machine code beside the article's
	@[ "$$(uname -m)" = x86_64 ] || \
	    { echo "make: the article's assembly is for x86-64, and this machine is not" >&2; exit 1; }
	@cargo build $(for-target) --profile asm --bin alloc
	@rustc --version
	@$(gdb) -nx -batch-silent -x benches/asm.py "$(built)/asm/alloc"

docs: gdb-with-python ## record four programs, in docs/memory.svg and docs/index.html
	cargo build $(for-target) --workspace --bins
	@for program in alloc bump free_list malloc; do \
	    echo "recording $$program"; $(gdb) -nx -batch -x gdb/record.py "$(built)/debug/$$program" || exit; \
	done

# With ALL_TESTS=1, it is a failure if a test is left out because this machine can't do what the test needs. With
# ALL_TARGETS=1, the programs are tested on the other architectures, too.
test: tools ## test it (with ALL_TESTS=1, a test that is left out fails)
	@sh tests/install-tools test gdb:gdb strace:strace as:binutils script:bsdutils git:git \
	    $(if $(ALL_TARGETS),qemu-aarch64:qemu-user clang:clang ld.lld:lld)
	cargo test $(for-target) --workspace
	cargo test $(for-target) --manifest-path malloc/under-std/Cargo.toml
	cargo test $(for-target) --manifest-path malloc/under-std/Cargo.toml --release

clean: ## remove all that was built
	cargo clean
	rm -f alloc
