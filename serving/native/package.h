// Are the files of a released version still what was exported?

#pragma once

// NULL, or a sentence that names the file which `package.json` of the folder lists and which is missing or was changed
// (kept until the next call of this thread).
const char* check_package(const char* folder);
