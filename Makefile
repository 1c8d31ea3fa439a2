# lastack: see README.md, and `make help`. Plain GNU make; all that is made lies under $(BUILD).
VERSION := 0.1.0
ABI := 0

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
AR ?= ar
INSTALL ?= install
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format
CFLAGS ?= -O2 -g
# The first Python 3 that has what the tests need; any other may be named.
PYTHON ?= $(shell tools/find-python.sh)
# How `make demo` and `make test` build when no -j was given.
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

# ---- what is compiled, and how ---------------------------------------------------------------

PACKAGES := libpcap jansson zlib libzstd liblzma liblz4 libmd
PACKAGE_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
PACKAGE_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)
# bzip2 ships no pkg-config file everywhere.
LIBS := $(PACKAGE_LIBS) -lbz2 -lm -lpthread

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wvla
LA_WERROR ?=
LA_CPPFLAGS := -D_POSIX_C_SOURCE=200809L -DLA_VERSION='"$(VERSION)"' -Iinclude -Isrc
# Functions are short and files many: what is optimised across files takes 6 % fewer instructions.
# Fat objects hold plain code as well, so that whoever links with the static library, as the tests
# do, needs neither this compiler nor the time. LA_LTO= does without.
ifeq ($(origin LA_LTO),undefined)
LA_LTO := $(shell $(CC) -flto=auto -ffat-lto-objects -Werror -x c -c -o /dev/null /dev/null \
            2>/dev/null && echo -flto=auto -ffat-lto-objects)
endif
# Some hundred bytes are cleared and copied sooner by the C library than by a string instruction,
# which takes dozens of cycles to begin.
LA_STRINGS := $(shell flags='-mmemset-strategy=libcall:-1:noalign -mmemcpy-strategy=libcall:-1:noalign'; \
                $(CC) $$flags -Werror -x c -c -o /dev/null /dev/null 2>/dev/null && echo "$$flags")
LA_CFLAGS := -std=c11 -fPIC $(WARNINGS) $(LA_WERROR) $(LA_LTO) $(LA_STRINGS) $(PACKAGE_CFLAGS)
COMPILE = $(CC) $(LA_CPPFLAGS) $(CPPFLAGS) $(LA_CFLAGS) $(CFLAGS)
LINK = $(CC) $(CFLAGS) $(LDFLAGS)

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
CLI_OBJECTS := $(call objects,$(sort $(wildcard src/cli/*.c)))
LIB_OBJECTS := $(call objects,$(sort $(filter-out src/cli/%,$(wildcard src/*/*.c)))) \
               $(BUILD)/embedded.o
