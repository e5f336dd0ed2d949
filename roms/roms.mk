# roms.mk - guest-side code. Assembled with binutils for x86; option ROMs are padded and summed.

ROM_OUT = $(O)/roms
OPTROMS     = $(ROM_OUT)/linuxboot.bin $(ROM_OUT)/multiboot.bin
ROM_INSTALL = $(ROM_OUT)/demo.img

roms: $(OPTROMS) $(ROM_INSTALL) demo.img $(ROM_OUT)/testrom.elf $(ROM_OUT)/nanobench.elf $(ROM_OUT)/hostile.elf

# Code for guests: 32-bit, nothing of the host's. It is the same whatever compiles the emulator: gcc.
ROM_CC      = $(ROM_TOOLS)gcc
ROM_LD      = $(ROM_TOOLS)ld
ROM_OBJCOPY = $(ROM_TOOLS)objcopy
GUEST_CFLAGS = -m32 -march=i386 -Os -std=gnu11 -ffreestanding -fno-pic -fno-pie -nostdlib \
               -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
               -mno-sse -mno-mmx -mno-80387 -fno-builtin -fno-tree-loop-distribute-patterns \
               -fno-jump-tables $(WARN)

$(ROM_OUT)/fixrom: roms/fixrom.c
	@mkdir -p $(ROM_OUT)
	@$(BUILD_CC) -O1 $(WARN) -o $@ $<

# Flat binary of one assembly file, linked at 0.
$(ROM_OUT)/%.raw: roms/%.S roms/optrom.h
	@mkdir -p $(ROM_OUT)
	@echo "  ROM   $<"
	@$(ROM_CC) -m32 -I$(srcdir)/roms -c -o $(ROM_OUT)/$*.o $<
	@$(ROM_LD) -m elf_i386 -Ttext 0 -e 0 --oformat binary -o $@ $(ROM_OUT)/$*.o

$(ROM_OUT)/linuxboot.bin $(ROM_OUT)/multiboot.bin: %.bin: %.raw $(ROM_OUT)/fixrom
	@$(ROM_OUT)/fixrom $< $@

# Option ROMs are part of the program.
$(O)/vm/roms.o: $(OPTROMS)
$(O)/vm/roms.o: CPPFLAGS_ALL += -DROM_DIR='"$(ROM_OUT)"'

# --- the demo: a 1.44 MB floppy image ---

DEMO_OBJ = $(patsubst %,$(ROM_OUT)/demo/%.o,boot trap kernel console power shell)

$(ROM_OUT)/demo/%.o: roms/demo/%.S
	@mkdir -p $(ROM_OUT)/demo
	@$(ROM_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(ROM_OUT)/demo/%.o: roms/demo/%.c roms/demo/demo.h
	@mkdir -p $(ROM_OUT)/demo
	@$(ROM_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(ROM_OUT)/demo.img: $(DEMO_OBJ) roms/demo/demo.ld
	@echo "  ROM   $@"
	@$(ROM_LD) -m elf_i386 -T $(srcdir)/roms/demo/demo.ld -o $(ROM_OUT)/demo/demo.elf $(DEMO_OBJ)
	@$(ROM_OBJCOPY) -O binary $(ROM_OUT)/demo/demo.elf $@
	@truncate -s 1440K $@

demo.img: $(ROM_OUT)/demo.img
	@ln -sf $< $@

# --- the protected-mode test guest: a Multiboot kernel ---

TESTROM_OBJ = $(patsubst %,$(ROM_OUT)/testrom/%.o,start harness $(TESTROM_THEMES))
TESTROM_THEMES = exc seg gate priv int task v86 page debug smc fpu insn real

$(ROM_OUT)/testrom/%.o: roms/testrom/%.S roms/testrom/testrom.h
	@mkdir -p $(ROM_OUT)/testrom
	@$(ROM_CC) $(GUEST_CFLAGS) -c -o $@ $<

# Snippets are named symbols in asm statements: nothing may duplicate a function that has some.
$(ROM_OUT)/testrom/%.o: roms/testrom/%.c roms/testrom/testrom.h
	@mkdir -p $(ROM_OUT)/testrom
	@$(ROM_CC) $(GUEST_CFLAGS) -march=i586 -fno-inline -fno-ipa-cp -fno-unroll-loops -c -o $@ $<

$(ROM_OUT)/testrom.elf: $(TESTROM_OBJ) roms/testrom/testrom.ld
	@echo "  ROM   $@"
	@$(ROM_LD) -m elf_i386 --no-warn-rwx-segments -T $(srcdir)/roms/testrom/testrom.ld -o $@ $(TESTROM_OBJ)

# --- the nanobenchmark guest: a Multiboot kernel too ---

NANO_OBJ = $(patsubst %,$(ROM_OUT)/nanobench/%.o,start ops main)

$(ROM_OUT)/nanobench/%.o: roms/nanobench/%.S roms/nanobench/nanobench.h
	@mkdir -p $(ROM_OUT)/nanobench
	@$(ROM_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(ROM_OUT)/nanobench/%.o: roms/nanobench/%.c roms/nanobench/nanobench.h
	@mkdir -p $(ROM_OUT)/nanobench
	@$(ROM_CC) $(GUEST_CFLAGS) -march=i586 -c -o $@ $<

$(ROM_OUT)/nanobench.elf: $(NANO_OBJ) roms/nanobench/nanobench.ld
	@echo "  ROM   $@"
	@$(ROM_LD) -m elf_i386 --no-warn-rwx-segments -T $(srcdir)/roms/nanobench/nanobench.ld -o $@ $(NANO_OBJ)

# --- the hostile guest, which the emulator must survive ---

HOSTILE_OBJ = $(patsubst %,$(ROM_OUT)/hostile/%.o,start main devices devices_mmio devices_seq storm storm_kernel \
                spread reps disks)

$(ROM_OUT)/hostile/%.o: roms/hostile/%.S roms/hostile/hostile.h
	@mkdir -p $(ROM_OUT)/hostile
	@$(ROM_CC) $(GUEST_CFLAGS) -c -o $@ $<

$(ROM_OUT)/hostile/%.o: roms/hostile/%.c roms/hostile/hostile.h roms/hostile/devices.h
	@mkdir -p $(ROM_OUT)/hostile
	@$(ROM_CC) $(GUEST_CFLAGS) -march=i586 -c -o $@ $<

$(ROM_OUT)/hostile.elf: $(HOSTILE_OBJ) roms/hostile/hostile.ld
	@echo "  ROM   $@"
	@$(ROM_LD) -m elf_i386 --no-warn-rwx-segments -T $(srcdir)/roms/hostile/hostile.ld -o $@ $(HOSTILE_OBJ)
