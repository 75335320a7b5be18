// Why the platform package is missing, and the one command that installs it. Each common cause has its own sentence.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isBundled, isCheckout, platformPackageName, PLATFORMS, projectOf, readManifest,
  reinstallCommand } from "./layout.js";
import { exists, whyUnreadable } from "./look.js";
import type { MachineInfo } from "./machine-info.js";

export interface Diagnosis {
  readonly reason: string;
  readonly fix: string;
}

export const LET_READ = "let this user read the files of the package, of libtorch and of their directories";

/** The diagnosis of a file that is there for others than this user. */
export function unreadable(path: string): Diagnosis {
  return { reason: `this user cannot read ${path} (${whyUnreadable(path) ?? "it can be read now"})`, fix: LET_READ };
}

/** Why the package with this machine's binaries cannot be found from the package at `root`. */
export function diagnoseMissing(root: string, machine: MachineInfo): Diagnosis {
  const name = platformPackageName(machine.platform);
  const version = readManifest(root)?.version ?? "latest";
  if (isCheckout(root)) return { reason: "not installed, since this is a checkout", fix: "npm run build" };
  const hidden = scopesOf(root).map((scope) => join(scope, machine.platform, "package.json")).find((path) =>
    whyUnreadable(path) !== undefined
  );
  if (hidden !== undefined) return unreadable(hidden);
  return bundled(root) ?? unsupported(machine) ?? otherPlatform(root, name, version, machine) ?? leftOut(root, name);
}

/** A bundler copied this code out of its package, without node_modules. */
function bundled(root: string): Diagnosis | undefined {
  if (!isBundled(root)) return undefined;
  const found = readManifest(root)?.name;
  return {
    reason: `this code runs outside of its package (${root} is ${found === undefined ? "no package" : `the package ${found}`}): a bundler copied it without the binaries`,
    fix:
      "keep reviewkd out of the bundle and install it alongside: `--external:reviewkd` for esbuild, `externals` for webpack, `ssr.external` for Vite; docs/bundlers.md has each",
  };
}

function unsupported(machine: MachineInfo): Diagnosis | undefined {
  if (!PLATFORMS.includes(machine.platform)) {
    return {
      reason: `invalid platform: expected ${PLATFORMS.join(", ")}, received ${machine.platform}`,
      fix:
        "use one of these platforms, or build a checkout against a libtorch of your own: `REVIEWKD_LIBTORCH=DIRECTORY npm run build`",
    };
  }
  if (machine.libc?.family !== "musl") return undefined;
  return {
    reason:
      "this system's C library is musl (Alpine Linux and the like), for which no libtorch is published, so npm left the package out",
    fix: "use a system with glibc, such as the image `node:22-bookworm-slim` in place of `node:22-alpine`",
  };
}

/** The folders of the platforms' packages: next to this package, and in the project's own node_modules. */
function scopesOf(root: string): string[] {
  const project = projectOf(root);
  return [dirname(root), ...(project === undefined ? [] : [join(project, "node_modules")])]
    .map((folder) => join(folder, "@reviewkd"));
}

/** node_modules or the lock file came from another machine. */
function otherPlatform(root: string, name: string, version: string, machine: MachineInfo): Diagnosis | undefined {
  const project = projectOf(root);
  const others = scopesOf(root).flatMap((scope) => (exists(scope) ? readdirSync(scope) : [])).filter((other) =>
    PLATFORMS.includes(other)
  );
  if (others.length > 0) {
    return {
      reason: `not installed, but ${[...new Set(others)].map(platformPackageName).join(" and ")} is: node_modules was installed on another platform and copied here`,
      fix: reinstallCommand(machine.platform, "node_modules"),
    };
  }
  const lock = project === undefined ? undefined : join(project, "package-lock.json");
  if (lock === undefined || !exists(lock)) return undefined;
  const packages = lockedPackages(lock);
  if (!packages.some((path) => path.endsWith("node_modules/reviewkd"))) return undefined;
  if (packages.some((path) => path.endsWith(`node_modules/${name}`))) return undefined;
  return {
    reason:
      `${lock} does not list it: the lock file was written on another platform, where npm recorded the packages of that platform only`,
    fix: `npm install --save-optional ${name}@${version}`,
  };
}

function lockedPackages(path: string): string[] {
  try {
    const lock = JSON.parse(readFileSync(path, "utf8")) as { packages?: Record<string, unknown> };
    return Object.keys(lock.packages ?? {});
  } catch {
    return [];
  }
}

/** Each package manager has its own options to omit optional dependencies, and its own command to install them. */
function leftOut(root: string, name: string): Diagnosis {
  const project = projectOf(root);
  const has = (file: string): boolean => project !== undefined && exists(join(project, file));
  if (root.includes("/.pnpm/") || root.includes("\\.pnpm\\") || has("node_modules/.modules.yaml")) {
    return {
      reason:
        `not in pnpm's layout next to ${root}: pnpm was set to omit optional dependencies (--no-optional), or to install for another `
        + "platform (supportedArchitectures in pnpm-workspace.yaml)",
      fix: "pnpm install --force",
    };
  }
  if (has("yarn.lock")) {
    return {
      reason:
        "not installed: yarn was set to omit optional dependencies (--ignore-optional), or to install for another platform",
      fix: "yarn install --force",
    };
  }
  return {
    reason:
      `not installed: npm was set to omit optional dependencies (--omit=optional, --no-optional, or omit in .npmrc), and ${name} is one`,
    fix: "npm install --include=optional",
  };
}
