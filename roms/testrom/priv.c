#include "testrom.h"
void test_priv(void) { }
