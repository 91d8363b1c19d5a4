// ckpt verify: check everything in an image, with all pages.
#include "input.h"
#include "json.h"
#include "progress.h"

#include <lib/tool.h>
#include <stdio.h>
#include <stdlib.h>

// The verifier reads through this, so that progress can be shown.
struct watched {
    struct input *in;
    struct progress progress;
};

static int read_watched(void *ctx, u64 offset, void *buf, size_t n)
{
    struct watched *w = ctx;
    int status = w->in->source.read(w->in, offset, buf, n);

    progress_set(&w->progress, w->in->bytes_read);
    return status;
}

static void tell(const struct options *o, const struct input *in, const struct ckpt_verifier *v, json_t *list)
{
    json_t *j;

    if (o->view != VIEW_JSON) {
        if (!o->quiet)
            printf("%s: epoch %ju: sound: %ju pages, %ju nodes\n", in->path, (uintmax_t)v->reader.header.epoch,
                   (uintmax_t)v->pages, (uintmax_t)v->nodes);
        return;
    }
    j = json_object();
    json_put_number(j, "epoch", v->reader.header.epoch);
    json_put_number(j, "pages", v->pages);
    json_put_number(j, "nodes", v->nodes);
    json_put_number(j, "digest", v->reader.header.digest);
    json_array_append_new(list, j);
}

static void tell_bad_slot(const struct options *o, const struct input *in)
{
    if (in->has_bad && o->view != VIEW_JSON && !o->quiet)
        printf("%s: slot %u holds no sound header: a commit that was cut short, or damage; epoch %ju is the newest "
               "left\n",
               in->path, in->bad_slot, (uintmax_t)in->newest);
}

static enum ckpt_error verify_epochs(const struct options *o, struct watched *w, struct ckpt_verifier *v, json_t *list)
{
    struct ckpt_source source = { .read = read_watched, .ctx = w, .size = w->in->source.size };
    enum ckpt_error err = ckpt_verify(v, &source, w->in->epoch);
    bool any = false;

    for (; !err; any = true) {
        progress_end(&w->progress);
        tell(o, w->in, v, list);
        if (w->in->epoch)
            return CKPT_OK;
        w->in->bytes_read = 0;
        progress_begin(&w->progress, "verify", source.size, o->quiet);
        err = ckpt_verify_previous(v);
    }
    return err == CKPT_NO_EPOCH && any ? CKPT_OK : err;
}

static bool print_report(const struct input *in, enum ckpt_error err, u64 at, json_t *list)
{
    json_t *j = json_object();

    json_object_set_new(j, "sound", json_boolean(!err));
    json_object_set(j, "epochs", list);
    if (err) {
        json_object_set_new(j, "error", json_string(ckpt_error_text(err)));
        json_put_number(j, "at", at);
    }
    if (in->has_bad)
        json_put_number(j, "bad_slot", in->bad_slot);
    return json_print(j);
}

static int verify(const struct options *o, struct input *in)
{
    struct ckpt_verifier *v = tool_alloc(1, sizeof *v);
    struct watched w = { .in = in };
    json_t *list = json_array();
    int status = EXIT_GOOD;

    tell_bad_slot(o, in);
    progress_begin(&w.progress, "verify", in->source.size, o->quiet);
    enum ckpt_error err = verify_epochs(o, &w, v, list);
    progress_end(&w.progress);
    if (o->view == VIEW_JSON && !print_report(in, err, v->failed_at, list))
        status = EXIT_TROUBLE;
    if (err)
        status = input_complain(in, err, v->failed_at);
    json_decref(list);
    free(v);
    return status;
}

int cmd_verify(const struct options *o)
{
    return input_each(o, verify);
}
