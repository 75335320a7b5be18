// The package with the binaries of this platform: the addon, the CPU half of libtorch, all that they load, and everybody's licence.
import { copyFile, cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { platformName } from "../libtorch/locate.mjs";
import { BuildError } from "../support/errors.mjs";
import { lastLines, run } from "../support/process.mjs";
import { newest, readLibrary } from "./elf.mjs";

// What every system of this kind brings.
const OF_THE_SYSTEM = /^(?:ld-linux.*|lib(?:c|m|dl|rt|pthread|util|gcc_s|stdc\+\+))\.so/;
// Measured with emulated processors: libtorch's convolutions (oneDNN) ask for SSE4.1 and fail without. All beyond, AVX2 and AVX-512, is
// chosen at run time; the addon's own code asks for nothing but x86-64.
const INSTRUCTION_SETS = process.arch === "x64" ? ["sse4_1"] : [];
const LICENSES = fileURLToPath(new URL("./licenses", import.meta.url));

/**
 * @typedef {import("../libtorch/inspect.mjs").LibTorch} LibTorch
 *
 * @typedef {object} Requirements what the binaries ask of a machine, as it was read from them
 * @property {string} libtorch
 * @property {string} variant
 * @property {string} [glibc]
 * @property {string} [glibcxx]
 * @property {string[]} instructionSets
 */

/**
 * Lays out the platform package in `directory`, which is empty.
 *
 * @param {string} root of the checkout, built
 * @param {string} directory
 * @param {(line: string) => void} progress
 * @returns {Promise<void>}
 * @throws {BuildError} NOT_BUILT, LIBRARY_NOT_FOUND, LICENSE_NOT_FOUND or TOOL_FAILED
 */
export async function stagePlatformPackage(root, directory, progress) {
  const libtorch = await readLibTorch(root);
  await mkdir(directory, { recursive: true });
  // CMake knows how to give the modules the run path that they have beside their libraries.
  await tool("cmake", ["--install", join(root, "build/cmake"), "--prefix", directory, "--strip"], "`npm run build` first");
  const libraries = process.platform === "linux" ? await copyLibraries(libtorch, directory, progress) : await copyAll(libtorch, directory);
  await copyLicenses(root, libtorch, directory, libraries);
  const requirements = await requirementsOf(directory, libtorch);
  await writeFile(join(directory, "package.json"), `${JSON.stringify(await manifest(root, requirements), undefined, 2)}\n`);
  await writeFile(join(directory, "README.md"), readme(requirements));
}

/**
 * @param {string} root
 * @returns {Promise<LibTorch>}
 */
async function readLibTorch(root) {
  try {
    return JSON.parse(await readFile(join(root, "build/Release/libtorch.json"), "utf8"));
  } catch (error) {
    throw new BuildError("NOT_BUILT", `expected a built checkout for packing, got ${/** @type {Error} */ (error).message}; run \`npm run build\``);
  }
}

/**
 * Copies what the addon loads, and what that loads, and strips it of what only debuggers read.
 *
 * @param {LibTorch} libtorch
 * @param {string} directory
 * @param {(line: string) => void} progress
 * @returns {Promise<string[]>} their names
 */
async function copyLibraries(libtorch, directory, progress) {
  const places = await libraryFolders(libtorch);
  /** @type {string[]} */
  const copied = [];
  const waiting = [join(directory, "reviewkd.node"), join(directory, "preload.node")];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { needed, runPath } = await readLibrary(path);
    const own = needed.filter((name) => !OF_THE_SYSTEM.test(name));
    if (own.length > 0 && !runPath.includes("$ORIGIN")) {
      throw new BuildError("LIBRARY_NOT_FOUND", `expected ${basename(path)} to look beside itself for ${own.join(", ")}, got the run path ${runPath.join(":") || "(none)"}`);
    }
    for (const name of own.filter((name) => !copied.includes(name))) {
      const source = places.map((place) => join(place, name)).find((candidate) => existsSync(candidate));
      if (source === undefined) throw new BuildError("LIBRARY_NOT_FOUND", `expected ${name} for ${basename(path)}, got none in ${places.join(", ")}`);
      progress(`adding ${name}`);
      await copyStripped(source, join(directory, name));
      copied.push(name);
      waiting.push(join(directory, name));
    }
  }
  return copied.sort();
}

/**
 * On other systems libtorch's own folder holds all that it loads.
 *
 * @param {LibTorch} libtorch
 * @param {string} directory
 */
async function copyAll(libtorch, directory) {
  const names = (await readdir(join(libtorch.directory, "lib"))).filter((name) => /\.(dylib|dll)$/.test(name) && !/python|cuda|shm/.test(name));
  for (const name of names) await copyFile(join(libtorch.directory, "lib", name), join(directory, name));
  return names;
}

/**
 * @param {string} source
 * @param {string} target
 */
