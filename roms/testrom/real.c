#include "testrom.h"
void test_real(void) { }
