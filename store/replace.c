/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the plan: a copy of the message in which bodies are overwritten, held against the original's
 * tree of parts. Must not know how a notice is encoded (replace-text.c, replace-codes.c), nor which
 * plan helped: that is for a scanner to say.
 */

#include "store/replace.h"

#include <sys/types.h>

#include "store/replace-private.h"
#include "store/util.h"

DEFINE_CLEANUP(struct mime *, mime_free);
DEFINE_CLEANUP(struct replace_plan *, replace_plan_free);

struct replace_plan *replace_plan_free(struct replace_plan *plan) {
        if (!plan)
                return NULL;
        free(plan->patches);
        free(plan->copy);
        free(plan);
        return NULL;
}

/* ---- What is overwritten ---- */

static bool has_body(const struct mime_part *part) {
        return part->kind == MIME_LEAF || part->kind == MIME_OUTSIDE || part->kind == MIME_UU;
}

/* Whether anything but ends of lines, or of blanks, too, stands in it. */
static bool holds(const struct mime *mime, const struct mime_part *part, bool blanks) {
        for (size_t i = part->body; i < part->end; i++) {
                uint8_t c = mime->data[i];

                if (c != '\n' && c != '\r' && (blanks || (c != ' ' && c != '\t')))
                        return true;
        }
        return false;
}

/* Which of the parts that have bodies are meant, and how many that are (or negative errno). A
 * uuencoded file goes with the text that it is in. */
static ssize_t choose(const struct mime *mime, const size_t *parts, size_t n_parts, bool **ret) {
        _cleanup_free_ bool *named = calloc(mime->n, sizeof(*named));
        size_t n = 0;

        if (!named)
                return -ENOMEM;
        for (size_t i = 0; i < n_parts; i++) {
                if (parts[i] >= mime->n)
                        return -EINVAL;
                named[parts[i]] = true;
        }
        for (size_t i = 0; i < mime->n; i++) {
                const struct mime_part *part = &mime->parts[i];

                /* Parents come first. */
                if (part->parent != MIME_NONE && named[part->parent])
                        named[i] = true;
        }
        for (size_t i = mime->n; i-- > 0;) {
                const struct mime_part *part = &mime->parts[i];

                if (!has_body(part) || !holds(mime, part, true) ||
                    (part->kind == MIME_UU && named[part->parent]))
                        named[i] = false;
                n += named[i];
        }
        *ret = TAKE_PTR(named);
        return (ssize_t)n;
}

static bool is_whole(const struct mime *mime, const bool *chosen) {
        for (size_t i = 0; i < mime->n; i++)
                if (!chosen[i] && mime->parts[i].kind != MIME_UU && has_body(&mime->parts[i]) &&
                    holds(mime, &mime->parts[i], false))
                        return false;
                else if (mime->parts[i].kind == MIME_UU && chosen[i])
                        return false;
        return true;
}

/* ---- The plan ---- */

/* 1: with the notice; 0: without; -ENOMEM. */
static int overwrite(const struct mime *mime, const struct mime_part *part, uint8_t *copy,
                     const char *notice) {
        const struct replace_body body = { copy, mime->size, part->body, part->end, part };

        if (part->kind == MIME_OUTSIDE)
                return replace_text(&body, NULL);
        if (part->kind == MIME_UU)
                return replace_uu(&body, notice);
        if (part->encoding == MIME_BASE64)
                return replace_base64(&body, notice);
        return replace_text(&body, notice);
}

static int compare_patches(const void *a, const void *b) {
        const struct replace_patch *p = a, *q = b;

        return p->offset < q->offset ? -1 : p->offset > q->offset;
}

/* Overwrites what is chosen in plan->copy. */
static int fill(const struct mime *mime, const bool *chosen, const char *notice,
                struct replace_plan *plan) {
        plan->n_patches = 0;
        plan->noticed = false;
        for (size_t i = 0; i < mime->n; i++) {
                const struct mime_part *part = &mime->parts[i];
                int r;

                if (!chosen[i])
                        continue;
                r = overwrite(mime, part, plan->copy, notice);
                if (r < 0)
                        return r;
                plan->noticed |= r > 0;
                plan->part = plan->n_patches == 0 ? i : MIME_NONE;
                plan->patches[plan->n_patches++] =
                        (struct replace_patch){ .offset = part->body,
                                                .size = part->end - part->body,
                                                .bytes = plan->copy + part->body };
        }
        /* Uuencoded files stand behind the other parts in the list. */
        qsort(plan->patches, plan->n_patches, sizeof(plan->patches[0]), compare_patches);
        return 0;
}

