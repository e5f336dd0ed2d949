#include "testrom.h"
void test_gate(void) { }
