/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The talk with the gate, from the settings to the end. Returns the exit status. */
int serve(int sock);
