// package.c and manifest.c: what a version folder holds is what its manifest lists, and each file is read once.

#include "manifest.h"
#include "package.h"
#include "version_folder.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOT_JSON "package.json is not the list of files that the export writes; export the model again"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"    // sha-256 of "abc", FIPS 180-4
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  // and of nothing

static const char* read_both(const char* folder, Content files[2]) {
    files[0] = (Content){.name = "native.txt"}, files[1] = (Content){.name = "ctr_packed.onnx"};
    return read_package(folder, files, 2);
}

static const char* refusal(const char* folder) {
    Content files[2];
    const char* wrong = read_both(folder, files);
    for (int i = 0; i < 2; i++) CHECK(!wrong == !!files[i].bytes);
    free_contents(files, 2);
    return wrong;
}

TEST(what_is_kept_is_what_was_listed_and_nothing_else_of_the_folder) {
    char* folder = make_version(NATIVE_TEXT);
    Content files[2];
    CHECK_NOTHING_SAID(read_both(folder, files));
    write_text(folder, "ctr_packed.onnx", "another one, later");
    CHECK_NUMBER(files[0].size, strlen(NATIVE_TEXT));
    CHECK(!strcmp(files[0].bytes, NATIVE_TEXT) && !strcmp(files[1].bytes, GRAPH));
    free_contents(files, 2);
    CHECK(!files[0].bytes && !files[1].bytes);
    remove_folder(folder);
}

TEST(digests_are_those_of_the_standard) {
    char* folder = make_version(NATIVE_TEXT);
    Content files[] = {{.name = "abc"}, {.name = "empty"}};
    unlink(strcat(strcpy((char[512]){0}, folder), "/native.txt"));
    unlink(strcat(strcpy((char[512]){0}, folder), "/ctr_packed.onnx"));
    write_text(folder, "abc", "abc");
    write_text(folder, "empty", "");
    write_text(folder, "package.json", "{\"files\": {\"abc\": \"" ABC "\", \"empty\": \"" EMPTY "\"}}");
    CHECK_NOTHING_SAID(read_package(folder, files, 2));
    CHECK(files[0].size == 3 && files[1].size == 0 && files[1].bytes);
    free_contents(files, 2);
    remove_folder(folder);
}

TEST(half_a_manifest_is_refused_wherever_it_was_cut) {
    char* folder = make_version(NATIVE_TEXT);
    char whole[4096], path[512];
    snprintf(path, sizeof path, "%s/package.json", folder);
    FILE* file = fopen(path, "rb");
    size_t size = fread(whole, 1, sizeof whole, file);
    fclose(file);
    CHECK(size > 150 && whole[size - 1] == '\n' && whole[size - 2] == '}');
    for (size_t cut = 0; cut < size - 1; cut++) {  // the line's end may be missing
        write_file(folder, "package.json", whole, cut);
        CHECK_SAYS(refusal(folder), NOT_JSON);
    }
    write_file(folder, "package.json", whole, size - 1);
    CHECK_NOTHING_SAID(refusal(folder));
    remove_folder(folder);
}

TEST(what_is_no_list_of_files_is_refused) {
    char* folder = make_version(NATIVE_TEXT);
    static const char* const TEXTS[] = {
        "",
        "\"native.txt\" \"" ABC "\"",
        "{\"files\": [\"" ABC "\"]}",
        "{\"file\": {\"a\": \"" ABC "\"}}",
        "{\"files\": {\"a\": \"" ABC "\"}} x",
        "{\"files\": {\"a\": \"" ABC "\"}, \"more\": 1}",
        "{\"files\": {\"a\": \"" ABC "\",}}",
        "{\"files\": {\"a\": \"" ABC "0\"}}",
        "{\"files\": {\"a\": \"A" ABC "\"}}",
        "{\"files\": {\"a\": 7}}",
        "{files: {}}",
        "{\"files\": {\"a\\u0041\": \"" ABC "\"}}",
        "{\"files\": {\"a\n\": \"" ABC "\"}}",
        "[]",
        "null",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        write_text(folder, "package.json", TEXTS[i]);
        CHECK_SAYS(refusal(folder), NOT_JSON);
    }
    static const char WITH_NUL[] = "{\"files\": {\"a\": \"" ABC "\"}}";
    write_file(folder, "package.json", WITH_NUL, sizeof WITH_NUL);
    CHECK_SAYS(refusal(folder), NOT_JSON);
    write_text(folder, "package.json", "{\"files\": {}}");
    CHECK_SAYS(refusal(folder), "package.json lists no file; export the model again");
    write_text(folder, "package.json", "{\"files\": {\"a\": \"" ABC "\", \"a\": \"" ABC "\"}}");
    CHECK_SAYS(refusal(folder), "package.json lists a file twice; export the model again");
    remove_folder(folder);
}

