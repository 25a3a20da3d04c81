/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keeps private anonymous mappings of up to 64 KiB, 1 MiB in all, that are unmapped whole, and gives them out again,
 * filled with zeros as the kernel's are: in all of the process, from the call on. Only with a tcmalloc that lets
 * mmap(2) be replaced (gperftools before 2.16): HAVE_MMAP_REPLACEMENT.
 */
void small_maps_keep(void);
