import { z } from "zod";
import { PositiveCount } from "./common.js";

/** Places that are searched for an addon and its libtorch, in this order. */
export const InstallationPlace = z.enum(["REVIEWKD_LIBTORCH", "cuda-libtorch", "platform-package", "checkout"]);
export type InstallationPlace = z.infer<typeof InstallationPlace>;

/** The outcome of one place. `reason` is null for the place that the addon was loaded from. */
export const InstallationAttempt = z.strictObject({
  place: InstallationPlace,
  path: z.string().nullable(),
  outcome: z.enum(["loaded", "failed", "absent", "not-needed"]),
  reason: z.string().nullable(),
  /** One command, or one sentence, that fixes the problem; null if there is none. */
  fix: z.string().nullable(),
});
export interface InstallationAttempt extends z.infer<typeof InstallationAttempt> {}

/** Something that keeps an installation from all that it can do, though its addon may load. */
export const InstallationFinding = z.strictObject({
  /** `cache`: what is kept between two starts; `trial`: the addon's first start, in a process of its own. */
  about: z.enum(["cache", "trial"]),
  reason: z.string(),
  fix: z.string().nullable(),
});
export interface InstallationFinding extends z.infer<typeof InstallationFinding> {}

/** The search for this package's addon, and the problems found. */
export const InstallationReport = z.strictObject({
  platform: z.string(),
  /** The C library with its version, null on platforms with only one. */
  libc: z.string().nullable(),
  /** The version of the NVIDIA driver, null if there is none. */
  nvidiaDriver: z.string().nullable(),
  attempts: z.array(InstallationAttempt),
  findings: z.array(InstallationFinding),
  addonPath: z.string().nullable(),
  /** The fix if no addon could be loaded. */
  fix: z.string().nullable(),
});
export interface InstallationReport extends z.infer<typeof InstallationReport> {}

/** The plugin with kernels for CUDA devices. Without it, CUDA uses PyTorch's operations. */
export const CudaPlugin = z.strictObject({
  loaded: z.boolean(),
  path: z.string().nullable(),
  /** The devices that it was built for. */
  builtFor: z.string().nullable(),
  /** Why it is not loaded, and how to fix that. */
  reason: z.string().nullable(),
  fix: z.string().nullable(),
});
export interface CudaPlugin extends z.infer<typeof CudaPlugin> {}

/** The addon and the machine, as reported by `doctor`. */
export const SystemInfo = z.strictObject({
  version: z.string(),
  node: z.string(),
  platform: z.string(),
  addonPath: z.string(),
  /** Backends of libtorch's c10d by which processes train together: "gloo" on the CPU, "nccl" on CUDA. */
  processGroupBackends: z.array(z.string()),
  libtorch: z.strictObject({ version: z.string(), path: z.string(), cudaBuild: z.boolean() }),
  cuda: z.strictObject({ available: z.boolean(), devices: z.array(z.string()), reason: z.string().nullable(),
    plugin: CudaPlugin.nullable() }),
  /** Threads of one operation, unless the option `threads` gives another number. */
  threads: PositiveCount,
  /**
   * The reason for it: the cores of the machine, the processors that the system runs this process on, the processor
   * time that a container or job is given, or a variable of the environment.
   */
  threadsFrom: z.enum(["cores", "affinity", "quota", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]),
  /** Processors that this process may use, by affinity and quota. */
  processors: PositiveCount,
  cpu: z.strictObject({ model: z.string(), cores: PositiveCount, instructionSets: z.array(z.string()),
    capability: z.string() }),
});
export interface SystemInfo extends z.infer<typeof SystemInfo> {}
