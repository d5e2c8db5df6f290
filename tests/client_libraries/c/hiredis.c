// SPDX-License-Identifier: MIT
// The conversation in C, with hiredis: hiredis conversation.json PORT MODE. Prints JSON, which jansson reads and writes.
// test_conversation.py says what the modes are.
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { kMaxWords = 64 };

// Only where connections are broken on purpose, an error that the server did not send is heard too.
static int hears_breaks = 0;

static void fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

// Puts the bytes that "00ff" stands for in its own place, and returns how many they are.
static size_t unhex(char* text) {
  const size_t length = strlen(text) / 2;
  for (size_t i = 0; i < length; ++i) {
    const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
    text[i] = (char)strtol(digits, NULL, 16);
  }
  return length;
}

// Sends nothing yet: hiredis collects commands until a reply is asked for. Arguments go with their lengths, so that
// they may hold any bytes.
static void append(redisContext* server, const char* line) {
  char copy[1024];
  const char* words[kMaxWords];
  size_t lengths[kMaxWords];
  int count = 0;
  snprintf(copy, sizeof copy, "%s", line);
  for (char* word = strtok(copy, " "); word != NULL && count < kMaxWords; word = strtok(NULL, " ")) {
    const int is_hex = strncmp(word, "hex:", 4) == 0;
    words[count] = is_hex ? word + 4 : word;
    lengths[count++] = is_hex ? unhex(word + 4) : strlen(word);
  }
  redisAppendCommandArgv(server, count, words, lengths);
}

static json_t* plain(const redisReply* reply);

static json_t* list_of(const redisReply* reply) {
  json_t* list = json_array();
  for (size_t i = 0; i < reply->elements; ++i) json_array_append_new(list, plain(reply->element[i]));
  return list;
}

#ifdef REDIS_REPLY_MAP  // since hiredis 1, which speaks RESP3
// Names and values in turn, as elements.
static json_t* map_of(const redisReply* reply) {
  json_t* map = json_object();
  for (size_t i = 0; i + 1 < reply->elements; i += 2)
    json_object_set_new(map, reply->element[i]->str, plain(reply->element[i + 1]));
  return map;
}
#endif

static json_t* plain(const redisReply* reply) {
  switch (reply->type) {
    case REDIS_REPLY_INTEGER: return json_integer(reply->integer);
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS: return json_stringn(reply->str, reply->len);
    case REDIS_REPLY_ERROR: return json_pack("{s:s%}", "error", reply->str, reply->len);
    case REDIS_REPLY_ARRAY: return list_of(reply);
#ifdef REDIS_REPLY_MAP
    case REDIS_REPLY_MAP: return map_of(reply);
#endif
    default: return json_null();
  }
}

static json_t* next_reply(redisContext* server) {
  void* reply = NULL;
  if (redisGetReply(server, &reply) != REDIS_OK) {
    if (!hears_breaks) fail(server->errstr);
    return json_pack("{s:s}", "error", server->errstr);
  }
  json_t* heard = plain(reply);
  freeReplyObject(reply);
  return heard;
}

static json_t* ask(redisContext* server, const char* line) {
  append(server, line);
  return next_reply(server);
}

static json_t* ask_together(redisContext* server, const json_t* lines) {
  const size_t count = json_array_size(lines);
  for (size_t i = 0; i < count; ++i) append(server, json_string_value(json_array_get(lines, i)));
  json_t* replies = json_array();
  for (size_t i = 0; i < count; ++i) json_array_append_new(replies, next_reply(server));
  return replies;
}

// Before the reply of EXEC come OK, and QUEUED for each command.
static json_t* ask_in_transaction(redisContext* server, const json_t* lines) {
  json_decref(ask(server, "MULTI"));
  json_decref(ask_together(server, lines));
  return ask(server, "EXEC");
}

static json_t* converse(redisContext* server, const json_t* step) {
  const json_t* command = json_object_get(step, "command");
  const json_t* pipeline = json_object_get(step, "pipeline");
  if (command != NULL) return ask(server, json_string_value(command));
  if (pipeline != NULL) return ask_together(server, pipeline);
  return ask_in_transaction(server, json_object_get(step, "transaction"));
}

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: hiredis conversation.json PORT MODE");
  json_t* steps = json_load_file(argv[1], 0, NULL);
  redisContext* server = redisConnect("127.0.0.1", atoi(argv[2]));
  if (steps == NULL || server == NULL || server->err) fail("no conversation, or no server");
  if (strcmp(argv[3], "3") == 0) json_decref(ask(server, "HELLO 3"));  // there is no option for it
  if (strcmp(argv[3], "default") == 0) {
    hears_breaks = 1;
    redisSetTimeout(server, (struct timeval){.tv_usec = 500000});
  }

  json_t* heard = json_array();
  for (size_t i = 0; i < json_array_size(steps); ++i)
    json_array_append_new(heard, converse(server, json_array_get(steps, i)));
  json_dumpf(heard, stdout, 0);
  json_decref(heard);
  json_decref(steps);
  redisFree(server);
  return 0;
}
