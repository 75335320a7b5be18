// The program that runs this code: whether it can be started again as a Node that runs another program, and where this
// module's file is.
import * as nodeModule from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Set in each process that this package starts to run a program of its own, as Node. Where that program started the
 * application again instead, the application finds the mark, and starts no other.
 */
export const CHILD_MARK = "REVIEWKD_CHILD";

/** The purpose that this package started this process for; undefined: it did not. */
export function childMark(env: NodeJS.ProcessEnv = process.env): string | undefined {
  // @env REVIEWKD_CHILD users: Set by the package in the processes that it starts, which start no others. Not to be set
  // by hand. Default: not set.
  return env["REVIEWKD_CHILD"] || undefined;
}

/** The runtime that runs this code in Node's place. */
export function otherRuntime(): string | undefined {
  const { deno, bun } = process.versions as Readonly<Record<string, string | undefined>>;
  if (deno !== undefined) return "Deno";
  return bun === undefined ? undefined : "Bun";
}

/** How a program was packed into one file with its Node; each such program starts itself, whatever its arguments. */
function packedWith(): string | undefined {
  const { pkg, __nexe: nexe } = process as { readonly pkg?: unknown; readonly __nexe?: unknown };
  if (pkg !== undefined) return "an application packed with pkg";
  if (nexe !== undefined) return "an application packed with nexe";
  return isSingleExecutable() ? "a single executable application" : undefined;
}

function isSingleExecutable(): boolean {
  try {
    // From Node 20.12 on; `require`, because an import of a module that an older Node lacks could not be caught.
    return (requireIn(dirname(process.execPath))("node:sea") as { isSea(): boolean }).isSea();
  } catch {
    return false;
  }
}

/** Node's `require` of a directory: webpack takes a call of `createRequire` for one of its own, and replaces it. */
export function requireIn(directory: string): NodeJS.Require {
  const createRequire: typeof nodeModule.createRequire = Reflect.get(nodeModule, "createRequire");
  return createRequire(join(directory, "package.json"));
}

/**
 * Why `process.execPath` cannot be started as a Node that runs another program; undefined if it can. What is neither
 * known nor named as Node is may be the application itself.
 */
export function whyNotNode(): string | undefined {
  const packed = otherRuntime() ?? packedWith();
  if (packed !== undefined) return packed;
  const isNamedAsNode = /^node(?:js)?[-.\dv]*(?:\.exe)?$/i.test(basename(process.execPath));
  return isNamedAsNode || process.versions["electron"] !== undefined ? undefined : `a program that is not named "node"`;
}

/** The file of this module, or of the bundle that contains it; undefined where a bundler kept neither's path. */
export function moduleFile(): string | undefined {
  // A bundler that writes CommonJS leaves no URL; there, the module's own function has the path.
  const { url } = import.meta as { readonly url?: string };
  if (url?.startsWith("file:") === true) return fileURLToPath(url);
  return typeof __filename === "string" ? __filename : undefined;
}
