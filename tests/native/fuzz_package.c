// Any bytes as package.json of a folder with three files: they are those that it lists, or it is refused in a sentence.

#include "fuzz.h"

#include "manifest.h"
#include "package.h"
#include "version_folder.h"

#include <sys/stat.h>

static char* folder;

static void finish(void) { remove_folder(folder); }

static void begin(void) {
    char path[512];
    folder = make_version(NATIVE_TEXT);
    snprintf(path, sizeof path, "%s/release", folder);
    CHECK(!mkdir(path, 0700));
    write_text(folder, "release/config.pbtxt", "name: \"ctr\"");
    atexit(finish);
}

// A list says the same when it is written down again.
static bool is_list(const char* text, size_t size) {
    Manifest manifest, again;
    char* written = a_block(2 * size + 64);
    size_t used = (size_t)sprintf(written, "{\"files\":{");
    bool is = !parse_manifest(text, size, &manifest);
    for (size_t i = 0; is && i < manifest.count; i++) {
        const Listed* file = &manifest.files[i];
        used += (size_t)sprintf(written + used, "%s\"%.*s\":\"%.64s\"", i ? "," : "", (int)file->name_bytes, file->name,
                                file->digest);
    }
    used += (size_t)sprintf(written + used, "}}");
    if (is) {
        CHECK_NOTHING_SAID(parse_manifest(written, used, &again));
        CHECK(again.count == manifest.count && manifest.count);
        free(again.files);
    }
    free(manifest.files);
    free(written);
    return is;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (!folder) begin();
    bool is = is_list((const char*)data, size);
    if (!is && size % 16) return 0;  // files are slow, and few of these are needed
    write_file(folder, "package.json", data, size);
    Content files[] = {{.name = "native.txt"}, {.name = "ctr_packed.onnx"}};
    const char* wrong = read_package(folder, files, 2);
    CHECK(is || (wrong && !strncmp(wrong, "package.json ", 13)));
    CHECK(!wrong || strstr(wrong, "; export the model again"));
    if (!wrong) CHECK(!strcmp(files[0].bytes, NATIVE_TEXT) && !strcmp(files[1].bytes, GRAPH) && files[1].size == strlen(GRAPH));
    CHECK(!wrong == !!files[0].bytes);
    free_contents(files, 2);
    return 0;
}
