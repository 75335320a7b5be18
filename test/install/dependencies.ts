// The dependencies of the published package, from the checkout's own node_modules: the registry on loopback needs no
// upstream registry.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { runNpm } from "./registry.js";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const readManifest = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;

/** The directory where Node resolves a package imported from `from`, in npm's layout. */
function locate(name: string, from: string, root: string): string | undefined {
  for (let directory = from;; directory = dirname(directory)) {
    const candidate = join(directory, "node_modules", name);
    if (existsSync(candidate)) return candidate;
    if (directory === root) return undefined;
  }
}

/** The directories of a checkout's run-time dependencies, direct and indirect. */
export function runTimeDependencies(root: string): string[] {
  const directories = new Set<string>();
  const waiting = [root];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const { dependencies = {}, optionalDependencies = {} } = readManifest(directory);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const place = locate(name, directory, root);
      if (place === undefined && name in optionalDependencies) continue;
      if (place === undefined)
        throw new Error(`missing dependency of ${directory} in the checkout's node_modules: ${name}. Run \`npm ci\`.`);
      if (directories.has(place)) continue;
      directories.add(place);
      waiting.push(place);
    }
  }
  return [...directories].sort();
}

/** Packs installed packages unchanged; their scripts do not run. */
export async function packInstalled(directories: readonly string[], out: string): Promise<string[]> {
  mkdirSync(out, { recursive: true });
  const answer = JSON.parse(
    await runNpm(["pack", "--json", "--ignore-scripts", "--pack-destination", out, ...directories], out),
  ) as object;
  return (Object.values(answer) as { readonly filename: string }[]).map(({ filename }) => join(out, filename));
}
