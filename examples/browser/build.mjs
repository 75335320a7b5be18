// Bundles the page into web/, which any web server can serve:  node build.mjs [DIRECTORY]
import { copyFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = import.meta.dirname;

/** The runtime's WebAssembly, for processors and for WebGPU: each with the script that starts it. */
const RUNTIMES = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"];

/**
 * @param {string} out
 * @param {string} [packages] the directory whose node_modules has onnxruntime-web
 */
export async function buildPage(out, packages = here) {
  await mkdir(join(out, "runtime"), { recursive: true });
  const { resolve } = createRequire(join(packages, "package.json"));
  await Promise.all([
    // The condition leaves the runtime's script outside of the bundle, since its threads load it too. tsconfig.json is
    // for the checkout's own checks.
    build({ entryPoints: [join(here, "src", "main.ts")], outdir: out, bundle: true, splitting: true, format: "esm",
      target: "es2022", minify: true, charset: "utf8", legalComments: "linked", logLevel: "warning",
      conditions: ["onnxruntime-web-use-extern-wasm"], nodePaths: [join(packages, "node_modules")], tsconfigRaw: {} }),
    ...["index.html", "styles.css"].map((name) => copyFile(join(here, "src", name), join(out, name))),
    ...RUNTIMES.flatMap((name) => [`${name}.mjs`, `${name}.wasm`]).map((name) =>
      copyFile(resolve(`onnxruntime-web/${name}`), join(out, "runtime", name))
    ),
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPage(process.argv[2] ?? join(here, "web"));
