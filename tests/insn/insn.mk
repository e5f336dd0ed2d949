# insn.mk - the instruction tests: the decoder against Capstone, the interpreter against the host.
# Included by tests.mk. INSN_TESTS lists the programs; each prints ok and FAIL lines.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT

INSN_TESTS = $(O)/tests/decode
ifeq ($(HAVE_BT),yes)
INSN_TESTS += $(O)/tests/host $(O)/tests/fpu_host $(O)/tests/fpu_host_portable $(O)/tests/bt_random
endif

INSN_DIR = tests/insn
$(O)/tests/decode:   $(O)/$(INSN_DIR)/decode.o $(O)/$(INSN_DIR)/decode_equal.o
$(O)/tests/host:     $(O)/$(INSN_DIR)/host.o $(O)/$(INSN_DIR)/host_gen.o $(O)/$(INSN_DIR)/host_amd.o \
                     $(O)/$(INSN_DIR)/native.o $(O)/$(INSN_DIR)/guest.o
$(O)/tests/fpu_host: $(O)/$(INSN_DIR)/fpu_host.o $(O)/$(INSN_DIR)/guest.o
$(O)/tests/bt_random: $(O)/$(INSN_DIR)/bt_random.o $(O)/$(INSN_DIR)/btr_env.o $(O)/$(INSN_DIR)/btr_gen.o \
                     $(O)/$(INSN_DIR)/btr_run.o $(O)/$(INSN_DIR)/btr_show.o $(O)/$(INSN_DIR)/guest.o

# The arithmetic of hosts that are no x86-64, against this one's.
PORTABLE_SRC = cpu/interp/sse_fp.c cpu/interp/x87.c cpu/fpu/trans.c cpu/fpu/softfloat.c
PORTABLE_OBJ = $(PORTABLE_SRC:%.c=$(O)/tests/portable/%.o)
$(O)/tests/portable/%.o: %.c Makefile
	@mkdir -p $(dir $@)
	@echo "  CC    $< (portable)"
	@$(CC) $(CPPFLAGS_ALL) -DPORTABLE_FPU $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
PORTABLE_REST = $(filter-out $(PORTABLE_SRC:%.c=$(O)/%.o),$(LIB_OBJ))
$(O)/tests/fpu_host_portable: $(O)/$(INSN_DIR)/fpu_host.o $(O)/$(INSN_DIR)/guest.o $(PORTABLE_OBJ) $(PORTABLE_REST)
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(filter-out %_portable,$(INSN_TESTS)): $(LIB_OBJ)
	@mkdir -p $(dir $@)
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# The child keeps out of the host's thread-local storage while the tests own FS.
$(O)/$(INSN_DIR)/native.o: CFLAGS_ALL += -fno-sanitize=all
