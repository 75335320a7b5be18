// What the published package depends on, taken from the checkout's own node_modules: the registry on loopback needs no other one behind it.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { runNpm } from "./registry.js";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const readManifest = (directory: string): Manifest => JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;

/** Where Node finds a package for one that lies in `from`, in the layout that npm makes. */
function locate(name: string, from: string, root: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const candidate = join(directory, "node_modules", name);
    if (existsSync(candidate)) return candidate;
    if (directory === root) return undefined;
  }
}

/** Directories of all that a checkout's package needs at run time, and of what these need. */
export function runTimeDependencies(root: string): string[] {
  const found = new Set<string>();
  const waiting = [root];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const { dependencies = {}, optionalDependencies = {} } = readManifest(directory);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const place = locate(name, directory, root);
      if (place === undefined && name in optionalDependencies) continue;
      if (place === undefined) throw new Error(`expected ${name}, which ${directory} depends on, in the checkout's node_modules, got none; run \`npm ci\``);
      if (found.has(place)) continue;
      found.add(place);
      waiting.push(place);
    }
  }
  return [...found].sort();
}

/** Packs installed packages as they lie there; their scripts do not run. */
export async function packInstalled(directories: readonly string[], out: string): Promise<string[]> {
  mkdirSync(out, { recursive: true });
  const answer = JSON.parse(await runNpm(["pack", "--json", "--ignore-scripts", "--pack-destination", out, ...directories], out)) as object;
  return (Object.values(answer) as { readonly filename: string }[]).map(({ filename }) => join(out, filename));
}
