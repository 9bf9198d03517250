// Runs the tests that were added, those whose names are given or all, and says which.

#include "check.h"

#include <dirent.h>
#include <time.h>

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

int open_descriptors(void) {
    DIR* folder = opendir("/proc/self/fd");
    int number = 0;
    while (readdir(folder)) number++;
    closedir(folder);
    return number;
}

void wait_for_descriptors(int expected) {
    for (int i = 0; i < 2000 && open_descriptors() != expected; i++) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    CHECK_NUMBER(open_descriptors(), expected);
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
        int before = open_descriptors();
        tests[i].run();
        wait_for_descriptors(before);
        run++;
    }
    printf("%d passed\n", run);
    return run ? 0 : 1;
}
