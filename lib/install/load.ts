// Searches the places where an addon can be, and loads the first one that works.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expandHome } from "../config/file-path.js";
import { messageOf, ReviewKdError } from "../errors.js";
import type { InstallationAttempt, InstallationFinding, InstallationPlace,
  InstallationReport } from "../config/schemas/system.js";
import { CACHE_REMEDY, cudaLibTorchDirectory } from "./cache.js";
import { diagnoseLoadError, diagnoseRequirements } from "./diagnose-load-error.js";
import { diagnoseMissing, LET_READ, unreadable, type Diagnosis } from "./diagnose-missing.js";
import { findPlatformPackage, isCheckout, packageRoot, platformPackageName, reinstallCommand,
  type PlatformPackage } from "./layout.js";
import { installedCudaLibTorches, isCompatible, libraryFile, readLibTorch,
  type LibTorchDirectory } from "./libtorch-directory.js";
import { exists, whyUnreadable } from "./look.js";
import { getMachineInfo, type MachineInfo } from "./machine-info.js";
import { probe, type Binary, type ProbeFailure } from "./probe.js";

export interface LoadContext {
  readonly root: string;
  readonly machine: MachineInfo;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The addon of a checkout's build. Default: the published one. */
  readonly checkoutAddon?: string;
}

export interface LoadedAddon {
  readonly module: unknown;
  readonly path: string;
  readonly report: InstallationReport;
}

/** An existing addon, with what its build recorded. */
interface Candidate {
  readonly place: "platform-package" | "checkout";
  readonly path: string;
  readonly directory: string;
  readonly libtorch: string | undefined;
  readonly libraries: readonly string[];
}

type Outcome = Omit<InstallationAttempt, "place">;

export function checkoutAddonPath(root: string = packageRoot()): string {
  return join(root, "build", "Release", "reviewkd.node");
}

/** Loads the first addon that works. @throws `ADDON_NOT_FOUND` if there is none, `ADDON_LOAD_FAILED` if none loads. */
export function loadAddon(context?: LoadContext): LoadedAddon {
  const search = new Search(context);
  if (search.loaded === undefined) throw search.failure();
  return { ...search.loaded, report: search.report() };
}

/** The state of the native half, and what is wrong with it; never throws. */
export function inspectInstallation(context?: LoadContext): InstallationReport {
  return new Search(context).report();
}

/**
 * A search for an addon: with the libtorch of REVIEWKD_LIBTORCH, with an installed CUDA libtorch if there is a driver
 * for it, the one of the platform package, a checkout's own.
 */
class Search {
  loaded: { readonly module: unknown; readonly path: string } | undefined;
  readonly #attempts: InstallationAttempt[] = [];
  readonly #findings: InstallationFinding[] = [];
  readonly #package: PlatformPackage | undefined;
  readonly #packageFault: Diagnosis | undefined;
  readonly #packaged: Candidate | undefined;
  readonly #built: Candidate | undefined;

