// What shadow work is made of, for the files that it is made of.

#pragma once

#include "shadow.h"

#include <pthread.h>

enum { MOST_QUEUED = 4 << 20, ID_ROOM = 128 };  // bytes

// A request of a batch that was answered.
typedef struct {
    uint32_t rows;
    Routed routed;
    int64_t event_ns;
    unsigned char id[ID_BYTES];
    char request_id[ID_ROOM], routing_key[LONGEST_ROUTING_KEY + 1];
    bool has_routing_key;
} Shown;

// What a batch was asked and answered, in one block.
typedef struct Item {
    struct Item* next;
    size_t bytes;
    bool by_challenger, is_whole;  // who answered; are all rows of the graph's call here
    bool is_computed;              // by the other arm
    uint64_t graph_ns;
    uint32_t count;
    Raw raw;
    float* p_click;
    Shown shown[];
} Item;

struct Shadow {
    Table* table;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    Item *first, **end;      // that wait
    size_t queued;           // bytes
    size_t queued_before;    // at the last look after it
    atomic_llong paired;     // rows of the challenger's answers that the champion computed too
    atomic_ullong again_ns;  // when the next of them is due
    atomic_uint level_ppm;   // of the keys that are computed
    atomic_ullong since_ns;  // when the graph's call began that is under way; 0: none is
    atomic_int handed;       // to the challenger's careful model, and not answered yet
    atomic_bool is_over;
    bool is_closing, has_ended;
    int64_t hour;  // since 1970, whose counts these are
    atomic_ullong ends[SHADOW_ENDS];
};

// Compute what the other arm says of these, which have one arm. Called from any thread, one at a time for each worker.
void work_on(Shadow* shadow, Worker* worker, Item* items);

void count_ends(Shadow* shadow, ShadowEnd end, uint64_t requests);
