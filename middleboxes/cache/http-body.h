/*
 * Copyright (c) 2026 The ovs-mbox authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#ifndef HTTP_BODY_H
#define HTTP_BODY_H 1

/* Bodies of HTTP/1.1 messages: where they end (RFC 9112, section 6), and their
 * payload without the chunked coding (section 7.1).
 *
 * A body is plain data without pointers, so that it can move in the middle. */

#include "http-head.h"

enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH,
    HTTP_CHUNKED,
    HTTP_UNTIL_CLOSE,           /* Until the connection ends; and tunnels. */
    HTTP_N_FRAMINGS
};

struct http_body {
    enum http_framing framing;
    uint64_t left;              /* Bytes left: of it, or of the chunk. */
    uint8_t state;              /* Of the chunked coding. */
    uint16_t overhead;          /* Bytes of lines since the last payload. */
    bool done;                  /* Its end has come. */
};

/* Begin with the body that follows a head.  Return 0; -EPROTO if its length is
 * doubtful, then the message must be refused; -ENOTSUP if it has a coding
 * other than chunked. */
int http_body_of_request(struct http_body *, const struct http_head *);
int http_body_of_response(struct http_body *, const struct http_head *,
                          struct http_string request_method);

/* Takes some of the 'n' bytes at 'data'.  Returns how many; '*payload' are
 * those of them that are payload, in one piece.  To be called again with the
 * rest until that is empty or 'done' is true.  Returns -EPROTO if the chunked
 * coding is malformed. */
ssize_t http_body_decode(struct http_body *, const char *data, size_t n,
                         struct http_string *payload);

/* True if what 'state' and the rest say is possible: for what is imported. */
bool http_body_is_sound(const struct http_body *);

#endif /* http-body.h */