  constructor(
    private readonly context: LoadContext = { root: packageRoot(), machine: getMachineInfo(), env: process.env },
  ) {
    const { root, machine } = context;
    this.#package = findPlatformPackage(root, machine.platform);
    this.#packageFault = this.#diagnosePackage();
    if (this.#package !== undefined && this.#packageFault === undefined)
      this.#packaged = packageCandidate(this.#package);
    this.#built = checkoutCandidate(context);
    // An explicit choice is never passed over: any other place would have another libtorch than the requested one.
    if (this.#try("REVIEWKD_LIBTORCH", () => this.#explicit()) !== "absent") return;
    if (this.#try("cuda-libtorch", () => this.#cuda()) === "loaded") return;
    if (this.#try("platform-package", () => this.#platformPackage()) === "loaded") return;
    this.#try("checkout", () => this.#checkout());
  }

  #diagnosePackage(): Diagnosis | undefined {
    const { root, machine } = this.context;
    try {
      return this.#package === undefined ? diagnoseMissing(root, machine)
        : diagnoseRequirements(root, this.#package, machine);
    } catch (error) {
      return unsearchable(error);
    }
  }

  report(): InstallationReport {
    const { platform, libc, nvidiaDriver } = this.context.machine;
    return {
      platform,
      libc: libc === null ? null : [libc.family, libc.version].filter((part) => part !== null).join(" "),
      nvidiaDriver,
      attempts: this.#attempts,
      findings: this.#findings,
      addonPath: this.loaded?.path ?? null,
      fix: this.loaded === undefined ? this.#fix() : null,
    };
  }

  failure(): ReviewKdError {
    const { platform } = this.context.machine;
    const names = { REVIEWKD_LIBTORCH: "REVIEWKD_LIBTORCH", "cuda-libtorch": "a CUDA libtorch",
      "platform-package": platformPackageName(platform), checkout: "this checkout's build" };
    const places = this.#attempts.map(({ place, reason }) => `  - ${names[place]}: ${reason ?? ""}`).join("\n");
    const code = this.#attempts.some(({ outcome }) => outcome === "failed") ? "ADDON_LOAD_FAILED" : "ADDON_NOT_FOUND";
    return new ReviewKdError(code,
      `invalid installation: expected an addon that loads on ${platform}, received none. Searched:\n${places}\nTo fix it: ${this.#fix()}`);
  }

  /** The fix of the place that was meant to work: the first that failed, else the last that is missing. */
  #fix(): string {
    const fixable = this.#attempts.filter(({ fix }) => fix !== null);
    const broken = fixable.find(({ outcome }) => outcome === "failed") ?? fixable.at(-1);
    return broken?.fix ?? "report this with the output of `reviewkd doctor --json`";
  }

  #try(place: InstallationPlace, search: () => Outcome): InstallationAttempt["outcome"] {
    const outcome = this.#search(search);
    this.#attempts.push({ place, ...outcome });
    return outcome.outcome;
  }

  /** A place that cannot be searched, such as one that another user's files are in, is passed over. */
  #search(search: () => Outcome): Outcome {
    try {
      return search();
    } catch (error) {
      return absent(unsearchable(error));
    }
  }

  /** Each finding once, though several binaries are tried. */
  #find(found: readonly InstallationFinding[]): void {
    const known = (finding: InstallationFinding): boolean =>
      this.#findings.some(({ about, reason }) => about === finding.about && reason === finding.reason);
    this.#findings.push(...found.filter((finding) => !known(finding)));
  }

