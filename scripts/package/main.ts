// The package that users install: compiled TypeScript and its types, no binary, no install script.
import { copyFile, cp, mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { defaultPins } from "../../lib/install/pins.js";
import { buildTypeScript } from "../build/typescript.js";
import { BuildError } from "../support/errors.js";
import { readJson, writeJson } from "../support/files.js";

// Fields that a checkout needs and an installed package does not.
const OF_THE_CHECKOUT = ["scripts", "devDependencies", "allowScripts", "overrides", "config", "binary", "gypfile"];

/** All platforms that may have a package. */
export const defaultPlatforms = Object.keys(defaultPins.platforms);

/** Stages the main package of a checkout in `directory`, which is empty, for platforms that are published with it. */
export async function stageMainPackage(root: string, directory: string,
  platforms: readonly string[] = defaultPlatforms): Promise<void> {
  await buildTypeScript(root);
  await mkdir(directory, { recursive: true });
  // The compiler's own records start with a dot.
  await cp(join(root, "dist"), join(directory, "dist"), { recursive: true,
    filter: (path) => !/[/\\]\.[^/\\]*$/.test(path) });
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) await copyFile(join(root, name), join(directory, name));
  await writeJson(join(directory, "package.json"),
    publishedManifest(await readJson(join(root, "package.json")), platforms));
}

/**
 * The published manifest: the binaries of each platform are an optional dependency of exactly this version, of which
 * npm installs the matching one. Only these platforms are named, because an optional dependency that is on no registry
 * stops some package managers.
 */
export function publishedManifest(manifest: Record<string, unknown>, platforms: readonly string[] = defaultPlatforms) {
  const kept = Object.fromEntries(Object.entries(manifest).filter(([name]) => !OF_THE_CHECKOUT.includes(name)));
  return { ...kept, optionalDependencies: Object.fromEntries(
    platforms.map((platform) => [`@reviewkd/${platform}`, manifest["version"]]),
  ) };
}

/** The platforms whose tarballs are somewhere below a directory. @throws BuildError NOT_PACKED if there are none. */
export async function platformsBelow(directory: string): Promise<string[]> {
  const names = (await readdir(directory, { recursive: true }).catch(() => [])).map((path) => basename(path));
  const packed = names.map((name) => /^reviewkd-(.+?)-\d.*\.tgz$/.exec(name)?.[1]);
  const found = defaultPlatforms.filter((platform) => packed.includes(platform));
  if (found.length > 0) return found;
  throw new BuildError("NOT_PACKED",
    `invalid directory: expected tarballs of platform packages below ${directory}, received ${names.join(", ") || "none"}. Run \`npm run package -- --platform\`.`);
}
