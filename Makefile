# Phù Sa. `make help` says what there is.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
B       ?= build
OPT     ?= -O2 -g
VERSION := 0.1.0
PREFIX  ?= /usr/local
ARGS    ?=
KILLS   ?= 1000
Q       := $(if $(V),,@)# make V=1 shows every command

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CPPFLAGS += -D_GNU_SOURCE -DPHUSA_VERSION='"$(VERSION)"' -Iinclude -Isrc -Ifirmware -Ifirmware/core
CFLAGS  += -std=c11 $(WARN) $(OPT) $(SAN) -fno-omit-frame-pointer -pthread
LDFLAGS += $(SAN) -pthread
LIBS    := -lpaho-mqtt3as -lcurl -lconfig -lmicrohttpd -ljansson -lsqlite3 -lssl -lcrypto -lz -lm

# One library a side: what both share, the collector, the station, and the port of the tests.
SHARED  := $(wildcard src/shared/*.c)
COLLECT := $(filter-out src/phusad.c,$(wildcard src/*.c)) \
           $(filter-out src/shared/% src/cli/%,$(wildcard src/*/*.c))
CLI     := $(wildcard src/cli/*.c)
STATION := $(wildcard firmware/core/*.c firmware/drivers/*.c firmware/port/*.c) \
           $(filter-out firmware/port/posix/main.c,$(wildcard firmware/port/posix/*.c))
FAKE    := $(wildcard firmware/port/fake/*.c)

object   = $(patsubst %.c,$(B)/obj/%.o,$(1))
PROGRAMS := $(B)/phusad $(B)/phusa $(B)/phusa-station
UNIT    := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))
FAULTS  := $(patsubst tests/fault/%.c,$(B)/fault/%,$(wildcard tests/fault/*_fault.c))
FUZZ    := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZER  := $(patsubst tests/fuzz/%.c,$(B)/fuzzer/%,$(wildcard tests/fuzz/*_fuzz.c))
TOOLS   := $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c))
BENCH   := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
MAN1    := $(wildcard docs/*.1)
MAN5    := $(wildcard docs/*.5)
MAN8    := $(wildcard docs/*.8)

.PHONY: all help setup run check chaos soak fleet bench lint fuzz install clean unit faults fuzzers libfuzzers benches tools
all: $(PROGRAMS)

help:
	@echo 'make              builds phusad, phusa and phusa-station into $(B)/'
	@echo 'make run          shows the whole line at work      ARGS="--for 60 --store influxdb"'
	@echo 'make check        builds with sanitizers and runs every test and check'
	@echo 'make chaos        breaks a whole line at random and counts what is lost   ARGS="--seed 1 --for 60" KILLS=1000'
	@echo 'make soak         constant load: does memory stay flat?  ARGS="--for 600 --stations 10000"'
	@echo 'make fleet        10,000 stations in one process, with the core of the boards   ARGS="--stations 2000"'
	@echo 'make firmware     builds the Cortex-M3 images into $(B)/firmware, within their budgets'
	@echo 'make bench        measures speed and memory         ARGS="--quick --json FILE"'
	@echo 'make lint         format, static analysis and the rules of the house'
	@echo 'make fuzz         hunts for crashes with libFuzzer  ARGS="--for 60 --seed 1"'
	@echo 'make install      into $$(DESTDIR)$$(PREFIX), PREFIX=$(PREFIX)'
	@echo 'make setup        installs missing packages (run, check, bench, lint and fuzz do it first)'
	@echo 'make clean        removes $(B)/'

setup:
	@tools/setup

# --- what people ask for: set-up first, then the build, then the thing itself ---

# As many jobs as there are cores, unless make was told how many.
JOBS = --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
SANITIZED = $(MAKE) $(JOBS) B=$(B)/san OPT='-O1 -g' \
            SAN='-fsanitize=address,undefined -fno-sanitize-recover=all'
FUZZING   = $(MAKE) $(JOBS) B=$(B)/fuzz-clang CC=clang OPT='-O1 -g' WARN='-Wall -Wextra' \
            SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'

run: setup
	@$(MAKE) $(JOBS) all
	@PHUSA_BUILD=$(B) tools/run $(ARGS)

check: setup
	@$(MAKE) $(JOBS) all
	@$(SANITIZED) all unit faults fuzzers tools
	@if tools/firmware-sources $(FW_SOURCES); then $(MAKE) $(JOBS) firmware; \
	    else echo 'firmware: its sources could not be fetched; its tests are skipped'; fi
	@PHUSA_BUILD=$(B) tests/run-all $(ARGS)

chaos: setup
	@$(MAKE) $(JOBS) all
	@PHUSA_BUILD=$(B) tools/chaos $(ARGS)
	@if tools/firmware-sources $(FW_SOURCES); then \
	    $(MAKE) $(JOBS) firmware && PHUSA_BUILD=$(B) tools/powercuts --kills $(KILLS); \
	    else echo 'firmware: its sources could not be fetched; its power cuts are left out'; fi

soak: setup
	@$(MAKE) $(JOBS) all benches
	@PHUSA_BUILD=$(B) tools/soak $(ARGS)

fleet: setup
	@$(MAKE) $(JOBS) all
	@PHUSA_BUILD=$(B) tools/fleet $(ARGS)

lint: setup
	@$(MAKE) $(JOBS) all
	@PHUSA_BUILD=$(B) tests/run-all lint $(ARGS)

fuzz: setup
	@$(FUZZING) libfuzzers
	@tools/fuzz --build $(B)/fuzz-clang $(ARGS)

bench: setup
	@$(MAKE) $(JOBS) all benches
	@PHUSA_BUILD=$(B) tests/run-bench $(ARGS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/phusa \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 5 8)
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	$(if $(MAN1),install -m 644 $(MAN1) $(DESTDIR)$(PREFIX)/share/man/man1)
	$(if $(MAN5),install -m 644 $(MAN5) $(DESTDIR)$(PREFIX)/share/man/man5)
	$(if $(MAN8),install -m 644 $(MAN8) $(DESTDIR)$(PREFIX)/share/man/man8)
	cp -R --no-preserve=ownership config/. $(DESTDIR)$(PREFIX)/share/phusa
	sed -i 's|"../build/journal"; .*|"/var/lib/phusa/journal";|' $(DESTDIR)$(PREFIX)/share/phusa/phusa.cfg
	sed 's|@PREFIX@|$(PREFIX)|g' config/systemd/phusad.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/phusad.service
	rm -r $(DESTDIR)$(PREFIX)/share/phusa/systemd

clean:
	rm -rf $(B)

unit: $(UNIT)
faults: $(FAULTS)
fuzzers: $(FUZZ)
libfuzzers: $(FUZZER)
benches: $(BENCH)
tools: $(TOOLS)

# --- how it is built -------------------------------------------------------------

# Two notes in the build folder, rewritten when they change: how things are compiled, and of
# which files. What depends on them is built anew.
define note
$(if $(filter-out $(strip $(file <$(B)/$(1))),$(strip $(2)))$(filter-out $(strip $(2)),$(strip $(file <$(B)/$(1)))),\
    $(shell mkdir -p $(B))$(file >$(B)/$(1),$(strip $(2))))
endef
ifeq ($(filter help clean setup,$(MAKECMDGOALS)),)
$(call note,flags,$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LIBS))
$(call note,files,$(SHARED) $(COLLECT) $(CLI) $(STATION) $(FAKE))
endif

$(B)/libshared.a: $(call object,$(SHARED))
$(B)/libcollector.a: $(call object,$(COLLECT))
$(B)/libstation.a: $(call object,$(STATION))
$(B)/libfake.a: $(call object,$(FAKE))
$(B)/lib%.a: $(B)/files
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

ALL_LIBS := $(B)/libfake.a $(B)/libstation.a $(B)/libcollector.a $(B)/libshared.a

$(B)/phusad: $(call object,src/phusad.c) $(B)/libcollector.a $(B)/libshared.a
$(B)/phusa: $(call object,$(CLI)) $(B)/libcollector.a $(B)/libshared.a
$(B)/phusa-station: $(call object,firmware/port/posix/main.c) $(B)/libstation.a $(B)/libcollector.a $(B)/libshared.a
$(PROGRAMS):
	$(if $(V),,@echo '  link  $@')
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/tests/%: $(B)/obj/tests/unit/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  link  $@')
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS)

# Everything durable on a disk that fails and forgets; one of them with an allocator that refuses.
$(B)/fault/%: $(B)/obj/tests/fault/%.o $(B)/obj/tests/fault/disk.o $(B)/obj/tests/fault/sweep.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  link  $@')
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)
$(B)/fault/allocation_fault: LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup,--wrap=asprintf,--wrap=vasprintf

# Names with the addresses that the test gives them.
$(B)/tests/network_mqtt_test: LDFLAGS += -Wl,--wrap=names_find

# Of commands of phusa's.
$(B)/tests/enrol_test $(B)/tests/order_test: $(call object,$(filter-out src/cli/main.c,$(CLI)))

# Fuzz targets also run without a fuzzer: over their seeds and mutations of them.
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/standalone.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  link  $@')
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

$(B)/fuzzer/%: $(B)/obj/tests/fuzz/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  link  $@')
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

# One in place of the network, one with a command of phusa's.
$(B)/fuzz/answer_fuzz $(B)/fuzzer/answer_fuzz: LDFLAGS += -Wl,--wrap=http_perform
$(B)/fuzz/rules_test_fuzz $(B)/fuzzer/rules_test_fuzz: $(call object,$(filter-out src/cli/main.c,$(CLI)))

# What the system tests drive by itself.
$(B)/tools/%: $(B)/obj/tests/tools/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  link  $@')
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  link  $@')
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(if $(V),,@echo '  cc    $<')
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

include firmware/firmware.mk
