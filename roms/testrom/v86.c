#include "testrom.h"
void test_v86(void) { }
