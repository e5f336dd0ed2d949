#include "testrom.h"
void test_insn(void) { }
