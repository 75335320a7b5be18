import { cpus } from "node:os";
import { addon, addonPath, inspectInstallation } from "../native.js";
import { getMachineInfo } from "../install/machine-info.js";
import { VERSION } from "../install/version.js";
import type { SystemInfo } from "../config/schemas/system.js";

export { inspectInstallation };

/** Version of this package. */
export function packageVersion(): string {
  return VERSION;
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
    libtorch,
    cuda,
    threads,
    threadsFrom,
    processors: addon().availableProcessors(),
    cpu: { model: cpus()[0]?.model.trim() ?? "unknown", cores: Math.max(1, cpus().length),
      instructionSets: [...(getMachineInfo().instructionSets ?? [])], capability },
  };
}
