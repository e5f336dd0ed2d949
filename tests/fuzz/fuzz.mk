# fuzz.mk - fuzzers (libFuzzer, of clang): devices, loaders and options with sanitizers, the rest as it is.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT

FUZZ_CC     = clang
FUZZ_FLAGS  = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
              -fno-sanitize=alignment -fno-sanitize-recover=undefined -DSANDBOX_OFF $(WARN)
FUZZ_UNDER  = $(HW_SRC) ui/options.c bt/options.c cpu/log.c cpu/state.c cpu/state_stream.c cpu/cpu_state.c
FUZZ_OBJ    = $(FUZZ_UNDER:%.c=$(TEST_DIR)/fuzz/%.o)
FUZZ_REST   = $(filter-out $(FUZZ_UNDER:%.c=$(O)/%.o),$(LIB_OBJ))
FUZZERS     = $(patsubst %,$(TEST_DIR)/fuzz/%,devices kernel options state)
FUZZ_RUNS  ?= 1000000

$(TEST_DIR)/fuzz/%.o: %.c Makefile
	@mkdir -p $(dir $@)
	@echo "  FUZZ  $<"
	@$(FUZZ_CC) $(CPPFLAGS_ALL) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(FUZZERS): $(TEST_DIR)/fuzz/%: $(TEST_DIR)/fuzz/tests/fuzz/%.o $(FUZZ_OBJ) $(FUZZ_REST)
	@echo "  LD    $@"
	@$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

# FUZZ_RUNS inputs each, beginning with the small corpus that fuzz.py makes
fuzz: $(FUZZERS)
	$(srcdir)/tests/fuzz/fuzz.py $(TEST_DIR)/fuzz -n $(FUZZ_RUNS)
