// The package with the binaries of this platform: the addon, the CPU half of libtorch, the libraries that they load,
// and all licences.
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { findToolchain } from "../build/visual-studio.js";
import { platformName } from "../../lib/install/cache.js";
import { BuildError } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";
import { newest, readLibrary } from "./elf.mjs";
import { codeOfElf } from "./elf-code.mjs";
import { addonInstructions, instructionSetsOf } from "./instructions.mjs";
import { copyLibraries } from "./libraries.mjs";
import { copyLicenses, ownersOf } from "./licenses.mjs";
import { readMachO } from "./mach-o.mjs";
import { sharedFields } from "./manifest.mjs";
import { readPe } from "./pe.mjs";

// Measured with emulated processors by `npm run check:processors`: libtorch's convolutions fail without it.
// Disassembling cannot show it, because oneDNN generates their code at run time. Everything beyond, AVX2 and AVX-512,
// is chosen at run time.
export const LIBTORCH_REQUIRES = process.arch === "x64" ? ["sse4_1"] : [];

/**
 * @typedef {import("../../lib/install/libtorch-directory.js").LibTorch} LibTorch
 *
 * @typedef {object} Requirements of the binaries, read from them
 * @property {string} libtorch
 * @property {string} variant
 * @property {string} [glibc]
 * @property {string} [glibcxx]
 * @property {string} [macos]
 * @property {string[]} instructionSets that a processor must have
 * @property {string[]} [contains] all sets with code, most of it chosen at run time
 */

/**
 * Stages the platform package in `directory`, which is empty.
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
  // CMake sets the modules' run path to their own directory.
  await tool("cmake", ["--install", join(root, "build/cmake"), "--prefix", directory, "--strip"],
    "Run `npm run build` first.");
  const libraries = await copyLibraries(process.platform,
    ["reviewkd.node", "preload.node"].map((name) => join(directory, name)), await libraryFolders(libtorch), directory,
    progress);
  await copyFile(join(root, "LICENSE"), join(directory, "LICENSE"));
  const { owners, words } = ownersOf(libraries, process.arch);
  await copyLicenses(libtorch.directory, owners, join(directory, "licenses"));
  progress("reading instruction sets");
  const requirements = await requirementsOf(root, directory, libtorch);
  await writeFile(join(directory, "package.json"),
    `${
      JSON.stringify(platformManifest(JSON.parse(await readFile(join(root, "package.json"), "utf8")), requirements),
        undefined, 2)
    }\n`);
  await writeFile(join(directory, "README.md"), readme(requirements, words));
}

/**
 * @param {string} root
 * @returns {Promise<LibTorch>}
 */
async function readLibTorch(root) {
  try {
    return JSON.parse(await readFile(join(root, "build/Release/libtorch.json"), "utf8"));
  } catch (error) {
    throw new BuildError("NOT_BUILT",
      `the checkout is not built: ${/** @type {Error} */ (error).message}. Run \`npm run build\`.`);
  }
}

/** @param {LibTorch} libtorch */
async function libraryFolders(libtorch) {
  const parent = dirname(libtorch.directory);
  const nvidia = join(parent, "nvidia");
  const cuda = existsSync(nvidia) ? (await readdir(nvidia)).sort().map((name) => join(nvidia, name, "lib")) : [];
  return [join(libtorch.directory, "lib"), join(parent, "torch.libs"), ...cuda, ...await runtimeFolders()];
}

/**
 * The directories of Microsoft's redistributable C++ runtime in Visual Studio: not every Windows has one that is new
 * enough.
 */
async function runtimeFolders() {
  if (process.platform !== "win32") return [];
  // @env VCToolsRedistDir builds: The directory of the C++ runtime that is packed on Windows, set by the toolchain.
  // Default: none is packed.
  const redistributable = (await findToolchain(process.env)).env["VCToolsRedistDir"];
  if (redistributable === undefined) return [];
  const folder = join(redistributable, process.arch);
  return (await readdir(folder)).filter((name) => /^Microsoft\.VC\d+\.CRT$/.test(name)).map((name) =>
    join(folder, name)
  );
}

