// The package that people install: compiled TypeScript and its types, no binary, no install script.
import { copyFile, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultPins } from "../libtorch/locate.mjs";
import { buildTypeScript } from "../build/typescript.mjs";

// What a checkout needs and an installed package does not.
const OF_THE_CHECKOUT = ["scripts", "devDependencies", "allowScripts", "overrides", "config", "binary", "gypfile"];

/**
 * Lays out the main package in `directory`, which is empty.
 *
 * @param {string} root of the checkout
 * @param {string} directory
 */
export async function stageMainPackage(root, directory) {
  await buildTypeScript(root);
  await mkdir(directory, { recursive: true });
  // The compiler's own records begin with a dot.
  await cp(join(root, "dist"), join(directory, "dist"), { recursive: true, filter: (path) => !/[/\\]\.[^/\\]*$/.test(path) });
  // What `reviewkd libtorch install` runs.
  for (const name of ["libtorch.mjs", "libtorch", "support"]) await cp(join(root, "scripts", name), join(directory, "scripts", name), { recursive: true });
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) await copyFile(join(root, name), join(directory, name));
  await writeFile(join(directory, "package.json"), `${JSON.stringify(publishedManifest(JSON.parse(await readFile(join(root, "package.json"), "utf8"))), undefined, 2)}\n`);
}

/**
 * The manifest as it is published: with the binaries of each platform as an optional dependency of exactly this version, of which npm installs
 * the one that fits.
 *
 * @param {Record<string, unknown>} manifest of the checkout
 */
export function publishedManifest(manifest) {
  const kept = Object.fromEntries(Object.entries(manifest).filter(([name]) => !OF_THE_CHECKOUT.includes(name)));
  const platforms = Object.keys(defaultPins.platforms).map((platform) => [`@reviewkd/${platform}`, manifest["version"]]);
  return { ...kept, optionalDependencies: Object.fromEntries(platforms) };
}
