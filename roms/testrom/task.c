#include "testrom.h"
void test_task(void) { }