/**
 * @param {string} root
 * @param {string} directory
 * @param {LibTorch} libtorch
 * @returns {Promise<Requirements>}
 */
async function requirementsOf(root, directory, { version, variant }) {
  const binaries = (await readdir(directory)).filter((name) => /\.(?:node|so|dylib|dll)(?:\.|$)/.test(name)).map((
    name,
  ) => join(directory, name));
  const read = process.platform === "linux" ? await Promise.all(binaries.map((path) => readLibrary(path))) : [];
  const glibc = newest(read.map((library) => library.glibc));
  const glibcxx = newest(read.map((library) => library.glibcxx));
  const macos = process.platform === "darwin"
    ? newest((await Promise.all(binaries.map(readMachO))).map((library) => library.macos)) : undefined;
  const contains = process.arch === "x64" ? await setsOf(root, binaries) : undefined;
  return {
    libtorch: version,
    variant,
    ...(glibc && { glibc }),
    ...(glibcxx && { glibcxx }),
    ...(macos && { macos }),
    instructionSets: LIBTORCH_REQUIRES,
    ...(contains && { contains }),
  };
}

/**
 * @param {string} root
 * @param {readonly string[]} binaries
 */
async function setsOf(root, binaries) {
  // Throws if the addon requires more than every processor has. The symbols that identify its functions are in CMake's
  // build on Linux.
  if (process.platform === "linux") await addonInstructions(join(root, "build/Release/reviewkd.node"));
  const sets = [];
  for (const path of binaries)
    sets.push(
      ...await instructionSetsOf(path,
        process.platform === "win32" ? (await readPe(path)).code : await codeOfElf(path)),
    );
  return [...new Set(sets)].sort();
}

/**
 * The manifest of the package for this platform.
 *
 * @param {Record<string, unknown>} own the checkout's manifest
 * @param {Requirements} requirements
 */
export function platformManifest(own, requirements) {
  return {
    name: `@reviewkd/${platformName}`,
    ...sharedFields(own),
    description:
      `The binaries of reviewkd for ${platformName}: its addon with the CPU half of libtorch ${requirements.libtorch}.`,
    license: "SEE LICENSE IN README.md",
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === "linux" && { libc: ["glibc"] }),
    preferUnplugged: true,
    reviewkd: requirements,
  };
}

/**
 * @param {Requirements} requirements
 * @param {readonly string[]} licensed descriptions of everything that has a licence
 */
function readme({ libtorch, variant, glibc, glibcxx, macos, instructionSets, contains }, licensed) {
  const systems = [glibc && `glibc ${glibc} or later`, glibcxx && `a libstdc++ with GLIBCXX_${glibcxx}`,
    macos && `macOS ${macos} or later`].filter(Boolean);
  const requires = [...systems, instructionSets.length > 0 && `a processor with ${instructionSets.join(" and ")}`]
    .filter(Boolean).join(" and ");
  const sets = contains && `
According to a disassembler, their code uses these instruction sets beyond those of every 64-bit processor: ${contains.join(", ")}. Sets that a
processor lacks are not used, except ${instructionSets.join(" and ")}, without which libtorch's convolutions fail.${
    process.platform === "linux"
      ? " The addon's own code,\noutside of kernels that are chosen at run time, requires none: it was read function by function." :
      ""
  }
`;
  return `# @reviewkd/${platformName}

The binaries of the package \`reviewkd\`, which installs this package by itself: its addon with the CPU half of
libtorch ${libtorch} (${variant}) and the libraries that it loads.${requires ? ` They require ${requires}.` : ""}
${sets ?? ""}
The libraries are those of PyTorch's wheel, unchanged except for stripped debug symbols. \`licenses\` contains the licences under which they are redistributed:

${licensed.map((words) => `- ${words}`).join("\n")}
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
  throw new BuildError("TOOL_FAILED",
    `${program} ${parameters[0] ?? ""} failed: ${startError ? "no such program. " : `\n${lastLines(output)}\n`}${remedy}`);
}
