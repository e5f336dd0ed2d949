#include "testrom.h"
void test_seg(void) { }
