// graph.c and tensors.c: a graph is used only if its tensors are those that native.txt implies, and so is each of its answers.

#include "fake_ort.h"
#include "graph.h"
#include "version_folder.h"

static Settings settings;

static const char* open(Graph** graph) {
    CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
    return open_graph(GRAPH, strlen(GRAPH), &settings, graph);
}

TEST(a_graph_that_fits_is_opened_and_closed) {
    Graph* graph;
    reset_ort();
    CHECK_NOTHING_SAID(open(&graph));
    CHECK_NUMBER(fake_ort.alive, 4);  // environment, session, options of calls, memory
    close_graph(graph);
    CHECK_NUMBER(fake_ort.alive, 0);
}

static void refuses(const char* words) {
    Graph* graph;
    CHECK_SAYS(open(&graph), words);
    CHECK(!graph && !fake_ort.alive);
    reset_ort();
}

TEST(tensors_that_the_settings_do_not_imply_are_refused) {
    reset_ort();
    fake_ort.outputs[1].shape[1] = 2;
    refuses("cat_idx of ctr_packed.onnx is int64 [rows, 2], native.txt implies int64 [rows, 3]; export the model again");
    fake_ort.outputs[1].shape[1] = -1;
    refuses("cat_idx of ctr_packed.onnx is int64 [rows, rows], native.txt implies int64 [rows, 3]");
    fake_ort.outputs[1].type = ORT_FLOAT;
    refuses("cat_idx of ctr_packed.onnx is float [rows, 3]");
    fake_ort.outputs[0] = (FakeTensor){"p_click", ORT_FLOAT, 2, {-1, 1}};
    refuses("p_click of ctr_packed.onnx is float [rows, 1], native.txt implies float [rows]");
    fake_ort.outputs[0].shape[0] = 1;
    refuses("p_click of ctr_packed.onnx is float [1], native.txt implies float [rows]");
    fake_ort.outputs[2].dims = 0;
    refuses("creative_idx of ctr_packed.onnx is int64 [], native.txt implies int64 [rows]");
    fake_ort.inputs[1].shape[1] = 3;
    refuses("numeric of ctr_packed.onnx is float [rows, 3], native.txt implies float [rows, 2]");
    fake_ort.inputs[0].type = ORT_INT64;
    refuses("text of ctr_packed.onnx is int64 [1], native.txt implies string [1]");
    fake_ort.inputs[0].type = 0;
    refuses("text of ctr_packed.onnx is no tensor");
    fake_ort.inputs[1].name = "numbers";
    refuses("ctr_packed.onnx has no input numeric, which native.txt implies");
    fake_ort.inputs_count = 3, fake_ort.inputs[2] = (FakeTensor){"more", ORT_FLOAT, 1, {-1}};
    refuses("ctr_packed.onnx has 3 inputs, native.txt implies 2");
    fake_ort.outputs_count = 2;
    refuses("ctr_packed.onnx has no output creative_idx");
    fake_ort.outputs[1] = (FakeTensor){"cat_idx", ORT_INT64, 99, {-1}};
    refuses("cat_idx of ctr_packed.onnx is int64 [");
}

TEST(what_is_no_graph_or_no_library_is_said) {
    Graph* graph;
    reset_ort();
    CHECK_SAYS(open_graph("no", 2, &settings, &graph), "ONNX Runtime: no graph");
    setenv("ADCLICK_ONNXRUNTIME", "/nowhere/libonnxruntime.so", 1);
    CHECK_SAYS(open(&graph), "ONNX Runtime: /nowhere/libonnxruntime.so: cannot open");
    unsetenv("ADCLICK_ONNXRUNTIME");
    CHECK_SAYS(open(&graph), "ADCLICK_ONNXRUNTIME is not set: where is libonnxruntime.so?");
    CHECK_NUMBER(fake_ort.alive, 0);
}

