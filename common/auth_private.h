/*
 * auth_private.h - bodies of the handshake's frames, for auth.c and its tests.
 *
 * hello      type, magic, u32 version, nonce, texts and numbers of struct auth_hello
 * challenge  type, magic, u32 version, nonce
 * proof      type, HMAC
 * welcome    type, HMAC, what it covers: struct auth_welcome
 * refusal    type, u8 error code, text
 *
 * Magic and version stand first and stay so, so that any two versions can tell each other apart.
 */
#ifndef BEOFARM_COMMON_AUTH_PRIVATE_H
#define BEOFARM_COMMON_AUTH_PRIVATE_H

#include "common/auth.h"
#include "common/buf.h"

#define AUTH_FRAME_HELLO     'H'
#define AUTH_FRAME_CHALLENGE 'C'
#define AUTH_FRAME_PROOF     'P'
#define AUTH_FRAME_WELCOME   'W'
#define AUTH_FRAME_REFUSAL   'R'
#define AUTH_NONCE_SIZE      32

/* Append a body with a fresh nonce. 0 or -1. */
int auth_hello_encode(struct buf *buf, const struct auth_hello *hello, struct error *ret_error);
int auth_challenge_encode(struct buf *buf, struct error *ret_error);

/* 0, or -1 (ERROR_NETWORK; ERROR_CONFIG for another version). */
int auth_challenge_check(const void *bytes, size_t size, struct error *ret_error);

/* Append what the proof covers. 0 or -1 (ERROR_BUG: too long). */
int auth_welcome_encode(struct buf *buf, const struct auth_welcome *welcome,
                        struct error *ret_error);

/* Append the body of a refusal. Check buf_failed. */
void auth_refusal_encode(struct buf *buf, enum error_code code, const char *sentence);

/* Hand up what a refusal of `whom` says as the error. Always -1. */
int auth_refusal_decode(const void *bytes, size_t size, const char *whom,
                        struct error *ret_error);

#endif
