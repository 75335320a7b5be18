// Why a binary that is there cannot be loaded, in words that say what to do.
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Diagnosis } from "./absence.js";
import { isInArchive, readManifest, reinstallCommand, type PlatformPackage } from "./layout.js";
import type { Machine } from "./machine.js";
import type { ProbeFailure } from "./probe.js";

const NEWER_SYSTEM = "use a newer system, such as Debian 12, Ubuntu 22.04 or the image `node:22-bookworm-slim`";

/** What a package asks for and a machine lacks, seen before anything is loaded; undefined where nothing is missing. */
export function diagnoseRequirements(root: string, found: PlatformPackage, machine: Machine): Diagnosis | undefined {
  const { manifest, directory } = found;
  const own = readManifest(root)?.version;
  if (own !== undefined && manifest.version !== own) {
    return {
      reason: `expected ${manifest.name} ${own}, the version of reviewkd itself, got ${manifest.version} in ${directory}`,
      fix: `npm install reviewkd@${own} --force`,
    };
  }
  if (manifest.libc !== undefined && machine.libc !== null && !manifest.libc.includes(machine.libc.family)) {
    return {
      reason: `expected the C library ${manifest.libc.join(" or ")}, got ${machine.libc.family} (Alpine Linux and the like), for which no libtorch is published`,
      fix: "use a system with glibc, such as the image `node:22-bookworm-slim` in place of `node:22-alpine`",
    };
  }
  const { glibc, instructionSets = [] } = manifest.reviewkd ?? {};
  const libc = machine.libc?.version ?? null;
  if (glibc !== undefined && libc !== null && isOlder(libc, glibc)) {
    return { reason: `expected glibc ${glibc} or later, got ${libc}`, fix: NEWER_SYSTEM };
  }
  const lacking = instructionSets.filter((name) => machine.instructionSets !== null && !machine.instructionSets.includes(name));
  if (lacking.length > 0) return oldProcessor(lacking);
  if (isInArchive(directory)) {
    return {
      reason: `its libraries lie in an archive of Electron's (${directory}), from which the system cannot load them`,
      fix: "unpack them: `asarUnpack: [\"**/node_modules/@reviewkd/**\"]` in electron-builder's settings, `packagerConfig.asar.unpack` in Forge's",
    };
  }
  return undefined;
}

function oldProcessor(lacking: readonly string[]): Diagnosis {
  const names = lacking.map((name) => name.toUpperCase().replace("_", "."));
  return {
    reason: `expected a processor with ${names.join(" and ")}, got one without`,
    fix: `use a processor with ${names.join(" and ")} (AVX2: Intel since 2013, AMD since 2015); a virtual machine has to pass the host's on (\`-cpu host\`)`,
  };
}

/** What a failure to load means; `binary` is the addon's path. */
export function diagnoseRefusal(binary: string, failure: ProbeFailure, machine: Machine, rebuild: boolean): Diagnosis {
  const { message, signal } = failure;
  const again = rebuild ? "npm run build" : reinstallCommand(machine.platform, "node_modules/reviewkd", "node_modules/@reviewkd");
  if (signal === "SIGILL") {
    if (machine.instructionSets !== null && !machine.instructionSets.includes("avx2")) return oldProcessor(["avx2"]);
    return { reason: "it asks for an instruction that this processor does not have (SIGILL)", fix: again };
  }
  // What the linker maps beyond the end of a file.
  if (signal === "SIGBUS") return { reason: "a library is damaged or was not written to its end (SIGBUS when a child process loaded it)", fix: again };
  if (signal !== null) return { reason: `${message} when a child process loaded it, so it is not loaded here`, fix: again };

  const version = /version `(GLIBC|GLIBCXX|CXXABI)_([\d.]+)' not found/.exec(message);
  if (version?.[1] === "GLIBC") {
    return { reason: `expected glibc ${version[2] ?? ""} or later, got ${machine.libc?.version ?? "an older one"}`, fix: NEWER_SYSTEM };
  }
  if (version !== null) {
    return { reason: `expected a libstdc++ with ${version[1] ?? ""}_${version[2] ?? ""}, got an older one (${message})`, fix: NEWER_SYSTEM };
  }
  const library = /([^\s:]+): cannot open shared object file: No such file/.exec(message)?.[1];
  if (library !== undefined) return missingLibrary(binary, basename(library), again);
  if (/file too short|invalid ELF header|ELF load command|cannot read file data|file truncated/.test(message)) {
    return { reason: `a library is damaged or was not written to its end (${message})`, fix: again };
  }
  if (/failed to map segment|Operation not permitted/.test(message)) {
    return {
      reason: `the system refuses to run code from ${dirname(binary)} (${message}): the disk is mounted with noexec`,
      fix: "install into a directory of a disk that is mounted without noexec",
    };
  }
  if (/undefined symbol|symbol lookup/.test(message)) {
    return { reason: `it was built with another libtorch than the one it found (${message})`, fix: rebuild ? "npm run build" : "unset LD_LIBRARY_PATH and LD_PRELOAD, or take libtorch out of them" };
  }
  if (/The specified module could not be found/.test(message)) {
    return { reason: `a library that it loads is missing beside it, in ${dirname(binary)} (${message.trim()})`, fix: again };
  }
  if (/The specified procedure could not be found/.test(message)) {
    return { reason: `it was built with another libtorch than the one it found (${message.trim()})`, fix: again };
  }
  if (/wrong ELF class|Exec format|incompatible architecture|is not a valid Win32 application/.test(message)) {
    return { reason: `it is for another processor than ${machine.platform} (${message})`, fix: reinstallCommand(machine.platform, "node_modules") };
  }
  return { reason: message, fix: again };
}

function missingLibrary(binary: string, library: string, again: string): Diagnosis {
  if (/^lib(stdc\+\+|gcc_s)\.so/.test(library)) {
    return { reason: `this system has no ${library}`, fix: "apt-get install libstdc++6   (`dnf install libstdc++` on Fedora and Red Hat)" };
  }
  const moved = existsSync(join(dirname(binary), library));
  return {
    reason: moved ? `the linker does not look beside the addon for ${library}` : `${library} is missing in ${dirname(binary)}, or where the addon looks for it`,
    fix: again,
  };
}

/** Whether version `a` comes before version `b`. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let part = 0; part < Math.max(left?.length ?? 0, right?.length ?? 0); ++part) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
