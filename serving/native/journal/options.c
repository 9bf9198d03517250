#include "options.h"

#include "../words.h"

#include <string.h>

#define NOT_UNDERSTOOD                                                                                                   \
    JOURNAL_VARIABLE                                                                                                     \
    " is not understood: expected 'SEGMENT_BYTES SEGMENT_S SYNC_MS answer|refuse FOLDER'; start Triton as `make serve` " \
    "does"

const char* read_options(const char* text, JournalOptions* options) {
    Words words = {text, text + strlen(text)};
    int64_t bytes, sync_ms;
    if (!take_whole(&words, 1, (int64_t)1 << 40, &bytes) || !take_double(&words, &options->segment_s)) return NOT_UNDERSTOOD;
    if (options->segment_s <= 0 || !take_whole(&words, 0, INT32_MAX, &sync_ms)) return NOT_UNDERSTOOD;
    options->refuses = take_key(&words, "refuse");
    if (!options->refuses && !take_key(&words, "answer")) return NOT_UNDERSTOOD;
    if (!take_rest(&words, FOLDER_SIZE - 1, options->folder)) return NOT_UNDERSTOOD;
    options->segment_bytes = (uint64_t)bytes, options->sync_ms = (uint32_t)sync_ms;
    return NULL;
}
