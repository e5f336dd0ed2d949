# roms.mk - guest-side code. Assembled with the host's binutils; option ROMs are padded and summed.

ROM_OUT = $(O)/roms
ROM_INSTALL = $(ROM_OUT)/linuxboot.bin $(ROM_OUT)/multiboot.bin

roms: $(ROM_INSTALL)

$(ROM_OUT)/fixrom: roms/fixrom.c
	@mkdir -p $(ROM_OUT)
	@$(CC) -O1 $(WARN) -o $@ $<

# Flat binary of one assembly file, linked at 0.
$(ROM_OUT)/%.raw: roms/%.S roms/optrom.h
	@mkdir -p $(ROM_OUT)
	@echo "  ROM   $<"
	@$(CC) -m32 -I$(srcdir)/roms -c -o $(ROM_OUT)/$*.o $<
	@ld -m elf_i386 -Ttext 0 -e 0 --oformat binary -o $@ $(ROM_OUT)/$*.o

$(ROM_OUT)/linuxboot.bin $(ROM_OUT)/multiboot.bin: %.bin: %.raw $(ROM_OUT)/fixrom
	@$(ROM_OUT)/fixrom $< $@

# Option ROMs are part of the program.
$(O)/ui/roms.o: $(ROM_INSTALL)
