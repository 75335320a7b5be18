import { z } from "zod";

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
export type InstallationAttempt = z.infer<typeof InstallationAttempt>;

/** The search for this package's addon, and the problems found. */
export const InstallationReport = z.strictObject({
  platform: z.string(),
  /** The C library with its version, null on platforms with only one. */
  libc: z.string().nullable(),
  /** The version of the NVIDIA driver, null if there is none. */
  nvidiaDriver: z.string().nullable(),
  attempts: z.array(InstallationAttempt),
  addonPath: z.string().nullable(),
  /** The fix if no addon could be loaded. */
  fix: z.string().nullable(),
});
export type InstallationReport = z.infer<typeof InstallationReport>;
