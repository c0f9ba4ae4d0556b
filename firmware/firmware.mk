# `make firmware`: the images for the Cortex-M3 board that QEMU has (mps2-an385): plain, with TLS, and
# the check list of the porting guide; held to their budgets. Built of our own files and of the
# sources of lwIP and mbedTLS,
# which tools/firmware-sources fetches into the build folder.

FW         := $(B)/firmware
FW_SOURCES := $(FW)/sources
FW_PORT    := firmware/port/mps2
FW_CROSS   ?= arm-none-eabi-

# Bytes: flash is text and data, RAM is data, bss and stack.
FW_plain_FLASH := 98304
FW_plain_RAM   := 49152
FW_tls_FLASH   := 196608
FW_tls_RAM     := 131072
FW_plain_STACK := 7424
FW_tls_STACK   := 12288
FW_check_STACK := $(FW_plain_STACK)

FW_CPU     := -mcpu=cortex-m3 -mthumb
# What -Os does all the same for speed costs half a kilobyte.
FW_SMALL   := -Os -fno-move-loop-invariants -fno-tree-loop-im -fno-schedule-insns2 -fno-tree-dominator-opts \
              -fno-caller-saves
FW_COMMON  := $(FW_CPU) -std=c11 $(FW_SMALL) -g -flto=1 -ffunction-sections -fdata-sections -fno-common
FW_DEFINES := -DPHUSA_VERSION='"$(VERSION)"' -DPHUSA_BOARD_QEMU_MPS2 -Iinclude -Isrc -Ifirmware -Ifirmware/core \
              -I$(FW_PORT)/lwip
FW_OUTSIDE := -isystem $(FW_SOURCES)/lwip/src/include -isystem $(FW_SOURCES)/lwip/src/apps/altcp_tls -isystem $(FW_SOURCES)/mbedtls/include
FW_LINK    := $(FW_CPU) $(FW_SMALL) -g -flto=1 -Wno-stringop-overflow -nostartfiles --specs=nano.specs -Wl,--gc-sections -Wl,--fatal-warnings \
              -Wl,--no-warn-rwx-segments -T $(FW_PORT)/link.ld

# Ours. Some files of the port belong to one image only.
FW_TLS_ONLY   := $(addprefix $(FW_PORT)/,tls.c entropy_test.c desk.c keyboard.c light.c line.c) firmware/port/technician.c \
                 firmware/port/trap_rig.c
