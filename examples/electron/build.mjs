// Bundles the three parts of the application into build/:  node build.mjs [DIRECTORY]
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));

/** @param {string} out */
export async function buildApplication(out) {
  const source = join(here, "src");
  await mkdir(out, { recursive: true });
  /** @type {import("esbuild").BuildOptions} */
  const shared = { bundle: true, charset: "utf8", legalComments: "linked", logLevel: "warning" };
  await Promise.all([
    // reviewkd stays external: its trainer is a separate program, and its addon is in a separate package.
    build({ ...shared, entryPoints: [join(source, "main.ts")], outfile: join(out, "main.js"), platform: "node",
      format: "esm", target: "node22", external: ["electron", "reviewkd", "zod"] }),
    // A sandboxed preload script is one CommonJS file.
    build({ ...shared, entryPoints: [join(source, "preload.ts")], outfile: join(out, "preload.cjs"), platform: "node",
      format: "cjs", target: "node22", external: ["electron"] }),
    build({ ...shared, entryPoints: [join(source, "renderer", "index.ts")], outfile: join(out, "renderer.js"),
      platform: "browser", format: "iife", target: "chrome140", minify: true }),
    ...["index.html", "styles.css"].map((name) => copyFile(join(source, "renderer", name), join(out, name))),
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildApplication(process.argv[2] ?? join(here, "build"));
