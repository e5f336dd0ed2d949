#include "testrom.h"
void test_debug(void) { }
