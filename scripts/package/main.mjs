// The package that users install: compiled TypeScript and its types, no binary, no install script.
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { defaultPins } from "../../lib/install/pins.js";
import { buildTypeScript } from "../build/typescript.js";
import { BuildError } from "../support/errors.js";

// Fields that a checkout needs and an installed package does not.
const OF_THE_CHECKOUT = ["scripts", "devDependencies", "allowScripts", "overrides", "config", "binary", "gypfile"];

/** All platforms that may have a package. */
export const defaultPlatforms = Object.keys(defaultPins.platforms);

/**
 * Stages the main package in `directory`, which is empty.
 *
 * @param {string} root of the checkout
 * @param {string} directory
 * @param {readonly string[]} [platforms] those whose packages are published with it
 */
export async function stageMainPackage(root, directory, platforms = defaultPlatforms) {
  await buildTypeScript(root);
  await mkdir(directory, { recursive: true });
  // The compiler's own records start with a dot.
  await cp(join(root, "dist"), join(directory, "dist"), { recursive: true,
    filter: (path) => !/[/\\]\.[^/\\]*$/.test(path) });
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) await copyFile(join(root, name), join(directory, name));
  await writeFile(join(directory, "package.json"),
    `${
      JSON.stringify(publishedManifest(JSON.parse(await readFile(join(root, "package.json"), "utf8")), platforms),
        undefined, 2)
    }\n`);
}

/**
 * The published manifest: the binaries of each platform are an optional dependency of exactly this version, of which
 * npm installs the matching one.
 *
 * @param {Record<string, unknown>} manifest of the checkout
 * @param {readonly string[]} [platforms] the only ones named, because an optional dependency that is on no registry
 * stops some package managers
 */
export function publishedManifest(manifest, platforms = defaultPlatforms) {
  const kept = Object.fromEntries(Object.entries(manifest).filter(([name]) => !OF_THE_CHECKOUT.includes(name)));
  return { ...kept, optionalDependencies: Object.fromEntries(
    platforms.map((platform) => [`@reviewkd/${platform}`, manifest["version"]]),
  ) };
}

/**
 * The platforms whose tarballs are somewhere below a directory.
 *
 * @param {string} directory
 * @returns {Promise<string[]>}
 * @throws {BuildError} NOT_PACKED if there are none
 */
export async function platformsBelow(directory) {
  const names = (await readdir(directory, { recursive: true }).catch(() => [])).map((path) => basename(path));
  const found = defaultPlatforms.filter((platform) =>
    names.some((name) =>
      name.startsWith(`reviewkd-${platform}-`) && /^\d.*\.tgz$/.test(name.slice(`reviewkd-${platform}-`.length))
    )
  );
  if (found.length > 0) return found;
  throw new BuildError("NOT_PACKED",
    `invalid directory: expected tarballs of platform packages below ${directory}, received ${names.join(", ") || "none"}. Run \`npm run package -- --platform\`.`);
}