EMBEDDED := $(sort $(wildcard docs/diagnoses/*.md docs/settings/*.md docs/schema/*.json))

UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT_PROGRAMS := $(UNIT_SOURCES:%.c=$(BUILD)/%)
UNIT_HELPERS := $(call objects,$(sort $(filter-out $(UNIT_SOURCES),$(wildcard tests/unit/*.c))))
BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/*.c)))

LIB_STATIC := $(BUILD)/liblastack.a
LIB_SHARED := $(BUILD)/liblastack.so.$(VERSION)
PROGRAM := $(BUILD)/lastack
HEADERS := $(wildcard include/lastack/*.h)
FORMATTED := $(wildcard include/lastack/*.h src/*/*.[ch] tests/*/*.[ch] tools/*.[ch])

ifeq ($(V),1)
Q :=
say :=
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$@)'
endif

# ---- building --------------------------------------------------------------------------------

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAM) $(LIB_STATIC) $(LIB_SHARED) ## the program and the library

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# Remade when the compiler, its flags or the version change, and everything with it (not with KEEP=1:
# then what was built stays as it was). A compiler that cannot find the libraries would only name one
# header: say what is missing instead.
$(BUILD)/flags: $(if $(KEEP),,FORCE)
	@mkdir -p $(@D)
	$(if $(PACKAGE_LIBS),,@CC='$(CC)' tools/install-deps.sh --check build)
	@printf '%s\n' '$(subst ','\'',$(COMPILE) | $(LINK) $(LIBS))' | cmp -s - $@ || \
	    printf '%s\n' '$(subst ','\'',$(COMPILE) | $(LINK) $(LIBS))' >$@

# The texts of `explain` and `schema` are the files of docs/, so that there is one text of each.
$(BUILD)/embed: tools/embed.c $(BUILD)/flags
	$(call say,CC)
	$(Q)$(CC) $(LA_CPPFLAGS) -std=c11 $(WARNINGS) $(LA_WERROR) -O1 -o $@ $<

# A text that was removed is no newer prerequisite: the list of names is one, too.
$(BUILD)/embedded.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(EMBEDDED) | cmp -s - $@ || printf '%s\n' $(EMBEDDED) >$@

$(BUILD)/embedded.c: $(BUILD)/embed $(EMBEDDED) $(BUILD)/embedded.list
	$(call say,EMBED)
	$(Q)$(BUILD)/embed $@ $(EMBEDDED)

$(BUILD)/embedded.o: $(BUILD)/embedded.c $(BUILD)/flags
	$(call say,CC)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(LIB_STATIC): $(LIB_OBJECTS)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

# Only the functions that the public header declares are the library's.
$(BUILD)/liblastack.map: $(HEADERS)
	@mkdir -p $(@D)
	@{ echo 'LASTACK_$(ABI) {'; echo '    global:'; \
	   cat $(HEADERS) /dev/null | tr -c 'A-Za-z0-9_(' '\n' | \
	       sed -n 's/^\(la_[a-z0-9_]*\)(.*/        \1;/p' | sort -u; \
	   echo '    local: *;'; echo '};'; } >$@

$(LIB_SHARED): $(LIB_OBJECTS) $(BUILD)/liblastack.map
	$(call say,LD)
	$(Q)$(LINK) $(LA_LTO) -shared -Wl,-soname,liblastack.so.$(ABI) \
	    -Wl,--version-script=$(BUILD)/liblastack.map -o $@ $(LIB_OBJECTS) $(LIBS)

$(PROGRAM): $(CLI_OBJECTS) $(LIB_STATIC)
	$(call say,LD)
	$(Q)$(LINK) $(LA_LTO) -o $@ $^ $(LIBS)

$(UNIT_PROGRAMS): %: %.o $(UNIT_HELPERS) $(LIB_STATIC)
	$(call say,LD)
	$(Q)$(LINK) $(if $(LA_LTO),-fno-lto) -o $@ $^ $(LIBS) -lcmocka

$(BENCH_PROGRAMS): %: %.o
	$(call say,LD)
	$(Q)$(LINK) $(if $(LA_LTO),-fno-lto) -o $@ $^ $(LIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- using what was built --------------------------------------------------------------------

# These install what is missing first, and then read this file again, so that what pkg-config says
# of the packages is what it says after the installation.
again = +@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) $(1)
need = @CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' tools/install-deps.sh $(1)

deps: ## install what building and testing need
	$(call need,build test)

demo: ## build, and analyse a real capture
	$(call need,build)
	$(call again,all)
	@LASTACK=$(PROGRAM) tools/demo.sh

test: ## build, and run all tests
	$(call need,build test)
	$(call again,all unit-programs)
	@$(PYTHON) tests/run --build $(BUILD)

unit-programs: $(UNIT_PROGRAMS)

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
test-asan: ## the same tests under the address and undefined-behaviour sanitizers
	+@ASAN_OPTIONS=detect_leaks=1:$$ASAN_OPTIONS UBSAN_OPTIONS=print_stacktrace=1:$$UBSAN_OPTIONS \
	    $(MAKE) --no-print-directory test BUILD=$(BUILD)-asan LA_LTO= \
	    CFLAGS='-O1 -g -fno-omit-frame-pointer $(SANITIZE)'

test-valgrind: ## no leak and no bad access on the demo
	$(call need,build valgrind)
	$(call again,all)
	@LASTACK=$(PROGRAM) tools/demo.sh --valgrind

# QUICK=1 takes less than a minute. SHAPES=churn,web,bulk,flood; ROUNDS=N; PEERS=0; SCALE=X.
bench: ## time lastack beside a bare libpcap loop (QUICK=1, SHAPES=churn,web,bulk,flood)
	$(call need,build test)
	$(call again,all bench-programs)
	@$(PYTHON) tests/bench/run.py --build $(BUILD) $(if $(filter-out 0,$(QUICK)),--quick) \
	    $(if $(SHAPES),--shapes $(SHAPES)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	    $(if $(SCALE),--scale $(SCALE)) $(if $(filter 0,$(PEERS)),--no-peers)

bench-scaling: ## how time and memory grow with the capture, 1x to 8x
	$(call need,build test)
	$(call again,all bench-programs)
	@$(PYTHON) tests/bench/scaling.py --build $(BUILD) $(if $(SCALE),--scale $(SCALE))

bench-instructions: ## instructions a packet (valgrind) against the stated ones
	$(call need,build valgrind)
	$(call again,all bench-programs)
	@$(PYTHON) tests/bench/instructions.py --build $(BUILD)

bench-programs: $(BENCH_PROGRAMS)

lab: ## real kernels in network namespaces, and the score on what they did (root)
	$(call need,build test lab)
	$(call again,all)
	$(PYTHON) tests/lab/run --out $(BUILD)/lab
	$(PYTHON) tests/lab/score.py --lastack $(PROGRAM) $(BUILD)/lab

format: ## clang-format every C file in place
	$(CLANG_FORMAT) -i $(FORMATTED)

format-check: ## fail when clang-format would change a file
	$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED)

lint: ## cppcheck and clang-tidy, as far as they are installed
	@CPPFLAGS='$(subst ','\'',$(LA_CPPFLAGS) $(PACKAGE_CFLAGS))' tools/lint.sh $(sort $(wildcard src/*/*.c tools/*.c))

