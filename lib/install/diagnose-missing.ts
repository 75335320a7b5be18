// Why the platform package is missing, and the one command that installs it. Each common cause has its own sentence.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isCheckout, platformPackageName, PLATFORMS, projectOf, readManifest, reinstallCommand } from "./layout.js";
import type { MachineInfo } from "./machine-info.js";

export interface Diagnosis {
  readonly reason: string;
  readonly fix: string;
}

/** Why the package with this machine's binaries cannot be found from the package at `root`. */
export function diagnoseMissing(root: string, machine: MachineInfo): Diagnosis {
  const name = platformPackageName(machine.platform);
  const version = readManifest(root)?.version ?? "latest";
  if (isCheckout(root)) return { reason: "not installed, since this is a checkout", fix: "npm run build" };
  return bundled(root) ?? unsupported(machine) ?? otherPlatform(root, name, version, machine) ?? leftOut(root, name);
}

/** A bundler copied this code out of its package, without node_modules. */
function bundled(root: string): Diagnosis | undefined {
  const found = readManifest(root)?.name;
  if (found === "reviewkd") return undefined;
  return {
    reason: `this code runs outside of its package (${root} is ${found === undefined ? "no package" : `the package ${found}`}): a bundler copied it without the binaries`,
    fix:
      "keep reviewkd out of the bundle and install it alongside: `--external:reviewkd` for esbuild, `externals` for webpack, `build.rollupOptions.external` for Vite",
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

/** node_modules or the lock file came from another machine. */
function otherPlatform(root: string, name: string, version: string, machine: MachineInfo): Diagnosis | undefined {
  const project = projectOf(root);
  // Next to this package, and in the project's own node_modules.
  const scopes = [dirname(root), ...(project === undefined ? [] : [join(project, "node_modules")])]
    .map((folder) => join(folder, "@reviewkd"));
  const others = scopes.flatMap((scope) => (existsSync(scope) ? readdirSync(scope) : [])).filter((other) =>
    PLATFORMS.includes(other)
  );
  if (others.length > 0) {
    return {
      reason: `not installed, but ${[...new Set(others)].map(platformPackageName).join(" and ")} is: node_modules was installed on another platform and copied here`,
      fix: reinstallCommand(machine.platform, "node_modules"),
    };
  }
  const lock = project === undefined ? undefined : join(project, "package-lock.json");
  if (lock === undefined || !existsSync(lock)) return undefined;
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
  const has = (file: string): boolean => project !== undefined && existsSync(join(project, file));
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
