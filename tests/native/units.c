// Runs the tests that were added, those whose names are given or all, and says which.

#include "check.h"

enum { MOST_TESTS = 256 };

static struct {
    const char* name;
    void (*run)(void);
} tests[MOST_TESTS];
static int count;

void add_test(const char* name, void (*run)(void)) {
    CHECK(count < MOST_TESTS);
    tests[count].name = name, tests[count++].run = run;
}

static bool is_asked_for(const char* name, int number, char** names) {
    for (int i = 1; i < number; i++)
        if (!strcmp(names[i], name)) return true;
    return number < 2;
}

int main(int number, char** names) {
    int run = 0;
    for (int i = 0; i < count; i++) {
        if (!is_asked_for(tests[i].name, number, names)) continue;
        fprintf(stderr, "%s\n", tests[i].name);
        tests[i].run();
        run++;
    }
    printf("%d passed\n", run);
    return run ? 0 : 1;
}
