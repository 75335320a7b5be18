// Searches the places where an addon can be, and loads the first one that works.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf, ReviewKdError } from "../errors.js";
import type { InstallationAttempt, InstallationPlace, InstallationReport } from "../config/schemas/installation.js";
import { cudaLibTorchDirectory } from "./cache.js";
import { diagnoseLoadError, diagnoseRequirements } from "./diagnose-load-error.js";
import { diagnoseMissing, type Diagnosis } from "./diagnose-missing.js";
import { findPlatformPackage, isCheckout, packageRoot, platformPackageName, reinstallCommand,
  type PlatformPackage } from "./layout.js";
import { installedCudaLibTorches, isCompatible, libraryFile, readLibTorch,
  type LibTorchDirectory } from "./libtorch-directory.js";
import { getMachineInfo, type MachineInfo } from "./machine-info.js";
import { probe, type Binary } from "./probe.js";

/** Where to search, and on which machine. */
export interface LoadContext {
  readonly root: string;
  readonly machine: MachineInfo;
  readonly env: NodeJS.ProcessEnv;
  /** The addon of a checkout's build. Default: the published one. */
  readonly checkoutAddon?: string;
}

/** A loaded addon, and what was tried before it. */
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

/** The path of a checkout's own addon. */
export function checkoutAddonPath(root: string = packageRoot()): string {
  return join(root, "build", "Release", "reviewkd.node");
}

/**
 * Loads the first addon that works: with the libtorch of REVIEWKD_LIBTORCH, with an installed CUDA libtorch if there is
 * a driver for it, the one of the platform package, a checkout's own.
 *
 * @throws ReviewKdError `ADDON_NOT_FOUND` if there is none, `ADDON_LOAD_FAILED` if none can be loaded.
 */
export function loadAddon(
  context: LoadContext = { root: packageRoot(), machine: getMachineInfo(), env: process.env },
): LoadedAddon {
  const search = new Search(context);
  search.run();
  if (search.loaded === undefined) throw search.failure();
  return { ...search.loaded, report: search.report() };
}

/** The state of the native half, and what is wrong with it; never throws. */
export function inspectInstallation(
  context: LoadContext = { root: packageRoot(), machine: getMachineInfo(), env: process.env },
): InstallationReport {
  const search = new Search(context);
  search.run();
  return search.report();
}

class Search {
  loaded: { readonly module: unknown; readonly path: string } | undefined;
  readonly #context: LoadContext;
  readonly #attempts: InstallationAttempt[] = [];
  readonly #package: PlatformPackage | undefined;
  readonly #candidates: readonly Candidate[];
  readonly #packageFault: Diagnosis | undefined;

  constructor(context: LoadContext) {
    const { root, machine } = context;
    this.#context = context;
    this.#package = findPlatformPackage(root, machine.platform);
    this.#packageFault = this.#package === undefined ? diagnoseMissing(root, machine)
      : diagnoseRequirements(root, this.#package, machine);
    this.#candidates = [this.#packageCandidate(), this.#checkoutCandidate()].filter((candidate) =>
      candidate !== undefined
    );
  }

  run(): void {
    // An explicit choice is never passed over: any other place would have another libtorch than the requested one.
    if (this.#try("REVIEWKD_LIBTORCH", () => this.#explicit()) !== "absent") return;
    if (this.#try("cuda-libtorch", () => this.#cuda()) === "loaded") return;
    if (this.#try("platform-package", () => this.#platformPackage()) === "loaded") return;
    this.#try("checkout", () => this.#checkout());
  }

  report(): InstallationReport {
    const { machine } = this.#context;
    return {
      platform: machine.platform,
      libc: machine.libc === null ? null
        : [machine.libc.family, machine.libc.version].filter((part) => part !== null).join(" "),
      nvidiaDriver: machine.nvidiaDriver,
      attempts: this.#attempts,
      addonPath: this.loaded?.path ?? null,
      fix: this.loaded === undefined ? this.#fix() : null,
    };
  }

  failure(): ReviewKdError {
    const places = this.#attempts.map(({ place, reason }) => `  - ${this.#nameOf(place)}: ${reason ?? ""}`).join("\n");
    const code = this.#attempts.some(({ outcome }) => outcome === "failed") ? "ADDON_LOAD_FAILED" : "ADDON_NOT_FOUND";
    return new ReviewKdError(code,
      `invalid installation: expected an addon that loads on ${this.#context.machine.platform}, received none. Searched:\n${places}\nTo fix it: ${this.#fix()}`);
  }

  /** The fix of the place that was meant to work: the first that failed, else the last that is missing. */
  #fix(): string {
    const fixable = this.#attempts.filter(({ fix }) => fix !== null);
    const broken = fixable.find(({ outcome }) => outcome === "failed") ?? fixable.at(-1);
    return broken?.fix ?? "report this with the output of `reviewkd doctor --json`";
  }

  #nameOf(place: InstallationPlace): string {
    if (place === "platform-package") return platformPackageName(this.#context.machine.platform);
    return { REVIEWKD_LIBTORCH: "REVIEWKD_LIBTORCH", "cuda-libtorch": "a CUDA libtorch",
      checkout: "this checkout's build" }[place];
  }

  #try(place: InstallationPlace, attempt: () => Outcome): InstallationAttempt["outcome"] {
    const outcome = attempt();
    this.#attempts.push({ place, ...outcome });
    return outcome.outcome;
  }

  #explicit(): Outcome {
    const directory = this.#context.env["REVIEWKD_LIBTORCH"];
    if (directory === undefined || directory === "") return absent(null, "not set");
    const found = readLibTorch(directory);
    if (found === undefined) {
      return failed(directory,
        `invalid REVIEWKD_LIBTORCH: expected a libtorch (a directory with lib/${libraryFile("torch_cpu")}), received none in ${directory}`, "set REVIEWKD_LIBTORCH to a libtorch, or unset it");
    }
    return this.#withLibTorch(found, "unset REVIEWKD_LIBTORCH, or set it to that version");
  }

