// The properties of a machine that decide which binaries it can load.
import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, hostname, platform } from "node:os";
import { familySync, versionSync } from "detect-libc";

/** The vector instruction sets that `doctor` reports and that a package may require, as the kernel spells them. */
export const INSTRUCTION_SETS = ["sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile",
  "amx_bf16"];

export interface MachineInfo {
  /** Such as `linux-x64`. */
  readonly platform: string;
  /** Null on systems with a single C library. */
  readonly libc: { readonly family: string; readonly version: string | null } | null;
  /** Null if the kernel does not report them. */
  readonly instructionSets: readonly string[] | null;
  /** The version of the NVIDIA driver; null if missing. */
  readonly nvidiaDriver: string | null;
  /** Distinguishes this machine from others that share a home directory. */
  readonly identity: string;
}

let known: MachineInfo | undefined;

/** This machine, inspected once per thread. */
export function getMachineInfo(): MachineInfo {
  known ??= {
    platform: `${platform()}-${arch()}`,
    libc: libcOf(),
    instructionSets: instructionSets(),
    nvidiaDriver: nvidiaDriver(),
    identity: `${hostname()} ${cpus()[0]?.model ?? "unknown"}`,
  };
  return known;
}

function libcOf(): MachineInfo["libc"] {
  const family = familySync();
  return family === null ? null : { family, version: versionSync() };
}

function instructionSets(): string[] | null {
  const path = "/proc/cpuinfo";
  const flags = existsSync(path) ? /^flags\s*:\s*(.*)$/m.exec(readFileSync(path, "utf8"))?.[1]?.split(" ") : undefined;
  return flags === undefined ? null : flags.filter((name) => INSTRUCTION_SETS.includes(name));
}

/** The kernel module's version. Under WSL the driver belongs to the host: only its library is visible. */
function nvidiaDriver(): string | null {
  const version = ["/sys/module/nvidia/version", "/proc/driver/nvidia/version"].find((path) => existsSync(path));
  if (version !== undefined)
    return /\d+\.\d+(?:\.\d+)?/.exec(readFileSync(version, "utf8"))?.[0] ?? "of an unknown version";
  return existsSync("/usr/lib/wsl/lib/libcuda.so.1") ? "of the Windows host" : null;
}
