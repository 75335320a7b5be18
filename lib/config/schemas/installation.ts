import { z } from "zod";

/** Where an addon and its libtorch are looked for, in this order. */
export const InstallationPlace = z.enum(["REVIEWKD_LIBTORCH", "cuda-libtorch", "platform-package", "checkout"]);
export type InstallationPlace = z.infer<typeof InstallationPlace>;

/** What came of one place. `reason` is null where it was loaded from. */
export const InstallationAttempt = z.strictObject({
  place: InstallationPlace,
  path: z.string().nullable(),
  outcome: z.enum(["loaded", "failed", "absent", "not-needed"]),
  reason: z.string().nullable(),
  /** One command, or one sentence, that mends it; null where there is nothing to mend. */
  fix: z.string().nullable(),
});
export type InstallationAttempt = z.infer<typeof InstallationAttempt>;

/** What was found of this package's native half, and what is wrong with it. */
export const InstallationReport = z.strictObject({
  platform: z.string(),
  /** The C library with its version, null where there is but one. */
  libc: z.string().nullable(),
  /** The version of the driver, null where there is none. */
  nvidiaDriver: z.string().nullable(),
  attempts: z.array(InstallationAttempt),
  addonPath: z.string().nullable(),
  /** What mends it where nothing could be loaded. */
  fix: z.string().nullable(),
});
export type InstallationReport = z.infer<typeof InstallationReport>;