# ---- installing ------------------------------------------------------------------------------

LIBDIR := $(PREFIX)/lib
INSTALLED := bin/lastack lib/liblastack.a lib/liblastack.so lib/liblastack.so.$(ABI) \
             lib/liblastack.so.$(VERSION) lib/pkgconfig/lastack.pc share/man/man1/lastack.1

install: all ## into $(DESTDIR)$(PREFIX)
	$(INSTALL) -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include/lastack \
	    share/man/man1 share/lastack/schema)
	$(INSTALL) -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/lastack
	$(INSTALL) -m 644 $(LIB_STATIC) $(DESTDIR)$(LIBDIR)/liblastack.a
	$(INSTALL) -m 755 $(LIB_SHARED) $(DESTDIR)$(LIBDIR)/liblastack.so.$(VERSION)
	ln -sf liblastack.so.$(VERSION) $(DESTDIR)$(LIBDIR)/liblastack.so.$(ABI)
	ln -sf liblastack.so.$(ABI) $(DESTDIR)$(LIBDIR)/liblastack.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(strip $(LIBS))|' \
	    tools/lastack.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/lastack.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/lastack.pc
	$(INSTALL) -m 644 $(HEADERS) $(DESTDIR)$(PREFIX)/include/lastack
	$(INSTALL) -m 644 docs/lastack.1 $(DESTDIR)$(PREFIX)/share/man/man1/lastack.1
	$(INSTALL) -m 644 $(wildcard docs/schema/*.json) $(DESTDIR)$(PREFIX)/share/lastack/schema

uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(INSTALLED))
	rm -rf $(DESTDIR)$(PREFIX)/include/lastack $(DESTDIR)$(PREFIX)/share/lastack

dist: ## $(BUILD)/lastack-VERSION.tar.gz of the committed tree
	@mkdir -p $(BUILD)
	git archive --format=tar --prefix=lastack-$(VERSION)/ HEAD | gzip -9n \
	    >$(BUILD)/lastack-$(VERSION).tar.gz

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-clang

help: ## this list
	@echo 'make TARGET [CC=clang] [BUILD=DIR] [PREFIX=/usr/local] [DESTDIR=] [LA_WERROR=-Werror] [V=1]'
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | \
	    awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

FORCE:
.PHONY: all deps demo test unit-programs test-asan test-valgrind bench bench-scaling \
        bench-instructions bench-programs lab format \
        format-check lint install uninstall dist clean help FORCE

# ---- pages made from the code ----------------------------------------------------------------

$(BUILD)/states: $(BUILD)/tools/states.o $(BUILD)/src/track/state.o
	$(call say,LD)
	$(Q)$(LINK) -o $@ $^

states-page: $(BUILD)/states ## docs/states.md from the state table
	$(BUILD)/states >$(BUILD)/states.md && mv $(BUILD)/states.md docs/states.md

.PHONY: states-page
