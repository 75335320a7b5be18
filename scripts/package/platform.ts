// The package with the binaries of this platform: the addon, the CPU half of libtorch, the libraries that they load,
// and all licences.
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { platformName } from "../../lib/install/cache.js";
import type { LibTorch } from "../../lib/install/libtorch-directory.js";
import { findToolchain } from "../build/visual-studio.js";
import { BuildError } from "../support/errors.js";
import { readJson, writeJson } from "../support/files.js";
import { runTool } from "../support/tools.js";
import { newest, readLibrary } from "./elf.js";
import { codeOfElf } from "./elf-code.js";
import { addonInstructions, instructionSetsOf } from "./instructions.js";
import { copyLibraries } from "./libraries.js";
import { copyLicenses, ownersOf } from "./licenses.js";
import { readMachO } from "./mach-o.js";
import { binaryManifest } from "./manifest.js";
import { readPe } from "./pe.js";

// Measured with emulated processors by `npm run check:processors`: libtorch's convolutions fail without it.
// Disassembling cannot show it, because oneDNN generates their code at run time. Everything beyond, AVX2 and AVX-512,
// is chosen at run time.
export const LIBTORCH_REQUIRES = process.arch === "x64" ? ["sse4_1"] : [];

/** Of the binaries, read from them. */
export interface Requirements {
  libtorch: string;
  variant: string;
  glibc?: string;
  glibcxx?: string;
  macos?: string;
  /** That a processor must have. */
  instructionSets: string[];
  /** All sets with code, most of it chosen at run time. */
  contains?: string[];
}

/**
 * Stages the platform package of a built checkout in `directory`, which is empty.
 *
 * @throws BuildError NOT_BUILT, LIBRARY_NOT_FOUND, LICENSE_NOT_FOUND or TOOL_FAILED.
 */
export async function stagePlatformPackage(root: string, directory: string,
  progress: (line: string) => void): Promise<void> {
  const libtorch = await readLibTorch(root);
  await mkdir(directory, { recursive: true });
  // CMake sets the modules' run path to their own directory.
  await runTool("cmake", ["--install", join(root, "build/cmake"), "--prefix", directory, "--strip"], {
    fix: "Run `npm run build` first.",
  });
  const libraries = await copyLibraries(process.platform,
    ["reviewkd.node", "preload.node"].map((name) => join(directory, name)), await libraryFolders(libtorch), directory,
    progress);
  await copyFile(join(root, "LICENSE"), join(directory, "LICENSE"));
  const { owners, words } = ownersOf(libraries, process.arch);
  await copyLicenses(libtorch.directory, owners, join(directory, "licenses"));
  progress("reading instruction sets");
  const requirements = await requirementsOf(root, directory, libtorch);
  await writeJson(join(directory, "package.json"),
    platformManifest(await readJson(join(root, "package.json")), requirements));
  await writeFile(join(directory, "README.md"), readme(requirements, words));
}

async function readLibTorch(root: string): Promise<LibTorch> {
  try {
    return JSON.parse(await readFile(join(root, "build/Release/libtorch.json"), "utf8")) as LibTorch;
  } catch (error) {
    throw new BuildError("NOT_BUILT", `the checkout is not built: ${(error as Error).message}. Run \`npm run build\`.`);
  }
}

async function libraryFolders(libtorch: LibTorch): Promise<string[]> {
  const parent = dirname(libtorch.directory);
  const nvidia = join(parent, "nvidia");
  const cuda = existsSync(nvidia) ? (await readdir(nvidia)).sort().map((name) => join(nvidia, name, "lib")) : [];
  return [join(libtorch.directory, "lib"), join(parent, "torch.libs"), ...cuda, ...await runtimeFolders()];
}

/** The folders of Microsoft's redistributable C++ runtime: not every Windows has one that is new enough. */
async function runtimeFolders(): Promise<string[]> {
  if (process.platform !== "win32") return [];
  // @env VCToolsRedistDir builds: The directory of the C++ runtime that is packed on Windows, set by the toolchain.
  // Default: none is packed.
  const redistributable = (await findToolchain(process.env)).env["VCToolsRedistDir"];
  if (redistributable === undefined) return [];
  const folder = join(redistributable, process.arch);
  const names = (await readdir(folder)).filter((name) => /^Microsoft\.VC\d+\.CRT$/.test(name));
  return names.map((name) => join(folder, name));
}

async function requirementsOf(root: string, directory: string, { version, variant }: LibTorch): Promise<Requirements> {
  const names = (await readdir(directory)).filter((name) => /\.(?:node|so|dylib|dll)(?:\.|$)/.test(name));
  const binaries = names.map((name) => join(directory, name));
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

async function setsOf(root: string, binaries: readonly string[]) {
  // Throws if the addon requires more than every processor has. The symbols that identify its functions are in CMake's
  // build on Linux.
  if (process.platform === "linux") await addonInstructions(join(root, "build/Release/reviewkd.node"));
  const sets: string[] = [];
  for (const path of binaries) {
    const code = process.platform === "win32" ? (await readPe(path)).code : await codeOfElf(path);
    sets.push(...await instructionSetsOf(path, code));
  }
  return [...new Set(sets)].sort();
}

/** The manifest of the package for this platform, from the checkout's own. */
export function platformManifest(own: Record<string, unknown>, requirements: Requirements) {
  const description =
    `The binaries of reviewkd for ${platformName}: its addon with the CPU half of libtorch ${requirements.libtorch}.`;
  return binaryManifest("", own, { description, license: "SEE LICENSE IN README.md" }, requirements);
}

function readme({ libtorch, variant, glibc, glibcxx, macos, instructionSets, contains }: Requirements,
  licensed: readonly string[]): string {
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