/* Whether the copy has the same parts. Uuencoded files go with their text. */
static int check(const struct mime *mime, const bool *chosen, const struct replace_plan *plan) {
        _cleanup_(mime_freep) struct mime *after = NULL;
        bool uu = true;
        int r;

        for (size_t i = 0; i < mime->n; i++)
                uu &= mime->parts[i].kind != MIME_UU || !chosen[mime->parts[i].parent];
        r = mime_new(plan->copy, mime->size, &after);
        if (r < 0)
                return r;
        return mime_same(mime, after, uu) ? 0 : -EBADMSG;
}

int replace_plan_new(const struct mime *mime, const size_t *parts, size_t n_parts,
                     const char *notice, struct replace_plan **ret) {
        _cleanup_(replace_plan_freep) struct replace_plan *plan = NULL;
        _cleanup_free_ bool *chosen = NULL;
        ssize_t n;
        int r;

        n = choose(mime, parts, n_parts, &chosen);
        if (n <= 0)
                return n < 0 ? (int)n : -ENODATA;
        plan = calloc(1, sizeof(*plan));
        if (!plan)
                return -ENOMEM;
        plan->patches = calloc((size_t)n, sizeof(plan->patches[0]));
        plan->copy = malloc(mime->size);
        if (!plan->patches || !plan->copy)
                return -ENOMEM;
        plan->whole = is_whole(mime, chosen);
        memcpy(plan->copy, mime->data, mime->size);
        r = fill(mime, chosen, notice, plan);
        if (r == 0)
                r = check(mime, chosen, plan);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(plan);
        return 0;
}

bool replace_detached(const char *notice, void *data, size_t size) {
        const struct replace_style style = { .charset = MIME_ASCII };

        return replace_fill(&style, notice, data, size);
}

void replace_plan_apply(const struct replace_plan *plan, void *data, size_t size) {
        for (size_t i = 0; i < plan->n_patches; i++) {
                const struct replace_patch *p = &plan->patches[i];

                if (p->offset <= size && p->size <= size - p->offset)
                        memcpy((uint8_t *)data + p->offset, p->bytes, p->size);
        }
}

/* ---- The search ---- */

enum stage {
        STAGE_ATTACHMENT,
        STAGE_TEXT,
        STAGE_OUTSIDE,
        STAGE_ATTACHMENTS,
        STAGE_WHOLE,
        STAGE_DONE,
};

static bool is_of_stage(const struct mime *mime, size_t i, enum stage stage) {
        const struct mime_part *part = &mime->parts[i];

        if (!has_body(part) || !holds(mime, part, false))
                return false;
        switch (stage) {
        case STAGE_ATTACHMENT:
        case STAGE_ATTACHMENTS: return part->kind != MIME_OUTSIDE && part->attachment;
        case STAGE_TEXT: return part->kind == MIME_LEAF && !part->attachment;
        case STAGE_OUTSIDE: return part->kind == MIME_OUTSIDE;
        case STAGE_WHOLE:
        case STAGE_DONE:
        default: return false;
        }
}

static int plan_all(struct replace_search *search, struct replace_plan **ret) {
        const struct mime *mime = search->mime;
        _cleanup_free_ size_t *parts = calloc(mime->n, sizeof(*parts));
        size_t n = 0;

        if (!parts)
                return -ENOMEM;
        for (size_t i = 0; i < mime->n; i++)
                if (is_of_stage(mime, i, STAGE_ATTACHMENTS))
                        parts[n++] = i;
        /* One was tried alone. */
        return n < 2 ? -ENODATA : replace_plan_new(mime, parts, n, search->notice, ret);
}

/* The next plan of the stage; -ENODATA: it is over. */
static int plan_next(struct replace_search *search, struct replace_plan **ret) {
        const size_t root = 0;

        if (search->stage == STAGE_ATTACHMENTS || search->stage == STAGE_WHOLE) {
                if (search->at++ > 0)
                        return -ENODATA;
                return search->stage == STAGE_WHOLE
                               ? replace_plan_new(search->mime, &root, 1, search->notice, ret)
                               : plan_all(search, ret);
        }
        for (; search->at < search->mime->n && search->n_alone < REPLACE_ALONE_MAX; search->at++) {
                if (!is_of_stage(search->mime, search->at, search->stage))
                        continue;
                search->n_alone++;
                return replace_plan_new(search->mime, &(size_t){ search->at++ }, 1, search->notice,
                                        ret);
        }
        return -ENODATA;
}

int replace_next(struct replace_search *search, struct replace_plan **ret) {
        while (search->stage < STAGE_DONE) {
                _cleanup_(replace_plan_freep) struct replace_plan *plan = NULL;
                int r = plan_next(search, &plan);

                if (r == -ENODATA) {
                        search->stage++;
                        search->at = 0;
                        continue;
                }
                if (r == -ENOMEM)
                        return r;
                /* What is all there is, is tried once. */
                if (r < 0 || (plan->whole && search->stage != STAGE_WHOLE))
                        continue;
                *ret = TAKE_PTR(plan);
                return 1;
        }
        return 0;
}
