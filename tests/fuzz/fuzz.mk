# fuzz.mk - fuzzers (libFuzzer, of clang): what reads the words of guests, users and files with sanitizers, the rest
# as it is. A program for each file of tests/fuzz but fuzz.c and board.c, which they share.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT

FUZZ_CC     = clang
FUZZ_FLAGS  = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
              -fno-sanitize=alignment -fno-sanitize-recover=undefined -DSANDBOX_OFF $(WARN)
FUZZ_UNDER  = $(HW_SRC) $(patsubst %,ui/%.c,options suboptions monitor keys opener_rules) \
              $(filter-out vm/roms.c,$(VM_SRC)) debug/plugin.c bt/options.c cpu/log.c \
              $(patsubst %,cpu/%.c,state state_stream cpu_state)
FUZZ_OBJ    = $(FUZZ_UNDER:%.c=$(TEST_DIR)/fuzz/%.o)
FUZZ_REST   = $(filter-out $(FUZZ_UNDER:%.c=$(O)/%.o),$(LIB_OBJ))
FUZZ_SHARED = tests/fuzz/fuzz.c tests/fuzz/board.c
FUZZ_SRC    = $(filter-out $(FUZZ_SHARED),$(call sources,tests/fuzz))
FUZZ_BOARD := $(filter $(FUZZ_SRC),$(shell cd $(srcdir) && grep -l '"tests/fuzz/board.h"' tests/fuzz/*.c))
FUZZERS     = $(FUZZ_SRC:tests/fuzz/%.c=$(TEST_DIR)/fuzz/%)
# what they must not do to the host whatever they read
FUZZ_WRAP   = -Wl,--wrap=open,--wrap=socket,--wrap=getaddrinfo,--wrap=posix_openpt,--wrap=dlopen
SECONDS    ?= 60

$(TEST_DIR)/fuzz/%.o: %.c Makefile
	@mkdir -p $(dir $@)
	@echo "  FUZZ  $<"
	@$(FUZZ_CC) $(CPPFLAGS_ALL) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

FUZZ_LIB = $(TEST_DIR)/fuzz/tests/fuzz/fuzz.o $(FUZZ_OBJ) $(FUZZ_REST)
$(FUZZERS): $(TEST_DIR)/fuzz/%: $(TEST_DIR)/fuzz/tests/fuzz/%.o $(FUZZ_LIB)
	@echo "  LD    $@"
	@$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $(if $(findstring specs,$@),$(FUZZ_WRAP)) -o $@ $^ $(LIBS)

$(FUZZ_BOARD:tests/%.c=$(TEST_DIR)/%): $(TEST_DIR)/fuzz/tests/fuzz/board.o

# SECONDS in total, or FUZZ_RUNS inputs each; both begin with the seeds of tests/fuzz/corpus
fuzz: $(FUZZERS)
	$(srcdir)/tests/fuzz/fuzz.py $(TEST_DIR)/fuzz $(if $(FUZZ_RUNS),-n $(FUZZ_RUNS),-t $(SECONDS))
