// What kind of processor this is: ONNX Runtime chooses its kernels by it, and another kernel may round otherwise.

#pragma once

#define PROCESSOR_SIZE 512

// As JSON: {"name": "...", "kernels": "avx avx2 ..."}, with the instructions for numbers that it has; both are empty where
// /proc/cpuinfo does not say. serving/triton/journal/processor.py says the same.
void describe_processor(char text[PROCESSOR_SIZE]);
