#include "package.h"

#include "manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE "__pycache__"  // what Python may leave beside its modules is nobody's
#define LONGEST_NAME 512     // bytes of a file's path below the version folder

typedef struct {
    const char* folder;
    Manifest manifest;
    Content* wanted;
    size_t count;
} Reading;

static _Thread_local char problem[1024];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

// The file's content with a NUL behind it. What is no plain file is not waited for.
static const char* read_file(const char* folder, const char* name, Content* content) {
    char path[2048];
    struct stat about;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return PROBLEM("%.256s: its path is too long", name);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 && errno == ENOENT) return PROBLEM("%.256s is missing; export the model again", name);
    if (file < 0) return PROBLEM("%.256s cannot be read: %m", name);
    bool plain = !fstat(file, &about) && S_ISREG(about.st_mode);
    size_t size = plain ? (size_t)about.st_size : 0, got = 0;
    char* bytes = plain ? malloc(size + 1) : NULL;
    while (bytes && got <= size) {  // one byte more than there should be, to see that there is none
        ssize_t more = read(file, bytes + got, size + 1 - got);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) break;
        got += (size_t)more;
    }
    close(file);
    if (bytes && got == size) {
        bytes[size] = 0;
        *content = (Content){content->name, bytes, size};
        return NULL;
    }
    bool had_room = bytes;
    free(bytes);
    if (!plain) return PROBLEM("%.256s is no file; export the model again", name);
    return PROBLEM(had_room ? "%.256s could not be read whole: it has another size than a moment ago" : "%.256s: out of memory",
                   name);
}

static const char* compare(const Listed* file, const char* name, const Content* content) {
    unsigned char digest[SHA256_BYTES];
    char found[SHA256_HEX + 1];
    SHA256((const unsigned char*)content->bytes, content->size, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++) snprintf(found + 2 * i, 3, "%02x", digest[i]);
    if (!memcmp(found, file->digest, SHA256_HEX)) return NULL;
    return PROBLEM("%.256s was changed after the export: its sha-256 is %.12s, " MANIFEST " says %.12s; export the model again",
                   name, found, file->digest);
}

static void keep_or_free(Reading* reading, const char* name, Content content) {
    for (size_t i = 0; i < reading->count; i++) {
        Content* wanted = &reading->wanted[i];
        if (strcmp(wanted->name, name)) continue;
        *wanted = (Content){wanted->name, content.bytes, content.size};
        return;
    }
    free(content.bytes);
}

static const char* check_file(Reading* reading, const char* name) {
    Listed* file = find_listed(&reading->manifest, name);
    if (!file) return PROBLEM("%.256s is not listed in " MANIFEST "; export the model again", name);
    Content content = {NULL, NULL, 0};
    const char* wrong = read_file(reading->folder, name, &content);
    if (wrong) return wrong;
    wrong = compare(file, name, &content);
    file->seen = true;
    if (wrong)
        free(content.bytes);
    else
        keep_or_free(reading, name, content);
    return wrong;
}

static const char* check_folder(Reading* reading, const char* inside);

// `inside` is empty or ends with a slash. A link to a folder is no folder: nothing outside the version belongs to it.
static const char* check_entry(Reading* reading, const char* inside, int folder, const char* name) {
    char path[LONGEST_NAME];
    struct stat about;
    if ((size_t)snprintf(path, sizeof path - 1, "%s%s", inside, name) >= sizeof path - 1)
        return PROBLEM("%.256s is not listed in " MANIFEST "; export the model again", name);
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(about.st_mode)) return check_file(reading, path);
    if (!strcmp(name, CACHE)) return NULL;
    strcat(path, "/");
    return check_folder(reading, path);
}

static const char* check_folder(Reading* reading, const char* inside) {
    char path[2048];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", reading->folder, inside) >= sizeof path)
        return PROBLEM("%.256s: its path is too long", inside);
    DIR* folder = opendir(path);
    if (!folder) return PROBLEM("%.256s cannot be read: %m", path);
    const char* wrong = NULL;
    for (struct dirent* entry; !wrong && (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (!*inside && !strcmp(entry->d_name, MANIFEST)) continue;
        wrong = check_entry(reading, inside, dirfd(folder), entry->d_name);
    }
    closedir(folder);
    return wrong;
}

static const char* check_files(Reading* reading) {
    const char* wrong = check_folder(reading, "");
    for (size_t i = 0; !wrong && i < reading->manifest.count; i++) {
        const Listed* file = &reading->manifest.files[i];
        if (file->seen) continue;
        wrong = PROBLEM("%.*s is missing, though " MANIFEST " lists it; export the model again",
                        file->name_bytes < 256 ? (int)file->name_bytes : 256, file->name);
    }
    for (size_t i = 0; !wrong && i < reading->count; i++)
        if (!reading->wanted[i].bytes)
            wrong = PROBLEM("%.256s is not listed in " MANIFEST "; export the model again", reading->wanted[i].name);
    return wrong;
}

const char* read_package(const char* folder, Content* wanted, size_t count) {
    Content text = {NULL, NULL, 0};
    Reading reading = {folder, {NULL, 0, 0}, wanted, count};
    for (size_t i = 0; i < count; i++) wanted[i] = (Content){wanted[i].name, NULL, 0};
    const char* wrong = read_file(folder, MANIFEST, &text);
    if (wrong) return wrong;
    wrong = parse_manifest(text.bytes, text.size, &reading.manifest);
    wrong = wrong ? PROBLEM(MANIFEST " %s; export the model again", wrong) : check_files(&reading);
    free(reading.manifest.files);
    free(text.bytes);
    if (wrong) free_contents(wanted, count);
    return wrong;
}

void free_contents(Content* wanted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(wanted[i].bytes);
        wanted[i] = (Content){wanted[i].name, NULL, 0};
    }
}
