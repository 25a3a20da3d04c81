/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What storescand is called on the system bus. Kept for good: others call it so. */

#define BUS_NAME              "org.storescan"
#define BUS_PATH              "/org/storescan"
#define BUS_STORES            "/org/storescan/store" /* below it: the stores, by sd_bus_path_encode(3) */
#define BUS_MANAGER_INTERFACE "org.storescan.Manager"
#define BUS_STORE_INTERFACE   "org.storescan.Store"

/* Errors of methods, beside those of every bus. */
#define BUS_ERROR_NO_SUCH_STORE "org.storescan.Error.NoSuchStore"
#define BUS_ERROR_SWEEP_RUNS    "org.storescan.Error.SweepRuns"
#define BUS_ERROR_NO_SWEEP_RUNS "org.storescan.Error.NoSweepRuns"
#define BUS_ERROR_NOT_SWEPT     "org.storescan.Error.NotSwept"
#define BUS_ERROR_PAUSED        "org.storescan.Error.Paused"
#define BUS_ERROR_NOT_READY     "org.storescan.Error.NotReady"
