#include "version_folder.h"

#include "openssl.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

const char* const GRAPH = "graph: what a session is made of";
const char* const NATIVE_TEXT =
    "format 2\n"
    "declaration " A_DECLARATION
    "\n"
    "separator 31\n"
    "max_request_bytes 1000\n"
    "creative 1\n"
    "feeds_text 1\n"
    "feeds_numeric 1\n"
    "threads 1\n"
    "max_waiting 8\n"
    "max_rows 64\n"
    "warmups 0\n"
    "interval_s 0.5\n"
    "string 1f1f2121 1 20\n"
    "string 1f1f2122 0 5\n"
    "string 1f1f2123 0 4294967295\n"
    "entity 0\n"
    "missing 1 4e41\n"
    "read 2\n"
    "read -1\n"
    "number 0.0 120.0 1 0\n"
    "number -3.4028234663852886e+38 3.4028234663852886e+38 0 1\n"
    "marker 0 999.0\n"
    "field site\n"
    "field device type\n"
    "field hour\n"
    "end\n";

void write_file(const char* folder, const char* name, const void* bytes, size_t size) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);  // a file that is emptied and written again makes some file systems wait for the disk
    FILE* file = fopen(path, "wb");
    CHECK(file);
    CHECK(fwrite(bytes, 1, size, file) == size);
    CHECK(!fclose(file));
}

void write_text(const char* folder, const char* name, const char* text) { write_file(folder, name, text, strlen(text)); }

unsigned char* SHA256(const unsigned char* data, size_t bytes, unsigned char* digest);  // libcrypto's other way to it

void add_digest(char* text, size_t room, const char* name, const void* bytes, size_t size) {
    unsigned char digest[SHA256_BYTES];
    size_t used = strlen(text);
    SHA256(bytes, size, digest);
    used += (size_t)snprintf(text + used, room - used, "\"%s\": \"", name);
    for (int i = 0; i < SHA256_BYTES; i++) used += (size_t)snprintf(text + used, room - used, "%02x", digest[i]);
    snprintf(text + used, room - used, "\"");
}

void write_manifest(const char* folder, const char* const* names) {
    char text[4096] = "{\"files\": {", path[512], content[8192];
    for (int i = 0; names[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FILE* file = fopen(path, "rb");
        CHECK(file);
        size_t size = fread(content, 1, sizeof content, file);
        fclose(file);
        if (i) strcat(text, ", ");
        add_digest(text, sizeof text, names[i], content, size);
    }
    strcat(text, "}}\n");
    write_text(folder, "package.json", text);
}

char* make_version(const char* native_text) {
    const char* base = getenv("TMPDIR");
    char* folder = a_block(512);
    snprintf(folder, 512, "%s/version.XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(folder));
    write_text(folder, "native.txt", native_text);
    write_text(folder, "ctr_packed.onnx", GRAPH);
    write_manifest(folder, (const char*[]){"native.txt", "ctr_packed.onnx", NULL});
    return folder;
}

static int remove_one(const char* path, const struct stat* about, int kind, struct FTW* place) { return remove(path); }

void remove_folder(char* folder) {
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
}
