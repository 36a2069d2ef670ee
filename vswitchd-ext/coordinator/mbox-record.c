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

#include <config.h>
#include "mbox-record.h"

#include <inttypes.h>

#include "mbox-match.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_record);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

static const char *const states[] = {
    [MBOX_RECORD_OPEN] = "open",
    [MBOX_RECORD_MOVED] = "moved",
    [MBOX_RECORD_SPLIT] = "split",
    [MBOX_RECORD_SPLIT_REST] = "split-rest",
};

void
mbox_records_init(struct mbox_records *records, uint64_t epoch)
{
    ovs_list_init(&records->open);
    ovs_list_init(&records->ended);
    records->n_open = records->n_ended = 0;
    records->n_forgotten = 0;
    records->epoch = epoch;
    records->changed = false;
}

void
mbox_records_destroy(struct mbox_records *records)
{
    struct mbox_record *record;

    LIST_FOR_EACH_POP (record, node, &records->open) {
        free(record);
    }
    LIST_FOR_EACH_POP (record, node, &records->ended) {
        free(record);
    }
}

static struct mbox_record *
find(const struct ovs_list *list, uint64_t epoch, uint32_t id)
{
    struct mbox_record *record;

    LIST_FOR_EACH (record, node, list) {
        if (record->epoch == epoch && record->id == id) {
            return record;
        }
    }
    return NULL;
}

struct mbox_record *
mbox_records_find(const struct mbox_records *records, uint64_t epoch,
                  uint32_t id)
{
    struct mbox_record *record = find(&records->open, epoch, id);

    return record ? record : find(&records->ended, epoch, id);
}

void
mbox_records_remove(struct mbox_records *records, struct mbox_record *record)
{
    if (record->state == MBOX_RECORD_OPEN) {
        records->n_open--;
    } else {
        records->n_ended--;
    }
    ovs_list_remove(&record->node);
    free(record);
    records->changed = true;
}

void
mbox_records_add(struct mbox_records *records,
                 const struct mbox_record *record)
{
    struct mbox_record *new = xmemdup(record, sizeof *record);
    struct mbox_record *old = mbox_records_find(records, record->epoch,
                                                record->id);

    if (old) {
        mbox_records_remove(records, old);
    }
    records->changed = true;
    if (new->state != MBOX_RECORD_OPEN) {
        ovs_list_push_back(&records->ended, &new->node);
        if (++records->n_ended > MBOX_N_RECORDS_MAX) {
            old = CONTAINER_OF(ovs_list_front(&records->ended),
                               struct mbox_record, node);
            VLOG_WARN_RL(&rl, "forgets how transfer %"PRIu32" of run "
                         "%016"PRIx64" from %s to %s ended, which not both "
                         "know: an agent that asks is told that it was rolled "
                         "back", old->id, old->epoch, old->src, old->dst);
            records->n_forgotten++;
            mbox_records_remove(records, old);
        }
        return;
    }

    ovs_list_push_back(&records->open, &new->node);
    if (++records->n_open > MBOX_N_RECORDS) {
        LIST_FOR_EACH (old, node, &records->open) {
            if (old->epoch != records->epoch) {
                VLOG_WARN_RL(&rl, "forgets transfer %"PRIu32" of run "
                             "%016"PRIx64" from %s to %s, which was open: an "
                             "agent that asks is told that it was rolled "
                             "back", old->id, old->epoch, old->src, old->dst);
                mbox_records_remove(records, old);
                break;
            }
        }
    }
}

void
mbox_records_remove_known(struct mbox_records *records)
{
    struct mbox_record *record;
    size_t n = records->n_ended;

    LIST_FOR_EACH_SAFE (record, node, &records->ended) {
        if (n-- <= MBOX_N_RECORDS) {
            break;
        } else if (record->src_knows && record->dst_knows) {
            mbox_records_remove(records, record);
        }
    }
}

void
mbox_records_end(struct mbox_records *records, struct mbox_record *record,
                 enum mbox_record_state state)
{
    struct mbox_record ended = *record;

    ended.state = state;
    mbox_records_add(records, &ended);
}

/* Text. */

static char *
format(const struct ovs_list *list)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct mbox_record *record;

    LIST_FOR_EACH (record, node, list) {
        ds_put_format(&ds, "%s%016"PRIx64".%"PRIu32"=%s/%s/%s/%s",
                      ds.length ? " " : "", record->epoch, record->id,
                      states[record->state], record->class_name, record->src,
                      record->dst);
        if (record->state == MBOX_RECORD_OPEN) {
            char match[MBOX_SPACE_STRLEN];

            ds_put_format(&ds, "/%016"PRIx64"/%s", record->src_run,
                          mbox_space_format(&record->space, match,
                                            sizeof match));
        }
    }
    return ds_steal_cstr(&ds);
}

char *
mbox_records_format_open(const struct mbox_records *records)
{
    return format(&records->open);
}

char *
mbox_records_format_ended(const struct mbox_records *records)
{
    return format(&records->ended);
}

/* Takes the name that 's' begins with and the slash behind it, if any.
 * Returns what follows, or NULL. */
static const char *
parse_name(const char *s, char name[MBOX_NAME_MAX + 1])
{
    size_t len = strcspn(s, "/");

    if (len > MBOX_NAME_MAX) {
        return NULL;
    }
    memcpy(name, s, len);
    name[len] = '\0';
    return mbox_name_is_valid(name) ? s + len + (s[len] == '/') : NULL;
}

static bool
parse_state(const char *s, size_t len, enum mbox_record_state *state)
{
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        if (strlen(states[i]) == len && !memcmp(states[i], s, len)) {
            *state = i;
            return true;
        }
    }
    return false;
}

static bool
parse_record(const char *word, struct mbox_record *record)
{
    const char *s;
    int n = -1;

    memset(record, 0, sizeof *record);
    if (!ovs_scan(word, "%"SCNx64".%"SCNu32"=%n", &record->epoch, &record->id,
                  &n) || n < 0) {
        return false;
    }
    s = word + n;

    size_t len = strcspn(s, "/");
    if (!s[len] || !parse_state(s, len, &record->state)) {
        return false;
    }
    s = parse_name(s + len + 1, record->class_name);
    s = s ? parse_name(s, record->src) : NULL;
    s = s ? parse_name(s, record->dst) : NULL;
    if (!s || record->state != MBOX_RECORD_OPEN) {
        return s && !*s;
    }

    n = -1;
    if (!ovs_scan(s, "%"SCNx64"/%n", &record->src_run, &n) || n < 0) {
        return false;
    }
    char *error = mbox_match_parse(s + n, &record->space);
    free(error);
    return !error;
}

void
mbox_records_parse(struct mbox_records *records, const char *key,
                   const char *s)
{
    char *copy = xstrdup(s);
    char *save_ptr = NULL;

    for (char *word = strtok_r(copy, " ", &save_ptr); word;
         word = strtok_r(NULL, " ", &save_ptr)) {
        struct mbox_record record;

        if (!parse_record(word, &record)) {
            VLOG_WARN_RL(&rl, "external_ids:%s: \"%s\" makes no sense", key,
                         word);
        } else if (mbox_records_find(records, record.epoch, record.id)) {
            VLOG_WARN_RL(&rl, "external_ids:%s: \"%s\" is the second record "
                         "of this transfer: the first counts", key, word);
        } else {
            mbox_records_add(records, &record);
        }
    }
    free(copy);
}
