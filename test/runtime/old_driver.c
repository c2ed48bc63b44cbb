/* old_driver.c - a libcuda.so.1 that lacks most of what we need. */
__attribute__((visibility("default"))) int cuInit(unsigned flags) { return (int)flags; }