TEST(files_that_differ_from_the_list_are_named) {
    char* folder = make_version(NATIVE_TEXT);
    char path[512];
    write_text(folder, "ctr_packed.onnx", "graph: another");
    CHECK_SAYS(refusal(folder), "ctr_packed.onnx was changed after the export: its sha-256 is ");
    write_text(folder, "ctr_packed.onnx", GRAPH);
    CHECK_NOTHING_SAID(refusal(folder));
    write_text(folder, "stray.so", "");
    CHECK_SAYS(refusal(folder), "stray.so is not listed in package.json; export the model again");
    snprintf(path, sizeof path, "%s/stray.so", folder);
    CHECK(!unlink(path));
    snprintf(path, sizeof path, "%s/native.txt", folder);
    CHECK(!unlink(path));
    CHECK_SAYS(refusal(folder), "native.txt is missing, though package.json lists it; export the model again");
    write_manifest(folder, (const char*[]){"ctr_packed.onnx", NULL});
    CHECK_SAYS(refusal(folder), "native.txt is not listed in package.json; export the model again");
    snprintf(path, sizeof path, "%s/package.json", folder);
    CHECK(!unlink(path));
    CHECK_SAYS(refusal(folder), "package.json is missing; export the model again");
    remove_folder(folder);
}

TEST(folders_inside_are_looked_through_and_those_of_python_are_not) {
    char* folder = make_version(NATIVE_TEXT);
    char path[512];
    snprintf(path, sizeof path, "%s/release", folder);
    CHECK(!mkdir(path, 0700));
    snprintf(path, sizeof path, "%s/__pycache__", folder);
    CHECK(!mkdir(path, 0700));
    write_text(folder, "__pycache__/module.pyc", "of nobody");
    write_text(folder, "release/config.pbtxt", "name: \"ctr\"");
    CHECK_SAYS(refusal(folder), "release/config.pbtxt is not listed in package.json");
    write_manifest(folder, (const char*[]){"native.txt", "ctr_packed.onnx", "release/config.pbtxt", NULL});
    CHECK_NOTHING_SAID(refusal(folder));
    write_text(folder, "release/package.json", "{}");
    CHECK_SAYS(refusal(folder), "release/package.json is not listed in package.json");
    remove_folder(folder);
}

TEST(what_is_no_file_is_refused_and_not_waited_for) {
    char* folder = make_version(NATIVE_TEXT);
    char path[512];
    snprintf(path, sizeof path, "%s/elsewhere", folder);
    CHECK(!symlink("/usr", path));
    CHECK_SAYS(refusal(folder), "elsewhere is not listed in package.json");
    write_text(folder, "package.json", "{\"files\": {\"elsewhere\": \"" ABC "\"}}");
    const char* wrong = refusal(folder);
    CHECK(strstr(wrong, "elsewhere is no file") || strstr(wrong, "is not listed in package.json"));
    CHECK(!unlink(path) && !mkfifo(path, 0600));
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, i ? "ctr_packed.onnx" : "native.txt");
        CHECK(!unlink(path));
    }
    CHECK_SAYS(refusal(folder), "elsewhere is no file");
    remove_folder(folder);
}

TEST(a_name_that_leads_out_of_the_folder_is_of_no_file_in_it) {
    char* folder = make_version(NATIVE_TEXT);
    char text[4096] = "{\"files\": {\"../abc\": \"" ABC "\", ";
    write_text(folder, "../abc", "abc");
    add_digest(text, sizeof text, "native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT));
    strcat(text, ", ");
    add_digest(text, sizeof text, "ctr_packed.onnx", GRAPH, strlen(GRAPH));
    write_text(folder, "package.json", strcat(text, "}}"));
    CHECK_SAYS(refusal(folder), "../abc is missing, though package.json lists it");
    snprintf(text, sizeof text, "%s/../abc", folder);
    CHECK(!unlink(text));
    remove_folder(folder);
}

static void* read_ten_times(void* folder) {
    for (int i = 0; i < 10; i++) CHECK_NOTHING_SAID(refusal(folder));
    return NULL;
}

TEST(two_models_are_read_at_once) {
    char* folder = make_version(NATIVE_TEXT);
    pthread_t other;
    CHECK(!pthread_create(&other, NULL, read_ten_times, folder));
    read_ten_times(folder);
    pthread_join(other, NULL);
    remove_folder(folder);
}

TEST(memory_that_is_refused_while_reading_leaves_nothing_behind) {
    char* folder = make_version(NATIVE_TEXT);
    Content files[2];
    int n = 0;
    for (const char* wrong = "not yet"; wrong;) {
        fail_at(++n);
        wrong = read_both(folder, files);
        CHECK(!wrong == !has_failed());
        if (wrong) CHECK(!files[0].bytes && !files[1].bytes && strstr(wrong, "memory"));
        fail_at(0);
        free_contents(files, 2);
    }
    CHECK_NUMBER(n, 5);  // the manifest's text and its list, two files, and then none
    remove_folder(folder);
}
