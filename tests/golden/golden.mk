# golden.mk - golden translations, see golden.c. Included by tests.mk.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT

GOLDEN = $(O)/tests/golden-tests

$(GOLDEN): $(O)/tests/golden/golden.o $(O)/tests/golden/golden_show.o $(LIB_OBJ)
	@mkdir -p $(dir $@)
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
