// What a test of the C parts needs: a check that says where it failed, and faults on purpose.

#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

#define CHECK_NUMBER(found, expected)                                                                               \
    do {                                                                                                            \
        double found_ = (double)(found), expected_ = (double)(expected);                                            \
        if (found_ != expected_) {                                                                                  \
            fprintf(stderr, "%s:%d: %s is %.17g, expected %.17g\n", __FILE__, __LINE__, #found, found_, expected_); \
            abort();                                                                                                \
        }                                                                                                           \
    } while (0)

// A sentence has to be there and to hold these words.
#define CHECK_SAYS(sentence, words)                                                                                        \
    do {                                                                                                                   \
        const char* said_ = (sentence);                                                                                    \
        if (!said_ || !strstr(said_, words)) {                                                                             \
            fprintf(stderr, "%s:%d: it says '%s', expected '%s'\n", __FILE__, __LINE__, said_ ? said_ : "nothing", words); \
            abort();                                                                                                       \
        }                                                                                                                  \
    } while (0)

#define CHECK_NOTHING_SAID(sentence)                                                               \
    do {                                                                                           \
        const char* said_ = (sentence);                                                            \
        if (said_) {                                                                               \
            fprintf(stderr, "%s:%d: it says '%s', expected nothing\n", __FILE__, __LINE__, said_); \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

// The n-th thing from now on that this thread asks of the system, of Triton or of ONNX Runtime fails; 0: none does.
void fail_at(int n);
bool has_failed(void);  // did it come so far?
bool fails(void);       // asked by whatever can fail: is it now?

// The same of all threads but this one together.
void fail_elsewhere_at(int n);
bool has_failed_elsewhere(void);

void* a_block(size_t bytes);  // of zeros, for the tests themselves: never refused, freed as any other

int open_descriptors(void);
void wait_for_descriptors(int expected);  // until there are so many, for ten seconds

// A test: `TEST(that_is_so) { ... }` in any file of the program. units.c runs them, and sees that they close what they open.
void add_test(const char* name, void (*run)(void));
#define TEST(name)                                                                       \
    static void name(void);                                                              \
    __attribute__((constructor)) static void add_##name(void) { add_test(#name, name); } \
    static void name(void)
