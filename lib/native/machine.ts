// What a machine is, as far as a binary cares.
import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, hostname, platform } from "node:os";
import { familySync, versionSync } from "detect-libc";

/** The vector instructions that `doctor` tells of and that a package may ask for, as the kernel spells them. */
export const INSTRUCTION_SETS = ["sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16"];

export interface Machine {
  /** Such as `linux-x64`. */
  readonly platform: string;
  /** Null where the system has but one. */
  readonly libc: { readonly family: string; readonly version: string | null } | null;
  /** Null where the kernel does not tell. */
  readonly instructionSets: readonly string[] | null;
  /** The version of the NVIDIA driver; null where there is none. */
  readonly nvidiaDriver: string | null;
  /** Tells this machine from others that share a home directory. */
  readonly identity: string;
}

let known: Machine | undefined;

/** This machine, looked at once. */
export function thisMachine(): Machine {
  known ??= {
    platform: `${platform()}-${arch()}`,
    libc: libcOf(),
    instructionSets: instructionSets(),
    nvidiaDriver: nvidiaDriver(),
    identity: `${hostname()} ${cpus()[0]?.model ?? "unknown"}`,
  };
  return known;
}

function libcOf(): Machine["libc"] {
  const family = familySync();
  return family === null ? null : { family, version: versionSync() };
}

function instructionSets(): string[] | null {
  const path = "/proc/cpuinfo";
  const flags = existsSync(path) ? /^flags\s*:\s*(.*)$/m.exec(readFileSync(path, "utf8"))?.[1]?.split(" ") : undefined;
  return flags === undefined ? null : flags.filter((name) => INSTRUCTION_SETS.includes(name));
}

/** The kernel module's version. In Windows' Linux the driver is the host's: its library alone shows. */
function nvidiaDriver(): string | null {
  const version = ["/sys/module/nvidia/version", "/proc/driver/nvidia/version"].find((path) => existsSync(path));
  if (version !== undefined) return /\d+\.\d+(?:\.\d+)?/.exec(readFileSync(version, "utf8"))?.[0] ?? "of an unknown version";
  return existsSync("/usr/lib/wsl/lib/libcuda.so.1") ? "of the Windows host" : null;
}
