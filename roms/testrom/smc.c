#include "testrom.h"
void test_smc(void) { }
