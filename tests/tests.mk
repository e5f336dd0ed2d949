# tests.mk - `make check` runs everything and ends with the runner's summary; tests/README.md explains.

TEST_DIR = $(O)/tests
include $(srcdir)/tests/insn/insn.mk
include $(srcdir)/tests/fuzz/fuzz.mk
include $(srcdir)/tests/golden/golden.mk

# --- unit tests (libcheck); the wraps let them refuse what is asked of the host ---

UNIT_SRC = $(filter-out $(UNIT_NOT),$(call sources,tests/unit))
UNIT_WRAPS = -Wl,--wrap=fdatasync
ifeq ($(HAVE_BT),yes)
UNIT_WRAPS += -Wl,--wrap=mmap,--wrap=munmap,--wrap=mprotect
else
UNIT_NOT = tests/unit/bt/% tests/unit/mmu/window.c
endif
UNIT_OBJ = $(UNIT_SRC:%.c=$(O)/%.o)

$(TEST_DIR)/unit-tests: $(UNIT_OBJ) $(LIB_OBJ)
	@test "$(CHECK_LIBS)" != missing || { echo "make check needs libcheck: apt install check" >&2; exit 1; }
	@mkdir -p $(TEST_DIR)
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS_ALL) $(UNIT_WRAPS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

# --- saved machines ---

$(TEST_DIR)/snapshots: $(O)/tests/snapshot/snapshot.o $(LIB_OBJ)
	@mkdir -p $(TEST_DIR)
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# --- suites ---

RUN   = $(srcdir)/tests/run.py $(if $(K),-k '$(K)')
BOOT  = $(srcdir)/tests/boot/boot.py $(O)/callgate
LOCKSTEP = $(srcdir)/tests/lockstep/lockstep.py $(O)/callgate
CASES ?= 1000000
SEQUENCES ?= 120000
ENDS ?= 1000
HOSTILE ?= 1
OFF = chain=off,inline=off,fpu=off

# what CPUs before 2013 and kernels before 5.9 lack
OLD_HOST = bmi2=off,fsgsbase=off

SUITES_FAST = "sh $(srcdir)/tests/tree.sh $(srcdir) $(O)" \
              $(TEST_DIR)/unit-tests \
              $(TEST_DIR)/decode \
              "$(srcdir)/tests/cli/cli.py $(O)/callgate" \
              "$(srcdir)/tests/cli/consoles.py $(O)/callgate" \
              "$(srcdir)/tests/cli/limits.py $(O)/callgate" \
              "$(srcdir)/tests/cli/sandbox.py $(O)/callgate" \
              "$(srcdir)/tests/plugin/plugin.py $(O)/callgate" \
              "$(srcdir)/tests/plugin/escape.py $(O)/callgate" \
              "env ACCEL=interp $(srcdir)/tests/boot/testrom.py $(O)/callgate" \
              "env ACCEL=interp $(BOOT) demo" \
              "$(srcdir)/tests/boot/nanobench.py $(O)/callgate" \
              "$(srcdir)/tests/robust/signals.py $(O)/callgate -n $(ENDS)" \
              "$(srcdir)/tests/boot/multiboot.py $(O)/callgate" \
              "$(srcdir)/tests/robust/hostile.py $(O)/callgate -x $(HOSTILE)" \
              "$(LOCKSTEP) fast" \
              "$(TEST_DIR)/snapshots $(ROM_OUT)" \
              "$(BOOT) demo" \
              "$(TEST_DIR)/two $(ROM_OUT)/demo.img"
ifeq ($(HAVE_BT),yes)
SUITES_FAST += "$(TEST_DIR)/host -n $(CASES)" \
               "$(TEST_DIR)/fpu_host -n $(CASES)" \
               "$(TEST_DIR)/fpu_host_portable -n $(CASES) -t 8" \
               "$(TEST_DIR)/bt_random -n $(SEQUENCES)" \
               "$(GOLDEN) $(srcdir)/tests/golden" \
               "$(srcdir)/tests/boot/testrom.py $(O)/callgate" \
               "env ACCEL=bt,verify=on,heat=0 $(srcdir)/tests/boot/testrom.py $(O)/callgate" \
               "env ACCEL=bt,verify=on,heat=0,direct=off $(srcdir)/tests/boot/testrom.py $(O)/callgate" \
               "env ACCEL=bt,verify=on,heat=0,$(OFF) $(srcdir)/tests/boot/testrom.py $(O)/callgate" \
               "env ACCEL=bt,verify=on,heat=0,$(OLD_HOST) $(srcdir)/tests/boot/testrom.py $(O)/callgate" \
               "env ACCEL=bt,verify=on,$(OLD_HOST) $(BOOT) demo" \
               "$(TEST_DIR)/bt_random -n 100000 -o $(OLD_HOST)"
else # what the tests run guests under unless they say
export ACCEL ?= interp
endif
# The fuzzers bring clang's sanitizers; objects of other sanitizers cannot be linked with them.
ifneq ($(and $(filter rel dbg,$(MODE)),$(filter yes,$(HAVE_BT))),)
SUITES_FAST += "$(srcdir)/tests/fuzz/fuzz.py $(TEST_DIR)/fuzz -t 60"
check-programs: $(FUZZERS)
endif
SUITES_BOOT = "$(BOOT) memory-test" "$(BOOT) linux" "$(LOCKSTEP) linux" "$(BOOT) installer" "$(BOOT) media" \
              "$(BOOT) floppies" "env MINUTES=0.5 $(srcdir)/tests/robust/soak.py $(O)/callgate"

# machines as a library: linked with nothing of ui/
$(TEST_DIR)/two: $(O)/tests/vm/two.o $(O)/libcallgate.a
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

check-programs: all $(TEST_DIR)/unit-tests $(TEST_DIR)/snapshots $(TEST_DIR)/two $(INSN_TESTS) \
                $(if $(filter yes,$(HAVE_BT)),$(GOLDEN))

# a minute: what is there runs at all
check-smoke: all
	$(RUN) "$(BOOT) demo" "$(srcdir)/tests/boot/testrom.py $(O)/callgate"

# some minutes: everything is built, and each kind of test runs
check-quick: check-programs
	$(RUN) $(TEST_DIR)/unit-tests $(TEST_DIR)/decode $(if $(filter yes,$(HAVE_BT)),"$(TEST_DIR)/host -n 10000") \
	    "$(srcdir)/tests/cli/cli.py $(O)/callgate" "$(srcdir)/tests/plugin/plugin.py $(O)/callgate" "$(BOOT) demo"

# a Debian with nothing but its base system, in chroots: as root, where debootstrap is; ten minutes
check-setup:
	$(RUN) "sh $(srcdir)/tests/setup/chroot.sh $(srcdir)"

check-fast: check-programs
	$(RUN) $(SUITES_FAST)

check: SEQUENCES = 1200000
check: check-programs
	sh $(srcdir)/tests/guests/get >/dev/null || true
	$(RUN) $(SUITES_BOOT) $(SUITES_FAST)

# for hosts of other kinds, with cross compilers and qemu-user
check-hosts:
	$(RUN) "sh $(srcdir)/tests/hosts/run.sh aarch64" "sh $(srcdir)/tests/hosts/run.sh s390x"

# What a process can do of the nanobenchmarks, for the native column; nothing on hosts of another kind.
$(TEST_DIR)/nano_native: tests/bench/nano_native.c
	@mkdir -p $(TEST_DIR)
	@case "$$($(CC) -dumpmachine)" in x86_64*) $(CC) -O2 $(WARN) -o $@ $< ;; esac

