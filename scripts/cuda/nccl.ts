// NCCL's header, which libtorch's ProcessGroupNCCL.hpp includes: the sizes of c10d's structures depend on its version.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { platformName } from "../../lib/install/cache.js";
import type { LibTorch } from "../../lib/install/libtorch-directory.js";
import type { InstallContext } from "../../lib/install/pip.js";
import { ncclPinsOf } from "../check/libtorch-versions/pins.js";
import { ensureEntry } from "./toolkit.js";

const HEADER = "nvidia/nccl/include/nccl.h";

/**
 * A directory with nccl.h of the NCCL that a libtorch was built with: pip's next to it, or downloaded. Running requires
 * NCCL's library alone, which comes with libtorch's CUDA half.
 *
 * @throws BuildError USAGE for a version of libtorch without pins, ReviewKdError as `installWheels`.
 */
export async function ensureNcclHeader({ directory, version }: Pick<LibTorch, "directory" | "version">,
  context: InstallContext): Promise<string> {
  const { requirement, set, pythonVersion } = ncclPinsOf(version);
  const [, nccl = ""] = requirement.split("==");
  const installed = join(dirname(directory), HEADER);
  if (ncclVersionOf(installed) === nccl) return dirname(installed);
  const entry = await ensureEntry(context, `nccl-header/${nccl}-${platformName}`, [HEADER], {
    keep: /^nvidia\/nccl\/include\/nccl\.h$|\.dist-info\//,
  }, set, pythonVersion);
  return dirname(join(entry, HEADER));
}

/** The version of a header such as `2.30.7`; undefined if there is no header. */
function ncclVersionOf(header: string): string | undefined {
  if (!existsSync(header)) return undefined;
  const text = readFileSync(header, "utf8");
  return ["MAJOR", "MINOR", "PATCH"].map((part) => new RegExp(`#define NCCL_${part} (\\d+)`).exec(text)?.[1]).join(".");
}
