// A program that does nothing, for the races about its loader.
int main(void) { return 0; }
