# Build, test and install agentsh. `make help` lists the targets.
#
# Variables: PREFIX (/usr/local), SYSCONFDIR (/etc), RUNSTATEDIR (/run), LOCALSTATEDIR (/var), DESTDIR (empty), JOBS.
# Every path can be changed; the installed programs find each other relative to themselves.

SHELL := /bin/bash
# sudo resets PATH: Swift is looked for where it is usually unpacked, too.
export PATH := $(PATH):/opt/swift/usr/bin:/usr/local/swift/usr/bin:/usr/libexec/swift/bin:$(HOME)/.local/share/swiftly/bin
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
RUNSTATEDIR ?= /run
LOCALSTATEDIR ?= /var
DESTDIR ?=
UNITDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),$(if $(filter /usr,$(PREFIX)),/usr/lib/systemd/system,/etc/systemd/system),$(PREFIX)/lib/systemd/system)
TMPFILESDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),$(if $(filter /usr,$(PREFIX)),/usr/lib/tmpfiles.d,/etc/tmpfiles.d),$(PREFIX)/lib/tmpfiles.d)
JOBS ?= $(shell nproc)

# Statically linked Swift runtime, no RUNPATH; BIND_NOW is in Package.swift. scripts/check-elf reads it back from the programs.
SWIFT_BUILD = swift build -j $(JOBS)
RELEASE_FLAGS = -c release --static-swift-stdlib --disable-local-rpath -Xswiftc -no-toolchain-stdlib-rpath -Xlinker -s
# Archives of the C++ runtime, found before its shared libraries: see Package.swift.
STATIC_RUNTIME = $(CURDIR)/.build/static-runtime
RELEASE_FLAGS += -Xlinker -L$(STATIC_RUNTIME)
BIN = .build/release

export PREFIX SYSCONFDIR RUNSTATEDIR LOCALSTATEDIR DESTDIR UNITDIR TMPFILESDIR JOBS

.PHONY: all build test check fuzz sanitize install uninstall quickstart bench deb docs clean help dependencies
all: build

## build: the three programs, optimised, in .build/release
build:
	@scripts/install-dependencies build
	@mkdir -p $(STATIC_RUNTIME)
	@ln -sf "$$(g++ -print-file-name=libstdc++.a)" $(STATIC_RUNTIME)/libstdc++.a
	@ln -sf "$$(gcc -print-file-name=libgcc_eh.a)" $(STATIC_RUNTIME)/libgcc_s.a
	@$(SWIFT_BUILD) $(RELEASE_FLAGS)

## test: everything, with the tests that need root when root; the last line counts them
test:
	@scripts/test

## check: what can be checked without building: import direction, forbidden constructs, shell syntax
check:
	@scripts/check-imports

## fuzz: the fuzz targets one after the other, SECONDS=60 each; TARGET=policy runs one
fuzz:
	@scripts/fuzz "$(TARGET)" "$(or $(SECONDS),60)"

## sanitize: unit and integration tests under the address and the thread sanitizer; SANITIZER=address or thread runs one
sanitize:
	@scripts/sanitize $(SANITIZER)

## install: into DESTDIR, PREFIX and SYSCONFDIR (builds first if nothing is built)
install:
	@test -x $(BIN)/agentsh -a -x $(BIN)/agentshd -a -x $(BIN)/agentsh-supervisor || $(MAKE) build
	@scripts/install-tree $(BIN)

## uninstall: what install put there; policies, configuration that was changed and records stay
uninstall:
	@scripts/uninstall-tree

## quickstart: build, run a wrapped session against a private server, show what was refused and why, clean up
quickstart:
	@scripts/quickstart

## bench: what supervision costs, measured on this machine
bench: build
	@Benchmarks/run --save

## deb: a Debian package in dist/
deb: build
	@scripts/build-deb $(BIN)

## docs: rewrite docs/syscalls.md from the table
docs:
	AGENTSH_WRITE_DOCS=1 swift test --filter AgentshFilterTests.SyscallTableTests

dependencies:
	@scripts/install-dependencies all

clean:
	rm -rf .build dist

help:
	@sed -n 's/^## /  make /p' Makefile
