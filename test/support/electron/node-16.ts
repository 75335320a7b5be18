// Lets an Electron whose Node is older than the package requires run it: an Electron before 29, such as the 22 that
// PyPI has, with Node 16. For tests alone. Four things are missing there:
//   - `os.availableParallelism` and `Symbol.dispose`, which are defined first;
//   - ES modules in Electron's processes, and `import` of what is defined so: every program becomes one CommonJS file;
//   - later syntax of JavaScript, which esbuild replaces, and of style sheets.
// The code of the package and of the application is otherwise what Electron 29 and later run.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type BuildOptions } from "esbuild";
import satisfies from "semver/functions/satisfies.js";
import type { Electron } from "../../../scripts/electron/install.js";

const NODE = "node16";
const CHROMIUM = "chrome108";

/** Node 18's names for what Node 16 lacks; the parts of this package compare the symbols with each other alone. */
const DEFINITIONS = `
{
  const os = require("node:os");
  os.availableParallelism ??= () => os.cpus().length;
  for (const name of ["dispose", "asyncDispose"])
    if (!Symbol[name]) Object.defineProperty(Symbol, name, { value: Symbol.for("nodejs." + name) });
}
const importMetaUrl = require("node:url").pathToFileURL(__filename).href;
`;

/** Whether the Node of an Electron is older than the package's `engines`. */
export function isTooOld({ node }: Electron): boolean {
  return !satisfies(node, ">=20");
}

function lower(file: string, options: BuildOptions = {}): Promise<unknown> {
  return build({ entryPoints: [file], outfile: file, allowOverwrite: true, bundle: true, platform: "node",
    format: "cjs", target: NODE, banner: { js: DEFINITIONS }, define: { "import.meta.url": "importMetaUrl" },
    logLevel: "error", ...options });
}

/** Rewrites an installed package: the form for `require`, and the program of the worker. */
export async function lowerPackage(directory: string): Promise<void> {
  const external = ["sharp", "ioredis", "bullmq", "echarts"];
  await lower(join(directory, "dist/cjs/bundle.js"), { external });
  await lower(join(directory, "dist/worker/main.js"), { external });
  writeFileSync(join(directory, "dist/worker/package.json"), '{ "type": "commonjs" }\n');
}

/** Rewrites the example's built application, and its manifest. */
export async function lowerApplication(directory: string): Promise<void> {
  const file = (name: string): string => join(directory, "build", name);
  await lower(file("main.js"), { external: ["electron", "reviewkd", "zod"] });
  renameSync(file("main.js"), file("main.cjs"));
  await lower(file("preload.cjs"), { external: ["electron"], banner: {} });
  await lower(file("renderer.js"), { platform: "browser", format: "iife", target: CHROMIUM, banner: {}, define: {} });
  await lower(file("styles.css"), { target: CHROMIUM, banner: {}, define: {} });
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as object;
  writeFileSync(join(directory, "package.json"), JSON.stringify({ ...manifest, main: "build/main.cjs" }));
}