FW_PLAIN_ONLY := $(addprefix $(FW_PORT)/,tls_none.c desk_none.c light_none.c)
FW_CHECK_ONLY := $(addprefix $(FW_PORT)/,check_main.c keyboard.c) $(wildcard firmware/port/check*.c)
FW_OURS      := $(filter-out src/shared/crc32c.c,$(SHARED)) $(wildcard firmware/core/*.c) $(wildcard firmware/drivers/*.c)
FW_BOARD     := $(filter-out $(FW_TLS_ONLY) $(FW_PLAIN_ONLY) $(FW_CHECK_ONLY),$(wildcard $(FW_PORT)/*.c)) firmware/port/lights.c

# Theirs, as far as it is used.
FW_LWIP := $(addprefix core/,def dns inet_chksum init ip mem memp netif pbuf tcp tcp_in tcp_out timeouts udp \
             altcp altcp_alloc altcp_tcp ipv4/dhcp ipv4/etharp ipv4/icmp ipv4/ip4 ipv4/ip4_addr) \
           netif/ethernet apps/sntp/sntp apps/mqtt/mqtt apps/altcp_tls/altcp_tls_mbedtls
FW_MBEDTLS := aes asn1parse asn1write bignum cipher cipher_wrap constant_time ctr_drbg ecdh ecdsa ecp ecp_curves \
           entropy gcm hmac_drbg md memory_buffer_alloc oid pk pk_wrap pkparse platform platform_util rsa \
           rsa_internal sha256 sha512 ssl_ciphersuites ssl_cli ssl_msg ssl_tls x509 x509_crt

FW_plain_OBJECTS := $(patsubst %.c,$(FW)/plain/%.o,$(FW_OURS) $(FW_BOARD) $(FW_PLAIN_ONLY)) \
                    $(patsubst %,$(FW)/plain/lwip/%.o,$(FW_LWIP))
FW_tls_OBJECTS   := $(patsubst %.c,$(FW)/tls/%.o,$(FW_OURS) $(FW_BOARD) $(FW_TLS_ONLY)) \
                    $(patsubst %,$(FW)/tls/lwip/%.o,$(FW_LWIP)) $(patsubst %,$(FW)/tls/mbedtls/%.o,$(FW_MBEDTLS))
# The plain image with another main.
FW_check_OBJECTS := $(filter-out %/$(FW_PORT)/main.o,$(FW_plain_OBJECTS)) $(patsubst %.c,$(FW)/plain/%.o,$(FW_CHECK_ONLY))
FW_IMAGES := $(addprefix $(FW)/station-,plain.elf tls.elf check.elf)

.PHONY: firmware
firmware:
	@command -v $(FW_CROSS)gcc > /dev/null || { echo 'firmware: $(FW_CROSS)gcc is missing (make setup installs it)'; exit 1; }
	@tools/firmware-sources $(FW_SOURCES)
	@$(MAKE) --no-print-directory $(FW_IMAGES)
	@tools/firmware-size $(FW_CROSS)size $(FW)/station-plain.elf $(FW_plain_FLASH) $(FW_plain_RAM) \
	    $(FW)/station-tls.elf $(FW_tls_FLASH) $(FW_tls_RAM) $(FW)/station-check.elf $(FW_plain_FLASH) $(FW_plain_RAM)

$(FW)/station-%.elf: $(FW_PORT)/link.ld $(FW)/flags
	$(if $(V),,@echo '  link  $@')
	$(Q)$(FW_CROSS)gcc $(FW_LINK) -Wl,--defsym=STACK_BYTES=$(FW_$*_STACK) -Wl,-Map=$(@:.elf=.map) -o $@ $(filter %.o,$^) -lm
$(FW)/station-plain.elf: $(FW_plain_OBJECTS)
$(FW)/station-tls.elf: $(FW_tls_OBJECTS)
$(FW)/station-check.elf: $(FW_check_OBJECTS)

# The small image: fewer channels, no console, and lwIP does not check itself.
FW_plain_IMAGE := -DSTATION_CHANNELS_MAX=16 -DSTATION_BUFFER_BYTES=2560 -DDEVICE_MAP_POINTS_MAX=24 -DLWIP_NOASSERT
FW_tls_IMAGE   := -DPHUSA_TLS -DMBEDTLS_CONFIG_FILE='"mbedtls_config.h"'
$(FW)/plain/%.o: FW_IMAGE := $(FW_plain_IMAGE)
$(FW)/tls/%.o: FW_IMAGE := $(FW_tls_IMAGE)

# Its assertions stand where a peer that hangs up leads; what follows them copes with it.
$(FW)/tls/lwip/apps/altcp_tls/%.o: FW_IMAGE += -DLWIP_NOASSERT

# Theirs is compiled as it is; warnings about it are not ours to mend.
define fw_rules
$(FW)/$(1)/lwip/%.o: $(FW_SOURCES)/lwip/src/%.c $(FW)/flags
	@mkdir -p $$(@D)
	$$(Q)$(FW_CROSS)gcc $(FW_COMMON) $(FW_DEFINES) $$(FW_IMAGE) $(FW_OUTSIDE) -w -MD -MP -c -o $$@ $$<
$(FW)/$(1)/mbedtls/%.o: $(FW_SOURCES)/mbedtls/library/%.c $(FW)/flags
	@mkdir -p $$(@D)
	$$(Q)$(FW_CROSS)gcc $(FW_COMMON) $(FW_DEFINES) $$(FW_IMAGE) $(FW_OUTSIDE) -w -MD -MP -c -o $$@ $$<
$(FW)/$(1)/%.o: %.c $(FW)/flags
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo '  cc    $(1): $$<')
	$$(Q)$(FW_CROSS)gcc $(FW_COMMON) $(WARN) $(FW_DEFINES) $$(FW_IMAGE) $(FW_OUTSIDE) -MD -MP -c -o $$@ $$<
endef
$(eval $(call fw_rules,plain))
$(eval $(call fw_rules,tls))

ifneq ($(filter firmware $(FW)/%,$(MAKECMDGOALS)),)
$(shell mkdir -p $(FW))
$(call note,firmware/flags,$(FW_COMMON) $(FW_DEFINES) $(FW_OUTSIDE) $(FW_LINK) $(WARN) $(FW_plain_IMAGE) $(FW_tls_IMAGE) $(FW_plain_STACK) $(FW_tls_STACK))
-include $(shell find $(FW)/plain $(FW)/tls -name '*.d' 2>/dev/null)
endif
