// The user's Python, which is never changed: it reports where its torch is, and its pip downloads wheels from the index
// that it is configured with.
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ReviewKdError, type ErrorCode } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import type { WheelSet } from "./pins.js";
import { lastLines, run, type RunResult } from "./process.js";

export const python = process.platform === "win32" ? "python" : "python3";

/** The environment of an installation, and where its messages go. */
export interface InstallContext {
  readonly env: NodeJS.ProcessEnv;
  readonly progress: (line: string) => void;
  /** Shows pip's progress bar on standard error. */
  readonly showBar?: boolean;
  /** Default: libtorch. */
  readonly product?: Product;
}

/** The name in errors of something that pip downloads. */
export interface Product {
  readonly name: string;
  /** The alternative to the download. */
  readonly instead: string;
}

const LIBTORCH: Product = { name: "libtorch", instead: "set REVIEWKD_LIBTORCH to a libtorch directory" };

// The working directory is excluded from the search, since it may contain a folder named torch.
const FIND_TORCH = `
import importlib.util, os, sys
sys.path = [p for p in sys.path if p not in ("", os.getcwd())]
spec = importlib.util.find_spec("torch")
print((spec and spec.submodule_search_locations or [""])[0])
`;

// To report its version, pip itself would take most of a second.
const NO_PIP = 3;
const FIND_PIP = `
import sys
print("%d.%d" % sys.version_info[:2])
if sys.version_info < (3, 8): sys.exit(1)
try: import pip.__main__
except ImportError: sys.exit(${NO_PIP})
`;

/** The directory of the active Python's torch, found without importing it; undefined without Python or torch. */
export async function torchOfPython(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { status, stdout } = await run(python, ["-c", FIND_TORCH], { env });
  return (status === 0 && stdout.trim()) || undefined;
}

/** Checks that Python and pip can be run. @throws ReviewKdError `DEPENDENCY_MISSING`. */
export async function requirePip(env: NodeJS.ProcessEnv, { name, instead }: Product = LIBTORCH): Promise<void> {
  const { status, stdout, startError } = await run(python, ["-c", FIND_PIP], { env });
  if (status === 0) return;
  const version = `Python ${stdout.trim() || "that does not start"}`;
  const found = startError ? `no ${python} on PATH` : status === NO_PIP ? `${version} without pip` : version;
  throw new ReviewKdError("DEPENDENCY_MISSING",
    `invalid Python: expected 3.8 or later with pip for downloading ${name}, received ${found}. Install it (Debian and Ubuntu: \`apt-get install python3 python3-pip\`), or ${instead}.`);
}

/** A wheel to download. Without `sha256`, pip checks the hash that its index publishes. */
export interface WheelRequest {
  readonly requirement: string;
  readonly sha256?: string | undefined;
  readonly pythonVersion: string;
  readonly tags: WheelSet["tags"];
}

/** Downloads one wheel into an empty directory and returns its path. */
export async function downloadWheel(context: InstallContext, request: WheelRequest,
  directory: string): Promise<string> {
  await rm(directory, { recursive: true, force: true });
  const { status, output } = await pipDownload(context, request, directory);
  const { instead } = context.product ?? LIBTORCH;
  if (status !== 0) throw pipError(output, request.requirement, directory, instead);
  const name = (await readdir(directory)).find((file) => file.endsWith(".whl"));
  if (name === undefined)
    throw new ReviewKdError("DOWNLOAD_FAILED",
      `invalid download: expected a wheel of ${request.requirement} from pip, received none. ${CHECK_INDEX}, or ${instead}.`);
  return join(directory, name);
}

async function pipDownload(context: InstallContext, { requirement, sha256, pythonVersion, tags }: WheelRequest,
  directory: string): Promise<RunResult> {
  // pip's temporary directory holds complete wheels, for which the system's may be too small.
  const temporary = join(directory, "temporary");
  await makeDirectory(temporary);
  const requirements = join(directory, "requirements.txt");
  if (sha256 !== undefined) await writeFile(requirements, `${requirement} --hash=sha256:${sha256}\n`);
  const env = { ...context.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, PIP_REQUIRE_VIRTUALENV: "0" };
  // pip gives a reason for a missing answer only if it may retry. A wheel without a pin is optional, and is requested
  // once.
  const request = sha256 === undefined ? ["--retries", "0", "--timeout", "20", requirement]
    : ["--retries", "3", "--require-hashes", "--requirement", requirements];
  return run(python, ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
    "--disable-pip-version-check", "--no-input", "--implementation", "cp", "--python-version", pythonVersion,
    ...tags.flatMap((tag) => ["--platform", tag]), "--dest", directory, ...request], { env,
    ...(sha256 !== undefined && { onLine: context.progress, inheritOutput: context.showBar === true }) });
}

const CHECK_INDEX = "Check the index that pip is configured with (pip config list)";

/**
 * Causes by what pip prints, the first match first: without network, pip ends with "no matching distribution" too. The
 * fix of a failed download is one of two.
 */
const CAUSES: readonly (readonly [pattern: RegExp, code: ErrorCode, received: string, fix: string])[] = [
  [/DO NOT MATCH THE HASHES|Expected sha256/, "CHECKSUM_MISMATCH", "a file with another SHA-256 than the pinned one",
    CHECK_INDEX],
  [/No space left on device|Errno 28/, "FILE_ACCESS", "a full disk",
    "Free space, or set REVIEWKD_CACHE to a directory on another disk"],
  [
    /NewConnectionError|NameResolution|Temporary failure in name resolution|Network is unreachable|Connection (?:refused|reset|aborted)|ConnectionError|ConnectTimeout|ReadTimeout|Read timed out|ProxyError|SSLError|Could not fetch URL|Failed to establish/,
    "DOWNLOAD_FAILED",
    "no answer from its index",
    "Check the network and pip's index and proxy settings",
  ],
  [/No matching distribution|Could not find a version/, "DOWNLOAD_FAILED",
    "an index that does not offer it for this platform", CHECK_INDEX],
];

/** Finds out from pip's output why it failed: pip has no machine-readable form for it. */
function pipError(output: string, requirement: string, directory: string, instead: string): ReviewKdError {
  const [, code, received, fix] = CAUSES.find(([pattern]) => pattern.test(output)) ??
    [undefined, "DOWNLOAD_FAILED" as const, "an error", CHECK_INDEX];
  return new ReviewKdError(code,
    `invalid download: expected ${requirement} from pip in ${directory}, received ${received}. ${fix}${code === "FILE_ACCESS" ? "" : `, or ${instead}`}. pip printed:\n${lastLines(output)}`);
}
