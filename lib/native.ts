/** The addon, loaded on first use so that help and validation work without it; `install/` locates and loads it. */
import { isMainThread } from "node:worker_threads";
import { atCall, ReviewKdError } from "./errors.js";
import { findCudaPlugin } from "./install/layout.js";
import { inspectInstallation as lookAround, loadAddon, type LoadedAddon } from "./install/load.js";
import type { InstallationReport } from "./config/schemas/system.js";
import type { Addon } from "./native-types.js";

let find: () => LoadedAddon = loadAddon;
let loaded: LoadedAddon | undefined;

/** Has this thread load another addon. Tests and benchmarks call it before the first use of the addon. */
export function findAddonWith(search: () => LoadedAddon): void {
  find = search;
}

/** The addon, loaded once per thread. @throws ReviewKdError `ADDON_NOT_FOUND`, `ADDON_LOAD_FAILED`. */
export function addon(): Addon {
  return theAddon().module as Addon;
}

const MOST_EXIT_CODE = 255;

/** Whether this process ends without waiting for native work. */
let isEndingNow = false;

function shutDown(exitCode: number): void {
  if (loaded !== undefined) addon().shutDown(isEndingNow ? exitCode : undefined);
}

/**
 * Ends this process as `process.exit` does, but does not wait for native work that takes longer than half a second: for
 * a second Ctrl-C. Listeners for the `exit` event are called first. Files are written under other names before they
 * get their own, so none is left half written. In a worker thread, it is `process.exit`.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` unless the exit code is an integer from 0 to 255.
 * @example
 * ```ts
 * process.once("SIGINT", () => {
 *   controller.abort();
 *   process.once("SIGINT", () => endProcess(130));
 * });
 * ```
 */
export function endProcess(exitCode: number): never {
  if (!Number.isInteger(exitCode) || exitCode < 0 || exitCode > MOST_EXIT_CODE) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid exit code: expected an integer from 0 to ${MOST_EXIT_CODE}, received ${String(exitCode)}.`);
  }
  isEndingNow = isMainThread;
  if (isMainThread) loadForEnd();
  // Behind the listeners that were added after the addon was loaded.
  process.off("exit", shutDown).once("exit", shutDown);
  process.exit(exitCode);
}

/** Loads the addon, by which native work in worker threads learns of the end as well. */
function loadForEnd(): void {
  try {
    addon();
  } catch {
    // Without an addon there is no such work.
  }
}

/** Path of the addon that this thread uses. */
export function addonPath(): string {
  return theAddon().path;
}

function theAddon(): LoadedAddon {
  if (loaded !== undefined) return loaded;
  const found = find();
  const module = found.module as Addon;
  module.setErrorClass(ReviewKdError, atCall);
  const plugin = findCudaPlugin();
  if (plugin !== undefined) module.offerCudaPlugin(plugin);
  // process.exit() skips native cleanup hooks; a running step must end before libtorch is unloaded.
  process.once("exit", shutDown);
  loaded = found;
  return loaded;
}

/** Reports which addon was found, where it was searched for and any problems. Reuses the report of a loaded addon. */
export function inspectInstallation(): InstallationReport {
  return loaded?.report ?? lookAround();
}
