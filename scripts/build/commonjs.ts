// The CommonJS form of the package in dist/cjs, for `require` where it takes no ES modules: Node before 20.19, Jest.
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";
import { BuildError } from "../support/errors.js";
import { readJson, writeJson } from "../support/files.js";

/** The parts of package.json that decide what is built. */
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string | { readonly require?: { readonly default: string } }>>;
}

/** Dependencies that are ES modules alone, which `require` could not load. */
const ES_MODULES = ["birpc", "execa"];

/**
 * Writes `dist/cjs` from the ES modules in `dist`: one bundle, so that all entries share their classes, a module for
 * each entry, and the types that they reach.
 */
export async function buildCommonJs(root: string): Promise<void> {
  const dist = join(root, "dist");
  const out = join(dist, "cjs");
  await rm(out, { recursive: true, force: true });
  const manifest = await readJson(join(root, "package.json")) as Manifest;
  const entries = entriesOf(manifest);
  if (entries.length === 0) return;
  const { dependencies = {}, peerDependencies = {} } = manifest;
  const external = Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !ES_MODULES.includes(name));
  const { metafile } = await build({
    stdin: {
      contents: entries.map((entry, index) => `export * as entry${String(index)} from "./${entry}.js";`).join("\n"),
      resolveDir: dist,
    },
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    outfile: join(out, "bundle.js"),
    external: external.flatMap((name) => [name, `${name}/*`]),
    // The bundle's own path takes the place of the module's URL: lib/install/runtime.ts.
    define: { "import.meta": "{}" },
    // Jest's modules cannot import; every dependency that is loaded on demand can be required.
    supported: { "dynamic-import": false },
    metafile: true,
    absWorkingDir: root,
    logLevel: "error",
  });
  await writeFile(join(out, "licenses.txt"), await licensesOf(root, Object.keys(metafile.inputs)));
  await writeJson(join(out, "package.json"), { type: "commonjs" });
  for (const [index, entry] of entries.entries()) {
    const path = join(out, `${entry}.js`);
    await mkdir(dirname(path), { recursive: true });
    const bundle = relative(dirname(path), join(out, "bundle.js")).replaceAll("\\", "/");
    await writeFile(path,
      `"use strict";\nmodule.exports = require("${bundle.startsWith(".") ? bundle : `./${bundle}`}").entry${String(index)};\n`);
  }
  await copyTypes(dist, out, entries);
}

/** The modules that the package exports for `require`, such as `worker/index`, below dist as below dist/cjs. */
function entriesOf({ exports = {} }: Manifest): string[] {
  return Object.values(exports).flatMap((entry) => {
    const file = typeof entry === "string" ? undefined : entry.require?.default;
    const name = /^\.\/dist\/cjs\/(.+)\.js$/.exec(file ?? "")?.[1];
    return name === undefined ? [] : [name];
  });
}

/** The licences of the packages that the bundle contains. */
async function licensesOf(root: string, inputs: readonly string[]): Promise<string> {
  const packages = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []));
  const texts = [...packages].sort().map(async (directory) => {
    const names = await readdir(join(root, directory));
    const name = names.find((candidate) => /^licen[cs]e(?:$|[.-])/i.test(candidate));
    if (name === undefined) {
      throw new BuildError("NO_LICENSE",
        `invalid package ${directory}: expected a file with its licence, received ${names.join(", ")}. Take the package out of the bundle.`);
    }
    return `${directory.replace(/^.*node_modules\//, "")}\n\n${(await readFile(join(root, directory, name), "utf8")).trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}

/** Types for the entries: a declaration file is of the kind of the package that it is in, so each has a copy. */
async function copyTypes(dist: string, out: string, entries: readonly string[]): Promise<void> {
  const seen = new Set<string>();
  const waiting = entries.map((entry) => join(dist, `${entry}.d.ts`));
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const copy = join(out, relative(dist, path));
    await mkdir(dirname(copy), { recursive: true });
    await copyFile(path, copy);
    // The compiler writes each specifier in this form.
    for (const [, name = ""] of (await readFile(path, "utf8")).matchAll(/\b(?:from |import\()"(\.[^"]+)\.js"/g))
      waiting.push(join(dirname(path), `${name}.d.ts`));
  }
}
