#include "package.h"

#include "manifest.h"
#include "openssl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE "__pycache__"      // what Python may leave beside its modules is nobody's
#define LONGEST_NAME 512         // bytes of a file's path below the version folder
#define CHUNK ((size_t)1 << 18)  // bytes that are hashed while the processor's cache still has them

typedef struct {
    const char* folder;
    Manifest manifest;
    Content* wanted;
    size_t count;
} Reading;

static _Thread_local char problem[1024];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

// Feed a file to `hash` as it is read, and to `room` if all of it is to be kept there, else through its first CHUNK bytes again
// and again; how many bytes there were: one more than `size` at most, to see that there is none.
static size_t read_all(int file, size_t size, bool kept, char* room, EVP_MD_CTX* hash) {
    size_t got = 0;
    while (got <= size) {
        size_t left = size + 1 - got;
        char* here = kept ? room + got : room;
        ssize_t more = read(file, here, left < CHUNK ? left : CHUNK);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0 || !EVP_DigestUpdate(hash, here, (size_t)more)) break;
        got += (size_t)more;
    }
    return got;
}

// The digest of a file, and its content with a NUL behind it unless `content` is NULL. What is no plain file is not waited for.
static const char* read_file(const char* folder, const char* name, Content* content, unsigned char* digest) {
    char path[2048];
    struct stat about;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return PROBLEM("%.256s: its path is too long", name);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 && errno == ENOENT) return PROBLEM("%.256s is missing; export the model again", name);
    if (file < 0) return PROBLEM("%.256s cannot be read: %m", name);
    bool plain = !fstat(file, &about) && S_ISREG(about.st_mode);
    size_t size = plain ? (size_t)about.st_size : 0;
    char* room = plain ? malloc(content ? size + 1 : CHUNK) : NULL;
    EVP_MD_CTX* hash = room ? EVP_MD_CTX_new() : NULL;
    bool ready = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    bool whole = ready && read_all(file, size, content, room, hash) == size && EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
    close(file);
    if (whole && content) {
        room[size] = 0;
        content->bytes = room, content->size = size;
        return NULL;
    }
    free(room);
    if (whole) return NULL;
    if (!plain) return PROBLEM("%.256s is no file; export the model again", name);
    return PROBLEM(ready ? "%.256s could not be read whole: it has another size than a moment ago" : "%.256s: out of memory",
                   name);
}

static const char* compare(const Listed* file, const char* name, const unsigned char* digest) {
    char found[SHA256_HEX + 1];
    for (size_t i = 0; i < SHA256_BYTES; i++) snprintf(found + 2 * i, 3, "%02x", digest[i]);
    if (!memcmp(found, file->digest, SHA256_HEX)) return NULL;
    return PROBLEM("%.256s was changed after the export: its sha-256 is %.12s, " MANIFEST " says %.12s; export the model again",
                   name, found, file->digest);
}

static Content* find_wanted(Reading* reading, const char* name) {
    for (size_t i = 0; i < reading->count; i++)
        if (!strcmp(reading->wanted[i].name, name)) return &reading->wanted[i];
    return NULL;
}

static const char* check_file(Reading* reading, const char* name) {
    Listed* file = find_listed(&reading->manifest, name);
    if (!file) return PROBLEM("%.256s is not listed in " MANIFEST "; export the model again", name);
    unsigned char digest[SHA256_BYTES];
    Content* content = find_wanted(reading, name);
    const char* wrong = read_file(reading->folder, name, content, digest);
    if (wrong) return wrong;
    file->seen = true;
    if (content) memcpy(content->digest, file->digest, SHA256_HEX);  // which it has, or nothing is kept
    return compare(file, name, digest);                              // what is kept of a changed file is freed with the others
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
        if (!reading->wanted[i].bytes && !reading->wanted[i].is_optional)
            wrong = PROBLEM("%.256s is not listed in " MANIFEST "; export the model again", reading->wanted[i].name);
    return wrong;
}

const char* read_package(const char* folder, Content* wanted, size_t count) {
    Content text = {.name = MANIFEST};
    unsigned char digest[SHA256_BYTES];
    Reading reading = {folder, {NULL, 0, 0}, wanted, count};
    for (size_t i = 0; i < count; i++) wanted[i] = (Content){.name = wanted[i].name, .is_optional = wanted[i].is_optional};
    const char* wrong = read_file(folder, MANIFEST, &text, digest);
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
        wanted[i] = (Content){.name = wanted[i].name, .is_optional = wanted[i].is_optional};
    }
}
