import { existsSync, readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform } from "node:os";
import { resolve } from "node:path";
import { addon, addonPath, packageRoot } from "./native.js";
import type { SystemInfo } from "./schemas/events.js";

const INSTRUCTION_SETS = ["avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16"];

/** Version of this package. */
export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(resolve(packageRoot(), "package.json"), "utf8")) as { version: string };
  return manifest.version;
}

/** Vector instructions that the kernel reports; empty where it does not tell. */
function instructionSets(): string[] {
  const path = "/proc/cpuinfo";
  if (!existsSync(path)) return [];
  const flags = /^flags\s*:\s*(.*)$/m.exec(readFileSync(path, "utf8"))?.[1]?.split(" ") ?? [];
  return INSTRUCTION_SETS.filter((name) => flags.includes(name));
}

/**
 * What this package runs on: addon, libtorch, devices, threads and instruction sets.
 *
 * @throws ReviewKdError `ADDON_NOT_FOUND`, `ADDON_LOAD_FAILED`.
 */
export async function systemInfo(): Promise<SystemInfo> {
  const { libtorch, cuda, threads, capability } = await addon().systemInfo();
  return {
    version: packageVersion(),
    node: process.version,
    platform: `${platform()}-${arch()}`,
    addonPath: addonPath(),
    libtorch,
    cuda,
    threads,
    cpu: { model: cpus()[0]?.model.trim() ?? "unknown", cores: availableParallelism(), instructionSets: instructionSets(), capability },
  };
}