# How soon an interrupt is taken; its figures are for `make bench`.
$(TEST_DIR)/latency: $(O)/tests/bench/latency.o $(LIB_OBJ)
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# hours of work (MINUTES=N), looked at all the time
soak: all
	sh $(srcdir)/tests/guests/get >/dev/null || true
	$(srcdir)/tests/robust/soak.py $(O)/callgate

bench: all $(TEST_DIR)/nano_native $(TEST_DIR)/latency
	python3 $(srcdir)/tests/bench/bench.py $(O)/callgate -w

# What tests execute of the program, by folder: the suites that take seconds, with few random cases. None of the
# sandbox, in which a process cannot write its figures down.
SUITES_COV = $(TEST_DIR)/unit-tests \
             "$(TEST_DIR)/decode" \
             "$(TEST_DIR)/host -n 20000" \
             "$(TEST_DIR)/fpu_host -n 20000" \
             "$(TEST_DIR)/bt_random -n 3000" \
             "$(srcdir)/tests/cli/cli.py $(O)/callgate" \
             "$(srcdir)/tests/cli/consoles.py $(O)/callgate" \
             "$(srcdir)/tests/plugin/plugin.py $(O)/callgate" \
             "env ACCEL=interp $(srcdir)/tests/boot/testrom.py $(O)/callgate" \
             "env ACCEL=bt,verify=on,heat=0 $(srcdir)/tests/boot/testrom.py $(O)/callgate" \
             "$(srcdir)/tests/boot/multiboot.py $(O)/callgate" \
             "$(LOCKSTEP) fast" \
             "$(BOOT) demo"

cov:
	$(MAKE) MODE=cov check-programs
	$(MAKE) MODE=cov cov-run

cov-run:
	@find $(O) -name '*.gcda' -delete
	-SLOW=4 $(RUN) $(SUITES_COV)
	$(srcdir)/tests/cov.py $(srcdir) $(O)

.PHONY: check-programs check-hosts cov cov-run fuzz soak