  #explicit(): Outcome {
    const directory = expandHome(this.context.env["REVIEWKD_LIBTORCH"] ?? "");
    if (directory === "") return absent({ reason: "not set" });
    const found = readLibTorch(directory);
    if (found !== undefined) return this.#withLibTorch(found, "unset REVIEWKD_LIBTORCH, or set it to that version");
    const hidden = [directory, join(directory, "lib", libraryFile("torch_cpu"))].find((path) =>
      whyUnreadable(path) !== undefined
    );
    if (hidden !== undefined) return failed(directory, unreadable(hidden));
    return failed(directory, {
      reason: `invalid REVIEWKD_LIBTORCH: expected a libtorch (a directory with lib/${libraryFile("torch_cpu")}), received none in ${directory}`,
      fix: "set REVIEWKD_LIBTORCH to a libtorch, or unset it",
    });
  }

  #cuda(): Outcome {
    const [found] = this.#installedCuda();
    if (found === undefined)
      return absent({ reason: `none is installed in ${cudaLibTorchDirectory(this.context.env)}` });
    if (this.context.machine.nvidiaDriver === null)
      return { path: found.root, outcome: "not-needed", reason: "this machine has no NVIDIA driver", fix: null };
    return this.#withLibTorch(found, "npx reviewkd libtorch install --cuda");
  }

  /** A cache that cannot be read holds none, which may be why a GPU is not used. */
  #installedCuda(): LibTorchDirectory[] {
    try {
      return installedCudaLibTorches(this.context.env);
    } catch (error) {
      this.#find([{ about: "cache", reason: `an installed CUDA libtorch cannot be looked for: ${messageOf(error)}`,
        fix: CACHE_REMEDY }]);
      throw error;
    }
  }

  #withLibTorch({ root, version, library }: LibTorchDirectory, remedy: string): Outcome {
    const candidate = this.#packaged ?? this.#built;
    if (candidate === undefined) {
      const { reason, fix } = this.#packageFault ?? this.#notBuilt();
      return failed(root, { reason: `no addon to use it with: ${reason}`, fix });
    }
    if (version !== undefined && candidate.libtorch !== undefined && !isCompatible(candidate.libtorch, version)) {
      return failed(root, {
        reason:
          `invalid libtorch: expected ${candidate.libtorch}, which the addon was built with, received ${version} in ${root}`,
        fix: candidate === this.#built ? "npm run build" : remedy,
      });
    }
    const preload = join(candidate.directory, "preload.node");
    return this.#load(candidate, root, { addon: candidate.path, libtorch: { library, preload }, libraries: [] });
  }

  #platformPackage(): Outcome {
    if (this.#package === undefined) return absent(this.#packageFault ?? this.#notBuilt());
    const { directory } = this.#package;
    if (this.#packageFault !== undefined) return failed(directory, this.#packageFault);
    if (this.#packaged !== undefined) return this.#load(this.#packaged);
    return failed(directory, {
      reason:
        `invalid package: expected reviewkd.node in ${directory}, received none, since the package was not completely unpacked`,
      fix: reinstallCommand(this.context.machine.platform, "node_modules/@reviewkd"),
    });
  }

  #checkout(): Outcome {
    if (this.#built !== undefined) return this.#load(this.#built);
    return absent(isCheckout(this.context.root) ? this.#notBuilt()
      : { reason: "this is an installed package, not a checkout" });
  }

  #notBuilt(): Diagnosis {
    return { reason: `no ${checkoutAddonPath(this.context.root)}`, fix: "npm run build" };
  }

  #load(candidate: Candidate, path = candidate.path,
    binary: Binary = { addon: candidate.path, libraries: candidate.libraries }): Outcome {
    const { failure, findings } = probe(binary);
    this.#find(findings);
    const refusal = failure ?? this.#loadHere(binary);
    if (refusal === undefined) return { path, outcome: "loaded", reason: null, fix: null };
    // The linker also calls missing what only other users can read.
    const hidden = [candidate.path, ...binary.libraries, ...candidate.libraries].find((file) =>
      whyUnreadable(file) !== undefined
    );
    if (hidden !== undefined) return failed(path, unreadable(hidden));
    return failed(path,
      diagnoseLoadError(candidate.path, refusal, this.context.machine, candidate.place === "checkout"));
  }

  #loadHere({ addon, libtorch }: Binary): ProbeFailure | undefined {
    try {
      if (libtorch !== undefined)
        (instantiate(libtorch.preload) as { loadLibrary(path: string): void }).loadLibrary(libtorch.library);
      this.loaded = { module: instantiate(addon), path: addon };
      return undefined;
    } catch (error) {
      return { message: messageOf(error), signal: null };
    }
  }
}

function packageCandidate({ directory, manifest }: PlatformPackage): Candidate | undefined {
  const path = join(directory, "reviewkd.node");
  if (!exists(path)) return undefined;
  const libraries = ["torch_cpu", "c10"].map((name) => join(directory, libraryFile(name))).filter((file) =>
    exists(file)
  );
  return { place: "platform-package", path, directory, libtorch: manifest.reviewkd?.libtorch, libraries };
}

function checkoutCandidate(
  { root, checkoutAddon: path = checkoutAddonPath(root) }: LoadContext,
): Candidate | undefined {
  if (!exists(path)) return undefined;
  const directory = dirname(path);
  const built = builtWith(directory);
  const libraries = built === undefined ? [] : [join(built.directory, "lib", libraryFile("torch_cpu"))];
  return { place: "checkout", path, directory, libtorch: built?.version, libraries };
}

/** Loads an instance of its own: `require` would share one, with its error class, among copies of the package. */
function instantiate(path: string): unknown {
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}

function builtWith(directory: string): { readonly directory: string; readonly version: string } | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, "libtorch.json"), "utf8")) as { directory: string; version: string };
  } catch {
    return undefined;
  }
}

/** The diagnosis of a place that the system does not let this user search. */
function unsearchable(error: unknown): Diagnosis {
  return { reason: `it cannot be searched: ${messageOf(error)}`, fix: LET_READ };
}

function absent({ reason, fix = null }: { readonly reason: string; readonly fix?: string | null }): Outcome {
  return { path: null, outcome: "absent", reason, fix };
}

function failed(path: string, { reason, fix }: Diagnosis): Outcome {
  return { path, outcome: "failed", reason, fix };
}
