import { cpus, freemem } from "node:os";
import { FilePath } from "../config/file-path.js";
import { parse } from "../config/validation.js";
import { atCall, causedBy } from "../errors.js";
import { makeDirectory as createDirectory } from "../make-directory.js";
import { addon, addonPath, inspectInstallation } from "../native.js";
import { getMachineInfo } from "../install/machine-info.js";
import { VERSION } from "../install/version.js";
import type { SystemInfo } from "../config/schemas/system.js";

export { inspectInstallation };

/** Version of this package. */
export function packageVersion(): string {
  return VERSION;
}

/** Bytes that this process can still take before the system ends it, of a container those of its limit. */
export function availableMemory(): number {
  const known: Partial<typeof process> = process; // Node has it since 20.13.
  return known.availableMemory?.() ?? freemem();
}

/**
 * Describes the runtime environment: addon, libtorch, devices, threads and instruction sets.
 *
 * @throws ReviewKdError `ADDON_NOT_FOUND`, `ADDON_LOAD_FAILED`.
 */
export async function systemInfo(): Promise<SystemInfo> {
  const { libtorch, cuda, threads, threadsFrom, capability } = await addon().systemInfo();
  return {
    version: packageVersion(),
    node: process.version,
    platform: getMachineInfo().platform,
    addonPath: addonPath(),
    processGroupBackends: await addon().processGroupBackends(),
    libtorch,
    cuda,
    threads,
    threadsFrom,
    processors: addon().availableProcessors(),
    cpu: { model: cpus()[0]?.model.trim() ?? "unknown", cores: Math.max(1, cpus().length),
      instructionSets: [...(getMachineInfo().instructionSets ?? [])], capability },
  };
}

/**
 * Creates a directory and its missing parents; one that exists is left as it is. Ends on every file system: Node's
 * recursive `mkdir` never returns where the system reports a parent as missing that exists, as below `/proc`.
 *
 * @throws ReviewKdError `FILE_ACCESS`, `INVALID_ARGUMENT`.
 * @example
 * ```ts
 * await makeDirectory("runs/first/pictures");
 * ```
 */
export async function makeDirectory(path: string): Promise<void> {
  return atCall(create(parse(FilePath, path, "path of a directory")));
}

async function create(path: string): Promise<void> {
  await createDirectory(path).catch((error: unknown) => {
    throw causedBy("FILE_ACCESS", `cannot create the directory ${path}`, error, "Choose another one.");
  });
}
