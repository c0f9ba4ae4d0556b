# Phù Sa. `make help` says what there is.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
B       ?= build
OPT     ?= -O2 -g
VERSION := 0.1.0

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CPPFLAGS += -D_GNU_SOURCE -DPHUSA_VERSION='"$(VERSION)"' -Iinclude -Isrc -Ifirmware -Ifirmware/core
CFLAGS  += -std=c11 $(WARN) $(OPT) $(SAN) -fno-omit-frame-pointer -pthread
LDFLAGS += $(SAN) -pthread
LIBS    := -lpaho-mqtt3as -lcurl -lconfig -lmicrohttpd -ljansson -lsqlite3 -lcrypto -lz -lm

# One library a side: what both share, the collector, the station.
SHARED  := $(wildcard src/shared/*.c)
COLLECT := $(filter-out src/phusad.c,$(wildcard src/*.c)) \
           $(foreach room,base settings ingest journal ledger alarm notify store console,$(wildcard src/$(room)/*.c))
CLI     := $(wildcard src/cli/*.c)
STATION := $(wildcard firmware/core/*.c) $(filter-out firmware/port/posix/main.c,$(wildcard firmware/port/posix/*.c))

object   = $(patsubst %.c,$(B)/obj/%.o,$(1))
PROGRAMS := $(B)/phusad $(B)/phusa $(B)/phusa-station
UNIT    := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))
FUZZ    := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
BENCH   := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))

.PHONY: all help run check bench lint fuzz install clean setup unit
all: $(PROGRAMS)

$(B)/libshared.a: $(call object,$(SHARED))
$(B)/libcollector.a: $(call object,$(COLLECT))
$(B)/libstation.a: $(call object,$(STATION))
$(B)/lib%.a:
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^

ALL_LIBS := $(B)/libcollector.a $(B)/libstation.a $(B)/libshared.a

$(B)/phusad: $(call object,src/phusad.c) $(B)/libcollector.a $(B)/libshared.a
$(B)/phusa: $(call object,$(CLI)) $(B)/libcollector.a $(B)/libshared.a
$(B)/phusa-station: $(call object,firmware/port/posix/main.c) $(B)/libstation.a $(B)/libcollector.a $(B)/libshared.a
$(PROGRAMS):
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/tests/%: $(B)/obj/tests/unit/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# Fuzz targets also run without a fuzzer: over their seeds and mutations of them.
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/standalone.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

unit: $(UNIT)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
