// Installations of this package as a package manager lays them out, and ways to break them.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { publishedManifest } from "../../scripts/package/main.js";
import { jsonEvents, reviewkd } from "./helpers.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string;
  dependencies: Record<string, string> };

/** The name of this platform's package without its scope. */
export const platform = `${process.platform}-${process.arch}`;
export const version = manifest.version;

/** The addon of this checkout, and the small module next to it. */
export const built = (name: "reviewkd.node" | "preload.node"): Buffer =>
  readFileSync(join(root, "build", "Release", name));

/** An installation in `project`; returns the directory of the main package. */
export function install(project: string, inside = "node_modules"): string {
  const packages = join(project, inside);
  const main = join(packages, "reviewkd");
  mkdirSync(main, { recursive: true });
  cpSync(join(root, "dist"), join(main, "dist"), { recursive: true });
  writeFileSync(join(main, "package.json"), JSON.stringify(publishedManifest(manifest)));
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(packages, name)), { recursive: true }); // a scope is a directory of its own
    symlinkSync(join(root, "node_modules", name), join(packages, name), "dir");
  }
  return main;
}

/** Differences of a broken platform package from a valid one. */
export interface Difference {
  readonly version?: string;
  readonly libc?: string[];
  readonly reviewkd?: Record<string, unknown>;
  /** The addon; null: none. */
  readonly addon?: Buffer | null;
  readonly name?: string;
}

/** Installs a platform package next to the main one at `main`; returns its directory. */
export function installPlatform(main: string,
  { name = platform, addon = built("reviewkd.node"), reviewkd: requirements, ...rest }: Difference = {}): string {
  const directory = join(dirname(main), "@reviewkd", name);
  mkdirSync(directory, { recursive: true });
  const facts = { name: `@reviewkd/${name}`, version, libc: ["glibc"], ...rest,
    reviewkd: { libtorch: "2.14.1", instructionSets: [], ...requirements } };
  writeFileSync(join(directory, "package.json"), JSON.stringify(facts));
  if (addon !== null) writeFileSync(join(directory, "reviewkd.node"), addon);
  writeFileSync(join(directory, "preload.node"), built("preload.node"));
  return directory;
}

/** A copy of a library in which one name is another of the same length, as if it had been linked so. */
export function renamed(library: Buffer, from: string, to: string): Buffer {
  expect(to).to.have.lengthOf(from.length);
  const text = library.toString("latin1");
  // With the zero that ends it: a name that only begins so is another.
  expect(text, `${from} in the library`).to.include(`${from}\0`);
  return Buffer.from(text.replaceAll(`${from}\0`, `${to}\0`), "latin1");
}

/** A module that does `what` as soon as it is loaded. */
export function moduleThat(what: string, directory: string): Buffer {
  const path = join(directory, "module.node");
  execFileSync("g++", ["-shared", "-fPIC", "-x", "c++", "-o", path, "-"], {
    input: `#include <cstdlib>\n__attribute__((constructor)) static void at_load() { ${what} }\n`,
  });
  return readFileSync(path);
}

/** The report of `doctor --json` on an installation that does not work. */
export interface Verdict {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly outcomes: Readonly<Record<string, string>>;
}

/** Asks the doctor of an installation that cannot be loaded; fails where it can. */
export async function verdictOn(main: string, env: Readonly<Record<string, string>> = {}): Promise<Verdict> {
  const cache = join(dirname(dirname(main)), "cache");
  const { code, stdout, stderr } = await reviewkd(["doctor", "--json"], { package: main,
    env: { REVIEWKD_CACHE: cache, REVIEWKD_LIBTORCH: "", ...env } });
  expect(code, stdout + stderr).to.equal(1);
  expect(stderr).to.equal("");
  const [event] = jsonEvents(stdout) as unknown as [
    { healthy: boolean; faults: Verdict[]; installation: { attempts: { place: string; outcome: string }[] } },
  ];
  expect(event.healthy).to.equal(false);
  const [fault] = event.faults;
  return { ...fault!,
    outcomes: Object.fromEntries(event.installation.attempts.map(({ place, outcome }) => [place, outcome])) };
}
