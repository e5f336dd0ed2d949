#include "testrom.h"
void test_int(void) { }
