import { platformName } from "../../lib/install/cache.js";

/**
 * The manifest of the package `@reviewkd/PLATFORM` plus `suffix`, which holds binaries. `npm publish --provenance`
 * refuses a package without `repository`, which each package has from the checkout's manifest.
 */
export function binaryManifest(suffix: string,
  { version, homepage, bugs, repository, engines }: Record<string, unknown>,
  texts: { description: string; license: string }, requirements: object) {
  return {
    name: `@reviewkd/${platformName}${suffix}`,
    ...{ version, homepage, bugs, repository, engines },
    ...texts,
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === "linux" && { libc: ["glibc"] }),
    preferUnplugged: true,
    reviewkd: requirements,
  };
}
