#include "testrom.h"
void test_fpu(void) { }
