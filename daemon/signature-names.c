/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libclamav's list of file name endings. Shared by the loader, which tells sets apart by it, and by
 * who watches the folder; so it must not need libclamav.
 */

#include "daemon/signature-names.h"

#include "store/util.h"

/* CLI_DBEXT of libclamav's readdb.h, to be compared with each new version of it. */
static const char *const endings[] = {
        ".cat",  ".cbc",  ".cdb", ".cfg", ".cld", ".crb", ".cud", ".cvd",  ".db",   ".fp",
        ".ftm",  ".gdb",  ".hdb", ".hdu", ".hsb", ".hsu", ".idb", ".ign",  ".ign2", ".imp",
        ".info", ".ioc",  ".ldb", ".ldu", ".mdb", ".mdu", ".msb", ".msu",  ".ndb",  ".ndu",
        ".pdb",  ".pwdb", ".rmd", ".sdb", ".sfp", ".wdb", ".yar", ".yara", ".zmd",
};

bool is_signature_name(const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                size_t k = strlen(endings[i]);

                if (n > k && strcasecmp(name + n - k, endings[i]) == 0)
                        return true;
        }
        return false;
}