  #cuda(): Outcome {
    const folder = cudaLibTorchDirectory(this.#context.env);
    const [found] = installedCudaLibTorches(this.#context.env);
    if (found === undefined) return absent(null, `none is installed in ${folder}`);
    if (this.#context.machine.nvidiaDriver === null)
      return { path: found.root, outcome: "not-needed", reason: "this machine has no NVIDIA driver", fix: null };
    return this.#withLibTorch(found, "npx reviewkd libtorch install --cuda");
  }

  #withLibTorch(found: LibTorchDirectory, remedy: string): Outcome {
    const [candidate] = this.#candidates;
    if (candidate === undefined) {
      const { reason, fix } = this.#packageFault ?? this.#notBuilt();
      return failed(found.root, `no addon to use it with: ${reason}`, fix);
    }
    if (found.version !== undefined && candidate.libtorch !== undefined &&
      !isCompatible(candidate.libtorch, found.version)) {
      const rebuild = candidate.place === "checkout";
      return failed(found.root,
        `invalid libtorch: expected ${candidate.libtorch}, which the addon was built with, received ${found.version} in ${found.root}`,
        rebuild ? "npm run build" : remedy);
    }
    const preload = join(candidate.directory, "preload.node");
    return this.#load(candidate, found.root, { addon: candidate.path, libtorch: { library: found.library, preload },
      libraries: [] });
  }

  #platformPackage(): Outcome {
    if (this.#package === undefined) {
      const { reason, fix } = this.#packageFault ?? this.#notBuilt();
      return { path: null, outcome: "absent", reason, fix };
    }
    const { directory } = this.#package;
    if (this.#packageFault !== undefined) return failed(directory, this.#packageFault.reason, this.#packageFault.fix);
    const candidate = this.#candidates.find(({ place }) => place === "platform-package");
    if (candidate === undefined) {
      return failed(directory,
        `invalid package: expected reviewkd.node in ${directory}, received none, since the package was not completely unpacked`,
        reinstallCommand(this.#context.machine.platform, "node_modules/@reviewkd"));
    }
    return this.#load(candidate, candidate.path, { addon: candidate.path, libraries: candidate.libraries });
  }

  #checkout(): Outcome {
    const candidate = this.#candidates.find(({ place }) => place === "checkout");
    if (candidate !== undefined)
      return this.#load(candidate, candidate.path, { addon: candidate.path, libraries: candidate.libraries });
    if (!isCheckout(this.#context.root)) return absent(null, "this is an installed package, not a checkout");
    const { reason, fix } = this.#notBuilt();
    return { path: null, outcome: "absent", reason, fix };
  }

  #notBuilt(): Diagnosis {
    return { reason: `no ${checkoutAddonPath(this.#context.root)}`, fix: "npm run build" };
  }

  #load(candidate: Candidate, path: string, binary: Binary): Outcome {
    const refusal = probe(binary) ?? this.#loadHere(binary);
    if (refusal === undefined) return { path, outcome: "loaded", reason: null, fix: null };
    const { reason, fix } = diagnoseLoadError(candidate.path, refusal, this.#context.machine,
      candidate.place === "checkout");
    return failed(path, reason, fix);
  }

  #loadHere({ addon, libtorch }: Binary): { readonly message: string; readonly signal: null } | undefined {
    try {
      if (libtorch !== undefined)
        (instantiate(libtorch.preload) as { loadLibrary(path: string): void }).loadLibrary(libtorch.library);
      this.loaded = { module: instantiate(addon), path: addon };
      return undefined;
    } catch (error) {
      return { message: messageOf(error), signal: null };
    }
  }

  #packageCandidate(): Candidate | undefined {
    if (this.#package === undefined || this.#packageFault !== undefined) return undefined;
    const { directory, manifest } = this.#package;
    const path = join(directory, "reviewkd.node");
    if (!existsSync(path)) return undefined;
    const libraries = ["torch_cpu", "c10"].map((name) => join(directory, libraryFile(name))).filter((file) =>
      existsSync(file)
    );
    return { place: "platform-package", path, directory, libtorch: manifest.reviewkd?.libtorch, libraries };
  }

  #checkoutCandidate(): Candidate | undefined {
    const { root } = this.#context;
    const path = this.#context.checkoutAddon ?? checkoutAddonPath(root);
    if (!existsSync(path)) return undefined;
    const built = builtWith(join(root, "build", "Release"));
    const libraries = built === undefined ? [] : [join(built.directory, "lib", libraryFile("torch_cpu"))];
    return { place: "checkout", path, directory: join(root, "build", "Release"), libtorch: built?.version, libraries };
  }
}

/**
 * Loads an addon as an instance of its own: `require` would share one, with its error class, among all copies of the
 * package in a process.
 */
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

function absent(path: string | null, reason: string): Outcome {
  return { path, outcome: "absent", reason, fix: null };
}

function failed(path: string, reason: string, fix: string): Outcome {
  return { path, outcome: "failed", reason, fix };
}
