#include "testrom.h"
void test_page(void) { }
