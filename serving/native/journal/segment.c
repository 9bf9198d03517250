#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static _Thread_local char problem[FOLDER_SIZE + 256];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

const char* open_segment(Segment* segment, const char* folder, const char* name, const Bytes* first, uint64_t now_ns) {
    char made[FOLDER_SIZE + SEGMENT_NAME + 32], named[sizeof made];
    snprintf(made, sizeof made, "%s/segments/.%s.new", folder, name);
    snprintf(named, sizeof named, "%s/segments/%s", folder, name);
    int file = open(made, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (file < 0) return PROBLEM("no file can be made in %s/segments: %m", folder);
    *segment = (Segment){.file = file, .opened_ns = now_ns, .is_new = true};
    struct iovec piece = {first->at, first->size};
    const char* failed = flock(file, LOCK_EX | LOCK_NB) ? PROBLEM("%s cannot be locked: %m", made) : append(segment, &piece, 1);
    if (!failed && rename(made, named)) failed = PROBLEM("%s cannot be renamed: %m", made);
    if (!failed) return NULL;
    unlink(made);
    close_segment(segment);
    return failed;
}

// Step over the bytes that were written.
static void step(struct iovec** pieces, int* count, size_t written) {
    while (*count && written >= (*pieces)->iov_len) written -= (*pieces)->iov_len, (*pieces)++, (*count)--;
    if (*count) (*pieces)->iov_base = (char*)(*pieces)->iov_base + written, (*pieces)->iov_len -= written;
}

const char* append(Segment* segment, struct iovec* pieces, int count) {
    uint64_t size = segment->size;
    while (count) {
        ssize_t written = writev(segment->file, pieces, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            const char* failed = PROBLEM("a segment cannot be written: %s", written ? strerror(errno) : "nothing was taken");
            if (size != segment->size && ftruncate(segment->file, (off_t)segment->size)) close_segment(segment);
            return failed;
        }
        size += (uint64_t)written;
        step(&pieces, &count, (size_t)written);
    }
    segment->size = size;
    segment->is_dirty = true;
    return NULL;
}

bool is_removed(const Segment* segment) {
    struct stat about;
    return !fstat(segment->file, &about) && !about.st_nlink;
}

void close_segment(Segment* segment) {
    if (segment->file >= 0) close(segment->file);
    segment->file = -1;
}