async function copyStripped(source, target) {
  await tool("strip", ["--strip-unneeded", "-o", target, source], "install binutils");
  // Some are stripped already, and grow when their table of contents is written anew.
  if ((await stat(target)).size >= (await stat(source)).size) await copyFile(source, target);
}

/** @param {LibTorch} libtorch */
async function libraryFolders(libtorch) {
  const beside = dirname(libtorch.directory);
  const nvidia = join(beside, "nvidia");
  const cuda = existsSync(nvidia) ? (await readdir(nvidia)).sort().map((name) => join(nvidia, name, "lib")) : [];
  return [join(libtorch.directory, "lib"), join(beside, "torch.libs"), ...cuda];
}

/**
 * @param {string} root
 * @param {LibTorch} libtorch
 * @param {string} directory
 * @param {string[]} libraries
 */
async function copyLicenses(root, libtorch, directory, libraries) {
  const target = join(directory, "licenses");
  await copyFile(join(root, "LICENSE"), join(directory, "LICENSE"));
  const beside = dirname(libtorch.directory);
  const wanted = { torch: /^torch-/, "nvidia-cuda-runtime": /^nvidia_cuda_runtime-/, "nvidia-cuda-cupti": /^nvidia_cuda_cupti-/ };
  const needs = { torch: true, "nvidia-cuda-runtime": libraries.some((name) => name.startsWith("libcudart")), "nvidia-cuda-cupti": libraries.some((name) => name.startsWith("libcupti")) };
  const names = await readdir(beside);
  for (const [name, pattern] of Object.entries(wanted)) {
    if (!needs[/** @type {keyof typeof needs} */ (name)]) continue;
    const info = names.find((folder) => pattern.test(folder) && folder.endsWith(".dist-info"));
    const folder = info === undefined ? undefined : ["licenses", "LICENSE"].map((entry) => join(beside, info, entry)).find((path) => existsSync(path));
    if (folder === undefined) {
      throw new BuildError("LICENSE_NOT_FOUND",
        `expected the licence of ${name} beside ${libtorch.directory}, got none; pack with the libtorch of a wheel, whose .dist-info holds it`);
    }
    await cp(folder, join(target, name), { recursive: true });
  }
  if (libraries.some((name) => name.startsWith("libgomp"))) await cp(join(LICENSES, "libgomp"), join(target, "libgomp"), { recursive: true });
  if (process.arch === "x64") await cp(join(LICENSES, "mkl"), join(target, "mkl"), { recursive: true });
}

/**
 * @param {string} directory
 * @param {LibTorch} libtorch
 * @returns {Promise<Requirements>}
 */
async function requirementsOf(directory, { version, variant }) {
  const binaries = (await readdir(directory)).filter((name) => /\.(node|so)(\.|$)/.test(name));
  const read = process.platform === "linux" ? await Promise.all(binaries.map((name) => readLibrary(join(directory, name)))) : [];
  const glibc = newest(read.map((library) => library.glibc));
  const glibcxx = newest(read.map((library) => library.glibcxx));
  return { libtorch: version, variant, ...(glibc && { glibc }), ...(glibcxx && { glibcxx }), instructionSets: INSTRUCTION_SETS };
}

/**
 * @param {string} root
 * @param {Requirements} requirements
 */
async function manifest(root, requirements) {
  const { version, engines } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return {
    name: `@reviewkd/${platformName}`,
    version,
    description: `The binaries of reviewkd for ${platformName}: its addon with the CPU half of libtorch ${requirements.libtorch}.`,
    license: "SEE LICENSE IN README.md",
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === "linux" && { libc: ["glibc"] }),
    engines,
    preferUnplugged: true,
    reviewkd: requirements,
  };
}

/** @param {Requirements} requirements */
function readme({ libtorch, variant, glibc, glibcxx }) {
  const asks = [glibc && `glibc ${glibc} or later`, glibcxx && `a libstdc++ with GLIBCXX_${glibcxx}`].filter(Boolean).join(" and ");
  return `# @reviewkd/${platformName}

The binaries of the package \`reviewkd\`, which installs this package by itself: its addon with the CPU half of
libtorch ${libtorch} (${variant}) and what that loads.${asks ? ` They ask for ${asks}.` : ""}

The libraries are those of PyTorch's wheel, unchanged but for symbols that only debuggers read. \`licenses\` holds the licence of each: PyTorch with
all that it is made of, Intel's oneMKL, which is linked into it, NVIDIA's CUDA runtime and CUPTI, and GCC's libgomp, which stands under the GPL with the GCC
Runtime Library Exception; its sources are those of GCC, https://gcc.gnu.org.
`;
}

/**
 * @param {string} program
 * @param {string[]} parameters
 * @param {string} remedy
 */
async function tool(program, parameters, remedy) {
  const { status, output, startError } = await run(program, parameters);
  if (status === 0) return;
  throw new BuildError("TOOL_FAILED", `expected ${program} ${parameters[0] ?? ""} to succeed, got ${startError ? "no such program" : `\n${lastLines(output)}\n`}; ${remedy}`);
}
