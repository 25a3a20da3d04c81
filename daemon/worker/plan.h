/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Plans for storescan-remedy: what an infected item would be replaced by. They are made and tried here,
 * where hostile bytes may be parsed; nothing is written but the memfd that came with the job.
 */

#include "daemon/worker/message.h"

/* Of what the notice is made, besides the item. */
struct plan_words {
        const char *notice; /* that notice_check() takes */
        const char *host;
};

/* Does a job for a plan, with its two fds. ret: initialised as a PLAN with the job's id; ret_judgement
 * (zero) holds what is to become of it as a RESULT. */
void plan_make(struct judge *judge, const struct plan_words *words, const struct proto_job *job,
               int fd, int planned_fd, struct proto_plan *ret, struct judgement *ret_judgement);