// What the graph says of some rows when it gives what `fake_ort` says.
static const char* answer_of(size_t rows, Answer* answer, Graph** graph) {
    float numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};
    CHECK(rows <= 4);
    CHECK_NOTHING_SAID(open(graph));
    fake_ort.rows = (int64_t)rows;
    const char* wrong = run_graph(*graph, "a text", numbers, rows, answer);
    CHECK(!strcmp(fake_ort.text, "a text") && fake_ort.numbers[2 * rows - 1] == (float)(2 * rows));
    return wrong;
}

TEST(an_answer_has_a_row_for_each_row) {
    Graph* graph;
    Answer answer;
    reset_ort();
    CHECK_NOTHING_SAID(answer_of(4, &answer, &graph));
    CHECK(answer.p_click[3] == 0.25f && answer.cat_idx[11] == 2 && answer.creative_idx[3] == 1);
    release_answer(graph, &answer);
    CHECK(!answer.p_click);
    close_graph(graph);
}

static void does_not_answer(const char* words) {
    Graph* graph;
    Answer answer;
    CHECK_SAYS(answer_of(3, &answer, &graph), words);
    CHECK(!answer.p_click && !answer.values[0]);
    close_graph(graph);
    reset_ort();
}

TEST(an_answer_of_another_size_is_no_answer) {
    reset_ort();
    fake_ort.given[0] = (FakeTensor){"p_click", ORT_FLOAT, 1, {2}};
    does_not_answer("p_click of ctr_packed.onnx is float [2], native.txt implies float [3]");
    fake_ort.given[0] = (FakeTensor){"cat_idx", ORT_INT64, 2, {3, 2}};
    does_not_answer("cat_idx of ctr_packed.onnx is int64 [3, 2], native.txt implies int64 [3, 3]");
    fake_ort.given[0] = (FakeTensor){"creative_idx", ORT_INT64, 1, {0}};
    does_not_answer("creative_idx of ctr_packed.onnx is int64 [0], native.txt implies int64 [3]");
    fake_ort.given[0] = (FakeTensor){"cat_idx", ORT_FLOAT, 2, {3, 3}};
    does_not_answer("cat_idx of ctr_packed.onnx is float [3, 3]");
}

TEST(ids_below_0_are_no_answer) {
    reset_ort();
    fake_ort.id = -1;
    does_not_answer("ctr_packed.onnx gave an id below 0 in cat_idx");
    fake_ort.creative_idx = INT64_MIN;
    does_not_answer("ctr_packed.onnx gave an id below 0 in creative_idx");
    fake_ort.id = INT64_MAX;
    Graph* graph;
    Answer answer;
    CHECK_NOTHING_SAID(answer_of(2, &answer, &graph));
    release_answer(graph, &answer);
    close_graph(graph);
}

TEST(whatever_fails_while_a_graph_is_opened_leaves_nothing_behind) {
    int n = 0;
    reset_ort();
    for (bool failed = true; failed;) {
        Graph* graph;
        CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
        fail_at(++n);
        const char* wrong = open_graph(GRAPH, strlen(GRAPH), &settings, &graph);
        failed = has_failed();
        fail_at(0);
        CHECK(!wrong == !failed && !graph == failed);
        close_graph(graph);
        CHECK_NUMBER(fake_ort.alive, 0);
    }
    CHECK(n > 20);
}

TEST(whatever_fails_while_it_answers_leaves_nothing_behind) {
    Graph* graph;
    Answer answer;
    float numbers[] = {1, 2};
    int n = 0;
    reset_ort();
    CHECK_NOTHING_SAID(open(&graph));
    for (bool failed = true; failed;) {
        fail_at(++n);
        const char* wrong = run_graph(graph, "text", numbers, 1, &answer);
        failed = has_failed();
        fail_at(0);
        CHECK(!wrong == !failed && !answer.p_click == failed);
        release_answer(graph, &answer);
    }
    CHECK(n > 10);
    close_graph(graph);
    CHECK_NUMBER(fake_ort.alive, 0);
}
