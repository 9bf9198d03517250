// A small fuzzer for compilers without libFuzzer: `fuzz_rows -runs=N -seed=S FOLDER`, as libFuzzer is called. It changes the
// folder's files and what it found since, and keeps what reaches an edge of the code that nothing reached before (gcc's
// trace-pc). Everything follows from the seed. Input that ends the process is left in `crash`, in the working directory.

#include "fuzz.h"

#include "check.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

enum { MOST_INPUTS = 8192, LONGEST = 4096, EDGES = 1 << 16 };

typedef struct {
    uint8_t* bytes;
    size_t size;
} Found;

static Found found[MOST_INPUTS];
static size_t count;
static uint64_t state;
static uint8_t reached[EDGES], before[EDGES];
static uint8_t current[LONGEST];
static size_t current_size;

// Called by the code under test at every edge.
void __sanitizer_cov_trace_pc(void) {
    uintptr_t place = (uintptr_t)__builtin_return_address(0);
    reached[(place ^ place >> 16) % EDGES] = 1;
}

static uint32_t random_below(uint32_t bound) {  // xorshift64*
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1DULL >> 32) % bound);
}

static void save_crash(void) {
    FILE* file = fopen("crash", "wb");
    if (file) fwrite(current, 1, current_size, file);
    if (file) fclose(file);
}

void __asan_set_death_callback(void (*callback)(void));

static void aborted(int signal_number) {
    save_crash();
    _exit(77);
}

// Run `current`; keep it if it reached something new.
static void run(void) {
    uint8_t* exact = a_block(current_size);  // so that a read behind it is noticed
    memcpy(exact, current, current_size);
    LLVMFuzzerTestOneInput(exact, current_size);
    free(exact);
    bool is_new = false;
    for (size_t i = 0; i < EDGES; i += 8) {
        uint64_t now, then;
        memcpy(&now, reached + i, 8), memcpy(&then, before + i, 8);
        if (!(now & ~then)) continue;
        is_new = true, then |= now;
        memcpy(before + i, &then, 8);
    }
    memset(reached, 0, sizeof reached);
    if (!is_new || count == MOST_INPUTS) return;
    found[count] = (Found){a_block(current_size), current_size};
    memcpy(found[count++].bytes, current, current_size);
}

static void insert(size_t place, const uint8_t* bytes, size_t size) {
    if (current_size + size > LONGEST) return;
    memmove(current + place + size, current + place, current_size - place);
    memcpy(current + place, bytes, size);
    current_size += size;
}

static void cut(size_t place, size_t size) {
    memmove(current + place, current + place + size, current_size - place - size);
    current_size -= size;
}

static void change(void) {
    static const uint64_t NUMBERS[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, ~0ULL};
    size_t place = random_below((uint32_t)current_size + 1), left = current_size - place;
    uint8_t byte = (uint8_t)random_below(256);
    const Found* other = &found[random_below((uint32_t)count)];
    size_t start = other->size ? random_below((uint32_t)other->size) : 0,
           length = other->size ? 1 + random_below((uint32_t)(other->size - start)) : 0;
    uint64_t number = NUMBERS[random_below(sizeof NUMBERS / sizeof *NUMBERS)];
    switch (random_below(9)) {
        case 0:
            if (left) current[place] ^= (uint8_t)(1 << random_below(8));
            break;
        case 1:
            if (left) current[place] = byte;
            break;
        case 2:
            insert(place, &byte, 1);
            break;
        case 3:
            if (left) cut(place, 1 + random_below((uint32_t)left));
            break;
        case 4:
            if (left) current[place] = (uint8_t)("0123456789 -.\n\"{}abcdef"[byte % 23]);
            break;
        case 5:
            insert(place, other->bytes + start, length < 64 ? length : 64);
            break;
        case 6:
            if (left >= length) memcpy(current + place, other->bytes + start, length);
            break;
        case 7:
            if (left >= 8) memcpy(current + place, &number, (size_t)1 << random_below(4));
            break;
        case 8:
            if (left) cut(place, 1);
            break;
    }
}

static void read_folder(const char* folder) {
    DIR* entries = opendir(folder);
    CHECK(entries);
    char path[1024];
    for (struct dirent* entry; (entry = readdir(entries));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE* file = entry->d_type == DT_REG ? fopen(path, "rb") : NULL;
        if (!file) continue;
        current_size = fread(current, 1, LONGEST, file);
        fclose(file);
        run();
    }
    closedir(entries);
    CHECK(count);
}

int main(int number, char** arguments) {
    unsigned long long runs = 1, seed = 1;
    const char* folder = NULL;
    for (int i = 1; i < number; i++)
        if (!sscanf(arguments[i], "-runs=%llu", &runs) && !sscanf(arguments[i], "-seed=%llu", &seed)) folder = arguments[i];
    CHECK(folder);
    signal(SIGABRT, aborted);
    __asan_set_death_callback(save_crash);
    state = seed * 0x9E3779B97F4A7C15ULL + 1;
    read_folder(folder);
    for (unsigned long long i = 0; i < runs; i++) {
        const Found* start = &found[random_below((uint32_t)count)];
        memcpy(current, start->bytes, current_size = start->size);
        for (uint32_t changes = 1 + random_below(4); changes; changes--) change();
        run();
    }
    size_t edges = 0;
    for (size_t i = 0; i < EDGES; i++) edges += before[i];
    printf("%llu runs reached %zu edges by %zu inputs\n", runs, edges, count);
    while (count) free(found[--count].bytes);
    return 0;
}
