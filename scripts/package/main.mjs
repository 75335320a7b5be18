// The package that people install: compiled TypeScript and its types, no binary, no install script.
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { defaultPins } from "../../lib/install/pins.js";
import { buildTypeScript } from "../build/typescript.js";
import { BuildError } from "../support/errors.js";

// What a checkout needs and an installed package does not.
const OF_THE_CHECKOUT = ["scripts", "devDependencies", "allowScripts", "overrides", "config", "binary", "gypfile"];

/** All that there may be packages for. */
export const defaultPlatforms = Object.keys(defaultPins.platforms);

/**
 * Lays out the main package in `directory`, which is empty.
 *
 * @param {string} root of the checkout
 * @param {string} directory
 * @param {readonly string[]} [platforms] those whose packages are published with it
 */
export async function stageMainPackage(root, directory, platforms = defaultPlatforms) {
  await buildTypeScript(root);
  await mkdir(directory, { recursive: true });
  // The compiler's own records begin with a dot.
  await cp(join(root, "dist"), join(directory, "dist"), { recursive: true, filter: (path) => !/[/\\]\.[^/\\]*$/.test(path) });
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) await copyFile(join(root, name), join(directory, name));
  await writeFile(join(directory, "package.json"), `${JSON.stringify(publishedManifest(JSON.parse(await readFile(join(root, "package.json"), "utf8")), platforms), undefined, 2)}\n`);
}

/**
 * The manifest as it is published: with the binaries of each platform as an optional dependency of exactly this version, of which npm installs
 * the one that fits.
 *
 * @param {Record<string, unknown>} manifest of the checkout
 * @param {readonly string[]} [platforms] an optional dependency that is on no registry stops some package managers, so no other one is named
 */
export function publishedManifest(manifest, platforms = defaultPlatforms) {
  const kept = Object.fromEntries(Object.entries(manifest).filter(([name]) => !OF_THE_CHECKOUT.includes(name)));
  return { ...kept, optionalDependencies: Object.fromEntries(platforms.map((platform) => [`@reviewkd/${platform}`, manifest["version"]])) };
}

/**
 * The platforms whose tarballs lie somewhere below a directory.
 *
 * @param {string} directory
 * @returns {Promise<string[]>}
 * @throws {BuildError} NOT_PACKED where there is none
 */
export async function platformsBelow(directory) {
  const names = (await readdir(directory, { recursive: true }).catch(() => [])).map((path) => basename(path));
  const found = defaultPlatforms.filter((platform) => names.some((name) => name.startsWith(`reviewkd-${platform}-`) && /^\d.*\.tgz$/.test(name.slice(`reviewkd-${platform}-`.length))));
  if (found.length > 0) return found;
  throw new BuildError("NOT_PACKED", `expected tarballs of platform packages below ${directory}, got ${names.join(", ") || "nothing"}; \`npm run package -- --platform\` makes one`);
}
