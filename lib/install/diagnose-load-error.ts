// Why an installed binary cannot be loaded, and what fixes it.
import { basename, dirname, join } from "node:path";
import coerce from "semver/functions/coerce.js";
import lt from "semver/functions/lt.js";
import type { Diagnosis } from "./diagnose-missing.js";
import { isBundled, isInAsar, readManifest, reinstallCommand, type PlatformPackage } from "./layout.js";
import { exists } from "./look.js";
import type { MachineInfo } from "./machine-info.js";
import type { ProbeFailure } from "./probe.js";
import { VERSION } from "./version.js";

const NEWER_SYSTEM = "use a newer system, such as Debian 12, Ubuntu 22.04 or the image `node:22-bookworm-slim`";

/** A requirement of the package that this machine does not meet, found before anything is loaded. */
export function diagnoseRequirements(root: string, { manifest, directory }: PlatformPackage, machine: MachineInfo):
  | Diagnosis
  | undefined {
  const own = isBundled(root) ? VERSION : readManifest(root)?.version;
  if (own !== undefined && manifest.version !== own) {
    return {
      reason:
        `invalid ${manifest.name}: expected ${own}, the version of reviewkd itself, received ${manifest.version} in ${directory}`,
      fix: `npm install reviewkd@${own} --force`,
    };
  }
  if (manifest.libc !== undefined && machine.libc !== null && !manifest.libc.includes(machine.libc.family)) {
    return {
      reason: `invalid C library: expected ${manifest.libc.join(" or ")}, received ${machine.libc.family} (Alpine Linux and the like), for which no libtorch is published`,
      fix: "use a system with glibc, such as the image `node:22-bookworm-slim` in place of `node:22-alpine`",
    };
  }
  const { glibc, instructionSets = [] } = manifest.reviewkd ?? {};
  const libc = machine.libc?.version ?? null;
  if (glibc !== undefined && libc !== null && isOlder(libc, glibc)) {
    return { reason: `invalid glibc: expected ${glibc} or later, received ${libc}`, fix: NEWER_SYSTEM };
  }
  const lacking = instructionSets.filter((name) =>
    machine.instructionSets !== null && !machine.instructionSets.includes(name)
  );
  if (lacking.length > 0) return oldProcessor(lacking);
  if (isInAsar(directory)) {
    return {
      reason: `its libraries are inside an Electron archive (${directory}), from which the system cannot load them`,
      fix:
        "unpack them: `asarUnpack: [\"**/node_modules/@reviewkd/**\"]` in electron-builder's settings, `packagerConfig.asar.unpack` in Forge's",
    };
  }
  return undefined;
}

function oldProcessor(lacking: readonly string[]): Diagnosis {
  const names = lacking.map((name) => name.toUpperCase().replace("_", "."));
  return {
    reason: `invalid processor: expected ${names.join(" and ")}, received one without`,
    fix: `use a processor with ${names.join(" and ")} (AVX2: Intel since 2013, AMD since 2015); a virtual machine must expose the host's (\`-cpu host\`)`,
  };
}

/** The cause of a failure to load; `binary` is the addon's path. */
export function diagnoseLoadError(binary: string, failure: ProbeFailure, machine: MachineInfo,
  rebuild: boolean): Diagnosis {
  const { message, signal } = failure;
  const reinstall = rebuild ? "npm run build"
    : reinstallCommand(machine.platform, "node_modules/reviewkd", "node_modules/@reviewkd");
  if (signal === "SIGILL") {
    if (machine.instructionSets !== null && !machine.instructionSets.includes("avx2")) return oldProcessor(["avx2"]);
    return { reason: "it uses an instruction that this processor does not have (SIGILL)", fix: reinstall };
  }
  // Raised for a page that the linker mapped beyond the end of the file.
  if (signal === "SIGBUS")
    return { reason: "a library is damaged or incomplete (SIGBUS when a child process loaded it)", fix: reinstall };
  if (signal !== null)
    return { reason: `${message} when a child process loaded it, so it is not loaded here`, fix: reinstall };

  const [, library, version = ""] = /version `(GLIBC|GLIBCXX|CXXABI)_([\d.]+)' not found/.exec(message) ?? [];
  if (library !== undefined) {
    return { fix: NEWER_SYSTEM, reason: library === "GLIBC"
      ? `invalid glibc: expected ${version} or later, received ${machine.libc?.version ?? "an older one"}`
      : `invalid libstdc++: expected one with ${library}_${version}, received an older one (${message})` };
  }
  const missing = /([^\s:]+): cannot open shared object file: No such file/.exec(message)?.[1];
  if (missing !== undefined) return missingLibrary(binary, basename(missing), reinstall);
  const otherLibTorch = "it was built with another libtorch than the one that it loads";
  // Node's own words: --no-addons, or its permission model without --allow-addons. Deno's: without --allow-ffi.
  const causes: readonly (readonly [pattern: RegExp, reason: string, fix: string])[] = [
    [/loading addons is disabled|ERR_DLOPEN_DISABLED/i, `this program may not load native code (${message})`,
      "start Node without `--no-addons`, and with `--allow-addons` where it runs with `--permission`"],
    [/requires ffi access|allow-ffi/i, `this program may not load native code (${message.trim()})`,
      "start Deno with `--allow-ffi`"],
    [/dlopen is not a function/, `this runtime loads no native code (${message})`, "use Node, Deno, Bun or Electron"],
    [/file too short|invalid ELF header|ELF load command|cannot read file data|file truncated/,
      `a library is damaged or incomplete (${message})`, reinstall],
    [/failed to map segment|Operation not permitted/,
      `the system does not run code from ${dirname(binary)} (${message}): the disk is mounted with noexec`,
      "install into a directory of a disk that is mounted without noexec"],
    [/undefined symbol|symbol lookup/, `${otherLibTorch} (${message})`,
      rebuild ? "npm run build" : "unset LD_LIBRARY_PATH and LD_PRELOAD, or take libtorch out of them"],
    [/The specified module could not be found/,
      `a library that it loads is missing in ${dirname(binary)} (${message.trim()})`, reinstall],
    [/The specified procedure could not be found/, `${otherLibTorch} (${message.trim()})`, reinstall],
    [/wrong ELF class|Exec format|incompatible architecture|is not a valid Win32 application/,
      `it is for another processor than ${machine.platform} (${message})`,
      reinstallCommand(machine.platform, "node_modules")],
  ];
  const [, reason = message, fix = reinstall] = causes.find(([pattern]) => pattern.test(message)) ?? [];
  return { reason, fix };
}

function missingLibrary(binary: string, library: string, reinstall: string): Diagnosis {
  if (/^lib(stdc\+\+|gcc_s)\.so/.test(library)) {
    return { reason: `this system has no ${library}`,
      fix: "apt-get install libstdc++6   (`dnf install libstdc++` on Fedora and Red Hat)" };
  }
  const present = exists(join(dirname(binary), library));
  return {
    reason: present ? `the linker does not search the addon's directory for ${library}`
      : `${library} is missing in ${dirname(binary)}, or where the addon searches for it`,
    fix: reinstall,
  };
}

/** Whether version `a` precedes version `b`; versions of glibc have two parts. */
export function isOlder(a: string, b: string): boolean {
  return lt(coerce(a) ?? "0.0.0", coerce(b) ?? "0.0.0");
}
