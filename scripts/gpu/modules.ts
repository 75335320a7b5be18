// The modules that run the package, its test suites and its build on a GPU machine.

/** an entry of package-lock.json */
export type LockedPackage = { dependencies?: Record<string, string> };

const DEVELOPMENT = ["chai", "mocha", "node-addon-api", "node-api-headers", "tsx"];
/** Optional dependencies that are required on the GPU machine. */
const BINARIES = ["node_modules/@esbuild/linux-x64"];

/** Patterns of `tar --exclude`: nothing of these is read at run time. */
export const EXCLUDED = ["*.map", "*.d.ts", "*.d.cts", "*.d.mts", ".built", "node-api-headers/def", "zod/src"];

/**
 * The directories, such as `node_modules/zod`, of the modules and of all their dependencies, without optional and peer
 * dependencies. `packages` are those of package-lock.json, with the project itself under the empty name.
 */
export function selectModules(packages: Record<string, LockedPackage>,
  names: readonly string[] = [...Object.keys(packages[""]?.dependencies ?? {}), ...DEVELOPMENT]): string[] {
  const selected = new Set<string>();
  const pending = names.map((name) => ({ name, from: "" }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const path = resolve(packages, next.name, next.from);
    if (path === undefined || selected.has(path)) continue;
    selected.add(path);
    pending.push(...Object.keys(packages[path]?.dependencies ?? {}).map((name) => ({ name, from: path })));
  }
  for (const path of BINARIES) if (packages[path] !== undefined) selected.add(path);
  return [...selected].sort();
}

/** Node's resolution: the nearest node_modules, from the dependent up to the root. */
function resolve(packages: Record<string, LockedPackage>, name: string, from: string): string | undefined {
  for (let directory = from;; directory = directory.slice(0, Math.max(0, directory.lastIndexOf("/node_modules/")))) {
    const path = `${directory === "" ? "" : `${directory}/`}node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (directory === "") return undefined;
  }
}
