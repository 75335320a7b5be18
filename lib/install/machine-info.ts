// The properties of a machine that decide which binaries it can load.
import { readFileSync } from "node:fs";
import { arch, cpus, hostname, platform } from "node:os";
import { familySync, versionSync } from "detect-libc";
import { exists } from "./look.js";

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
    identity: `${unlessRefused(hostname) ?? "unknown"} ${unlessRefused(cpus)?.[0]?.model ?? "unknown"}`,
  };
  return known;
}

function libcOf(): MachineInfo["libc"] {
  return unlessRefused(() => {
    const family = familySync();
    return family === null ? null : { family, version: versionSync() };
  });
}

/** Null where the system, or Node's permission model, does not say. */
function unlessRefused<Value>(ask: () => Value): Value | null {
  try {
    return ask();
  } catch {
    return null;
  }
}

function instructionSets(): string[] | null {
  const path = "/proc/cpuinfo";
  const text = unlessRefused(() => readFileSync(path, "utf8")) ?? "";
  const flags = /^flags\s*:\s*(.*)$/m.exec(text)?.[1]?.split(" ");
  return flags === undefined ? null : flags.filter((name) => INSTRUCTION_SETS.includes(name));
}

/** The kernel module's version. Under WSL the driver belongs to the host: only its library is visible. */
function nvidiaDriver(): string | null {
  const version = ["/sys/module/nvidia/version", "/proc/driver/nvidia/version"].find((path) => exists(path));
  if (version !== undefined)
    return /\d+\.\d+(?:\.\d+)?/.exec(unlessRefused(() => readFileSync(version, "utf8")) ?? "")?.[0] ??
      "of an unknown version";
  return exists("/usr/lib/wsl/lib/libcuda.so.1") ? "of the Windows host" : null;
}
